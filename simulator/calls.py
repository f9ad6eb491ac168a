"""A request to the court, once it is known what it asks for."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from simulator.answers import Answer
from simulator.case import Case, Document


class Target(StrEnum):
    """What a request asks for; the values are the words of the statistics."""

    DETAILS = "details"
    SEARCH = "search"
    DOCUMENT = "document"
    EXISTENCE = "existence"
    ACCESS = "access"
    ELSEWHERE = "elsewhere"


@dataclass(frozen=True, slots=True)
class Call:
    """One request to the court.

    Attributes:
        number: the process it names, canonical; None when it names none that is well formed.
        case: that process, when the court knows it.
        document: the document it names, when the process has it.
        answer: what it gets if nothing goes wrong.
    """

    target: Target
    path: str
    answer: Answer
    number: str | None = None
    case: Case | None = None
    document: Document | None = None
