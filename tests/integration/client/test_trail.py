"""The access trail in the clients: filters, pages, and the purpose that every request has."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import httpx2
import pytest

from autos_client import AsyncAutos, Autos
from tests.integration.client.scripted import API, KEY, NUMBER

MOMENT = datetime(2026, 1, 31, 12, tzinfo=UTC)


def access_body(number: int) -> dict[str, Any]:
    """Return an access as the API writes it."""
    return {
        "at": "2026-01-31T12:00:00Z",
        "client": "desk",
        "key_id": None,
        "how": "link",
        "process_number": NUMBER,
        "document_ids": [f"d{number}"],
        "request_id": None,
        "event_id": None,
        "purpose": None,
    }


class Trail:
    """An API with two pages of accesses. It keeps the requests."""

    def __init__(self) -> None:
        self.requests: list[httpx2.Request] = []

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        """Answer a request."""
        self.requests.append(request)
        is_first = "cursor" not in request.url.params
        page = {"accesses": [access_body(1 if is_first else 2)], "next_cursor": "more" if is_first else None}
        return httpx2.Response(200, json={**page, "accesses_next": None})


def test_the_trail_is_read_page_by_page() -> None:
    api = Trail()
    with Autos(API, KEY, transport=httpx2.MockTransport(api)) as autos:
        listed = list(
            autos.accesses(
                process_number=NUMBER, client="desk", document_id="d1", how="link", since=MOMENT, until=MOMENT
            )
        )
    assert [access.document_ids for access in listed] == [("d1",), ("d2",)]
    assert listed[0].at == MOMENT
    first, second = (dict(request.url.params) for request in api.requests)
    assert first == {
        "process": NUMBER,
        "client": "desk",
        "document_id": "d1",
        "how": "link",
        "from": "2026-01-31T12:00:00+00:00",
        "to": "2026-01-31T12:00:00+00:00",
        "limit": "200",
    }
    assert second == {**first, "cursor": "more"}


async def test_the_purpose_is_sent_in_utf_8() -> None:
    api = Trail()
    async with AsyncAutos(API, KEY, purpose="diligência", transport=httpx2.MockTransport(api)) as autos:
        assert [access.client async for access in autos.accesses()] == ["desk", "desk"]
    assert [dict(request.headers.raw)[b"X-Autos-Purpose"] for request in api.requests] == [
        "diligência".encode()
    ] * 2


@pytest.mark.parametrize("purpose", ["two\nlines", "x" * 201])
def test_a_purpose_that_the_service_would_refuse_is_not_sent(purpose: str) -> None:
    with pytest.raises(ValueError, match="one line"):
        Autos(API, KEY, purpose=purpose)


def test_a_time_without_a_zone_is_refused() -> None:
    with Autos(API, KEY) as autos, pytest.raises(ValueError, match="time zone"):
        autos.accesses(since=datetime(2026, 1, 31))  # noqa: DTZ001 - that is the point.
