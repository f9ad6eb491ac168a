"""The headers of requests, where they go, redirects, and timeouts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import pytest

from adapters.court_pdpj import PdpjClient
from domain.documents import DocumentSource
from domain.errors import ConfigurationError, CourtError, CourtFailure, DocumentFailure, FailureCode, ProcessFailure
from domain.process_number import ProcessNumber
from tests.support.court_rate_limiters import CountingRateLimiter
from tests.support.court_sources import fetched, source_at, sources
from tests.support.court_tokens import FixedTokens
from tests.support.portal_json import NUMBER, href_of
from tests.support.scripted_server import ReceivedRequest, always, answer, by_path, scripted
from tests.support.simulators import SimulatedCourt

FOUND = answer(200, b'{"total": 1, "content": [{}]}')
DOCUMENT = "0f1e2d3c-4b5a-5678-9abc-def012345678"
SOURCE = source_at(NUMBER, href_of(DOCUMENT))


@asynccontextmanager
async def open_client(
    origin: str,
    *,
    token: str = "a-token",
    headers: Mapping[str, str] | None = None,
    allowed_hosts: frozenset[str] = frozenset(),
    storage_hosts: frozenset[str] = frozenset(),
    answer_seconds: float = 10,
    stall_seconds: float = 10,
) -> AsyncIterator[PdpjClient]:
    """Open a client of this portal."""
    court = PdpjClient(
        origin,
        tokens=FixedTokens(token),
        rate_limiter=CountingRateLimiter(),
        concurrency=2,
        user_agent="autos-tests",
        headers=headers or {},
        allowed_hosts=allowed_hosts,
        storage_hosts=storage_hosts,
        answer_seconds=answer_seconds,
        stall_seconds=stall_seconds,
    )
    try:
        yield court
    finally:
        await court.close()


async def capture_failure(court: PdpjClient, number: str | None = None) -> CourtError:
    """Return the error of downloading the document, or of listing a process."""
    with pytest.raises(CourtError) as failed:
        await (court.list_documents(ProcessNumber.parse(number)) if number else fetched(court, SOURCE))
    return failed.value


async def test_further_headers_are_sent_and_replace_ours() -> None:
    further = {
        "user-agent": "Mozilla/5.0",
        "sec-fetch-site": "same-origin",
        "Referer": "https://x.invalid/consulta",
    }
    async with (
        scripted(always(answer(200, b"Vistos."))) as server,
        open_client(server.origin, headers=further) as court,
    ):
        await fetched(court, SOURCE)
    [asked] = server.requests
    assert further.items() <= {"Referer": asked.headers["referer"], **asked.headers}.items()
    assert asked.headers["origin"] == server.origin
    assert asked.headers["authorization"] == "Bearer a-token"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("X-Note", "a\nb"),
        ("X-Note", "a\r\nHost: evil"),
        ("X-Note", "a\x00"),
        ("X-Note", "ção"),
        ("X Note", "a"),
        ("X-Note:", "a"),
        ("", "a"),
        ("authorization", "Bearer another"),
        ("Host", "evil.example"),
        ("User-Agent", "a\nb"),
    ],
)
def test_a_header_that_cannot_be_sent_is_refused(name: str, value: str) -> None:
    with pytest.raises(ConfigurationError):
        PdpjClient(
            "http://127.0.0.1:1",
            tokens=FixedTokens(),
            rate_limiter=CountingRateLimiter(),
            concurrency=1,
            user_agent="autos",
            headers={name: value},
        )


async def test_an_allowed_host_gets_the_token_and_no_other_does() -> None:
    async with (
        scripted(always(answer(200, b"Vistos."))) as portal,
        scripted(always(answer(200, b"Vistos."))) as lake,
    ):
        source = source_at(NUMBER, f"{lake.origin}/documentos/{DOCUMENT}/binario")
        async with open_client(portal.origin) as court:
            with pytest.raises(DocumentFailure) as refused:
                await fetched(court, source)
            assert refused.value.code is FailureCode.FOREIGN_ADDRESS
            assert lake.connections == 0
        async with open_client(
            portal.origin, allowed_hosts=frozenset({lake.origin.removeprefix("http://")})
        ) as court:
            await fetched(court, source)
    [asked] = lake.requests
    assert asked.headers["authorization"] == "Bearer a-token"
    assert portal.connections == 0


async def test_a_redirect_within_the_court_is_followed_with_the_token() -> None:
    other = f"/api/v2/arquivos/{DOCUMENT}"
    replies = {
        f"/api/v2{href_of(DOCUMENT)}": answer(307, location=other),
        other: answer(200, b"Vistos."),
    }
    async with scripted(by_path(replies)) as portal, open_client(portal.origin) as court:
        content = await fetched(court, source_at(NUMBER, href_of(DOCUMENT)))
    assert content.size_bytes == 7
    assert [asked.headers["authorization"] for asked in portal.requests] == ["Bearer a-token"] * 2


async def test_a_redirect_to_a_store_of_the_courts_is_followed_without_the_token() -> None:
    async with scripted(always(answer(200, b"Vistos."))) as store:
        lead = answer(302, location=f"{store.origin}/bucket/1?X-Amz-Signature=abc")
        listed = frozenset({store.origin.removeprefix("http://")})
        async with scripted(by_path({"/api/v2/processos?": FOUND, "/": lead})) as portal:
            async with open_client(portal.origin) as court:
                with pytest.raises(DocumentFailure) as refused:
                    await fetched(court, source_at(NUMBER, href_of(DOCUMENT)))
            assert refused.value.code is FailureCode.PORTAL_PAGE
            assert store.connections == 0
            headers = {"X-Of-The-Court": "1"}
            async with open_client(portal.origin, storage_hosts=listed, headers=headers) as court:
                content = await fetched(court, source_at(NUMBER, href_of(DOCUMENT)))
    assert content.size_bytes == 7
    [asked] = store.requests
    assert asked.target == "/bucket/1?X-Amz-Signature=abc"
    assert not {"authorization", "x-of-the-court", "cookie"} & asked.headers.keys()


@pytest.mark.parametrize(
    "location",
    [
        *("/auth/login", "/api/v2/../../auth", "https://evil.example/", "//evil.example/1"),
        # No URL, and a name that no decoder of Punycode accepts.
        *("https://evil.example:port/", "https://xn--a.example/1"),
    ],
)
async def test_a_redirect_that_leads_elsewhere_is_not_followed(location: str) -> None:
    replies = {"/api/v2/processos?": FOUND, "/": answer(302, location=location)}
    async with scripted(by_path(replies)) as portal, open_client(portal.origin) as court:
        with pytest.raises(DocumentFailure) as refused:
            await fetched(court, source_at(NUMBER, href_of(DOCUMENT)))
    assert refused.value.code is FailureCode.PORTAL_PAGE
    assert {asked.target.partition("?")[0] for asked in portal.requests} == {
        f"/api/v2{href_of(DOCUMENT)}",
        "/api/v2/processos",
    }


async def test_endless_redirects_are_given_up() -> None:
    replies = {"/api/v2/processos?": FOUND, "/": answer(302, location=f"/api/v2{href_of(DOCUMENT)}")}
    async with scripted(by_path(replies)) as portal, open_client(portal.origin) as court:
        with pytest.raises(DocumentFailure):
            await fetched(court, source_at(NUMBER, href_of(DOCUMENT)))
    assert len(portal.requests) == 7


@pytest.mark.parametrize(
    ("reply", "taken"),
    [
        (answer(203, b"Vistos."), True),
        (answer(206, b"Vistos.", content_range="bytes 0-6/7"), True),
        (answer(206, b"Vist", content_range="bytes 0-3/7"), False),
        (answer(206, b"Vistos.", content_range="bytes 0-6/*"), False),
        (answer(206, b"Vistos."), False),
        (answer(204), False),
    ],
)
async def test_a_response_is_accepted_if_it_has_all_bytes(reply: bytes, *, taken: bool) -> None:
    async with (
        scripted(by_path({"/api/v2/processos?": FOUND, "/": reply})) as portal,
        open_client(portal.origin) as court,
    ):
        if taken:
            assert (await fetched(court, source_at(NUMBER, href_of(DOCUMENT)))).size_bytes == 7
        else:
            with pytest.raises(DocumentFailure) as refused:
                await fetched(court, source_at(NUMBER, href_of(DOCUMENT)))
            assert refused.value.code is FailureCode.SOURCE_UNAVAILABLE


async def list_patiently(simulator: SimulatedCourt, number: str) -> tuple[DocumentSource, str]:
    """Return a process's only document, and the token that it was listed with, whatever time the listing takes."""
    token = await simulator.create_token()
    async with open_client(simulator.origin, token=token) as court:
        [source] = await sources(court, number)
    return source, token


