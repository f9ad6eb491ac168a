"""Building blocks of a measurement: figures, rounds and budgets."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

ROUNDS = 3


class CannotMeasure(Exception):
    """Something failed that has nothing to do with speed, so that a figure would mean nothing."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured value. For times, ``value`` is the median and ``p99`` the 99th percentile."""

    value: float
    unit: str
    p99: float | None = None

    def __str__(self) -> str:
        text = f"{self.value:.1f} {self.unit}" if self.value >= 10 else f"{self.value:.2f} {self.unit}"
        return text if self.p99 is None else f"{text} (p99 {self.p99:.2f})"


@dataclass(frozen=True, slots=True)
class Round:
    """The service and its baseline, measured one right after the other. An absolute budget has no baseline."""

    ours: Figure
    baseline: Figure | None = None

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
        return f"{'≤' if self.at_most else '≥'} {self.limit:g} {self.unit}"


async def measure_rounds(
    measure_ours: Callable[[], Awaitable[Figure]],
    measure_baseline: Callable[[], Awaitable[Figure]],
    log: Callable[[str], None],
) -> list[Round]:
    """Measure both in every round. Which one is first alternates from round to round."""
    rounds: list[Round] = []
    for index in range(ROUNDS):
        if index % 2:
            baseline = await measure_baseline()
            rounds.append(Round(await measure_ours(), baseline))
        else:
            ours = await measure_ours()
            rounds.append(Round(ours, await measure_baseline()))
        log(f"round {index + 1} of {ROUNDS}: {rounds[-1].ours} against {rounds[-1].baseline}")
    return rounds
