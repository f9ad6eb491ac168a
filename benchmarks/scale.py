"""Whether a catalog of 100,000 processes and three million documents answers as fast as one of a hundred.

Both catalogs are made up, in databases of the same server, and each has an API of its own on the same Temporal and
the same store. The requests alternate between the two, question by question. A round's score is that of its slowest
question.
"""

from __future__ import annotations

import asyncio
import os
import socket
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, closing
from pathlib import Path

import httpx2
from sqlalchemy import text
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import create_async_engine

from adapters.database import Catalog, Database
from adapters.database.migrate import upgrade
from benchmarks.bench import ROOT, Bench
from benchmarks.bulk_load import fill
from benchmarks.catalog_rows import made_up_catalog
from benchmarks.measurement import CannotMeasure, Figure, Part, Round, log_round
from benchmarks.scale_probes import PROBES, Probe, Subject, erase
from benchmarks.sizing_meters import open_postgres

PROCESSES = 100_000
FEW_PROCESSES = 100
_TURNS = 40
_WARM_UP_TURNS = 10
_ERASURES = 5
_READY_SECONDS = 120.0
_PAUSE_SECONDS = 0.1


async def on_sqlite(bench: Bench) -> Sequence[Round]:
    """Measure on two SQLite files."""
    with tempfile.TemporaryDirectory(prefix="autos-scale-") as folder:
        urls = [f"sqlite+aiosqlite:///{Path(folder) / name}.db" for name in ("large", "small")]
        return await _measure(bench, urls)


async def on_postgres(bench: Bench) -> Sequence[Round]:
    """Measure on two databases of one Postgres server."""
    async with open_postgres() as postgres:
        engine = create_async_engine(postgres.url, isolation_level="AUTOCOMMIT")
        async with engine.connect() as connection:
            await connection.execute(text("CREATE DATABASE small"))
        await engine.dispose()
        small = make_url(postgres.url).set(database="small").render_as_string(hide_password=False)
        return await _measure(bench, [postgres.url, small])


async def _measure(bench: Bench, urls: Sequence[str]) -> Sequence[Round]:
    async with AsyncExitStack() as stack:
        large, small = [
            await stack.enter_async_context(_open_subject(bench, url, processes))
            for url, processes in zip(urls, (PROCESSES, FEW_PROCESSES), strict=True)
        ]
        for name, probe in PROBES.items():
            try:
                await _measure_part(name, probe, large, small, range(_WARM_UP_TURNS))
            except Exception as error:
                raise CannotMeasure(f"{name}: {str(error) or type(error).__name__}") from error
        rounds: list[Round] = []
        for index in range(bench.effort.rounds):
            erasures = range(index * _ERASURES, (index + 1) * _ERASURES)
            parts = (
                *[await _measure_part(name, probe, large, small, range(_TURNS)) for name, probe in PROBES.items()],
                await _measure_part("rows of a process erased", erase, large, small, erasures),
            )
            slowest = max(parts, key=lambda part: part.ratio or 0)
            rounds.append(Round(slowest.ours, slowest.baseline, parts))
            bench.log(f"the slowest: {slowest.name}")
            log_round(bench.log, rounds, bench.effort.rounds)
        return rounds


async def _measure_part(name: str, probe: Probe, large: Subject, small: Subject, turns: Sequence[int]) -> Part:
    """Measure both in turn, at each turn the other one first."""
    times: dict[int, list[float]] = {id(large): [], id(small): []}
    for turn in turns:
        for subject in (large, small) if turn % 2 else (small, large):
            begun = time.perf_counter()
            await probe(subject, turn)
            times[id(subject)].append(1000 * (time.perf_counter() - begun))
    return Part(name, *(Figure(statistics.median(times[id(subject)]), "ms") for subject in (large, small)))


@asynccontextmanager
async def _open_subject(bench: Bench, url: str, processes: int) -> AsyncIterator[Subject]:
    """Fill a database, and run an API on it until the block is left."""
    await asyncio.to_thread(upgrade, url)
    made_up = made_up_catalog(processes)
    begun = time.perf_counter()
    await fill(url, made_up)
    bench.log(f"{processes:,} processes written in {time.perf_counter() - begun:.0f} s")
    catalog = Catalog(Database(url))
    try:
        async with (
            _run_api(bench, url) as address,
            httpx2.AsyncClient(base_url=address, trust_env=False, timeout=60) as api,
        ):
            yield Subject(made_up, catalog, api)
    finally:
        await catalog.close()


@asynccontextmanager
async def _run_api(bench: Bench, url: str) -> AsyncIterator[str]:
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        port = free.getsockname()[1]
    program = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "cli.main", "api"),
        env=os.environ
        | {
            "PYTHONPATH": str(ROOT),
            "TEMPORAL_ADDRESS": bench.temporal_address,
            "AUTOS_DATABASE_URL": url,
            "AUTOS_API_PORT": str(port),
        },
    )
    try:
        address = f"http://127.0.0.1:{port}"
        await _wait_until_ready(address)
        yield address
    finally:
        if program.returncode is None:
            program.terminate()
        await program.wait()


async def _wait_until_ready(address: str) -> None:
    deadline = time.monotonic() + _READY_SECONDS
    async with httpx2.AsyncClient(trust_env=False, timeout=5) as http:
        while time.monotonic() < deadline:
            try:
                if (await http.get(f"{address}/health/ready")).status_code == 200:
                    return
            except httpx2.TransportError:
                # It does not listen yet.
                pass
            await asyncio.sleep(_PAUSE_SECONDS)
    raise CannotMeasure("The API of a catalog did not become ready.")
