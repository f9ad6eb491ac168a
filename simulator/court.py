"""The simulator's state, in memory only."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from domain.process_number import ProcessNumber
from simulator.case import Case, Shape, build_case, natural_shape
from simulator.faults import Faults
from simulator.history import History, Shortage
from simulator.stats import Stats
from simulator.tokens import Tokens


class Court:
    """The court's state: configured processes, faults, tokens and counts.

    Attributes:
        latency: delay of every response of the court, in seconds.
        prepared_links: ids of the documents whose data lake link is ready.
    """

    def __init__(self) -> None:
        self.tokens = Tokens()
        self.faults = Faults()
        self.stats = Stats()
        self.latency = 0.0
        self.prepared_links: set[str] = set()
        self._shapes: dict[str, Shape] = {}
        self._requested: set[str] = set()
        self._shortages: dict[str, tuple[Shortage, int]] = {}

    def find_case(self, number: ProcessNumber) -> Case | None:
        """Return the process, or ``None`` if the court does not have it."""
        shape = self.get_shape(number)
        if number.canonical not in self._shapes:
            self._requested.add(number.canonical)
        return build_case(number, shape) if shape.exists else None

    def list_case(self, number: ProcessNumber) -> Case | None:
        """Return the process as its next listing has it, which may lack documents for a while."""
        case = self.find_case(number)
        shortage, left = self._shortages.get(number.canonical, (None, 0))
        if case is None or shortage is None:
            return case
        if left > 1:
            self._shortages[number.canonical] = shortage, left - 1
        else:
            del self._shortages[number.canonical]
        history = replace(case.shape.history, shortage=shortage)
        return build_case(number, replace(case.shape, history=history))

    def shorten(self, number: ProcessNumber, shortage: Shortage, listings: int) -> None:
        """Have the next listings of a process lack documents."""
        self._shortages[number.canonical] = shortage, listings

    def change_history(self, number: ProcessNumber, change: Callable[[Shape], History]) -> Case:
        """Have something happen to a process."""
        shape = self.get_shape(number)
        shape = replace(shape, history=change(shape))
        self._shapes[number.canonical] = shape
        return build_case(number, shape)

    def get_shape(self, number: ProcessNumber) -> Shape:
        """Return the configured shape of a process, or the one derived from its number."""
        return self._shapes.get(number.canonical) or natural_shape(number)

    def set_shape(self, number: ProcessNumber, shape: Shape) -> Case:
        """Configure the shape of a process. Its history stays, and so do documents that it had and still has.

        Twins cannot be configured: a process keeps them if it was requested before it was configured.
        """
        previous = self._shapes.get(number.canonical)
        if previous is None and number.canonical in self._requested:
            previous = natural_shape(number)
        shape = replace(
            shape,
            twins=previous is not None and previous.twins,
            history=History() if previous is None else previous.history,
        )
        self._shapes[number.canonical] = shape
        return build_case(number, shape)
