"""The simulator's HTTP server."""

from __future__ import annotations

import asyncio
import signal
import socket
import threading

import uvicorn

from simulator.app import create_app

_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)
# Longer than clients keep idle connections, so that the client closes them, not the server.
_KEEP_ALIVE_SECONDS = 75


class Server(uvicorn.Server):
    """Server that stops without waiting for responses in flight: a configured delay may last an hour."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Abort every connection, then stop."""
        for connection in list(self.server_state.connections):
            connection.transport.abort()
        while self.server_state.connections:  # noqa: ASYNC110 - no event signals it.
            await asyncio.sleep(0)
        for task in list(self.server_state.tasks):
            task.cancel()
        await super().shutdown(sockets)


def serve(host: str, port: int) -> None:
    """Run the simulator until SIGINT or SIGTERM, then return at once, aborting responses in flight.

    Raises:
        SystemExit: the address cannot be bound. The reason has been logged.
    """
    server = Server(
        uvicorn.Config(
            create_app(),
            host=host,
            port=port,
            log_level="warning",
            access_log=False,
            server_header=False,
            lifespan="off",
            timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        )
    )

    def stop(*_: object) -> None:
        server.should_exit = True

    if threading.current_thread() is not threading.main_thread():
        server.run()
        return
    # uvicorn raises the signal again after it has stopped. This handler makes that harmless.
    previous = [(number, signal.signal(number, stop)) for number in _STOP_SIGNALS]
    try:
        server.run()
    finally:
        for number, handler in previous:
            signal.signal(number, handler)
