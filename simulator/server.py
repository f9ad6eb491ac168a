"""Runs the simulator."""

from __future__ import annotations

import signal
import threading

import uvicorn

from simulator.app import create_app

_STOPS = (signal.SIGINT, signal.SIGTERM)
_GRACE_SECONDS = 2
# Longer than clients keep idle connections, so that they, not we, are the ones who close them.
_KEEP_ALIVE_SECONDS = 75


def serve(host: str, port: int) -> None:
    """Run the simulator until SIGINT or SIGTERM, then return; what is under way gets two seconds to end.

    Raises:
        SystemExit: the address cannot be bound; the reason was logged.
    """
    server = uvicorn.Server(
        uvicorn.Config(
            create_app(),
            host=host,
            port=port,
            log_level="warning",
            access_log=False,
            server_header=False,
            lifespan="off",
            timeout_keep_alive=_KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=_GRACE_SECONDS,
        )
    )

    def stop(*_: object) -> None:
        server.should_exit = True

    if threading.current_thread() is not threading.main_thread():
        server.run()
        return
    # uvicorn raises the signal again once it has stopped; this handler makes that harmless.
    former = [(number, signal.signal(number, stop)) for number in _STOPS]
    try:
        server.run()
    finally:
        for number, handler in former:
            signal.signal(number, handler)
