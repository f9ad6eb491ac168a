"""The workbench: a local stack of its own, the simulated court's controls, and processes beside it."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import sys
import tempfile
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Never

import httpx
import psutil
from temporalio.client import Client

from benchmarks.measurement import CannotMeasure
from domain.process_number import ProcessNumber
from local.stack import Stack

COURT_CONCURRENCY = 16
_ROOT = Path(__file__).resolve().parent.parent
# The rate limit is courtesy, not speed: here it is out of the way.
_VARIABLES = {
    "AUTOS_COURT_CONCURRENCY": str(COURT_CONCURRENCY),
    "AUTOS_COURT_REQUESTS_PER_SECOND": "10000",
    "AUTOS_LOG_LEVEL": "warning",
}
_OTHERS_VARIABLES = ("AUTOS_", "AWS_", "TEMPORAL_")
_LINE_SECONDS = 600


@dataclass(frozen=True, slots=True)
class CourtStats:
    """What the simulated court saw since it was last asked to forget."""

    documents_served: dict[str, int]
    max_concurrent: int


class Bench:
    """A running local stack, and what benchmarks do with it."""

    def __init__(self, addresses: dict[str, Any], http: httpx.AsyncClient, temporal: Client) -> None:
        self.api = str(addresses["api"])
        self.worker = psutil.Process(addresses["pids"]["worker"])
        self.http = http
        self.temporal = temporal
        self._simulator = f"{addresses['simulator']}/_simulator"
        self._sequence = itertools.count(1)

    def say(self, text: str) -> None:
        """Tell the person who waits."""
        print(f"  {text}", file=sys.stderr, flush=True)

    async def new_process(self, documents: int, size_bytes: int) -> str:
        """Make the court know a process that it has not been asked for before; its number."""
        number = _number(next(self._sequence))
        order = {"documents": documents, "size_bytes": size_bytes}
        await self._control("PUT", f"/processes/{number}", order)
        return number

    async def set_latency(self, seconds: float) -> None:
        """Make the court take so long before each answer."""
        await self._control("PUT", "/latency", {"seconds": seconds})

    async def forget_stats(self) -> None:
        """Make the court count from zero."""
        await self._control("DELETE", "/stats")

    async def stats(self) -> CourtStats:
        """What the court saw."""
        stats = (await self._control("GET", "/stats")).json()
        return CourtStats(stats["documents_served"], stats["max_concurrent"])

    async def get(self, path: str, **query: str | int) -> dict[str, Any]:
        """Ask the API, which must answer with 200 or 202."""
        answer = await self.http.get(f"{self.api}{path}", params=query or None)
        if answer.status_code not in (200, 202):
            raise CannotMeasure(f"GET {path} answered {answer.status_code}: {answer.text[:300]}")
        body: dict[str, Any] = answer.json()
        return body

    async def run(self, number: str) -> float:
        """Ask for a process and wait for the end of its run; the seconds that it took."""
        begun = time.perf_counter()
        answer = await self.get(f"/processes/{number}", auto_download="true")
        if answer["decision"] != "started":
            raise CannotMeasure(f"The API's decision about a new process was {answer['decision']}.")
        await self.temporal.get_workflow_handle(number, run_id=answer["run"]["id"]).result()
        return time.perf_counter() - begun

    @asynccontextmanager
    async def beside(self, module: str, *arguments: str) -> AsyncIterator[Beside]:
        """Run a module of this package in a process of its own, against the same stack, until the block is left."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", f"benchmarks.{module}", *arguments),
            env=os.environ | {"PYTHONPATH": str(_ROOT)},
            stdin=PIPE,
            stdout=PIPE,
        )
        try:
            yield Beside(module, process)
        finally:
            if process.returncode is None:
                process.terminate()
            await process.wait()

    async def _control(self, method: str, path: str, body: object = None) -> httpx.Response:
        return (await self.http.request(method, self._simulator + path, json=body)).raise_for_status()


class Beside:
    """A process that writes JSON lines, and ends at the latest when its standard input does."""

    def __init__(self, module: str, process: Process) -> None:
        self._module = module
        self._process = process

    async def line(self) -> dict[str, Any]:
        """Its next line."""
        if self._process.stdout is None:
            raise RuntimeError("it was started with a pipe")
        text = await asyncio.wait_for(self._process.stdout.readline(), _LINE_SECONDS)
        if not text:
            _died(self._module, await self._process.wait())
        value: dict[str, Any] = json.loads(text)
        return value


def _died(module: str, code: int) -> Never:
    raise CannotMeasure(f"benchmarks.{module} ended with {code}; its own words stand above.")


@asynccontextmanager
async def open_bench() -> AsyncIterator[Bench]:
    """Start a local stack in a temporary folder, and stop it again."""
    with tempfile.TemporaryDirectory(prefix="autos-bench-") as folder, _only_ours(folder):
        async with (
            Stack(Path(folder), ephemeral_ports=True) as stack,
            httpx.AsyncClient(trust_env=False, timeout=60) as http,
        ):
            addresses = stack.addresses()
            # Those beside find the stack as its own parts do.
            os.environ["AUTOS_DATA_DIR"] = folder
            yield Bench(addresses, http, await Client.connect(str(addresses["temporal"])))


@contextmanager
def _only_ours(folder: str) -> Iterator[None]:
    """Set aside what the user has set up, the ``.env`` of the present folder included: no real court is asked."""
    former = dict(os.environ)
    former_folder = Path.cwd()
    for name in former:
        if name.startswith(_OTHERS_VARIABLES) and not name.endswith("_BIN"):
            del os.environ[name]
    os.environ.update(_VARIABLES)
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(former_folder)
        os.environ.clear()
        os.environ.update(former)


def _number(sequence: int) -> str:
    payload = f"{sequence:07}2025811{41:04}"
    check = 98 - int(f"{payload}00") % 97
    return ProcessNumber.parse(f"{sequence:07}{check:02}{payload[7:]}").canonical
