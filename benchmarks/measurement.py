"""Building blocks of a measurement: figures, rounds and budgets."""

from __future__ import annotations

import statistics
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace

ROUNDS = 3


class CannotMeasure(Exception):
    """Something failed that has nothing to do with speed, so that a figure would mean nothing."""


@dataclass(frozen=True, slots=True)
class Effort:
    """How much is measured.

    Attributes:
        rounds: How often each row is measured.
        documents: Documents of a run.
        sequential_documents: Documents that are taken one after another.
        requests: Requests of a round, to each of two endpoints.
    """

    rounds: int = ROUNDS
    documents: int = 300
    sequential_documents: int = 40
    requests: int = 500


FULL = Effort()
QUICK = Effort(rounds=1, documents=96, sequential_documents=12, requests=150)


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured value. For times, ``value`` is the median and ``p99`` the 99th percentile."""

    value: float
    unit: str
    p99: float | None = None

    def __str__(self) -> str:
        return format_value(self.value, self.unit) + ("" if self.p99 is None else f" (p99 {self.p99:.2f})")


@dataclass(frozen=True, slots=True)
class Part:
    """One of several measurements of which a round consists.

    Attributes:
        name: What was measured, such as a service or a route.
        baseline: The same of the baseline. None if there is none.
    """

    name: str
    ours: Figure
    baseline: Figure | None = None

    @property
    def ratio(self) -> float | None:
        """Ours over the baseline's. None if there is none."""
        return None if self.baseline is None else self.ours.value / self.baseline.value


@dataclass(frozen=True, slots=True)
class Round:
    """The service and its baseline, measured one right after the other. An absolute budget has no baseline.

    Attributes:
        parts: What the round consists of, in the same order in every round.
    """

    ours: Figure
    baseline: Figure | None = None
    parts: tuple[Part, ...] = ()

    @property
    def score(self) -> float:
        """The number to compare with the budget: the ratio, or the service's own value without a baseline."""
        return self.ours.value if self.baseline is None else self.ours.value / self.baseline.value


@dataclass(frozen=True, slots=True)
class Budget:
    """A limit for a round's score."""

    limit: float
    at_most: bool = False
    unit: str = "×"

    def is_met_by(self, score: float) -> bool:
        """Return whether the score is within the limit."""
        return score <= self.limit if self.at_most else score >= self.limit

    def __str__(self) -> str:
        return f"{'≤' if self.at_most else '≥'} {self.limit:,g} {self.unit}"


def format_value(value: float, unit: str) -> str:
    """Return a value with its unit, with three digits or all that are before the point."""
    digits = 2 if abs(value) < 10 else 1 if abs(value) < 100 else 0
    return f"{value:,.{digits}f} {unit}"


def median_parts(rounds: Sequence[Round]) -> list[tuple[Part, float, float]]:
    """Return each part with the medians of all rounds, and the lowest and the highest of its ratios.

    Without a baseline, those are of its own values.
    """
    found = []
    for parts in zip(*(measured.parts for measured in rounds), strict=True):
        ours = replace(parts[0].ours, value=statistics.median(part.ours.value for part in parts))
        baselines = [part.baseline.value for part in parts if part.baseline is not None]
        baseline = replace(parts[0].ours, value=statistics.median(baselines), p99=None) if baselines else None
        scores = [part.ours.value if part.ratio is None else part.ratio for part in parts]
        found.append((Part(parts[0].name, ours, baseline), min(scores), max(scores)))
    return found


async def measure_rounds(
    measure_ours: Callable[[], Awaitable[Figure]],
    measure_baseline: Callable[[], Awaitable[Figure]],
    log: Callable[[str], None],
    rounds: int = ROUNDS,
) -> list[Round]:
    """Measure both in every round. Which one is first alternates from round to round."""
    measured: list[Round] = []
    for index in range(rounds):
        if index % 2:
            baseline = await measure_baseline()
            measured.append(Round(await measure_ours(), baseline))
        else:
            ours = await measure_ours()
            measured.append(Round(ours, await measure_baseline()))
        log_round(log, measured, rounds)
    return measured


def log_round(log: Callable[[str], None], measured: Sequence[Round], rounds: int) -> None:
    """Log the last of the rounds."""
    last = measured[-1]
    against = f" against {last.baseline}" if last.baseline else ""
    log(f"round {len(measured)} of {rounds}: {last.ours}{against}")
