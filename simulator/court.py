"""All that the simulator remembers while it runs."""

from __future__ import annotations

from dataclasses import replace

from domain.process_number import ProcessNumber
from simulator.case import Case, Shape, case, natural_shape
from simulator.faults import Faults
from simulator.stats import Stats
from simulator.tokens import Tokens


class Court:
    """The court's state: what was ordered about its processes, its faults, its tokens, and what it counted.

    Attributes:
        latency: seconds by which every answer of the court is late.
        prepared: ids of the documents for which the data lake has made a link.
    """

    def __init__(self) -> None:
        self.tokens = Tokens()
        self.faults = Faults()
        self.stats = Stats()
        self.latency = 0.0
        self.prepared: set[str] = set()
        self._ordered: dict[str, Shape] = {}
        self._asked: set[str] = set()

    def case(self, number: ProcessNumber) -> Case | None:
        """The process, or None if the court does not know it."""
        shape = self.shape(number)
        if number.canonical not in self._ordered:
            self._asked.add(number.canonical)
        return case(number, shape) if shape.exists else None

    def shape(self, number: ProcessNumber) -> Shape:
        """What was ordered about a process, or what follows from its number."""
        return self._ordered.get(number.canonical) or natural_shape(number)

    def arrange(self, number: ProcessNumber, shape: Shape) -> Case:
        """Give a process this shape from now on. Documents that it had and still has stay what they were.

        Twins are the court's own doing: a process has them if somebody saw it before anything was ordered.
        """
        former = self._ordered.get(number.canonical)
        if former is None and number.canonical in self._asked:
            former = natural_shape(number)
        shape = replace(shape, twins=former is not None and former.twins)
        self._ordered[number.canonical] = shape
        return case(number, shape)
