"""The simulated court inside the tests' own process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx2

from simulator.app import create_app
from simulator.server import Server
from tests.support.threaded_server import serving_in_thread


class SimulatedCourt:
    """A client of a running simulator's control API."""

    def __init__(self, origin: str) -> None:
        self.origin = origin
        self._control = httpx2.AsyncClient(base_url=f"{origin}/_simulator", timeout=60, trust_env=False)

    async def create_token(self, **details: object) -> str:
        """Create a token. The tokens before it become invalid."""
        return str((await self._send("POST", "/token", **details))["token"])

    async def create_process(self, number: str, **shape: object) -> list[str]:
        """Create or replace a process, and return the ids of its documents in filing order."""
        ids: list[str] = (await self._send("PUT", f"/processes/{number}", **shape))["document_ids"]
        return ids

    async def order(self, number: str, kind: str, **details: object) -> list[str]:
        """Have something happen to a process, and return the ids of its documents in filing order."""
        ids: list[str] = (await self._send("POST", f"/processes/{number}/orders", kind=kind, **details))[
            "document_ids"
        ]
        return ids

    async def inject_fault(self, kind: str, **details: object) -> None:
        """Make the court fail."""
        await self._send("POST", "/faults", kind=kind, **details)

    async def set_latency(self, seconds: float) -> None:
        """Delay every answer by so many seconds."""
        await self._send("PUT", "/latency", seconds=seconds)

    async def get_stats(self) -> dict[str, Any]:
        """Return what the court has counted."""
        stats: dict[str, Any] = (await self._control.get("/stats")).json()
        return stats

    async def reset(self) -> None:
        """End all faults and latency, and count from zero."""
        await self._control.delete("/faults")
        await self._control.delete("/stats")
        await self.set_latency(0)

    async def close(self) -> None:
        """Close the connections to the control API."""
        await self._control.aclose()

    async def _send(self, method: str, path: str, **body: object) -> dict[str, Any]:
        answer = await self._control.request(method, path, json=body)
        answer.raise_for_status()
        result: dict[str, Any] = answer.json()
        return result


@contextmanager
def running_simulator() -> Iterator[str]:
    """Run a simulator for as long as the block lasts, and yield its origin."""
    with serving_in_thread(create_app(), server_class=Server, lifespan="off", ws="none") as origin:
        yield origin
