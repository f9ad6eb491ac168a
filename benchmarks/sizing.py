"""What a document costs, and what a load needs: ``python -m benchmarks.sizing [--json]``, or ``make sizing``.

On a local stack of its own, with Postgres as the catalog, two batches are downloaded: many processes of two
documents, and few of forty. Both have the same number of documents, so what differs is the cost of a process. CPU
time is measured, not duration: it is nearly the same on a busy machine. The court is simulated and not counted. The
second table is arithmetic: the measured costs times the load of ``--documents-per-day`` and the other options.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import httpx2
import psutil
from rich import box
from rich.console import Console
from rich.table import Table

from adapters.logs import configure_logging
from benchmarks.bench import Bench, open_bench
from benchmarks.measurement import CannotMeasure
from benchmarks.sizing_meters import PostgresMeter, open_postgres, read_histories, service_cpu_seconds
from benchmarks.sizing_plan import Line, Load, plan, solve_costs
from devstack.hard_exit import hard_exit
from domain.errors import AutosError

WIDE = (200, 2)
DEEP = (10, 40)
DEFAULT_LOAD = Load(
    documents_per_day=10e6,
    documents_per_process=30,
    reads_per_document=0.2,
    document_bytes=200_000,
    court_seconds=1,
    peak=3,
    retention_days=7,
)
_READS = 200
_WARM_UP = (10, 10)
_TIMEOUT_SECONDS = 900.0
_POLL_SECONDS = 0.2
# Postgres counts a transaction of another connection at most so much later.
_STATISTICS_SECONDS = 2.0
_SERVICES = ("worker", "api", "temporal", "s3")
_UNITS = {
    **{f"{name}_cpu": "ms of CPU" for name in (*_SERVICES, "postgres")},
    "court_requests": "requests",
    "transactions": "transactions",
    "rows_written": "rows",
    "wal_bytes": "bytes",
    "disk_bytes": "bytes",
    "events": "events",
    "actions": "actions",
    "history_bytes": "bytes",
    "temporal_disk_bytes": "bytes",
}


@dataclass(frozen=True, slots=True)
class Costs:
    """What was measured.

    Attributes:
        by_meter: For each meter, the cost of a process and that of a document.
        read_cpu_seconds: CPU time of the API for the answer for a process of forty documents, with links.
        status_cpu_seconds: CPU time of the API for a status.
        memory_bytes: Memory of each service after all that (RSS).
        connections: Most connections of the API and the worker to Postgres that were seen at once.
    """

    by_meter: dict[str, tuple[float, float]]
    read_cpu_seconds: float
    status_cpu_seconds: float
    memory_bytes: dict[str, int]
    connections: int


class _Meters:
    """All meters of a bench."""

    def __init__(self, bench: Bench, postgres: PostgresMeter) -> None:
        self._bench = bench
        self._postgres = postgres
        self.connections = 0

    async def read(self) -> dict[str, float]:
        """Return every count so far, but for those of histories."""
        await asyncio.sleep(_STATISTICS_SECONDS)
        cpu = {f"{name}_cpu": service_cpu_seconds(self._bench.services[name]) for name in _SERVICES}
        counts = await self._postgres.read_counts()
        court = {"court_requests": float((await self._bench.stats()).requests)}
        disk = {"temporal_disk_bytes": _temporal_disk_bytes()}
        return cpu | {"postgres_cpu": self._postgres.cpu_seconds()} | counts | court | disk

    async def watch_connections(self) -> None:
        """Keep the highest number of connections."""
        self.connections = max(self.connections, await self._postgres.count_connections())


async def measure() -> Costs:
    """Measure all costs."""
    async with open_postgres() as postgres, open_bench({"AUTOS_DATABASE_URL": postgres.url}) as bench:
        meters = _Meters(bench, postgres)
        await _download(bench, meters, _WARM_UP)
        wide = await _measure_batch(bench, meters, WIDE)
        deep = await _measure_batch(bench, meters, DEEP)
        shapes = tuple((processes, processes * documents) for processes, documents in (WIDE, DEEP))
        number = await bench.new_process(DEEP[1], int(DEFAULT_LOAD.document_bytes))
        await bench.time_run(number)
        return Costs(
            by_meter=solve_costs(wide, deep, (shapes[0], shapes[1])),
            read_cpu_seconds=await _measure_reads(bench, f"/processes/{number}"),
            status_cpu_seconds=await _measure_reads(bench, f"/processes/{number}/status"),
            memory_bytes={name: int(bench.services[name].memory_info().rss) for name in _SERVICES},
            connections=meters.connections,
        )


async def _measure_batch(bench: Bench, meters: _Meters, shape: tuple[int, int]) -> dict[str, float]:
    """Return what every meter has counted during a batch."""
    bench.log(f"a batch of {shape[0]} processes of {shape[1]} documents")
    before = await meters.read()
    begun = await _download(bench, meters, shape)
    after = await meters.read()
    counted = {name: after[name] - before[name] for name in before}
    histories = await read_histories(bench.temporal, f"StartTime >= '{begun}'")
    return counted | {name: float(value) for name, value in histories.items()}


async def _download(bench: Bench, meters: _Meters, shape: tuple[int, int]) -> str:
    """Download a batch to its end. Returns when it was created."""
    processes, documents = shape
    size = int(DEFAULT_LOAD.document_bytes)
    numbers = [await bench.new_process(documents, size) for _ in range(processes)]
    response = await bench.http.post(f"{bench.api}/batches", json={"process_numbers": numbers})
    if response.status_code != 202:
        raise CannotMeasure(f"POST /batches returned {response.status_code}: {response.text[:300]}")
    batch: dict[str, Any] = response.json()
    async with asyncio.timeout(_TIMEOUT_SECONDS):
        # From the workflow, so that the API's CPU time is not that of our questions.
        ending = asyncio.ensure_future(bench.temporal.get_workflow_handle(f"batch-{batch['id']}").result())
        while not ending.done():
            await meters.watch_connections()
            await asyncio.wait([ending], timeout=_POLL_SECONDS)
        await ending
    ended = await bench.get(f"/batches/{batch['id']}")
    if ended["counts"]["completed"] != processes:
        raise CannotMeasure(f"The batch has ended with {ended['counts']}.")
    return str(batch["created_at"])


def _temporal_disk_bytes() -> float:
    """Return the size of the database of Temporal's dev server (SQLite) so far."""
    return float(sum(file.stat().st_size for file in Path(os.environ["AUTOS_DATA_DIR"]).glob("temporal.db*")))


