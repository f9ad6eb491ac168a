"""No request leaves for the court without a slot of the pace: first ones, repeated ones, searches, renewals."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

import pytest

from adapters.court_pdpj import PdpjCourt, SignIn
from domain.errors import CourtError
from domain.process_number import ProcessNumber
from tests.support.court_paces import CountingPace
from tests.support.court_sources import fetched, source_at
from tests.support.court_tokens import GivenTokens
from tests.support.portal_json import NUMBER, href_of
from tests.support.scripted_server import Asked, answer, scripted

DOCUMENT = "0f1e2d3c-4b5a-5678-9abc-def012345678"


async def list_process(court: PdpjCourt) -> object:
    """Ask for the process."""
    return await court.list_documents(ProcessNumber.parse(NUMBER))


async def download(court: PdpjCourt) -> object:
    """Ask for a document."""
    return await fetched(court, source_at(NUMBER, href_of(DOCUMENT)))


async def download_text(court: PdpjCourt) -> object:
    """Ask for a document's text."""
    return await fetched(court, source_at(NUMBER, None, href_of(DOCUMENT, "texto")))


async def probe(court: PdpjCourt) -> None:
    """See whether the court answers."""
    await court.check(ProcessNumber.parse(NUMBER))


@pytest.mark.parametrize(
    ("ask", "status", "requests"),
    [
        # A rejected token is replaced once, and a search with the new one tells whose trouble it is.
        (list_process, 401, 3),
        (download, 401, 3),
        (download_text, 401, 3),
        (probe, 401, 2),
        (list_process, 503, 2),
        (download, 503, 2),
        (download_text, 503, 2),
        (probe, 503, 1),
        # What is read turns out to be no document: the search comes afterwards.
        (download, 200, 2),
    ],
)
async def test_each_request_takes_one_slot_before_it_is_sent(
    ask: Callable[[PdpjCourt], Awaitable[object]], status: int, requests: int
) -> None:
    pace = CountingPace()
    slots_taken_at_arrival: list[int] = []

    async def reply(_: Asked, writer: asyncio.StreamWriter) -> None:
        slots_taken_at_arrival.append(pace.taken)
        writer.write(answer(status))

    async with scripted(reply) as server:
        court = PdpjCourt(
            server.origin, tokens=GivenTokens("old", "new"), pace=pace, concurrency=1, user_agent="autos-tests"
        )
        with suppress(CourtError):
            await ask(court)
        await court.close()
    assert slots_taken_at_arrival == list(range(1, requests + 1))
    assert pace.taken == requests


async def test_a_renewal_takes_a_slot() -> None:
    pace = CountingPace()
    slots_taken_at_arrival: list[int] = []

    async def reply(_: Asked, writer: asyncio.StreamWriter) -> None:
        slots_taken_at_arrival.append(pace.taken)
        writer.write(answer(503))

    async with scripted(reply) as server:
        sign_in = SignIn(server.origin, client_id="portal", pace=pace)
        with suppress(CourtError):
            await sign_in.renew("a-refresh-token")
        await sign_in.close()
    assert slots_taken_at_arrival == [1]
