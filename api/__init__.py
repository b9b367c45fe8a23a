"""The HTTP interface: append events, alert feed, residents, statistics."""
