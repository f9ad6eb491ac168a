"""Every request to the court waits for the rate limiter: first requests, repeated ones, searches, renewals."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

import pytest

from adapters.court_pdpj import PdpjClient, TokenRefreshClient
from domain.errors import CourtError
from domain.process_number import ProcessNumber
from tests.support.court_rate_limiters import CountingRateLimiter
from tests.support.court_sources import fetched, source_at
from tests.support.court_tokens import FixedTokens
from tests.support.portal_json import NUMBER, href_of
from tests.support.scripted_server import ReceivedRequest, answer, scripted

DOCUMENT = "0f1e2d3c-4b5a-5678-9abc-def012345678"


async def list_process(court: PdpjClient) -> object:
    """List the process."""
    return await court.list_documents(ProcessNumber.parse(NUMBER))


async def download(court: PdpjClient) -> object:
    """Download a document."""
    return await fetched(court, source_at(NUMBER, href_of(DOCUMENT)))


async def download_text(court: PdpjClient) -> object:
    """Download a document's text."""
    return await fetched(court, source_at(NUMBER, None, href_of(DOCUMENT, "texto")))


async def probe(court: PdpjClient) -> None:
    """Probe the court."""
    await court.probe(ProcessNumber.parse(NUMBER))


@pytest.mark.parametrize(
    ("ask", "status", "requests"),
    [
        # A rejected token is replaced once, and a search with the new one shows whose failure it is.
        (list_process, 401, 3),
        (download, 401, 3),
        (download_text, 401, 3),
        (probe, 401, 2),
        (list_process, 503, 2),
        (download, 503, 2),
        (download_text, 503, 2),
        (probe, 503, 1),
        # The response turns out not to be a document, so the search follows.
        (download, 200, 2),
    ],
)
async def test_each_request_takes_one_slot_before_it_is_sent(
    ask: Callable[[PdpjClient], Awaitable[object]], status: int, requests: int
) -> None:
    rate_limiter = CountingRateLimiter()
    slots_taken_at_arrival: list[int] = []

    async def reply(_: ReceivedRequest, writer: asyncio.StreamWriter) -> None:
        slots_taken_at_arrival.append(rate_limiter.taken)
        writer.write(answer(status))

    async with scripted(reply) as server:
        court = PdpjClient(
            server.origin,
            tokens=FixedTokens("old", "new"),
            rate_limiter=rate_limiter,
            concurrency=1,
            user_agent="autos-tests",
        )
        with suppress(CourtError):
            await ask(court)
        await court.close()
    assert slots_taken_at_arrival == list(range(1, requests + 1))
    assert rate_limiter.taken == requests


async def test_a_renewal_takes_a_slot() -> None:
    rate_limiter = CountingRateLimiter()
    slots_taken_at_arrival: list[int] = []

    async def reply(_: ReceivedRequest, writer: asyncio.StreamWriter) -> None:
        slots_taken_at_arrival.append(rate_limiter.taken)
        writer.write(answer(503))

    async with scripted(reply) as server:
        token_refresh = TokenRefreshClient(server.origin, client_id="portal", rate_limiter=rate_limiter)
        with suppress(CourtError):
            await token_refresh.renew("a-refresh-token")
        await token_refresh.close()
    assert slots_taken_at_arrival == [1]
