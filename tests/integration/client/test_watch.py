"""Event streams: split into chunks, broken and resumed."""

from __future__ import annotations

import json

import httpx2
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


def format_event(kind: str, available: int, event_id: str, **more: str) -> str:
    """Return one event as the API writes it."""
    progress = status_body("completed" if kind == "ended" else "processing", available, 5, **more)
    return f"event: {kind}\ndata: {json.dumps(progress, ensure_ascii=False)}\nid: {event_id}\nretry: 2000\n\n"


STREAM = (
    ": ping\n\nevent: progress\nid: 1-a\nretry: 2500\ndata: first\ndata:  second\n\n"
    "data\n\nid: bad\0id\nevent: ignored\n\nunknown: field\ndata: separators \u2028\x85\x0c stay\n\n"
    "data: never ends"
)


@given(st.sampled_from(["\n", "\r\n", "\r"]), st.lists(st.integers(1, 12)), st.booleans())
def test_events_do_not_depend_on_chunk_boundaries(end: str, sizes: list[int], marked: bool) -> None:
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


def test_endless_line_is_refused() -> None:
    parser = EventParser()
    assert list(parser.feed(b"x" * 1024 * 1024)) == []
    with pytest.raises(UnexpectedAnswer):
        list(parser.feed(b"x"))


async def test_broken_stream_is_resumed_from_the_last_event(script: Script, pauses: list[float]) -> None:
    first = event_stream(
        format_event("progress", 1, "1-a"), format_event("progress", 2, "2-b")[:40], httpx2.ReadError("lost")
    )
    second = event_stream(
        format_event("progress", 3, "3-c"), format_event("ended", 5, "4-d"), format_event("progress", 9, "never")
    )
    script.on(EVENTS, first, break_connection, problem_answer(503, "not_ready", Retry_After="9"), second)

    with script.client() as autos:
        progress = list(autos.watch(NUMBER))

    assert [(each.available_documents, each.ended) for each in progress] == [(1, False), (3, False), (5, True)]
    assert [each.headers.get("last-event-id") for each in script.requests] == [None, "1-a", "1-a", "1-a"]
    assert pauses == [2.0, 0.5, 9.0]


async def test_ended_stream_is_resumed_with_asyncio(script: Script, pauses: list[float]) -> None:
    # The stream ends without an `ended` event and is not broken: the service ends streams after some time.
    script.on(
        EVENTS, event_stream(format_event("progress", 1, "1-a")), event_stream(format_event("ended", 5, "4-d"))
    )

    async with script.async_client() as autos:
        progress = [each.available_documents async for each in autos.watch(NUMBER)]

    assert (progress, len(pauses)) == ([1, 5], 1)
    assert script.requests[1].headers["last-event-id"] == "1-a"


def test_watch_ends_on_204(script: Script, pauses: list[float]) -> None:
    script.on(EVENTS, event_stream(format_event("progress", 1, "1-a")), lambda _: httpx2.Response(204))

    with script.client() as autos:
        assert [each.available_documents for each in autos.watch(NUMBER)] == [1]


def test_watch_raises_for_an_unknown_process(script: Script, pauses: list[float]) -> None:
    script.on(EVENTS, problem_answer(404, "process_unknown"))
    with script.client() as autos, pytest.raises(NotFound, match="process_unknown"):
        next(autos.watch(NUMBER))

    script.on(EVENTS, json_answer(status_body()))
    with script.client() as autos, pytest.raises(UnexpectedAnswer, match="no stream"):
        next(autos.watch(NUMBER))
    assert pauses == []


def test_watch_gives_up_on_an_unreachable_service(script: Script, pauses: list[float]) -> None:
    script.on(EVENTS, break_connection)

    with script.client() as autos, pytest.raises(Unavailable):
        next(autos.watch(NUMBER))

    assert len(script.requests) == 4
