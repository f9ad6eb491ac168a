"""The bench: a local stack of its own, control of its simulated court, and baseline programs beside it."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import sys
import tempfile
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import httpx2
import psutil
from temporalio.client import Client

from benchmarks.measurement import FULL, CannotMeasure, Effort, Round
from benchmarks.sizing_meters import PostgresMeter
from devstack.isolation import isolated_settings
from devstack.stack import Stack
from domain.process_number import ProcessNumber

COURT_CONCURRENCY = 16
ROOT = Path(__file__).resolve().parent.parent
# The rate limit protects a real court. Here it must not limit the measurement.
_VARIABLES = {
    "AUTOS_COURT_CONCURRENCY": str(COURT_CONCURRENCY),
    "AUTOS_COURT_REQUESTS_PER_SECOND": "10000",
    "AUTOS_LOG_LEVEL": "warning",
}
_REMOVED_PREFIXES = ("AUTOS_", "AWS_", "TEMPORAL_")
_LINE_SECONDS = 600


@dataclass(frozen=True, slots=True)
class CourtStats:
    """What the simulated court has counted since the last reset."""

    documents_served: dict[str, int]
    max_concurrent: int
    requests: int


class Bench:
    """A running local stack and the operations of benchmarks on it.

    Attributes:
        effort: How much is measured.
        services: Every service of the stack, by name.
        postgres: The server of the catalog. None if that is an SQLite file: the API and the worker do its work.
        histories: The longest histories of large runs, if those were measured already.
    """

    def __init__(
        self, addresses: dict[str, Any], http: httpx2.AsyncClient, temporal: Client, effort: Effort = FULL
    ) -> None:
        self.effort = effort
        self.postgres: PostgresMeter | None = None
        self.histories: list[Round] = []
        self.api = str(addresses["api"])
        self.temporal_address = str(addresses["temporal"])
        self.services = {name: psutil.Process(pid) for name, pid in addresses["pids"].items()}
        self.api_service = self.services["api"]
        self.worker = self.services["worker"]
        self.http = http
        self.temporal = temporal
        self._simulator = f"{addresses['simulator']}/_simulator"
        self._sequence = itertools.count(1)

    def log(self, text: str) -> None:
        """Print progress to standard error."""
        print(f"  {text}", file=sys.stderr, flush=True)

    async def new_process(self, documents: int, size_bytes: int) -> str:
        """Create a process in the court that was never requested before. Returns its number."""
        number = _process_number(next(self._sequence))
        shape = {"documents": documents, "size_bytes": size_bytes}
        await self._control("PUT", f"/processes/{number}", shape)
        return number

    async def set_latency(self, seconds: float) -> None:
        """Set the delay of every response of the court."""
        await self._control("PUT", "/latency", {"seconds": seconds})

    async def reset_stats(self) -> None:
        """Reset the court's counts to zero."""
        await self._control("DELETE", "/stats")

    async def stats(self) -> CourtStats:
        """Return the court's counts."""
        stats = (await self._control("GET", "/stats")).json()
        return CourtStats(stats["documents_served"], stats["max_concurrent"], stats["requests"])

    async def get(self, path: str, **query: str | int) -> dict[str, Any]:
        """Send a GET to the API. Returns the body.

        Raises:
            CannotMeasure: the status is neither 200 nor 202.
        """
        response = await self.http.get(f"{self.api}{path}", params=query or None)
        if response.status_code not in (200, 202):
            raise CannotMeasure(f"GET {path} returned {response.status_code}: {response.text[:300]}")
        body: dict[str, Any] = response.json()
        return body

    async def time_run(self, number: str) -> float:
        """Request a process and wait until its run has ended. Returns the seconds."""
        begun = time.perf_counter()
        response = await self.get(f"/processes/{number}", auto_download="true")
        if response["decision"] != "started":
            raise CannotMeasure(f"The API's decision about a new process was {response['decision']}.")
        await self.temporal.get_workflow_handle(number, run_id=response["run"]["id"]).result()
        return time.perf_counter() - begun

    @asynccontextmanager
    async def run_module(self, module: str, *arguments: str) -> AsyncIterator[RunningModule]:
        """Run a module of this package as a separate program against the same stack, until the block is left."""
        program = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", f"benchmarks.{module}", *arguments),
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            stdin=PIPE,
            stdout=PIPE,
        )
        try:
            yield RunningModule(module, program)
        finally:
            if program.returncode is None:
                program.terminate()
            await program.wait()

    async def _control(self, method: str, path: str, body: object = None) -> httpx2.Response:
        return (await self.http.request(method, self._simulator + path, json=body)).raise_for_status()


class RunningModule:
    """A program that writes JSON lines, and ends when its standard input does or earlier."""

    def __init__(self, module: str, program: Process) -> None:
        self._module = module
        self._program = program

    async def read_line(self) -> dict[str, Any]:
        """Read the next JSON line.

        Raises:
            CannotMeasure: the program has ended.
        """
        if self._program.stdout is None:
            raise RuntimeError("it was started with a pipe")
        text = await asyncio.wait_for(self._program.stdout.readline(), _LINE_SECONDS)
        if not text:
            code = await self._program.wait()
            raise CannotMeasure(f"benchmarks.{self._module} ended with exit code {code}; see its output above.")
        value: dict[str, Any] = json.loads(text)
        return value


@asynccontextmanager
async def open_bench(
    variables: Mapping[str, str] = MappingProxyType({}), *, effort: Effort = FULL
) -> AsyncIterator[Bench]:
    """Run a local stack in a temporary folder until the block is left.

    The user's settings are hidden, so that no real court is ever called.

    Args:
        variables: further settings of the stack.
        effort: how much is measured.
    """
    with (
        tempfile.TemporaryDirectory(prefix="autos-bench-") as folder,
        isolated_settings(Path(folder), {**_VARIABLES, **variables}, removed_prefixes=_REMOVED_PREFIXES),
    ):
        async with (
            Stack(Path(folder), ephemeral_ports=True) as stack,
            httpx2.AsyncClient(trust_env=False, timeout=60) as http,
        ):
            addresses = stack.addresses()
            # Separate programs find the stack like its own services do.
            os.environ["AUTOS_DATA_DIR"] = folder
            yield Bench(addresses, http, await Client.connect(str(addresses["temporal"])), effort)


def _process_number(sequence: int) -> str:
    payload = f"{sequence:07}2025811{41:04}"
    check = 98 - int(f"{payload}00") % 97
    return ProcessNumber.parse(f"{sequence:07}{check:02}{payload[7:]}").canonical
