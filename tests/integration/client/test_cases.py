"""The case in both clients: its data, and the pages of the timeline and of the changes."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import httpx2

from autos_client import AsyncAutos, Autos
from tests.integration.client.scripted import API, KEY, NUMBER

MOVEMENT = {"key": "ab", "degree": "G1", "occurred_at": None, "code": 60, "text": "Conclusos", "document_id": None}
DOCUMENT = {"id": "d1", "degree": "G1", "name": "Petição.pdf", "type": None, "filed_at": "2026-01-31T12:00:00Z"}
CASE = {
    "process_number": NUMBER,
    "court": "TJMT",
    "class_name": "Comum",
    "subjects": ["Dano"],
    "value": "15000.00",
    "instances": [{"key": "G1:45", "degree": "G1", "value": None}],
    "parties": [{"instance": "G1:45", "name": "PARTE SINTÉTICA", "lawyers": [{"oab": "MT12345"}]}],
    "related": [{"instance": "G1:45", "process_number": NUMBER}],
    "a_field_of_a_newer_server": 1,
}
ENTRIES = [
    {"at": "2026-01-31T12:00:00Z", "movement": None, "document": DOCUMENT},
    {"at": None, "movement": MOVEMENT, "document": None},
]
CHANGES = [
    {"sequence": 8, "kind": "movement_added", "seen_at": "2026-01-31T12:00:00Z", "movement": MOVEMENT},
    {
        "sequence": 9,
        "kind": "document_changed",
        "seen_at": "2026-01-31T12:00:00Z",
        "document": DOCUMENT,
        "details": {"field": "name", "from": "a", "to": "b"},
    },
]


class CaseApi:
    """An API with a case, whose lists have two pages. It keeps the requests."""

    def __init__(self) -> None:
        self.requests: list[httpx2.Request] = []

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        """Answer a request."""
        self.requests.append(request)
        part = request.url.path.rpartition("/")[2]
        is_first = "cursor" not in request.url.params
        cursor = {"next_cursor": "more" if is_first else None}
        bodies: dict[str, dict[str, Any]] = {
            "case": CASE,
            "timeline": {"entries": ENTRIES[:1] if is_first else ENTRIES[1:], **cursor},
            "changes": {"changes": CHANGES[:1] if is_first else CHANGES[1:], **cursor},
        }
        return httpx2.Response(200, json=bodies[part])


def test_the_case_and_its_lists_are_read() -> None:
    api = CaseApi()
    with Autos(API, KEY, transport=httpx2.MockTransport(api)) as autos:
        case = autos.case(NUMBER)
        entries = list(autos.timeline(NUMBER))
        changes = list(autos.changes(NUMBER, after=7))
    assert (case.value, case.instances[0].value) == (Decimal("15000.00"), None)
    assert [lawyer.oab for party in case.parties for lawyer in party.lawyers] == ["MT12345"]
    assert entries[0].document is not None
    assert entries[0].document.id == "d1"
    assert entries[1].movement is not None
    assert (entries[1].at, entries[1].movement.text) == (None, "Conclusos")
    assert [change.sequence for change in changes] == [8, 9]
    assert changes[1].details == {"field": "name", "from": "a", "to": "b"}
    asked = [dict(request.url.params) for request in api.requests[3:]]
    assert asked == [{"after": "7", "limit": "200"}, {"after": "7", "cursor": "more", "limit": "200"}]


async def test_the_client_for_asyncio_reads_the_same() -> None:
    async with AsyncAutos(API, KEY, transport=httpx2.MockTransport(CaseApi())) as autos:
        assert (await autos.case(NUMBER)).court == "TJMT"
        assert len([entry async for entry in autos.timeline(NUMBER)]) == 2
        assert [change.kind async for change in autos.changes(NUMBER)] == ["movement_added", "document_changed"]
