"""The injected faults and the requests that they affect."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import count

from simulator.case import Case
from simulator.fault_kinds import KINDS, FaultKind, FaultOptions, Reach
from simulator.requests import CourtRequest, Target


@dataclass(frozen=True, slots=True)
class FaultRule:
    """A fault to inject.

    Attributes:
        kind: a name in ``KINDS``.
        number: canonical number of the process. ``None`` means any.
        documents: the documents whose requests are affected: positions in filing order (from 0, over the whole
            process), or a share of them from 0 to 1. ``None`` affects every request in the kind's reach.
        times: how often each document, and each process's details and search, is affected. ``None`` means always.
        options: options of the response.
    """

    kind: str
    number: str | None = None
    documents: frozenset[int] | float | None = None
    times: int | None = None
    options: FaultOptions = field(default_factory=FaultOptions)


class _Fault:
    def __init__(self, rule: FaultRule) -> None:
        self.rule = rule
        self.kind = KINDS[rule.kind]
        self._matched: Counter[tuple[str | None, int | Target]] = Counter()

    def match_and_count(self, request: CourtRequest) -> bool:
        """Return whether the fault affects this request. If so, it is counted."""
        if not self._matches(request):
            return False
        if self.rule.times is None:
            return True
        key = (request.number, request.document.index if request.document else request.target)
        if self._matched[key] >= self.rule.times:
            return False
        self._matched[key] += 1
        return True

    def _matches(self, request: CourtRequest) -> bool:
        rule = self.rule
        if rule.number is not None and rule.number != request.number:
            return False
        if rule.documents is None:
            match self.kind.reach:
                case Reach.EVERYTHING:
                    return True
                case Reach.PROCESS:
                    return request.number is not None
                case Reach.DETAILS:
                    return request.target is Target.DETAILS
                case Reach.DOCUMENTS:
                    return request.target is Target.DOCUMENT
        if request.document is None or request.case is None:
            return False
        if isinstance(rule.documents, frozenset):
            return request.document.index in rule.documents
        return request.document.index in _select_share(request.case, rule.documents)


@lru_cache(maxsize=256)
def _select_share(case: Case, fraction: float) -> frozenset[int]:
    """Return the positions of a share of a process's documents: spread over it, and the same at every call."""
    # The ids are hashes: their order is as good as random, and stable.
    shuffled = sorted(case.documents, key=lambda document: document.id)
    return frozenset(document.index for document in shuffled[: round(fraction * len(shuffled))])


class Faults:
    """The active faults. If several match a request at the same stage, the oldest one applies."""

    def __init__(self) -> None:
        self._faults: dict[str, _Fault] = {}
        self._ids = count(1)

    def add(self, rule: FaultRule) -> str:
        """Activate a fault. Returns its id."""
        fault_id = f"fault-{next(self._ids)}"
        self._faults[fault_id] = _Fault(rule)
        return fault_id

    def remove(self, fault_id: str) -> bool:
        """Remove a fault. Returns ``False`` if the id is unknown."""
        return self._faults.pop(fault_id, None) is not None

    def clear(self) -> None:
        """Remove all faults."""
        self._faults.clear()

    def match_and_count(
        self, request: CourtRequest, *, before_token: bool
    ) -> tuple[FaultKind, FaultOptions] | None:
        """Return the fault that affects this request at this stage, if any, and count it."""
        for fault in self._faults.values():
            if fault.kind.before_token is before_token and fault.match_and_count(request):
                return fault.kind, fault.rule.options
        return None
