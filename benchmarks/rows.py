"""The rows of the table: what is measured, and the budget of each."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from benchmarks import bundle, large_process, memory, response_time, scale, signing, throughput, watchers
from benchmarks.bench import Bench
from benchmarks.measurement import FULL, Budget, Round


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the table.

    Attributes:
        name: its name for ``--only``.
        what: description of what is measured.
        against: description of the baseline. Empty if there is none.
        measure: measures all rounds.
        parts: description of the parts of a round. Empty if they are not shown.
        is_quick: whether ``--quick`` measures it, in a few seconds.
        command: what measures it, if ``make bench`` does not because it takes too long. Empty otherwise.
    """

    name: str
    what: str
    against: str
    budget: Budget
    measure: Callable[[Bench], Awaitable[Sequence[Round]]]
    parts: str = ""
    is_quick: bool = False
    command: str = ""


@dataclass(frozen=True, slots=True)
class Result:
    """A row with its measured rounds."""

    row: Row
    rounds: Sequence[Round]

    @property
    def median(self) -> Round:
        """The round with the median score."""
        return sorted(self.rounds, key=lambda measured: measured.score)[len(self.rounds) // 2]

    @property
    def met(self) -> bool:
        """Whether the median round meets the budget."""
        return self.row.budget.is_met_by(self.median.score)


_RUN = f"{FULL.documents} documents of {throughput.SIZE_BYTES // 1000} kB"
_LATENCY = f"{throughput.COURT_LATENCY_SECONDS * 1000:.0f} ms"
_LOOP = "bare asyncio loop, 16 workers"
_CPU = "CPU time of a document"
_SCALE = f"lists, search, status, answers and sweeps with {scale.PROCESSES:,} processes"
_SCALE_AGAINST = f"the same with {scale.FEW_PROCESSES}"
_SCALE_BUDGET = Budget(1.3, at_most=True)
_SCALE_COMMAND = "make bench-scale"

ROWS = (
    Row(
        "throughput",
        f"{_RUN}, court latency {_LATENCY}",
        _LOOP,
        Budget(0.95),
        throughput.at_court_latency,
        is_quick=True,
    ),
    Row("cpu", f"{_RUN}, no latency", _LOOP, Budget(0.60), throughput.without_latency, parts=_CPU, is_quick=True),
    Row(
        "cpu-postgres",
        f"{_RUN}, no latency, catalog on Postgres",
        _LOOP,
        Budget(0.60),
        throughput.without_latency_on_postgres,
        parts=_CPU,
    ),
    Row(
        "sequential",
        f"{_RUN}, court latency {_LATENCY}",
        "one document after another",
        Budget(10),
        throughput.against_sequential,
        is_quick=True,
    ),
    Row(
        "answer",
        f"answer of a complete process, {response_time.DOCUMENTS} signed links, p50",
        "the same rows as JSON, unsigned",
        Budget(1.5, at_most=True),
        response_time.complete_process,
        is_quick=True,
    ),
    Row(
        "link",
        f"CPU of a signed link, in a page of {signing.LINKS:,}",
        "",
        Budget(15, at_most=True, unit="µs"),
        signing.link,
        is_quick=True,
    ),
    Row(
        "memory",
        f"peak memory above idle, one document of {memory.ONE_BYTES // memory.MIB:,} MiB",
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
    Row(
        "bundle",
        f"one PDF of {bundle.DOCUMENTS} PDFs, {bundle.DOCUMENTS * bundle.PAGES:,} pages, 590 MB",
        "qpdf's merge of the same files alone",
        Budget(2, at_most=True),
        bundle.time_against_merge,
    ),
    Row(
        "bundle-memory",
        "peak memory above idle, building that PDF",
        "",
        Budget(150, at_most=True, unit="MiB"),
        bundle.peak_memory,
    ),
    Row(
        "large-process",
        f"CPU of a document, of {large_process.DOCUMENTS:,} in one process",
        f"of {large_process.FEW_DOCUMENTS}",
        Budget(1.15, at_most=True),
        large_process.cost_per_document,
    ),
    Row(
        "history",
        f"longest history of a run of {large_process.DOCUMENTS:,} documents",
        "",
        Budget(10_000, at_most=True, unit="events"),
        large_process.longest_history,
    ),
    Row(
        "watchers",
        f"memory of the API above idle, {watchers.STREAMS:,} clients follow a run",
        "",
        Budget(150, at_most=True, unit="MiB"),
        watchers.memory_with_streams,
    ),
    Row(
        "scale-sqlite",
        f"{_SCALE}, on SQLite: the slowest",
        _SCALE_AGAINST,
        _SCALE_BUDGET,
        scale.on_sqlite,
        parts="time of each request or query",
        command=_SCALE_COMMAND,
    ),
    Row(
        "scale-postgres",
        f"{_SCALE}, on Postgres: the slowest",
        _SCALE_AGAINST,
        _SCALE_BUDGET,
        scale.on_postgres,
        parts="time of each request or query",
        command=_SCALE_COMMAND,
    ),
)
