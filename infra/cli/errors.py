"""How a command says that it cannot do what was asked."""


class Refusal(Exception):
    """One clear line for the user; the command ends with exit code 1."""
