"""The vocabulary: the event envelope, one module per context of events, code systems, upcasters."""
