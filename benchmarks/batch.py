"""How long a single request waits while a batch is worked off: ``python -m benchmarks.batch [--processes N]``.

On a local stack of its own, with the latency of a court, the time from the request for one process to its first
stored document is measured several times: on an idle stack, then during a batch of ``--processes`` (default 1,000).
The medians are compared. Exit 0 if the budget is kept.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

import httpx

from adapters.logs import configure_logging
from benchmarks.bench import Bench, open_bench
from benchmarks.measurement import Budget, CannotMeasure
from domain.batches import MOST_ITEMS
from domain.errors import AutosError
from local.leaving import leave

_BUDGET = Budget(3, at_most=True)
_SAMPLES = 9
_DOCUMENTS = 10
_SIZE_BYTES = 50_000
_LATENCY_SECONDS = 0.3
_LOOK_SECONDS = 0.02
_LONGEST_SECONDS = 120.0
# Until its window is full, a batch is no load.
_BEFORE = 20


async def _first_document(bench: Bench) -> float:
    """Ask for a new process; the seconds to its first stored document."""
    number = await bench.new_process(_DOCUMENTS, _SIZE_BYTES)
    begun = time.perf_counter()
    answer = await bench.get(f"/processes/{number}", auto_download="true")

    async def stored() -> bool:
        return bool((await bench.get(f"/processes/{number}/status"))["available_documents"])

    await _until(stored)
    seconds = time.perf_counter() - begun
    await bench.temporal.get_workflow_handle(number, run_id=answer["run"]["id"]).result()
    return seconds


async def _until(reached: Callable[[], Awaitable[bool]]) -> None:
    deadline = time.perf_counter() + _LONGEST_SECONDS
    while not await reached():
        if time.perf_counter() > deadline:
            raise CannotMeasure(f"What had to come did not come within {_LONGEST_SECONDS:.0f} s.")
        await asyncio.sleep(_LOOK_SECONDS)


async def _samples(bench: Bench, what: str) -> float:
    """The median of several, each after the one before has ended."""
    taken = [await _first_document(bench) for _ in range(_SAMPLES)]
    bench.say(f"{what}: " + ", ".join(f"{each:.2f}" for each in sorted(taken)) + " s")
    return statistics.median(taken)


async def _ask(bench: Bench, processes: int) -> dict[str, Any]:
    numbers = [await bench.new_process(_DOCUMENTS, _SIZE_BYTES) for _ in range(processes)]
    answer = await bench.http.post(f"{bench.api}/batches", json={"process_numbers": numbers})
    if answer.status_code != 202:
        raise CannotMeasure(f"POST /batches answered {answer.status_code}: {answer.text[:300]}")
    body: dict[str, Any] = answer.json()
    return body


async def _measure(processes: int) -> bool:
    async with open_bench() as bench:
        await bench.set_latency(_LATENCY_SECONDS)
        await _first_document(bench)
        idle = await _samples(bench, "idle")
        batch = await _ask(bench, processes)
        began = time.perf_counter()

        async def counts() -> dict[str, int]:
            of_batch: dict[str, int] = (await bench.get(f"/batches/{batch['id']}"))["counts"]
            return of_batch

        async def under_way() -> bool:
            return (await counts())["completed"] >= _BEFORE

        await _until(under_way)
        during = await _samples(bench, "during the batch")
        seconds = time.perf_counter() - began
        left = await counts()
        if left["queued"] == 0:
            raise CannotMeasure("The batch was over before the last sample: ask for a larger one.")
        bench.say(f"the batch: {left['completed']} of {processes} processes in {seconds:.0f} s")
    ratio = during / idle
    print(f"{'idle':20} {idle:6.2f} s")
    print(f"{f'batch of {processes}':20} {during:6.2f} s")
    print(f"{'ratio':20} {ratio:6.2f} ×   (budget {_BUDGET})")
    return _BUDGET.admits(ratio)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.batch", description=__doc__.splitlines()[0])
    parser.add_argument("--processes", type=int, default=MOST_ITEMS, help="processes in the batch")
    arguments = parser.parse_args()
    configure_logging("auto", "warning")
    try:
        met = asyncio.run(_measure(arguments.processes))
    except (CannotMeasure, AutosError, httpx.HTTPError, TimeoutError, OSError) as error:
        print(f"Could not measure: {str(error) or type(error).__name__}", file=sys.stderr)
        leave(2)
    leave(0 if met else 1)


if __name__ == "__main__":
    main()
