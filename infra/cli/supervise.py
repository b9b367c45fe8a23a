"""Hidden command: the supervisor in the foreground."""


def supervise() -> None:
    """Run the supervisor of this home in the foreground (`mailiu up` starts it in the background)."""
    from infra.stack import supervisor

    supervisor.supervise()
