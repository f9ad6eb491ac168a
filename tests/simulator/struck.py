"""A process to strike with faults, and the order that does."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import httpx

SIZE = 40_000


class Process:
    """A process of ten documents, and what its listing says."""

    def __init__(self, court: httpx.AsyncClient, number: str, ids: list[str]) -> None:
        self.court = court
        self.number = number
        self.ids = ids

    async def details(self) -> httpx.Response:
        return await self.court.get(f"/processos/{self.number}")

    async def search(self) -> httpx.Response:
        return await self.court.get("/processos", params={"numeroProcesso": self.number})

    async def binary(self, index: int) -> httpx.Response:
        return await self.court.get(f"/processos/{self.number}/documentos/{self.ids[index]}/binario")

    async def watch(self, index: int, arrivals: list[tuple[float, int]]) -> None:
        """Note when the document's bytes come, and how many."""
        path = f"/processos/{self.number}/documentos/{self.ids[index]}/binario"
        async with self.court.stream("GET", path) as answer:
            assert answer.status_code == 200
            async for piece in answer.aiter_raw():
                arrivals.append((time.monotonic(), len(piece)))  # noqa: PERF401 - what came before a reset counts.

    async def struck(self) -> list[int]:
        """The documents that do not come."""
        answers = await asyncio.gather(*(self.binary(index) for index in range(len(self.ids))))
        return [index for index, answer in enumerate(answers) if answer.status_code != 200]


async def order(control: httpx.AsyncClient, kind: str, **terms: Any) -> str:
    answer = await control.post("/faults", json={"kind": kind, **terms})
    assert answer.status_code == 200, answer.text
    fault_id = answer.json()["id"]
    assert isinstance(fault_id, str)
    return fault_id
