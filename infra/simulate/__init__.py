"""Runs a simulated district: to a file, live against a running Mailiu, and scored against its hidden truth."""
