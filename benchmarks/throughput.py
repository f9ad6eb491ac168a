"""Documents per second of one run through the API, against loops that do the same without a service around them.

A run is timed from the request until Temporal reports the end of the workflow: the decision, the listing, every
document, and the run's end in the catalog. Afterwards the catalog must have every document with the right size, and
the simulated court must have served each once, with no more requests in flight than allowed. The loops are timed
from their listing to their last document, with the same checks. The CPU time of every service is read around a run.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from benchmarks.bench import COURT_CONCURRENCY, Bench, open_bench
from benchmarks.cpu_meters import CpuMeter
from benchmarks.measurement import CannotMeasure, Figure, Part, Round, measure_rounds
from benchmarks.sizing_meters import open_postgres

SIZE_BYTES = 200_000
COURT_LATENCY_SECONDS = 0.3
_WARM_UP_DOCUMENTS = 48
_UNIT = "documents/s"


async def at_court_latency(bench: Bench) -> Sequence[Round]:
    """Measure with the latency of a court: the limit is the number of requests in flight."""
    return await _measure(bench, COURT_LATENCY_SECONDS, bench.effort.documents, COURT_CONCURRENCY)


async def without_latency(bench: Bench) -> Sequence[Round]:
    """Measure with a court that responds at once: the limit is our own work."""
    return await _measure(bench, 0, bench.effort.documents, COURT_CONCURRENCY)


async def without_latency_on_postgres(bench: Bench) -> Sequence[Round]:
    """Measure the same with Postgres as the catalog."""
    async with open_postgres() as postgres:
        variables = {"AUTOS_DATABASE_URL": postgres.url}
        async with open_bench(variables, effort=bench.effort) as other:
            other.postgres = postgres
            return await _measure(other, 0, bench.effort.documents, COURT_CONCURRENCY)


async def against_sequential(bench: Bench) -> Sequence[Round]:
    """Measure with the latency of a court, against one document after another.

    The baseline needs fewer documents. Its listing is not timed, because it would weigh more on those few.
    """
    return await _measure(bench, COURT_LATENCY_SECONDS, bench.effort.sequential_documents, 1)


async def _measure(bench: Bench, latency: float, loop_documents: int, loop_workers: int) -> Sequence[Round]:
    await bench.set_latency(0)
    await bench.time_run(await bench.new_process(_WARM_UP_DOCUMENTS, SIZE_BYTES))
    documents = bench.effort.documents
    parts: list[tuple[Part, ...]] = []

    async def ours() -> Figure:
        number = await bench.new_process(documents, SIZE_BYTES)
        await bench.set_latency(latency)
        await bench.reset_stats()
        meter = CpuMeter(bench)
        seconds = await bench.time_run(number)
        parts.append(await meter.read_parts(documents))
        await _check_run(bench, number)
        await _check_court(bench, documents)
        return Figure(documents / seconds, _UNIT)

    async def baseline() -> Figure:
        warm_up = await bench.new_process(_WARM_UP_DOCUMENTS, SIZE_BYTES) if loop_workers > 1 else None
        number = await bench.new_process(loop_documents, SIZE_BYTES)
        await bench.set_latency(latency)
        await bench.reset_stats()
        async with bench.run_module("loop", number, str(loop_workers), *([warm_up] if warm_up else [])) as loop:
            result = await loop.read_line()
        if (result["documents"], result["bytes"]) != (loop_documents, loop_documents * SIZE_BYTES):
            raise CannotMeasure(
                f"The loop stored {result['documents']} documents of {result['bytes']} bytes in total."
            )
        await _check_court(bench, loop_documents + (_WARM_UP_DOCUMENTS if warm_up else 0))
        untimed = result["listing_seconds"] if loop_workers == 1 else 0
        return Figure(loop_documents / (result["seconds"] - untimed), _UNIT)

    rounds = await measure_rounds(ours, baseline, bench.log, bench.effort.rounds)
    return [replace(measured, parts=of_run) for measured, of_run in zip(rounds, parts, strict=True)]


async def _check_run(bench: Bench, number: str) -> None:
    process = await bench.get(f"/processes/{number}")
    documents = process["documents"]
    path = process["documents_next"]
    while path is not None:
        page = await bench.get(path)
        documents += page["documents"]
        path = page["documents_next"]
    complete = [
        document
        for document in documents
        if document["status"] == "available" and document["size_bytes"] == SIZE_BYTES
    ]
    counts = process["status"], process["available_documents"], len(documents), len(complete)
    wanted = bench.effort.documents
    if counts != ("completed", wanted, wanted, wanted):
        raise CannotMeasure(f"The run left {counts} instead of {wanted} documents of {SIZE_BYTES} bytes.")


async def _check_court(bench: Bench, documents: int) -> None:
    stats = await bench.stats()
    served = stats.documents_served
    if len(served) != documents or set(served.values()) != {1}:
        raise CannotMeasure(f"The court served {sum(served.values())} documents, {len(served)} different ones.")
    if stats.max_concurrent > COURT_CONCURRENCY:
        raise CannotMeasure(f"The court saw {stats.max_concurrent} requests at once.")
