"""The rows of the table: what is measured, and the budget of each."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from benchmarks import bundle, memory, response_time, signing, throughput
from benchmarks.bench import Bench
from benchmarks.measurement import Budget, Round


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the table.

    Attributes:
        name: its name for ``--only``.
        what: description of what is measured.
        against: description of the baseline. Empty if there is none.
        measure: measures all rounds.
    """

    name: str
    what: str
    against: str
    budget: Budget
    measure: Callable[[Bench], Awaitable[Sequence[Round]]]


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
        f"answer of a complete process, {response_time.DOCUMENTS} signed links, p50",
        "the same rows as JSON, unsigned",
        Budget(3, at_most=True),
        response_time.complete_process,
    ),
    Row(
        "link",
        f"CPU of a signed link, in a page of {signing.LINKS}",
        "",
        Budget(15, at_most=True, unit="µs"),
        signing.link,
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
)
