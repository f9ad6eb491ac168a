"""A simulator behind real HTTP, with a client of the court and a client of the control API."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Iterator

import httpx2
import pytest

from domain.process_number import ProcessNumber
from tests.integration.simulator.simulated_process import SIZE, SimulatedProcess
from tests.support.simulators import running_simulator

_SEQUENCES = itertools.count(1)


@pytest.fixture(scope="session")
def origin() -> Iterator[str]:
    """The origin of a running simulator."""
    with running_simulator() as address:
        yield address


@pytest.fixture
async def control(origin: str) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of the control API. After the test, faults, counts and latency are reset."""
    client = httpx2.AsyncClient(base_url=f"{origin}/_simulator", timeout=60, trust_env=False, verify=False)
    async with client:
        yield client
        await client.delete("/faults")
        await client.delete("/stats")
        await client.put("/latency", json={"seconds": 0})


@pytest.fixture
async def court(origin: str, control: httpx2.AsyncClient) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of the portal's API, with a valid token."""
    token = (await control.post("/token")).json()["token"]
    async with httpx2.AsyncClient(
        base_url=f"{origin}/api/v2",
        headers={"Authorization": f"Bearer {token}"},
        trust_env=False,
        verify=False,
        timeout=30,
    ) as client:
        yield client


@pytest.fixture
def number() -> str:
    """A process number that no other test uses."""
    stem = f"{next(_SEQUENCES):07}", "20268110041"
    check_digits = 98 - int("".join(stem) + "00") % 97
    return ProcessNumber.parse(f"{stem[0]}{check_digits:02}{stem[1]}").canonical


@pytest.fixture
async def process(court: httpx2.AsyncClient, control: httpx2.AsyncClient, number: str) -> SimulatedProcess:
    """A process of ten documents."""
    answer = await control.put(f"/processes/{number}", json={"documents": 10, "size_bytes": SIZE})
    return SimulatedProcess(court, number, answer.json()["document_ids"])
