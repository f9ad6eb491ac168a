"""The simulated court inside the tests' own process."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import uvicorn

from simulator.app import create_app
from simulator.server import Server
from tests.support.ports import bound_socket


class SimulatedCourt:
    """A running simulator, and the operator's way in."""

    def __init__(self, origin: str) -> None:
        self.origin = origin
        self._control = httpx.AsyncClient(base_url=f"{origin}/_simulator", trust_env=False)

    async def token(self, **details: object) -> str:
        """A new token; the ones before it end."""
        return str((await self._order("POST", "/token", **details))["token"])

    async def prepare(self, number: str, **shape: object) -> list[str]:
        """Make the court have a process; gives the ids of its documents in filing order."""
        ids: list[str] = (await self._order("PUT", f"/processes/{number}", **shape))["document_ids"]
        return ids

    async def fault(self, kind: str, **details: object) -> None:
        """Make the court fail."""
        await self._order("POST", "/faults", kind=kind, **details)

    async def latency(self, seconds: float) -> None:
        """Make every answer late."""
        await self._order("PUT", "/latency", seconds=seconds)

    async def stats(self) -> dict[str, Any]:
        """What the court has counted."""
        counted: dict[str, Any] = (await self._control.get("/stats")).json()
        return counted

    async def calm(self) -> None:
        """End all faults and latency, and count from zero."""
        await self._control.delete("/faults")
        await self._control.delete("/stats")
        await self.latency(0)

    async def close(self) -> None:
        """Close the operator's connections."""
        await self._control.aclose()

    async def _order(self, method: str, path: str, **body: object) -> dict[str, Any]:
        answer = await self._control.request(method, path, json=body)
        answer.raise_for_status()
        ordered: dict[str, Any] = answer.json()
        return ordered


@contextmanager
def running_simulator() -> Iterator[str]:
    """The address of a simulator of its own, for as long as the block lasts."""
    with bound_socket() as listener:
        config = uvicorn.Config(create_app(), log_level="error", access_log=False, lifespan="off", ws="none")
        server = Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()
