"""A client of the court in front of a scripted server, and the requests that tests make with it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from adapters.court_pdpj import PdpjClient
from domain.listings import Listing
from domain.process_number import ProcessNumber
from tests.support.court_rate_limiters import CountingRateLimiter
from tests.support.court_sources import fetched, source_at
from tests.support.court_tokens import FixedTokens
from tests.support.portal_json import NUMBER, href_of
from tests.support.scripted_server import ReceivedRequest, ScriptedServer, scripted

DOCUMENT = "0f1e2d3c-4b5a-5678-9abc-def012345678"


@asynccontextmanager
async def court_answering(
    respond: Callable[[ReceivedRequest, asyncio.StreamWriter], Awaitable[None]],
) -> AsyncIterator[tuple[PdpjClient, ScriptedServer]]:
    """Open a client, and the server that responds so."""
    async with scripted(respond) as server:
        court = PdpjClient(
            server.origin,
            tokens=FixedTokens("a-token"),
            rate_limiter=CountingRateLimiter(),
            concurrency=2,
            user_agent="autos-tests",
        )
        try:
            yield court, server
        finally:
            await court.close()


async def list_process(court: PdpjClient) -> Listing:
    """List the process."""
    return await court.list_documents(ProcessNumber.parse(NUMBER))


async def download_binary(court: PdpjClient) -> object:
    """Download the document."""
    return await fetched(court, source_at(NUMBER, href_of(DOCUMENT)))


async def download_text(court: PdpjClient) -> object:
    """Download the document's text."""
    return await fetched(court, source_at(NUMBER, None, href_of(DOCUMENT, "texto")))
