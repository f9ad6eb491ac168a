"""The court client against responses that only a scripted server sends."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from adapters.court_pdpj import PdpjClient
from domain.errors import CourtError, CourtFailure, DocumentFailure, FailureCode, ProcessFailure
from domain.listings import Listing
from domain.process_number import ProcessNumber
from tests.support.court_rate_limiters import CountingRateLimiter
from tests.support.court_sources import source_at
from tests.support.court_tokens import FixedTokens
from tests.support.portal_json import NUMBER, details, href_of, piece, stage
from tests.support.scripted_server import ReceivedRequest, Reply, ScriptedServer, always, answer, by_path, scripted

ID = "0f1e2d3c-4b5a-5678-9abc-def012345678"
TOKEN = "a-synthetic-token"
PAGE = b"<!DOCTYPE html><html><title>Portal</title><app-root></app-root></html>"
DETAILS, SEARCH = "/api/v2/processos/", "/api/v2/processos?numeroProcesso="
NO_HITS = b'{"content": []}'
NO_RECORDS = '{"code": 404, "message": "Não foram encontrados registros"}'.encode()


@asynccontextmanager
async def court_replying(reply: Reply) -> AsyncIterator[tuple[PdpjClient, ScriptedServer]]:
    """Open a client, and the server with this reply."""
    async with scripted(reply) as server:
        court = PdpjClient(
            server.origin,
            tokens=FixedTokens(TOKEN),
            rate_limiter=CountingRateLimiter(),
            concurrency=2,
            user_agent="autos-tests",
        )
        try:
            yield court, server
        finally:
            await court.close()


def to_json(value: object) -> bytes:
    """Return encoded JSON."""
    return json.dumps(value).encode()


async def list_process(court: PdpjClient) -> Listing:
    """List the process."""
    return await court.list_documents(ProcessNumber.parse(NUMBER))


async def read(court: PdpjClient, href: str | None = None, text_href: str | None = None) -> bytes:
    """Download a document with these hrefs."""
    offer = source_at(NUMBER, href, text_href).offers[0]
    async with court.open_document(ProcessNumber.parse(NUMBER), offer) as opened:
        return b"".join([chunk async for chunk in opened.chunks])


async def listing_failure(reply: Reply) -> CourtError:
    """Return the error of a listing."""
    async with court_replying(reply) as (court, _):
        with pytest.raises(CourtError) as failed:
            await list_process(court)
    return failed.value


async def document_failure(reply: Reply, href: str | None = href_of(ID)) -> CourtError:
    """Return the error of a download."""
    async with court_replying(reply) as (court, _):
        with pytest.raises(CourtError) as failed:
            await read(court, href)
    return failed.value


async def test_requests_have_the_headers_that_the_portal_expects() -> None:
    async with court_replying(always(answer(200, to_json(details(stage(piece())))))) as (court, server):
        await list_process(court)
    [request] = server.requests
    assert request.target == f"{DETAILS}{NUMBER}"
    assert request.headers["authorization"] == f"Bearer {TOKEN}"
    assert request.headers["user-agent"] == "autos-tests"
    assert request.headers["origin"] == server.origin
    assert request.headers["accept"] == "application/json, text/plain, */*"


async def test_an_href_is_requested_below_the_api() -> None:
    async with court_replying(always(answer(200, b"bytes"))) as (court, server):
        assert await read(court, href_of(ID)) == b"bytes"
        assert await read(court, None, href_of(ID, "texto")) == b"bytes"
    assert server.targets == [f"/api/v2{href_of(ID)}", f"/api/v2{href_of(ID, 'texto')}"]


@pytest.mark.parametrize("href", ["//127.0.0.1:1/x", "https://evil.example/x", "ftp://x", "processos/x"])
async def test_a_foreign_url_is_refused_without_a_request(href: str) -> None:
    async with court_replying(always(answer(200, b"bytes"))) as (court, server):
        with pytest.raises(DocumentFailure) as failed:
            await read(court, href)
    assert failed.value.code is FailureCode.FOREIGN_ADDRESS
    assert server.connections == 0


@pytest.mark.parametrize("href", ["/processos/a\nb", "/processos/a\x7fb", f"/{'a' * 70_000}"])
async def test_an_href_that_cannot_be_requested_fails_with_a_code(href: str) -> None:
    failure = await document_failure(always(answer(200, b"bytes")), href)
    assert (type(failure), failure.code) == (DocumentFailure, FailureCode.NO_CONTENT_ADDRESS)


@pytest.mark.parametrize("hits", [answer(200, NO_HITS), answer(404, NO_RECORDS)], ids=["none", "404"])
async def test_details_that_fail_while_a_search_finds_nothing_mean_not_found(hits: bytes) -> None:
    failure = await listing_failure(by_path({SEARCH: hits, DETAILS: answer(500, to_json({"message": "Erro"}))}))
    assert (type(failure), failure.code) == (ProcessFailure, FailureCode.NOT_FOUND)


async def test_details_that_fail_while_a_search_finds_the_process_fail_the_process() -> None:
    found = answer(200, to_json({"total": 1, "content": [{"numeroProcesso": "10000015120268110041"}]}))
    failure = await listing_failure(by_path({SEARCH: found, DETAILS: answer(500)}))
    assert (type(failure), failure.code) == (ProcessFailure, FailureCode.LISTING_UNAVAILABLE)


@pytest.mark.parametrize("body", [PAGE, b"", b"\xff\xfe", b"[" * 100_000, b'[{"numeroProcesso": '])
async def test_a_listing_that_is_not_json_is_a_failure_of_the_court(body: bytes) -> None:
    failure = await listing_failure(always(answer(200, body)))
    assert (type(failure), failure.code) == (CourtFailure, FailureCode.COURT_UNAVAILABLE)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_not_followed(status: int) -> None:
    async with scripted(always(answer(200, to_json(details(stage()))))) as elsewhere:
        away = always(answer(status, location=f"{elsewhere.origin}/login"))
        assert (await listing_failure(away)).code is FailureCode.CREDENTIALS_REJECTED
        assert (await document_failure(away)).code is FailureCode.CREDENTIALS_REJECTED
    assert elsewhere.connections == 0


async def test_a_truncated_response_is_a_lost_connection_if_the_court_works() -> None:
    cut = b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\nonly this"
    only_here = by_path({SEARCH: answer(200, NO_HITS), DETAILS: cut})
    assert (await document_failure(only_here)).code is FailureCode.CONNECTION_LOST
    assert (await listing_failure(only_here)).code in (FailureCode.LISTING_UNAVAILABLE, FailureCode.INVALID_LISTING)
    assert (await document_failure(always(cut))).code is FailureCode.COURT_UNAVAILABLE
    assert (await listing_failure(always(cut))).code is FailureCode.COURT_UNAVAILABLE


@pytest.mark.parametrize(
    "reply",
    [
        b"",
        b"nonsense\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 3\r\n\r\nabc",
    ],
)
async def test_invalid_http_is_a_failure_of_the_court_if_all_responses_are(reply: bytes) -> None:
    assert (await document_failure(always(reply))).code is FailureCode.COURT_UNAVAILABLE
    assert (await listing_failure(always(reply))).code is FailureCode.COURT_UNAVAILABLE
    only_here = by_path({SEARCH: answer(200, NO_HITS), DETAILS: reply})
    assert (await document_failure(only_here)).code in (
        FailureCode.SOURCE_UNAVAILABLE,
        FailureCode.CONNECTION_LOST,
        FailureCode.INVALID_CONTENT,
    )
    assert (await listing_failure(only_here)).code in (FailureCode.LISTING_UNAVAILABLE, FailureCode.INVALID_LISTING)


async def test_an_endless_error_body_is_not_read_to_its_end() -> None:
    async def endless(_: ReceivedRequest, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 500 Oops\r\n\r\n")
        while not writer.is_closing():
            writer.write(b"x" * 1000)
            await writer.drain()

    async with asyncio.timeout(10):
        failure = await document_failure(endless)
    assert (type(failure), failure.code, failure.status) == (CourtFailure, FailureCode.COURT_UNAVAILABLE, 500)


async def test_a_retry_after_with_a_date_is_parsed() -> None:
    failure = await listing_failure(always(answer(503, retry_after="Fri, 31 Dec 9999 23:59:59 GMT")))
    assert failure.retry_after == 3600
