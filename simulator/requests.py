"""Parsed requests to the court."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from simulator.case import Case, Document
from simulator.responses import CourtResponse


class Target(StrEnum):
    """What a request is about. The values appear in the statistics."""

    DETAILS = "details"
    SEARCH = "search"
    DOCUMENT = "document"
    EXISTENCE = "existence"
    ACCESS = "access"
    ELSEWHERE = "elsewhere"


@dataclass(frozen=True, slots=True)
class CourtRequest:
    """One request to the court.

    Attributes:
        response: the response if no fault applies and the token is valid.
        number: canonical number of the process. ``None`` if the request has no valid number.
        case: the process. ``None`` if the court does not have it.
        document: the document. ``None`` if the process does not have it.
    """

    target: Target
    path: str
    response: CourtResponse
    number: str | None = None
    case: Case | None = None
    document: Document | None = None
