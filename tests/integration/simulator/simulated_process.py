"""A simulated process, and the injection of faults into it."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import httpx2

SIZE = 40_000


class SimulatedProcess:
    """A client of one process: reads it and downloads its documents."""

    def __init__(self, court: httpx2.AsyncClient, number: str, ids: list[str]) -> None:
        self.court = court
        self.number = number
        self.ids = ids

    async def read_details(self) -> httpx2.Response:
        return await self.court.get(f"/processos/{self.number}")

    async def search(self) -> httpx2.Response:
        return await self.court.get("/processos", params={"numeroProcesso": self.number})

    async def download(self, index: int) -> httpx2.Response:
        return await self.court.get(f"/processos/{self.number}/documentos/{self.ids[index]}/binario")

    async def record_arrivals(self, index: int, arrivals: list[tuple[float, int]]) -> None:
        """Download a document, recording the time and the length of every piece, even before a reset."""
        path = f"/processos/{self.number}/documentos/{self.ids[index]}/binario"
        async with self.court.stream("GET", path) as answer:
            assert answer.status_code == 200
            async for piece in answer.aiter_raw():
                arrivals.append((time.monotonic(), len(piece)))  # noqa: PERF401 - pieces before a reset count.

    async def list_failing_documents(self) -> list[int]:
        """Return the indexes of the documents whose status is not 200."""
        answers = await asyncio.gather(*(self.download(index) for index in range(len(self.ids))))
        return [index for index, answer in enumerate(answers) if answer.status_code != 200]


async def inject_fault(control: httpx2.AsyncClient, kind: str, **options: Any) -> str:
    """Activate a fault. Returns its id."""
    answer = await control.post("/faults", json={"kind": kind, **options})
    assert answer.status_code == 200, answer.text
    fault_id = answer.json()["id"]
    assert isinstance(fault_id, str)
    return fault_id
