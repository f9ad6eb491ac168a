"""Events as they come: in pieces, broken off, and taken up again."""

from __future__ import annotations

import json

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autos_client import NotFound, Unavailable, UnexpectedAnswer
from autos_client.sse import EventParser, ServerEvent
from tests.integration.client.scripted import (
    NUMBER,
    Script,
    break_connection,
    event_stream,
    json_answer,
    problem_answer,
    status_body,
)

EVENTS = f"GET /processes/{NUMBER}/events"


def event(kind: str, available: int, event_id: str, **more: str) -> str:
    """One event as the API writes it."""
    told = status_body("completed" if kind == "ended" else "processing", available, 5, **more)
    return f"event: {kind}\ndata: {json.dumps(told, ensure_ascii=False)}\nid: {event_id}\nretry: 2000\n\n"


STREAM = (
    ": ping\n\nevent: progress\nid: 1-a\nretry: 2500\ndata: first\ndata:  second\n\n"
    "data\n\nid: bad\0id\nevent: ignored\n\nunknown: field\ndata: separators \u2028\x85\x0c stay\n\n"
    "data: never ends"
)


@given(st.sampled_from(["\n", "\r\n", "\r"]), st.lists(st.integers(1, 12)), st.booleans())
def test_events_are_the_same_however_they_come_in_pieces(end: str, sizes: list[int], marked: bool) -> None:
    rest = (b"\xef\xbb\xbf" if marked else b"") + STREAM.replace("\n", end).encode()
    parser = EventParser()
    found: list[ServerEvent] = []
    for size in [*sizes, *[len(rest)] * 2]:
        found += parser.feed(rest[:size])
        rest = rest[size:]

    assert found == [
        ServerEvent("progress", "first\n second", "1-a"),
        ServerEvent("message", "", "1-a"),
        ServerEvent("message", "separators \u2028\x85\x0c stay", "1-a"),
    ]
    assert parser.retry_seconds == 2.5


def test_a_line_without_an_end_is_no_stream_of_events() -> None:
    parser = EventParser()
    assert list(parser.feed(b"x" * 1024 * 1024)) == []
    with pytest.raises(UnexpectedAnswer):
        list(parser.feed(b"x"))


async def test_a_broken_stream_is_taken_up_where_it_was(script: Script, pauses: list[float]) -> None:
    first = event_stream(event("progress", 1, "1-a"), event("progress", 2, "2-b")[:40], httpx.ReadError("lost"))
    second = event_stream(event("progress", 3, "3-c"), event("ended", 5, "4-d"), event("progress", 9, "never"))
    script.on(EVENTS, first, break_connection, problem_answer(503, "not_ready", Retry_After="9"), second)

    with script.client() as autos:
        told = list(autos.watch(NUMBER))

    assert [(each.available_documents, each.ended) for each in told] == [(1, False), (3, False), (5, True)]
    assert [each.headers.get("last-event-id") for each in script.requests] == [None, "1-a", "1-a", "1-a"]
    assert pauses == [2.0, 0.5, 9.0]


async def test_the_same_for_asyncio(script: Script, pauses: list[float]) -> None:
    # Without an end, and yet not broken: the service ends streams after a while.
    script.on(EVENTS, event_stream(event("progress", 1, "1-a")), event_stream(event("ended", 5, "4-d")))

    async with script.async_client() as autos:
        told = [each.available_documents async for each in autos.watch(NUMBER)]

    assert (told, len(pauses)) == ([1, 5], 1)
    assert script.requests[1].headers["last-event-id"] == "1-a"


def test_nothing_more_comes_of_a_process_that_has_ended_before(script: Script, pauses: list[float]) -> None:
    script.on(EVENTS, event_stream(event("progress", 1, "1-a")), lambda _: httpx.Response(204))

    with script.client() as autos:
        assert [each.available_documents for each in autos.watch(NUMBER)] == [1]


def test_a_process_that_is_not_known_is_not_watched(script: Script, pauses: list[float]) -> None:
    script.on(EVENTS, problem_answer(404, "process_unknown"))
    with script.client() as autos, pytest.raises(NotFound, match="process_unknown"):
        next(autos.watch(NUMBER))

    script.on(EVENTS, json_answer(status_body()))
    with script.client() as autos, pytest.raises(UnexpectedAnswer, match="no stream"):
        next(autos.watch(NUMBER))
    assert pauses == []


def test_a_service_that_is_gone_is_given_up(script: Script, pauses: list[float]) -> None:
    script.on(EVENTS, break_connection)

    with script.client() as autos, pytest.raises(Unavailable):
        next(autos.watch(NUMBER))

    assert len(script.requests) == 4