async def _measure_reads(bench: Bench, path: str) -> float:
    before = service_cpu_seconds(bench.services["api"])
    for _ in range(_READS):
        await bench.get(path)
    return (service_cpu_seconds(bench.services["api"]) - before) / _READS


def _print(costs: Costs, load: Load, lines: list[Line]) -> None:
    console = Console(width=None if Console().is_terminal else 160)
    table = Table("measured", "a process", "a document", "unit", box=box.MARKDOWN)
    for meter, (of_process, of_document) in costs.by_meter.items():
        scale = 1_000 if meter.endswith("_cpu") else 1
        values = (_rounded(value * scale) for value in (of_process, of_document))
        table.add_row(meter, *values, _UNITS[meter])
    console.print(table)
    memory = ", ".join(f"{name} {size / 2**20:.0f} MiB" for name, size in costs.memory_bytes.items())
    for line in (
        f"API: {costs.read_cpu_seconds * 1_000:.1f} ms of CPU for an answer with {DEEP[1]} documents and links,",
        f"{costs.status_cpu_seconds * 1_000:.1f} ms for a status.",
        f"At most {costs.connections} connections of one API and one worker to Postgres.",
        f"Memory: {memory}. {_machine()}.\n",
    ):
        console.print(line, highlight=False)
    console.print(
        f"{load.documents_per_day:,.0f} documents a day of {load.document_bytes:,.0f} bytes, "
        f"{load.documents_per_process:g} to a process, {load.reads_per_document:g} requests to the API for each, "
        f"the court takes {load.court_seconds:g} s, peak {load.peak:g} × the average:\n",
        highlight=False,
    )
    needed = Table("needed, as arithmetic", "", "unit", box=box.MARKDOWN)
    for needs in lines:
        needed.add_row(needs.what, _rounded(needs.value), needs.unit)
    console.print(needed)


def _rounded(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:.3g}"


def _machine() -> str:
    return f"{psutil.cpu_count()} CPUs, Python {platform.python_version()}"


def _parse() -> tuple[bool, Load]:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sizing", description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    defaults: Mapping[str, float] = asdict(DEFAULT_LOAD)
    for name, default in defaults.items():
        option = f"--{name.replace('_', '-')}"
        parser.add_argument(option, type=float, default=default, metavar="N", help=f"default: {default:g}")
    arguments = vars(parser.parse_args())
    as_json = bool(arguments.pop("json"))
    return as_json, Load(**arguments)


def main() -> None:
    """Measure and print."""
    as_json, load = _parse()
    configure_logging("auto", "warning")
    try:
        costs = asyncio.run(measure())
    except (CannotMeasure, AutosError, httpx2.HTTPError, TimeoutError, OSError) as error:
        print(f"Could not measure: {str(error) or type(error).__name__}", file=sys.stderr)
        hard_exit(1)
    lines = plan(load, costs.by_meter, costs.read_cpu_seconds)
    if as_json:
        result = {
            "machine": _machine(),
            "costs": asdict(costs),
            "load": asdict(load),
            "plan": list(map(asdict, lines)),
        }
        print(json.dumps(result))
    else:
        _print(costs, load, lines)
    hard_exit(0)


if __name__ == "__main__":
    main()
