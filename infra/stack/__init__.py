"""The local stack: which parts there are, how each is started, and the supervisor that keeps them running."""
