"""Bodies of the court that are made, or broken, to exhaust whoever reads them."""

from __future__ import annotations

import asyncio
import gzip
import json
import time
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.court_pdpj import PdpjCourt
from adapters.court_pdpj.bodies import NotJson, UnreadableBody, parse_json
from domain.documents import Listing
from domain.errors import DocumentFailure, FailureCode, ProcessFailure
from domain.process_number import ProcessNumber
from tests.support.court_paces import CountingPace
from tests.support.court_sources import fetched, source_at
from tests.support.court_tokens import GivenTokens
from tests.support.portal_json import NUMBER, details, href_of, piece, stage
from tests.support.scripted_server import answer, by_path, scripted

ID = "0f1e2d3c-4b5a-5678-9abc-def012345678"
SEARCH, DETAILS = "/api/v2/processos?", "/api/v2/processos/"
FOUND = answer(200, json.dumps({"total": 1, "content": [{}]}).encode())
MIB = 1024**2


def bomb(unit: bytes, megabytes: int) -> bytes:
    """A gzip file that becomes so many megabytes of a unit."""
    packing = zlib.compressobj(9, zlib.DEFLATED, 31)
    block = unit * (MIB // len(unit))
    packed = b"".join(packing.compress(block) for _ in range(megabytes))
    return packed + packing.flush()


HOSTILE = {
    "blanks": bomb(b" ", 250),
    "empty arrays": bomb(b"[],", 250),
    "deep arrays": gzip.compress(b"[" * 5_000_000),
    "arrays deep enough": gzip.compress(b"[" * 400_000),
    "distinct keys": gzip.compress(b"{" + b",".join(b'"%x":1' % place for place in range(2_000_000)) + b"}"),
    "many integers": gzip.compress(b"[" + b"1," * 2_000_000 + b"1]"),
}


@asynccontextmanager
async def asking(reply: bytes) -> AsyncIterator[PdpjCourt]:
    """A court that answers so to details and documents, and whose searches find the process."""
    async with scripted(by_path({SEARCH: FOUND, DETAILS: reply})) as server:
        court = PdpjCourt(
            server.origin,
            tokens=GivenTokens("a-token"),
            pace=CountingPace(),
            concurrency=2,
            user_agent="autos-tests",
        )
        yield court
        await court.close()


async def listed(court: PdpjCourt) -> Listing:
    """List the process."""
    return await court.list_documents(ProcessNumber.parse(NUMBER))


async def longest_standstill(stop: asyncio.Event) -> float:
    """Return for how long the loop stood still at most, in seconds."""
    longest, last = 0.0, time.perf_counter()
    while not stop.is_set():
        await asyncio.sleep(0.005)
        now = time.perf_counter()
        longest, last = max(longest, now - last), now
    return longest


@pytest.mark.parametrize("packed", HOSTILE.values(), ids=HOSTILE.keys())
async def test_a_hostile_listing_ends_by_name_and_costs_little(packed: bytes) -> None:
    service = psutil.Process()
    async with asking(answer(200, packed, content_encoding="gzip", content_type="application/json")) as court:
        before = service.memory_info().rss
        stop = asyncio.Event()
        watching = asyncio.create_task(longest_standstill(stop))
        with pytest.raises(ProcessFailure) as failed:
            await listed(court)
        stop.set()
        standstill = await watching
        grown = service.memory_info().rss - before
    assert failed.value.code is FailureCode.INVALID_LISTING
    assert failed.value.code.retryable
    assert grown < 100 * MIB
    # A second is no promise to users: the tests share two cores. Unbounded, it was half a minute.
    assert standstill < 1.0


@pytest.mark.parametrize("coding", ["br", "zstd", "compress", "gzip, gzip"])
async def test_a_packing_that_was_not_asked_for_is_refused(coding: str) -> None:
    reply = answer(200, b"packed", content_encoding=coding)
    async with asking(reply) as court:
        with pytest.raises(ProcessFailure) as failed:
            await listed(court)
        assert failed.value.code is FailureCode.INVALID_LISTING
        with pytest.raises(DocumentFailure) as refused:
            await fetched(court, source_at(NUMBER, href_of(ID)))
        assert refused.value.code is FailureCode.INVALID_CONTENT


async def test_a_packed_listing_is_read() -> None:
    body = json.dumps(details(stage(piece(ID)))).encode()
    async with asking(answer(200, gzip.compress(body), content_encoding="gzip")) as court:
        assert [document.id for document in (await listed(court)).documents] == [ID]


async def test_a_packed_listing_that_breaks_off_is_refused() -> None:
    packed = gzip.compress(json.dumps(details(stage(piece(ID)))).encode())
    async with asking(answer(200, packed[:-10], content_encoding="gzip")) as court:
        with pytest.raises(ProcessFailure) as failed:
            await listed(court)
        assert failed.value.code is FailureCode.INVALID_LISTING


@pytest.mark.parametrize(
    ("body", "charset", "value"),
    [
        (b'{"a": ' + b"9" * 5000 + b"}", None, {"a": None}),
        (b'{"a": 12345678901234567890123}', None, {"a": 12345678901234567890123}),
        (b'["a\x01b\tc\nd"]', None, ["a\x01b\tc\nd"]),
        (b"[1]\x00\x00 \n", None, [1]),
        ('["Petição"]'.encode("latin-1"), "ISO-8859-1", ["Petição"]),
        ('["Petição"]'.encode(), "ISO-8859-1x", ["Petição"]),
        ('["Petição"]'.encode("utf-16"), None, ["Petição"]),
        (b'["\\ud800"]', None, ["\ud800"]),
    ],
)
async def test_what_the_courts_systems_write_is_read(body: bytes, charset: str | None, value: object) -> None:
    assert await parse_json(body, charset=charset) == value


@given(st.binary(max_size=200) | st.text('[]{}",:0123456789eE+-.tfn \\u', max_size=200).map(str.encode))
async def test_any_bytes_are_json_or_refused(body: bytes) -> None:
    try:
        await parse_json(body)
    except (NotJson, UnreadableBody):
        return
