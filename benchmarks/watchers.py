"""Many status streams of one run: ``python -m benchmarks.watchers [--watchers N]``.

Prints how many of the streams received the end of the run exactly once, and what they cost the API: its resident
memory before and at its peak, how fast the streams opened, and, while they were open, its CPU share and its
database transactions, compared with the same run without streams.
"""

from __future__ import annotations

import argparse
import asyncio
import resource
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

import httpx2
import psutil

from adapters.logs import configure_logging
from benchmarks.bench import Bench, open_bench
from benchmarks.measurement import CannotMeasure, Figure, Round
from benchmarks.memory import MIB, PeakMemory
from devstack.hard_exit import hard_exit
from domain.errors import AutosError

STREAMS = 1_000
DOCUMENTS = 400
COURT_LATENCY_SECONDS = 0.8
# The API accepts connections that arrive at the same moment one by one.
_CONNECT_BATCH = 100
# Open files that the stack's services and this program need besides the streams.
_OTHER_FILES = 512
_MAX_STREAM_BYTES = 2**24
_TRANSACTIONS = "autos_database_transactions_total "


@dataclass(frozen=True, slots=True)
class Load:
    """What a run costs the API.

    Attributes:
        cpu: its share of one CPU, from 0 to 1.
        transactions: database transactions per second.
    """

    cpu: float
    transactions: float


@dataclass(frozen=True, slots=True)
class Measured:
    """The result, with memory in bytes."""

    ended_once: int
    events: int
    seconds_to_open: float
    memory_before: int
    memory_peak: int
    with_streams: Load
    without_streams: Load


class _LoadMeter:
    """Measures the API's load since its creation."""

    def __init__(self, api: psutil.Process, transactions: float) -> None:
        self._api = api
        self._transactions = transactions
        self._begun, self._cpu_seconds = time.perf_counter(), _read_cpu_seconds(api)

    @classmethod
    async def start(cls, bench: Bench, api: psutil.Process) -> _LoadMeter:
        """Start measuring."""
        return cls(api, await _read_transactions(bench))

    async def read(self, bench: Bench) -> Load:
        """Return the load since the start."""
        seconds = time.perf_counter() - self._begun
        cpu = (_read_cpu_seconds(self._api) - self._cpu_seconds) / seconds
        return Load(cpu, (await _read_transactions(bench) - self._transactions) / seconds)


async def measure(streams: int) -> Measured:
    """Measure one run without streams, then one with this number of streams.

    Raises:
        CannotMeasure: the run ended before all streams were open.
    """
    async with open_bench() as bench:
        api = bench.api_service
        await bench.set_latency(COURT_LATENCY_SECONDS)
        bench.log("a run without streams")
        meter = await _LoadMeter.start(bench, api)
        await bench.time_run(await bench.new_process(DOCUMENTS, 2_000))
        without_streams = await meter.read(bench)

        bench.log(f"a run with {streams} streams")
        number = await bench.new_process(DOCUMENTS, 2_000)
        before = api.memory_info().rss
        with PeakMemory(api) as memory:
            await bench.get(f"/processes/{number}", auto_download="true")
            begun = time.perf_counter()
            opened = await _open_streams(bench, number, streams)
            seconds_to_open = time.perf_counter() - begun
            if (await bench.get(f"/processes/{number}/status"))["status"] != "processing":
                raise CannotMeasure(f"The run ended before all {streams} streams were open.")
            meter = await _LoadMeter.start(bench, api)
            bodies = await asyncio.gather(*(stream.read_to_end() for stream in opened))
            with_streams = await meter.read(bench)
    return Measured(
        ended_once=sum(body.count(b"event: ended\n") == 1 for body in bodies),
        events=sum(body.count(b"\nid: ") for body in bodies),
        seconds_to_open=seconds_to_open,
        memory_before=before,
        memory_peak=memory.peak,
        with_streams=with_streams,
        without_streams=without_streams,
    )


