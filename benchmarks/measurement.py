"""What a measurement is made of."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from benchmarks.bench import Bench

ROUNDS = 3


class CannotMeasure(Exception):
    """Something that is no matter of speed went wrong, so that a figure would mean nothing."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured value; of times, ``value`` is the median and ``p99`` the 99th percentile."""

    value: float
    unit: str
    p99: float | None = None

    def __str__(self) -> str:
        text = f"{self.value:.1f} {self.unit}" if self.value >= 10 else f"{self.value:.2f} {self.unit}"
        return text if self.p99 is None else f"{text} (p99 {self.p99:.2f})"


@dataclass(frozen=True, slots=True)
class Round:
    """Ours and the baseline, measured one right after the other. A row with an absolute budget has no baseline."""

    ours: Figure
    baseline: Figure | None = None

    @property
    def judged(self) -> float:
        """What the budget is compared with: the ratio, or our own value where there is no baseline."""
        return self.ours.value if self.baseline is None else self.ours.value / self.baseline.value


@dataclass(frozen=True, slots=True)
class Budget:
    """A limit for what is judged."""

    limit: float
    at_most: bool = False
    unit: str = "×"

    def admits(self, value: float) -> bool:
        """Whether the value is within the limit."""
        return value <= self.limit if self.at_most else value >= self.limit

    def __str__(self) -> str:
        return f"{'≤' if self.at_most else '≥'} {self.limit:g} {self.unit}"


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table.

    Attributes:
        name: for ``--only``.
        what: what is measured, for readers.
        against: what the baseline does.
        measure: measures all rounds.
    """

    name: str
    what: str
    against: str
    budget: Budget
    measure: Callable[[Bench], Awaitable[Sequence[Round]]]


@dataclass(frozen=True, slots=True)
class Result:
    """A row with its rounds."""

    row: Row
    rounds: Sequence[Round]

    @property
    def chosen(self) -> Round:
        """The round that speaks for the row: its ratio is the median."""
        return sorted(self.rounds, key=lambda each: each.judged)[len(self.rounds) // 2]

    @property
    def met(self) -> bool:
        """Whether the budget is."""
        return self.row.budget.admits(self.chosen.judged)


async def in_rounds(
    ours: Callable[[], Awaitable[Figure]], baseline: Callable[[], Awaitable[Figure]], say: Callable[[str], None]
) -> list[Round]:
    """Measure both in every round; who is first changes from round to round."""
    rounds: list[Round] = []
    for index in range(ROUNDS):
        if index % 2:
            theirs = await baseline()
            rounds.append(Round(await ours(), theirs))
        else:
            mine = await ours()
            rounds.append(Round(mine, await baseline()))
        say(f"round {index + 1} of {ROUNDS}: {rounds[-1].ours} against {rounds[-1].baseline}")
    return rounds
