"""The tests' own stack (see `infra.stack.scratch`)."""

from infra.stack.scratch import ROOT, Stack, free_port, wait_until

__all__ = ["ROOT", "Stack", "free_port", "wait_until"]
