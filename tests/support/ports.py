"""Sockets for servers inside tests."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def bound_socket() -> Iterator[socket.socket]:
    """A socket that listens on a free port of the loopback.

    Who connects before the server on it accepts is kept waiting, not turned away.
    """
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener
