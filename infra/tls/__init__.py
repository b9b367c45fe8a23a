"""TLS for devices: a certificate authority of this home's own, and what it issues."""
