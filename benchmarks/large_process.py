"""What a document costs in a process of ten thousand, against one in a process of five hundred.

The cost is the CPU time of all services but the simulated court. The runs also show how long a history becomes: a
run continues as new, so each of its executions has one of its own.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from benchmarks.bench import Bench, open_bench
from benchmarks.cpu_meters import CpuMeter
from benchmarks.measurement import CannotMeasure, Figure, Part, Round, measure_rounds

DOCUMENTS = 10_000
FEW_DOCUMENTS = 500
SIZE_BYTES = 20_000
# A run of ten thousand takes minutes.
_MAX_ROUNDS = 2
_UNIT = "ms of CPU"


async def cost_per_document(bench: Bench) -> Sequence[Round]:
    """Measure both, on a stack of their own, and leave the lengths of the histories for `longest_history`."""
    rounds = min(bench.effort.rounds, _MAX_ROUNDS)
    bench.histories = []
    async with open_bench() as fresh:
        # What the services load once does not count.
        await _measure_run(fresh, FEW_DOCUMENTS)

        async def ours() -> Figure:
            cost, number = await _measure_run(fresh, DOCUMENTS)
            bench.histories.append(await _read_history(fresh, number))
            return cost

        async def baseline() -> Figure:
            return (await _measure_run(fresh, FEW_DOCUMENTS))[0]

        return await measure_rounds(ours, baseline, bench.log, rounds)


async def longest_history(bench: Bench) -> Sequence[Round]:
    """Return the events of the longest history of a run of ten thousand documents, measured now or before."""
    if not bench.histories:
        await cost_per_document(bench)
    return bench.histories


async def _measure_run(bench: Bench, documents: int) -> tuple[Figure, str]:
    """Download a new process. Returns the CPU time of a document, and the process."""
    number = await bench.new_process(documents, SIZE_BYTES)
    meter = CpuMeter(bench)
    begun = time.perf_counter()
    await bench.time_run(number)
    seconds = time.perf_counter() - begun
    cost = Figure(1000 * await meter.read_total() / documents, _UNIT)
    status = await bench.get(f"/processes/{number}/status")
    if (status["status"], status["available_documents"]) != ("completed", documents):
        raise CannotMeasure(f"The run left {status['available_documents']} of {documents} documents.")
    bench.log(f"{documents} documents: {cost} a document, {documents / seconds:.0f} documents/s")
    return cost, number


async def _read_history(bench: Bench, number: str) -> Round:
    events = []
    async for found in bench.temporal.list_workflows(f"WorkflowId = '{number}'"):
        handle = bench.temporal.get_workflow_handle(found.id, run_id=found.run_id)
        events.append((await handle.describe()).history_length)
    if not events:
        raise CannotMeasure(f"Temporal lists no execution of {number}.")
    return Round(Figure(max(events), "events"), parts=(Part("executions of the run", Figure(len(events), "")),))