async def memory_with_streams(bench: Bench) -> Sequence[Round]:
    """Measure the API's memory with a thousand streams, on a stack of its own. For the table of budgets.

    One round: memory that the API has once used stays with it.

    Raises:
        CannotMeasure: not every stream received the end exactly once.
    """
    raise_file_limit(STREAMS)
    measured = await measure(STREAMS)
    if measured.ended_once != STREAMS:
        raise CannotMeasure(f"{measured.ended_once} of {STREAMS} streams received the end exactly once.")
    grown = Figure((measured.memory_peak - measured.memory_before) / MIB, "MiB")
    bench.log(
        f"{grown} above {measured.memory_before / MIB:.0f} MiB, all open after {measured.seconds_to_open:.1f} s"
    )
    return [Round(grown)]


def raise_file_limit(streams: int) -> None:
    """Let this program, and the stacks that it starts, open a file for each stream."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(streams + _OTHER_FILES, hard)), hard))


class _Stream:
    """One status stream (SSE) over a connection of its own."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def open(cls, api: str, number: str) -> _Stream:
        """Open a stream and read its first event."""
        address = urlsplit(api)
        reader, writer = await asyncio.open_connection(address.hostname, address.port, limit=_MAX_STREAM_BYTES)
        writer.write(f"GET /processes/{number}/events HTTP/1.1\r\nHost: {address.netloc}\r\n\r\n".encode())
        status = (await reader.readuntil(b"\r\n\r\n")).split(b" ", 2)[1]
        if status != b"200":
            raise CannotMeasure(f"A stream was answered with {status.decode()}.")
        await reader.readuntil(b"retry: ")
        return cls(reader, writer)

    async def read_to_end(self) -> bytes:
        """Read until the service ends the stream, which it does with an empty chunk."""
        body = await self._reader.readuntil(b"\r\n0\r\n\r\n")
        self._writer.close()
        return body


async def _open_streams(bench: Bench, number: str, count: int) -> list[_Stream]:
    streams: list[_Stream] = []
    while len(streams) < count:
        size = min(_CONNECT_BATCH, count - len(streams))
        streams += await asyncio.gather(*(_Stream.open(bench.api, number) for _ in range(size)))
    return streams


async def _read_transactions(bench: Bench) -> float:
    for line in (await bench.http.get(f"{bench.api}/metrics")).text.splitlines():
        if line.startswith(_TRANSACTIONS):
            return float(line.removeprefix(_TRANSACTIONS))
    raise CannotMeasure(f"/metrics has no {_TRANSACTIONS.strip()}.")


def _read_cpu_seconds(service: psutil.Process) -> float:
    times = service.cpu_times()
    return times.user + times.system


def main() -> None:
    """Parse the command line, measure and print."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.watchers", description="Open many status streams of one run."
    )
    parser.add_argument("--watchers", type=int, default=STREAMS, metavar="N", help="number of streams (1000)")
    streams = parser.parse_args().watchers
    configure_logging("auto", "warning")
    raise_file_limit(streams)
    try:
        measured = asyncio.run(measure(streams))
    except (CannotMeasure, AutosError, httpx2.HTTPError, TimeoutError, OSError) as error:
        print(f"Could not measure: {str(error) or type(error).__name__}", file=sys.stderr)
        hard_exit(1)
    except KeyboardInterrupt:
        hard_exit(130)
    before, peak = measured.memory_before / MIB, measured.memory_peak / MIB
    print(f"ended exactly once      {measured.ended_once} of {streams} streams")
    print(f"events sent             {measured.events + streams}")
    print(f"all streams open after  {measured.seconds_to_open:.1f} s")
    print(f"memory of the API       {before:.0f} MiB before, {peak:.0f} MiB at peak")
    print(f"memory per stream       {1024 * (peak - before) / streams:.0f} KiB")
    loaded, idle = measured.with_streams, measured.without_streams
    print(f"CPU of the API          {loaded.cpu:.0%} of one, {idle.cpu:.0%} without streams")
    print(f"database transactions   {loaded.transactions:.1f} per second, {idle.transactions:.1f} without streams")
    hard_exit(0 if measured.ended_once == streams else 1)


if __name__ == "__main__":
    main()
