"""Addresses on which a part listens."""

import socket


def bound(host: str, port: int) -> socket.socket:
    """A socket of our own address, not yet listening: who connects before we serve is refused, not kept waiting.

    Raises ``OSError`` (in use, not ours) or ``OverflowError`` (no such port).
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)  # asyncio sets TCP_NODELAY only for this
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except (OSError, OverflowError):
        listener.close()
        raise
    return listener
