"""The faults that are ordered, and which requests they strike."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import count

from simulator.calls import Call, Target
from simulator.case import Case
from simulator.fault_kinds import KINDS, Kind, Reach, Terms


@dataclass(frozen=True, slots=True)
class Order:
    """What is to go wrong.

    Attributes:
        kind: a name of ``KINDS``.
        number: the process, canonical; None for any.
        documents: None for every request of the kind's reach; else requests for documents only: those at
            these places in filing order (from 0, over the whole process), or that share of them.
        times: how often each document, and each process's details and search, is struck; None for always.
        terms: how the answer is shaped.
    """

    kind: str
    number: str | None = None
    documents: frozenset[int] | float | None = None
    times: int | None = None
    terms: Terms = field(default_factory=Terms)


class _Fault:
    def __init__(self, order: Order) -> None:
        self.order = order
        self.kind = KINDS[order.kind]
        self._struck: Counter[tuple[str | None, int | Target]] = Counter()

    def strikes(self, call: Call) -> bool:
        """Whether this request is struck; if so it is counted."""
        if not self._concerns(call):
            return False
        if self.order.times is None:
            return True
        key = (call.number, call.document.index if call.document else call.target)
        if self._struck[key] >= self.order.times:
            return False
        self._struck[key] += 1
        return True

    def _concerns(self, call: Call) -> bool:
        order = self.order
        if order.number is not None and order.number != call.number:
            return False
        if order.documents is None:
            match self.kind.reach:
                case Reach.EVERYTHING:
                    return True
                case Reach.PROCESS:
                    return call.number is not None
                case Reach.DETAILS:
                    return call.target is Target.DETAILS
                case Reach.DOCUMENTS:
                    return call.target is Target.DOCUMENT
        if call.document is None or call.case is None:
            return False
        if isinstance(order.documents, frozenset):
            return call.document.index in order.documents
        return call.document.index in _share(call.case, order.documents)


@lru_cache(maxsize=256)
def _share(case: Case, fraction: float) -> frozenset[int]:
    """The places of that share of a process's documents: the same ones at every call, spread over it."""
    # The ids are hashes, so their order is as good as chance and stays what it is.
    shuffled = sorted(case.documents, key=lambda document: document.id)
    return frozenset(document.index for document in shuffled[: round(fraction * len(shuffled))])


class Faults:
    """The table of faults in force. Where several concern a request at the same stage, the oldest strikes."""

    def __init__(self) -> None:
        self._faults: dict[str, _Fault] = {}
        self._ids = count(1)

    def add(self, order: Order) -> str:
        """Put a fault in force; its id removes it."""
        fault_id = f"fault-{next(self._ids)}"
        self._faults[fault_id] = _Fault(order)
        return fault_id

    def remove(self, fault_id: str) -> bool:
        """End one fault; False if there is none of that id."""
        return self._faults.pop(fault_id, None) is not None

    def clear(self) -> None:
        """End all faults."""
        self._faults.clear()

    def strike(self, call: Call, *, before_token: bool) -> tuple[Kind, Terms] | None:
        """The fault that this request meets at this stage, if any; it counts as met."""
        for fault in self._faults.values():
            if fault.kind.before_token is before_token and fault.strikes(call):
                return fault.kind, fault.order.terms
        return None
