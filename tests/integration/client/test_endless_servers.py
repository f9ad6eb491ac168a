"""A server with endless answers neither blocks a client forever nor fills its memory."""

from __future__ import annotations

import gzip
import itertools
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx2
import pytest

from autos_client import Autos, RateLimited, UnexpectedAnswer, flows, paging, transfers, waits
from autos_client.sse import EventParser
from tests.integration.client.scripted import (
    NUMBER,
    Handler,
    Pieces,
    Script,
    byte_stream,
    document_body,
    event_stream,
    json_answer,
    page_body,
    status_body,
)

DOCUMENTS = f"GET /processes/{NUMBER}/documents"
EVENTS = f"GET /processes/{NUMBER}/events"
LISTS: dict[str, tuple[str, Callable[[Autos], Iterator[object]]]] = {
    "GET /processes": ("processes", lambda autos: autos.processes()),
    "GET /failures": ("failures", lambda autos: autos.failures()),
    "GET /webhooks/deliveries": ("deliveries", lambda autos: autos.deliveries()),
}


def serve_endless_pages(cursors: Iterator[str], items: int = 1) -> Handler:
    """Answer with pages that always have a next one."""
    return lambda _: httpx2.Response(200, json=page_body([document_body(1)] * items, next(cursors)))


@pytest.mark.parametrize("cursors", [["a"], ["a", "b"], ["a", "b", "c", "d", "b"]])
async def test_repeated_cursors_stop_paging(script: Script, cursors: list[str]) -> None:
    script.on(DOCUMENTS, serve_endless_pages(itertools.cycle(cursors)))
    with script.client() as autos, pytest.raises(UnexpectedAnswer, match="no end"):
        list(autos.documents(NUMBER))
    assert len(script.requests) <= len(cursors) + 1
    script.on(DOCUMENTS, serve_endless_pages(itertools.cycle(cursors)))
    async with script.async_client() as autos:
        with pytest.raises(UnexpectedAnswer, match="no end"):
            [each async for each in autos.documents(NUMBER)]


async def test_endless_empty_pages_stop_paging(script: Script) -> None:
    script.on(DOCUMENTS, serve_endless_pages(map(str, itertools.count()), items=0))
    with script.client() as autos, pytest.raises(UnexpectedAnswer, match="empty"):
        list(autos.documents(NUMBER))
    assert len(script.requests) == 100
    script.on(DOCUMENTS, serve_endless_pages(map(str, itertools.count()), items=0))
    async with script.async_client() as autos:
        with pytest.raises(UnexpectedAnswer, match="empty"):
            [each async for each in autos.documents(NUMBER)]


@pytest.mark.parametrize("route", LISTS)
def test_every_list_is_bounded(script: Script, route: str) -> None:
    name, ask = LISTS[route]
    script.on(route, json_answer({name: [], "next_cursor": "a"}))
    with script.client() as autos, pytest.raises(UnexpectedAnswer, match="no end"):
        list(ask(autos))


def test_a_few_empty_pages_are_followed(script: Script) -> None:
    empty = [json_answer(page_body([], f"{number}")) for number in range(50)]
    script.on(
        DOCUMENTS,
        *empty,
        json_answer(page_body([document_body(1)], "51")),
        json_answer(page_body([document_body(2)])),
    )
    with script.client() as autos:
        assert [each.id for each in autos.documents(NUMBER)] == ["d1", "d2"]


def test_number_of_pages_is_limited(script: Script, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paging, "_MAX_PAGES", 5)
    script.on(DOCUMENTS, serve_endless_pages(map(str, itertools.count())))
    with script.client() as autos, pytest.raises(UnexpectedAnswer, match="too many pages"):
        list(autos.documents(NUMBER))
    script.on(DOCUMENTS, serve_endless_pages(itertools.repeat("c" * 5_000)))
    with script.client() as autos, pytest.raises(UnexpectedAnswer, match="too long"):
        list(autos.documents(NUMBER))


def test_download_stops_on_an_endless_list(script: Script, tmp_path: Path) -> None:
    script.on(
        f"POST /processes/{NUMBER}/downloads",
        json_answer({**status_body(), "decision": "complete", "documents": []}),
    )
    script.on(f"GET /processes/{NUMBER}/status", json_answer(status_body()))
    script.on(DOCUMENTS, json_answer(page_body([], "again")))
    with script.client() as autos, pytest.raises(UnexpectedAnswer, match="no end"):
        autos.download(NUMBER, to=tmp_path)


