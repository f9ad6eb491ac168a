"""How long a single request waits while a batch is running: ``python -m benchmarks.batch [--processes N]``.

On a local stack of its own, with the latency of a court, the time from the request for one process to its first
stored document is measured several times: on an idle stack, then during a batch of ``--processes`` (default 1,000).
The medians are compared. The exit code is 0 if the budget is met.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

import httpx2

from adapters.logs import configure_logging
from benchmarks.bench import Bench, open_bench
from benchmarks.measurement import Budget, CannotMeasure
from devstack.hard_exit import hard_exit
from domain.batches import MAX_ITEMS
from domain.errors import AutosError

_BUDGET = Budget(3, at_most=True)
_SAMPLES = 9
_DOCUMENTS = 10
_SIZE_BYTES = 50_000
_LATENCY_SECONDS = 0.3
_POLL_SECONDS = 0.02
_TIMEOUT_SECONDS = 120.0
# A batch is no load until its window of running processes is full.
_COMPLETED_BEFORE_SAMPLES = 20


async def _time_to_first_document(bench: Bench) -> float:
    """Request a new process. Returns the seconds to its first stored document."""
    number = await bench.new_process(_DOCUMENTS, _SIZE_BYTES)
    begun = time.perf_counter()
    response = await bench.get(f"/processes/{number}", auto_download="true")

    async def has_document() -> bool:
        return bool((await bench.get(f"/processes/{number}/status"))["available_documents"])

    await _wait_until(has_document)
    seconds = time.perf_counter() - begun
    await bench.temporal.get_workflow_handle(number, run_id=response["run"]["id"]).result()
    return seconds


async def _wait_until(condition: Callable[[], Awaitable[bool]]) -> None:
    deadline = time.perf_counter() + _TIMEOUT_SECONDS
    while not await condition():
        if time.perf_counter() > deadline:
            raise CannotMeasure(f"Nothing happened within {_TIMEOUT_SECONDS:.0f} s: see the stack's logs.")
        await asyncio.sleep(_POLL_SECONDS)


async def _measure_median(bench: Bench, what: str) -> float:
    """Take several samples, one after another. Returns their median in seconds."""
    samples = [await _time_to_first_document(bench) for _ in range(_SAMPLES)]
    bench.log(f"{what}: " + ", ".join(f"{seconds:.2f}" for seconds in sorted(samples)) + " s")
    return statistics.median(samples)


async def _create_batch(bench: Bench, processes: int) -> dict[str, Any]:
    numbers = [await bench.new_process(_DOCUMENTS, _SIZE_BYTES) for _ in range(processes)]
    response = await bench.http.post(f"{bench.api}/batches", json={"process_numbers": numbers})
    if response.status_code != 202:
        raise CannotMeasure(f"POST /batches returned {response.status_code}: {response.text[:300]}")
    body: dict[str, Any] = response.json()
    return body


async def _measure(processes: int) -> bool:
    async with open_bench() as bench:
        await bench.set_latency(_LATENCY_SECONDS)
        await _time_to_first_document(bench)
        idle = await _measure_median(bench, "idle")
        batch = await _create_batch(bench, processes)
        began = time.perf_counter()

        async def read_counts() -> dict[str, int]:
            counts: dict[str, int] = (await bench.get(f"/batches/{batch['id']}"))["counts"]
            return counts

        async def window_is_full() -> bool:
            return (await read_counts())["completed"] >= _COMPLETED_BEFORE_SAMPLES

        await _wait_until(window_is_full)
        during = await _measure_median(bench, "during the batch")
        seconds = time.perf_counter() - began
        counts = await read_counts()
        if counts["queued"] == 0:
            raise CannotMeasure("The batch ended before the last sample: use a larger one.")
        bench.log(f"the batch: {counts['completed']} of {processes} processes in {seconds:.0f} s")
    ratio = during / idle
    print(f"{'idle':20} {idle:6.2f} s")
    print(f"{f'batch of {processes}':20} {during:6.2f} s")
    print(f"{'ratio':20} {ratio:6.2f} ×   (budget {_BUDGET})")
    return _BUDGET.is_met_by(ratio)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.batch", description=__doc__.splitlines()[0])
    parser.add_argument("--processes", type=int, default=MAX_ITEMS, help="processes in the batch")
    arguments = parser.parse_args()
    configure_logging("auto", "warning")
    try:
        met = asyncio.run(_measure(arguments.processes))
    except (CannotMeasure, AutosError, httpx2.HTTPError, TimeoutError, OSError) as error:
        print(f"Could not measure: {str(error) or type(error).__name__}", file=sys.stderr)
        hard_exit(2)
    hard_exit(0 if met else 1)


if __name__ == "__main__":
    main()