async def test_a_stalled_body_is_given_up(simulator: SimulatedCourt, number: str) -> None:
    await simulator.create_process(number, documents=1)
    source, token = await list_patiently(simulator, number)
    # Enough for the search that then shows that the court works.
    async with open_client(simulator.origin, token=token, stall_seconds=1) as court:
        await simulator.inject_fault("slow", number=number, documents=[0], delay_seconds=5)
        async with asyncio.timeout(4):
            with pytest.raises(DocumentFailure) as failed:
                await fetched(court, source)
    assert failed.value.code is FailureCode.CONNECTION_LOST


async def test_a_slow_body_is_not_a_stall(simulator: SimulatedCourt, number: str) -> None:
    await simulator.create_process(number, documents=1)
    source, token = await list_patiently(simulator, number)
    # All of it takes longer than a stall, by its seven pauses.
    async with open_client(simulator.origin, token=token, stall_seconds=1.5) as court:
        await simulator.inject_fault("slow", number=number, documents=[0], delay_seconds=0.25)
        assert (await fetched(court, source)).size_bytes == source.offers[0].size_bytes


async def test_a_first_byte_may_take_longer_than_a_stall(simulator: SimulatedCourt, number: str) -> None:
    await simulator.create_process(number, documents=1)
    async with open_client(simulator.origin, token=await simulator.create_token(), stall_seconds=0.8) as court:
        await simulator.set_latency(1)
        [source] = await sources(court, number)
        assert (await fetched(court, source)).size_bytes == source.offers[0].size_bytes


