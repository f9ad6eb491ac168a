"""What is measured, and the budgets that it must keep."""

from __future__ import annotations

from benchmarks import answers, memory, throughput
from benchmarks.measurement import Budget, Row

_RUN = f"{throughput.DOCUMENTS} documents of {throughput.SIZE_BYTES // 1000} kB"
_LATENCY = f"{throughput.COURT_LATENCY_SECONDS * 1000:.0f} ms"

ROWS = (
    Row(
        "throughput",
        f"{_RUN}, court latency {_LATENCY}",
        "bare asyncio loop, 16 workers",
        Budget(0.95),
        throughput.at_court_latency,
    ),
    Row(
        "cpu",
        f"{_RUN}, no latency",
        "bare asyncio loop, 16 workers",
        Budget(0.70),
        throughput.without_latency,
    ),
    Row(
        "sequential",
        f"{_RUN}, court latency {_LATENCY}",
        "one document after another",
        Budget(10),
        throughput.against_sequential,
    ),
    Row(
        "answer",
        f"answer of a complete process, {answers.DOCUMENTS} signed links, p50",
        "the same rows as JSON, unsigned",
        Budget(3, at_most=True),
        answers.complete_process,
    ),
    Row(
        "memory",
        f"peak memory above idle, one document of {memory.ONE_BYTES // memory.MIB} MiB",
        "",
        Budget(150, at_most=True, unit="MiB"),
        memory.one_document,
    ),
    Row(
        "memory-at-once",
        f"peak memory above idle, {memory.MANY} documents of {memory.MANY_BYTES // memory.MIB} MiB at once",
        "",
        Budget(150, at_most=True, unit="MiB"),
        memory.documents_at_once,
    ),
)
