"""The simulator's state, in memory only."""

from __future__ import annotations

from dataclasses import replace

from domain.process_number import ProcessNumber
from simulator.case import Case, Shape, build_case, natural_shape
from simulator.faults import Faults
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

    def find_case(self, number: ProcessNumber) -> Case | None:
        """Return the process, or ``None`` if the court does not have it."""
        shape = self.get_shape(number)
        if number.canonical not in self._shapes:
            self._requested.add(number.canonical)
        return build_case(number, shape) if shape.exists else None

    def get_shape(self, number: ProcessNumber) -> Shape:
        """Return the configured shape of a process, or the one derived from its number."""
        return self._shapes.get(number.canonical) or natural_shape(number)

    def set_shape(self, number: ProcessNumber, shape: Shape) -> Case:
        """Configure the shape of a process. Documents that it had and still has do not change.

        Twins cannot be configured: a process keeps them if it was requested before it was configured.
        """
        previous = self._shapes.get(number.canonical)
        if previous is None and number.canonical in self._requested:
            previous = natural_shape(number)
        shape = replace(shape, twins=previous is not None and previous.twins)
        self._shapes[number.canonical] = shape
        return build_case(number, shape)
