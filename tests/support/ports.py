"""Sockets for servers inside tests."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def bound_socket() -> Iterator[socket.socket]:
    """Listen on a free port of the loopback.

    Connections that arrive before a server accepts them wait in the queue; they are not refused.
    """
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener
