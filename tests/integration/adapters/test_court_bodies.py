"""Response bodies that are made, or broken, so that reading them exhausts memory or blocks the event loop."""

from __future__ import annotations

import asyncio
import gc
import gzip
import json
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.court_pdpj import PdpjClient
from adapters.court_pdpj.bodies import parse_json
from adapters.court_pdpj.bounded_json import InvalidJson, UnreadableBody
from domain.errors import CourtFailure, DocumentFailure, FailureCode, ProcessFailure
from domain.listings import Listing
from domain.process_number import ProcessNumber
from tests.support.court_rate_limiters import CountingRateLimiter
from tests.support.court_sources import fetched, source_at
from tests.support.court_tokens import FixedTokens
from tests.support.hostile_listings import HOSTILE_LISTINGS, MIB
from tests.support.portal_json import NUMBER, details, href_of, piece, stage
from tests.support.scripted_server import ReceivedRequest, answer, by_path, scripted

ID = "0f1e2d3c-4b5a-5678-9abc-def012345678"
TOKENS = st.sampled_from(
    [
        *'[]{},:"',
        "\\u00e9",
        "\\ud83d\\ude00",
        "1",
        "-0",
        "0.5e-3",
        "null",
        "true",
        "NaN",
        "-Infinity",
        '"a"',
        '"a":',
        " ",
        "\n",
    ]
)
SEARCH, DETAILS = "/api/v2/processos?", "/api/v2/processos/"
FOUND = answer(200, json.dumps({"total": 1, "content": [{}]}).encode())

# Of this service's own CPU, so that whatever else the machine does counts for nothing.
MAX_BLOCKED_CPU_SECONDS = 0.2


@asynccontextmanager
async def court_replying(reply: bytes) -> AsyncIterator[PdpjClient]:
    """Open a client of a court that replies so to details and documents. Its searches find the process."""
    async with scripted(by_path({SEARCH: FOUND, DETAILS: reply})) as server:
        court = PdpjClient(
            server.origin,
            tokens=FixedTokens("a-token"),
            rate_limiter=CountingRateLimiter(),
            concurrency=2,
            user_agent="autos-tests",
        )
        yield court
        await court.close()


async def list_process(court: PdpjClient) -> Listing:
    """List the process."""
    return await court.list_documents(ProcessNumber.parse(NUMBER))


@dataclass
class Cost:
    """The cost of a block."""

    max_blocked_cpu_seconds: float = 0.0
    grown_bytes: int = 0


@asynccontextmanager
async def measuring() -> AsyncIterator[Cost]:
    """Measure the most CPU that all threads take between two turns of the event loop, and the peak of memory."""
    cost, service = Cost(), psutil.Process()
    # As the worker does at its start. Otherwise a collection also goes through all that the tests have loaded.
    gc.collect()
    gc.freeze()
    before = service.memory_info().rss
    stop = threading.Event()

    def sample_memory() -> None:
        while not stop.wait(0.002):
            cost.grown_bytes = max(cost.grown_bytes, service.memory_info().rss - before)

    async def sample_loop() -> None:
        last = time.process_time()
        while True:
            await asyncio.sleep(0.005)
            now = time.process_time()
            cost.max_blocked_cpu_seconds, last = max(cost.max_blocked_cpu_seconds, now - last), now

    sampler, loop_sampler = threading.Thread(target=sample_memory), asyncio.create_task(sample_loop())
    sampler.start()
    try:
        yield cost
    finally:
        loop_sampler.cancel()
        stop.set()
        sampler.join()
        gc.unfreeze()


@pytest.mark.parametrize("compressed", HOSTILE_LISTINGS.values(), ids=HOSTILE_LISTINGS.keys())
async def test_a_hostile_listing_fails_with_a_code_and_costs_little(compressed: bytes) -> None:
    reply = answer(200, compressed, content_encoding="gzip", content_type="application/json")
    async with court_replying(reply) as court, measuring() as cost:
        with pytest.raises(ProcessFailure) as failed:
            await list_process(court)
    assert failed.value.code is FailureCode.INVALID_LISTING
    assert failed.value.code.retryable
    assert cost.grown_bytes < 100 * MIB
    assert cost.max_blocked_cpu_seconds < MAX_BLOCKED_CPU_SECONDS


async def test_ten_thousand_documents_do_not_block_the_event_loop() -> None:
    body = json.dumps(details(stage(*(piece() for _ in range(10_000))))).encode()
    async with (
        court_replying(answer(200, gzip.compress(body, 1), content_encoding="gzip")) as court,
        measuring() as cost,
    ):
        listing = await list_process(court)
    assert len(listing.documents) == 10_000
    assert cost.max_blocked_cpu_seconds < MAX_BLOCKED_CPU_SECONDS


async def test_an_endless_body_without_content_is_given_up() -> None:
    async def endless(_: ReceivedRequest, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\n\r\n" + gzip.compress(b"")[:10])
        # Empty blocks of deflate.
        while True:
            writer.write(b"\0\0\0\xff\xff" * 10_000)
            await writer.drain()

    async with scripted(endless) as server, asyncio.timeout(20):
        court = PdpjClient(
            server.origin,
            tokens=FixedTokens("a"),
            rate_limiter=CountingRateLimiter(),
            concurrency=1,
            user_agent="autos-tests",
        )
        # It sends the same response to searches, so it is the court's failure.
        with pytest.raises(CourtFailure):
            await list_process(court)
        await court.close()


@pytest.mark.parametrize("coding", ["br", "zstd", "compress", "gzip, gzip"])
async def test_a_content_encoding_that_was_not_asked_for_is_refused(coding: str) -> None:
    reply = answer(200, b"compressed", content_encoding=coding)
    async with court_replying(reply) as court:
        with pytest.raises(ProcessFailure) as failed:
            await list_process(court)
        assert failed.value.code is FailureCode.INVALID_LISTING
        with pytest.raises(DocumentFailure) as refused:
            await fetched(court, source_at(NUMBER, href_of(ID)))
        assert refused.value.code is FailureCode.INVALID_CONTENT


async def test_a_compressed_listing_is_read() -> None:
    body = json.dumps(details(stage(piece(ID)))).encode()
    async with court_replying(answer(200, gzip.compress(body), content_encoding="gzip")) as court:
        assert [document.id for document in (await list_process(court)).documents] == [ID]


async def test_a_truncated_compressed_listing_is_refused() -> None:
    compressed = gzip.compress(json.dumps(details(stage(piece(ID)))).encode())
    async with court_replying(answer(200, compressed[:-10], content_encoding="gzip")) as court:
        with pytest.raises(ProcessFailure) as failed:
            await list_process(court)
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
        (b'["\xff\\n"]', None, ["\ufffd\n"]),
        (b'["a"]', "punycode", ["a"]),
        (b"[" * 100 + b"]" * 100, None, json.loads("[" * 100 + "]" * 100)),
    ],
)
async def test_json_as_the_courts_systems_write_it_is_parsed(
    body: bytes, charset: str | None, value: object
) -> None:
    assert await parse_json(body, charset=charset) == value


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 101 + b"]" * 101,
        b'{"a":' * 101 + b"1" + b"}" * 101,
        b"[" + b"1," * 500_000 + b"1]",
        b'"' + b"x" * (MIB + 1) + b'"',
        b"[" + b"9" * 70_000 + b"]",
    ],
    ids=["deep lists", "deep objects", "values", "text", "number"],
)
async def test_json_that_exceeds_a_bound_is_refused(body: bytes) -> None:
    with pytest.raises(UnreadableBody):
        await parse_json(body)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=30,
)


@given(values, st.booleans(), st.sampled_from([None, 1, "\t"]))
async def test_any_value_is_parsed_back_unchanged(
    value: object, ascii_only: bool, indent: int | str | None
) -> None:
    body = json.dumps(value, ensure_ascii=ascii_only, indent=indent).encode(errors="surrogatepass")
    if b"\xed" not in body:
        assert await parse_json(body) == value


@given(st.text('[]{}",:0123456789eE+-.tfn \\u/ab', max_size=200) | st.lists(TOKENS).map("".join))
async def test_the_parser_agrees_with_the_standard_library(text: str) -> None:
    try:
        expected = json.loads(text.rstrip("\0 \t\r\n"), strict=False)
    except ValueError:
        with pytest.raises(InvalidJson):
            await parse_json(text.encode())
    else:
        assert repr(await parse_json(text.encode())) == repr(expected)


@given(st.binary(max_size=200) | st.text('[]{}",:0123456789eE+-.tfn \\u', max_size=200).map(str.encode))
async def test_any_bytes_are_parsed_or_refused(body: bytes) -> None:
    try:
        await parse_json(body)
    except (InvalidJson, UnreadableBody):
        return
