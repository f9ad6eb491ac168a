"""Runs the simulator."""

from __future__ import annotations

import asyncio
import signal
import socket
import threading

import uvicorn

from simulator.app import create_app

_STOPS = (signal.SIGINT, signal.SIGTERM)
# Longer than clients keep idle connections, so that they, not we, are the ones who close them.
_KEEP_ALIVE_SECONDS = 75


class Server(uvicorn.Server):
    """Waits for nobody when it stops: somebody may have ordered a stall of an hour."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Cut off every answer under way, then stop."""
        for connection in list(self.server_state.connections):
            connection.transport.abort()
        while self.server_state.connections:  # noqa: ASYNC110 - no event tells.
            await asyncio.sleep(0)
        for task in list(self.server_state.tasks):
            task.cancel()
        await super().shutdown(sockets)


def serve(host: str, port: int) -> None:
    """Run the simulator until SIGINT or SIGTERM, then return at once: answers under way are cut off.

    Raises:
        SystemExit: the address cannot be bound; the reason was logged.
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
    # uvicorn raises the signal again once it has stopped; this handler makes that harmless.
    former = [(number, signal.signal(number, stop)) for number in _STOPS]
    try:
        server.run()
    finally:
        for number, handler in former:
            signal.signal(number, handler)