def serve_endless_body(piece: bytes, **headers: str) -> Handler:
    """Answer with an endless body."""
    pieces = Pieces([piece] * 1_000)
    return lambda _: httpx2.Response(200, stream=pieces, headers={"content-type": "application/json", **headers})


@pytest.mark.parametrize("compressed", [False, True])
async def test_answer_size_is_limited(script: Script, monkeypatch: pytest.MonkeyPatch, compressed: bool) -> None:
    monkeypatch.setattr(transfers, "MAX_ANSWER_BYTES", 1_000_000)
    blanks = b" " * 900_000
    headers = {"content-encoding": "gzip"} if compressed else {}
    script.on(
        "GET /court/status", serve_endless_body(gzip.compress(blanks * 20) if compressed else blanks, **headers)
    )
    with script.client() as autos, pytest.raises(UnexpectedAnswer, match="no end"):
        autos.court_status()
    async with script.async_client() as autos:
        with pytest.raises(UnexpectedAnswer, match="no end"):
            await autos.court_status()


def test_slow_endless_answer_times_out(script: Script) -> None:
    def drip(_: httpx2.Request) -> httpx2.Response:
        class Drops(httpx2.SyncByteStream):
            def __iter__(self) -> Iterator[bytes]:
                while True:
                    time.sleep(0.01)
                    yield b" "

        return httpx2.Response(200, stream=Drops(), headers={"content-type": "application/json"})

    script.on("GET /court/status", drip)
    with script.client(timeout=0.02) as autos, pytest.raises(UnexpectedAnswer, match="no end"):
        autos.court_status()


def test_deeply_nested_json_is_refused(script: Script) -> None:
    script.on(
        "GET /court/status",
        lambda _: httpx2.Response(200, content=b"[" * 100_000, headers={"content-type": "application/json"}),
    )
    with script.client() as autos, pytest.raises(UnexpectedAnswer):
        autos.court_status()


def test_error_for_a_very_invalid_answer_is_short(script: Script) -> None:
    script.on(DOCUMENTS, json_answer({"documents": [{"id": number} for number in range(1_000)]}))
    with script.client() as autos, pytest.raises(UnexpectedAnswer) as error:
        list(autos.documents(NUMBER))
    assert len(str(error.value)) < 2_000


def test_document_size_in_memory_is_limited(script: Script, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flows, "_MAX_IN_MEMORY_BYTES", 1_000)
    link = "https://store.test/d1"
    script.on(
        f"GET /processes/{NUMBER}/documents/d1/content", lambda _: httpx2.Response(307, headers={"location": link})
    )
    script.on("GET /d1", byte_stream(*[b"x" * 300] * 10))
    with script.client() as autos, pytest.raises(UnexpectedAnswer, match="too large"):
        autos.content(NUMBER, "d1")


def test_streams_that_end_at_once_are_not_reopened_forever(script: Script, pauses: list[float]) -> None:
    script.on(EVENTS, event_stream(": nothing\n\n"))
    with script.client() as autos, pytest.raises(UnexpectedAnswer, match="without an event"):
        list(autos.watch(NUMBER))
    assert len(script.requests) == 21


def test_pause_requested_by_a_stream_is_limited(script: Script, pauses: list[float]) -> None:
    script.on(EVENTS, event_stream("retry: 999999999\n\n"), event_stream(f"retry: {'9' * 10_000}\n\n"))
    with script.client() as autos, pytest.raises(UnexpectedAnswer):
        list(autos.watch(NUMBER))
    assert max(pauses) == 60


def test_event_size_is_limited() -> None:
    parser = EventParser()
    with pytest.raises(UnexpectedAnswer, match="no end"):
        list(itertools.chain.from_iterable(parser.feed(b"data\n" * 1_000) for _ in range(10_000)))
    assert 10 <= waits.backoff_seconds(10_000) < 13


def test_total_pause_of_one_request_is_limited(script: Script, pauses: list[float]) -> None:
    for wanted in ("31536000", "9" * 400, "60"):
        script.on("GET /court/status", json_answer({}, 429, retry_after=wanted))
        with script.client() as autos, pytest.raises(RateLimited):
            autos.court_status()
    assert sum(pauses) <= 3 * 60
