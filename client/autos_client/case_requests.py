"""Requests about a case, its timeline and its changes."""

from __future__ import annotations

from autos_client.case_models import Case, ChangePage, TimelinePage
from autos_client.requests import Call, part_of_process

_PAGE_SIZE = "200"


def case(number: str) -> Call[Case]:
    """Get a case."""
    return part_of_process(number, "case", Case)


def timeline(number: str, cursor: str | None) -> Call[TimelinePage]:
    """Get a page of the timeline."""
    return part_of_process(number, "timeline", TimelinePage, cursor=cursor, limit=_PAGE_SIZE)


def changes(number: str, after: int, cursor: str | None) -> Call[ChangePage]:
    """Get a page of changes."""
    query = {"after": str(after), "cursor": cursor, "limit": _PAGE_SIZE}
    return part_of_process(number, "changes", ChangePage, **query)
