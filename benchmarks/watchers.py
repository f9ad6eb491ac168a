"""A crowd that watches one run: ``python -m benchmarks.watchers [--watchers N]``.

Printed is how many of the watchers were told of the end, exactly once each, and what they cost the API: its
resident memory before and at its peak, how fast they came in, and, while they watched, its share of one processor
and its transactions with the database, beside what the same run costs it unwatched.
"""

from __future__ import annotations

import argparse
import asyncio
import resource
import sys
import time
from dataclasses import dataclass
from urllib.parse import urlsplit

import httpx
import psutil

from adapters.logs import configure_logging
from benchmarks.bench import Bench, open_bench
from benchmarks.measurement import CannotMeasure
from benchmarks.memory import MIB, Resident
from domain.errors import AutosError
from local.leaving import leave

DOCUMENTS = 400
COURT_LATENCY_SECONDS = 0.8
# Who comes at the same moment must be accepted one by one.
_AT_A_TIME = 100
# Besides the watchers', what the parts of the stack and this process need.
_OTHER_FILES = 512
_LONGEST_STREAM_BYTES = 2**24
_TRANSACTIONS = "autos_database_transactions_total "


@dataclass(frozen=True, slots=True)
class Load:
    """What a run costs the API.

    Attributes:
        processor: its share of one.
        transactions: with the database, each second.
    """

    processor: float
    transactions: float


@dataclass(frozen=True, slots=True)
class Watched:
    """What came of it."""

    told_once: int
    events: int
    seconds_to_come: float
    memory_before: int
    memory_peak: int
    watched: Load
    alone: Load


class _Meter:
    """Measures the API's load from when it is made."""

    def __init__(self, process: psutil.Process, transactions: float) -> None:
        self._process = process
        self._transactions = transactions
        self._begun, self._used = time.perf_counter(), _processor_seconds(process)

    @classmethod
    async def begin(cls, bench: Bench, process: psutil.Process) -> _Meter:
        """Measure from now on."""
        return cls(process, await _transactions(bench))

    async def read(self, bench: Bench) -> Load:
        """The load since then."""
        seconds = time.perf_counter() - self._begun
        processor = (_processor_seconds(self._process) - self._used) / seconds
        return Load(processor, (await _transactions(bench) - self._transactions) / seconds)


async def measure(watchers: int) -> Watched:
    """Have a run watched.

    Raises:
        CannotMeasure: the run was over before everybody had come.
    """
    async with open_bench() as bench:
        api = next(part for part in psutil.Process().children() if part.cmdline()[-1] == "api")
        await bench.set_latency(COURT_LATENCY_SECONDS)
        bench.say("a run that nobody watches")
        meter = await _Meter.begin(bench, api)
        await bench.run(await bench.new_process(DOCUMENTS, 2_000))
        alone = await meter.read(bench)

        bench.say(f"a run that {watchers} watch")
        number = await bench.new_process(DOCUMENTS, 2_000)
        before = api.memory_info().rss
        with Resident(api) as resident:
            await bench.get(f"/processes/{number}", auto_download="true")
            begun = time.perf_counter()
            crowd = await _all_come(bench, number, watchers)
            seconds_to_come = time.perf_counter() - begun
            if (await bench.get(f"/processes/{number}/status"))["status"] != "processing":
                raise CannotMeasure(f"The run was over before all {watchers} had come.")
            meter = await _Meter.begin(bench, api)
            bodies = await asyncio.gather(*(watcher.rest() for watcher in crowd))
            watched = await meter.read(bench)
    return Watched(
        told_once=sum(body.count(b"event: ended\n") == 1 for body in bodies),
        events=sum(body.count(b"\nid: ") for body in bodies),
        seconds_to_come=seconds_to_come,
        memory_before=before,
        memory_peak=resident.peak,
        watched=watched,
        alone=alone,
    )


class _Watcher:
    """One stream of events, over a connection of its own."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def come(cls, api: str, number: str) -> _Watcher:
        """Open a stream, and read its first event."""
        address = urlsplit(api)
        reader, writer = await asyncio.open_connection(address.hostname, address.port, limit=_LONGEST_STREAM_BYTES)
        writer.write(f"GET /processes/{number}/events HTTP/1.1\r\nHost: {address.netloc}\r\n\r\n".encode())
        status = (await reader.readuntil(b"\r\n\r\n")).split(b" ", 2)[1]
        if status != b"200":
            raise CannotMeasure(f"A stream began with {status.decode()}.")
        await reader.readuntil(b"retry: ")
        return cls(reader, writer)

    async def rest(self) -> bytes:
        """Everything until the service ends the stream, which it does with an empty chunk."""
        body = await self._reader.readuntil(b"\r\n0\r\n\r\n")
        self._writer.close()
        return body


async def _all_come(bench: Bench, number: str, watchers: int) -> list[_Watcher]:
    there: list[_Watcher] = []
    while len(there) < watchers:
        coming = min(_AT_A_TIME, watchers - len(there))
        there += await asyncio.gather(*(_Watcher.come(bench.api, number) for _ in range(coming)))
    return there


async def _transactions(bench: Bench) -> float:
    for line in (await bench.http.get(f"{bench.api}/metrics")).text.splitlines():
        if line.startswith(_TRANSACTIONS):
            return float(line.removeprefix(_TRANSACTIONS))
    raise CannotMeasure(f"/metrics does not tell {_TRANSACTIONS.strip()}.")


def _processor_seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system


def main() -> None:
    """Read the command line, measure, print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.watchers", description="Have one run watched.")
    parser.add_argument("--watchers", type=int, default=1_000, metavar="N", help="how many (1000)")
    watchers = parser.parse_args().watchers
    configure_logging("auto", "warning")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(watchers + _OTHER_FILES, hard)), hard))
    try:
        found = asyncio.run(measure(watchers))
    except (CannotMeasure, AutosError, httpx.HTTPError, TimeoutError, OSError) as error:
        print(f"Could not measure: {str(error) or type(error).__name__}", file=sys.stderr)
        leave(1)
    except KeyboardInterrupt:
        leave(130)
    before, peak = found.memory_before / MIB, found.memory_peak / MIB
    print(f"told of the end once    {found.told_once} of {watchers}")
    print(f"events sent             {found.events + watchers}")
    print(f"came in                 {found.seconds_to_come:.1f} s")
    print(f"memory of the API       {before:.0f} MiB before, {peak:.0f} at peak")
    print(f"memory of a watcher     {1024 * (peak - before) / watchers:.0f} KiB")
    watched, alone = found.watched, found.alone
    print(f"processor of the API    {watched.processor:.0%} of one, {alone.processor:.0%} unwatched")
    print(f"database transactions   {watched.transactions:.1f} each second, {alone.transactions:.1f} unwatched")
    leave(0 if found.told_once == watchers else 1)


if __name__ == "__main__":
    main()
