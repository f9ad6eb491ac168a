"""What traces cost: ``python -m benchmarks.traces [--rounds N]``.

Local stacks are run by turns without and with a collector, each on a fresh folder. The CPU time of the API is
measured for each request of a status, and that of the worker for each document: other programs on the machine
disturb it less than durations. The medians of the rounds are printed, and the memory of both services at their end.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx2
import psutil

from adapters.logs import configure_logging
from benchmarks.bench import Bench, open_bench
from benchmarks.measurement import CannotMeasure
from devstack.hard_exit import hard_exit
from domain.errors import AutosError

_REQUESTS = 2_000
_DOCUMENTS = 400
_SIZE_BYTES = 20_000
_MIB = 1024**2


@dataclass(frozen=True, slots=True)
class _Cost:
    """CPU times in milliseconds, memory in MiB."""

    api_ms_per_request: float
    worker_ms_per_document: float
    api_mib: float
    worker_mib: float


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        """Take a batch of spans."""
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Write nothing."""


@contextmanager
def _collector() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def _cpu_seconds(service: psutil.Process) -> float:
    times = service.cpu_times()
    return times.user + times.system


async def _measure_one(endpoint: str) -> _Cost:
    async with open_bench({"AUTOS_OTLP_ENDPOINT": endpoint}) as bench:
        number = await bench.new_process(20, _SIZE_BYTES)
        await bench.time_run(number)
        await _request_statuses(bench, number, _REQUESTS // 10)
        before = _cpu_seconds(bench.api_service)
        await _request_statuses(bench, number, _REQUESTS)
        api = _cpu_seconds(bench.api_service) - before
        number = await bench.new_process(_DOCUMENTS, _SIZE_BYTES)
        before = _cpu_seconds(bench.worker)
        await bench.time_run(number)
        worker = _cpu_seconds(bench.worker) - before
        return _Cost(
            1000 * api / _REQUESTS,
            1000 * worker / _DOCUMENTS,
            bench.api_service.memory_info().rss / _MIB,
            bench.worker.memory_info().rss / _MIB,
        )


async def _request_statuses(bench: Bench, number: str, count: int) -> None:
    for _ in range(count):
        await bench.get(f"/processes/{number}/status")


async def _measure(rounds: int) -> None:
    off, on = [], []
    with _collector() as endpoint:
        for _ in range(rounds):
            off.append(await _measure_one(""))
            on.append(await _measure_one(endpoint))
    print(f"{'':24} {'off':>8} {'on':>8}")
    for name in (each.name for each in fields(_Cost)):
        without, with_traces = (statistics.median(getattr(cost, name) for cost in costs) for costs in (off, on))
        print(f"{name:24} {without:8.2f} {with_traces:8.2f}   {with_traces / without:.2f} ×")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.traces", description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3, help="stacks of each kind")
    arguments = parser.parse_args()
    configure_logging("auto", "warning")
    try:
        asyncio.run(_measure(arguments.rounds))
    except (CannotMeasure, AutosError, httpx2.HTTPError, TimeoutError, OSError) as error:
        print(f"Could not measure: {str(error) or type(error).__name__}", file=sys.stderr)
        hard_exit(2)
    hard_exit(0)


if __name__ == "__main__":
    main()