async def test_a_response_that_does_not_begin_is_given_up(simulator: SimulatedCourt, number: str) -> None:
    await simulator.create_process(number, documents=1)
    source, token = await list_patiently(simulator, number)
    # Enough for the search that then shows that the court works.
    async with open_client(simulator.origin, token=token, answer_seconds=1.5) as court:
        await simulator.inject_fault("gateway_timeout", number=number, documents=[0], delay_seconds=5)
        async with asyncio.timeout(4):
            with pytest.raises(DocumentFailure) as failed:
                await fetched(court, source)
    assert failed.value.code is FailureCode.SOURCE_UNAVAILABLE


async def test_a_court_that_answers_no_request_in_time_is_unavailable(
    simulator: SimulatedCourt, number: str
) -> None:
    await simulator.inject_fault("gateway_timeout", number=number, delay_seconds=5)
    async with open_client(simulator.origin, token=await simulator.create_token(), answer_seconds=0.2) as court:
        async with asyncio.timeout(4):
            failure = await capture_failure(court, number)
    assert (type(failure), failure.code) == (CourtFailure, FailureCode.COURT_UNAVAILABLE)


async def test_details_that_stall_fail_the_process_if_the_court_works() -> None:
    async def stalling(asked: ReceivedRequest, writer: asyncio.StreamWriter) -> None:
        if "numeroProcesso" in asked.target:
            writer.write(answer(200, b'{"content": [{}]}'))
            return
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n[")
        await writer.drain()
        await asyncio.Event().wait()

    async with scripted(stalling) as server, open_client(server.origin, stall_seconds=0.1) as court:
        failure = await capture_failure(court, NUMBER)
    assert (type(failure), failure.code) == (ProcessFailure, FailureCode.LISTING_UNAVAILABLE)


async def test_an_error_whose_body_never_ends_keeps_its_status() -> None:
    async def stalling(_: ReceivedRequest, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 429 Slow\r\ncontent-length: 100\r\nretry-after: 3\r\n\r\n{")
        await writer.drain()
        await asyncio.Event().wait()

    async with scripted(stalling) as server, open_client(server.origin, stall_seconds=0.1) as court:
        failure = await capture_failure(court)
    assert (failure.code, failure.retry_after) == (FailureCode.COURT_THROTTLED, 3)


async def test_every_request_is_observed_with_its_status() -> None:
    observed: list[int | None] = []

    def observe(status: int | None, seconds: float) -> None:
        assert 0 <= seconds < 10
        observed.append(status)

    stored = f"/stored/{DOCUMENT}"
    replies = {f"/api/v2{href_of(DOCUMENT)}": answer(307, location=stored), stored: answer(404)}
    async with scripted(by_path(replies)) as portal:
        court = PdpjClient(
            portal.origin,
            tokens=FixedTokens("a-token"),
            rate_limiter=CountingRateLimiter(),
            concurrency=1,
            user_agent="autos-tests",
            observe=observe,
        )
        await capture_failure(court)
    # Nothing listens there any more.
    await capture_failure(court)
    await court.close()
    # The last is the health check: does the court work at all?
    assert observed == [307, 404, None, None]
