"""An ASGI application served by a thread of the tests' own process."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn

from tests.support.ports import bound_socket


@contextmanager
def serving_in_thread(
    app: Any, *, server_class: type[uvicorn.Server] = uvicorn.Server, **options: Any
) -> Iterator[str]:
    """Serve an application on a free port of the loopback for as long as the block lasts.

    Args:
        app: the ASGI application.
        server_class: the server, where the application needs a special one.
        options: further arguments of `uvicorn.Config`.

    Yields:
        The server's origin, for example ``http://127.0.0.1:40123``.
    """
    with bound_socket() as listener:
        config = uvicorn.Config(app, **{"log_level": "error", "access_log": False, **options})
        server = server_class(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()
