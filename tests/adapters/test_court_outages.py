"""A gateway that answers everybody alike: no process or document is blamed, and no check calls the court well.

Each of these answers, to one request alone, would say something of the process or the document.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from adapters.court_pdpj import PdpjCourt
from domain.errors import CourtError, CourtFailure, FailureCode
from domain.process_number import ProcessNumber
from tests.support.court_paces import CountingPace
from tests.support.court_sources import fetched, source_at
from tests.support.court_tokens import GivenTokens
from tests.support.portal_json import NUMBER, href_of
from tests.support.scripted_server import ScriptedServer, always, answer, scripted

DOCUMENT = "0f1e2d3c-4b5a-5678-9abc-def012345678"
CUT_PAGE = b"HTTP/1.1 403 Forbidden\r\ncontent-length: 1000\r\n\r\n<html><head>"
BLOCKED, UNAVAILABLE = FailureCode.COURT_BLOCKED, FailureCode.COURT_UNAVAILABLE


@asynccontextmanager
async def asking(reply: bytes) -> AsyncIterator[tuple[PdpjCourt, ScriptedServer]]:
    """Our side, and the server that gives everybody this answer."""
    async with scripted(always(reply)) as server:
        court = PdpjCourt(
            server.origin,
            tokens=GivenTokens("a-token"),
            pace=CountingPace(),
            concurrency=2,
            user_agent="autos-tests",
        )
        try:
            yield court, server
        finally:
            await court.close()


async def listed(court: PdpjCourt) -> object:
    """List the process."""
    return await court.list_documents(ProcessNumber.parse(NUMBER))


async def binary(court: PdpjCourt) -> object:
    """Read the document."""
    return await fetched(court, source_at(NUMBER, href_of(DOCUMENT)))


async def text(court: PdpjCourt) -> object:
    """Read the document's text."""
    return await fetched(court, source_at(NUMBER, None, href_of(DOCUMENT, "texto")))


async def checked(court: PdpjCourt) -> None:
    """See whether the court answers."""
    await court.check(ProcessNumber.parse(NUMBER))


@pytest.mark.parametrize(("ask", "cost"), [(listed, 2), (binary, 2), (text, 2), (checked, 1)])
@pytest.mark.parametrize(
    ("reply", "code"),
    [
        (answer(403), BLOCKED),
        (answer(403, b'{"message":"Forbidden"}'), BLOCKED),
        (CUT_PAGE, BLOCKED),
        (answer(404, b"default backend - 404"), UNAVAILABLE),
        (answer(404), UNAVAILABLE),
        (answer(400, b"<html>"), UNAVAILABLE),
        (answer(500), UNAVAILABLE),
    ],
    ids=["403", "403 in JSON", "403 cut", "404 without a backend", "404", "400", "500"],
)
async def test_what_everybody_is_answered_is_the_courts_trouble(
    reply: bytes, code: FailureCode, ask: Callable[[PdpjCourt], Awaitable[object]], cost: int
) -> None:
    async with asking(reply) as (court, server):
        with pytest.raises(CourtError) as failed:
            await ask(court)
    assert isinstance(failed.value, CourtFailure)
    assert (failed.value.code, len(server.requests)) == (code, cost)


@pytest.mark.parametrize(
    "reply",
    [
        answer(403, '{"code": 403, "message": "Usuário não possui acesso ao processo 1"}'.encode()),
        answer(404, '{"code": 404, "message": "Não foram encontrados registros"}'.encode()),
        answer(200, b'{"content": []}'),
    ],
    ids=["out of reach", "absent", "no hit"],
)
async def test_a_court_that_answers_a_check_in_its_own_words_is_well(reply: bytes) -> None:
    async with asking(reply) as (court, server):
        await checked(court)
    assert len(server.requests) == 1
