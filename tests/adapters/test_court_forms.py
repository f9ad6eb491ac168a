"""Every form in which the court is known to fail: what it means, and how many requests it costs.

The numbers are those of the forms as clients of the portal have captured them; where the simulated court cannot
show one, a scripted server does.
"""

from __future__ import annotations

import json
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from adapters.court_pdpj import PdpjCourt
from domain.documents import Listing
from domain.errors import CourtError, CourtFailure, DocumentFailure, FailureCode, ProcessFailure
from domain.process_number import ProcessNumber
from tests.support.court_paces import CountingPace
from tests.support.court_sources import fetched, source_at, sources
from tests.support.court_tokens import GivenTokens
from tests.support.portal_json import NUMBER, details, href_of, piece, stage
from tests.support.scripted_server import ScriptedServer, answer, by_path, scripted
from tests.support.simulators import SimulatedCourt

Meaning = tuple[type[CourtError], FailureCode]

REJECTED: Meaning = (CourtFailure, FailureCode.CREDENTIALS_REJECTED)
BLOCKED: Meaning = (CourtFailure, FailureCode.COURT_BLOCKED)
THROTTLED: Meaning = (CourtFailure, FailureCode.COURT_THROTTLED)
UNAVAILABLE: Meaning = (CourtFailure, FailureCode.COURT_UNAVAILABLE)
NOT_FOUND: Meaning = (ProcessFailure, FailureCode.NOT_FOUND)
NO_ACCESS: Meaning = (ProcessFailure, FailureCode.NO_ACCESS)
NO_LISTING: Meaning = (ProcessFailure, FailureCode.LISTING_UNAVAILABLE)
INVALID_LISTING: Meaning = (ProcessFailure, FailureCode.INVALID_LISTING)
NO_SOURCE: Meaning = (DocumentFailure, FailureCode.SOURCE_UNAVAILABLE)
SEALED: Meaning = (DocumentFailure, FailureCode.SEALED)
NO_DOCUMENT: Meaning = (DocumentFailure, FailureCode.DOCUMENT_NOT_FOUND)
PAGE: Meaning = (DocumentFailure, FailureCode.PORTAL_PAGE)
INVALID: Meaning = (DocumentFailure, FailureCode.INVALID_CONTENT)
EMPTY: Meaning = (DocumentFailure, FailureCode.EMPTY_DOCUMENT)
TRUNCATED: Meaning = (DocumentFailure, FailureCode.TRUNCATED)
LOST: Meaning = (DocumentFailure, FailureCode.CONNECTION_LOST)

DETAILS, SEARCH = "/api/v2/processos/", "/api/v2/processos?"
DOCUMENT = "0f1e2d3c-4b5a-5678-9abc-def012345678"
FOUND = answer(200, b'{"total": 1, "content": [{"numeroProcesso": "10000015120268110041"}]}')
NO_HITS = answer(200, b'{"content": []}')
NO_RECORDS = answer(404, '{"code": 404, "message": "Não foram encontrados registros"}'.encode())
OUT_OF_REACH = answer(403, '{"code": 403, "message": "Usuário não possui acesso ao processo 1"}'.encode())
DOWN = answer(503, b'{"status": 503}', retry_after="40")
SPA = b'<!DOCTYPE html><html lang="pt-br"><head></head><body><app-root></app-root></body></html>'
SPRING = answer(404, b'{"timestamp": 1759627761583, "status": 404, "error": "Not Found", "path": "/api/v2/x"}')
FORBIDDEN = answer(403, b'{"message":"Forbidden"}')
CUT_403 = b"HTTP/1.1 403 Forbidden\r\ncontent-length: 1000\r\n\r\n<html><head>"
NO_BACKEND = answer(404, b"default backend - 404")
MAINTENANCE = answer(200, b'{"status": "MANUTENCAO", "message": "Sistema em manutencao."}')
GATEWAY_PAGE = b"<html><head><title>Manutencao</title></head><body>Volte mais tarde.</body></html>"
LAKE = answer(500, b'{"status": 500, "message": "Erro interno na API do Codex."}')


def tells_nothing_of(token: str, error: BaseException) -> bool:
    """Whether neither the error nor the story of how it came about holds the token."""
    story = "".join(traceback.format_exception(error))
    return all(token not in text for text in (str(error), repr(error), story))


async def failure_of(asked: Awaitable[object]) -> CourtError:
    """How it fails."""
    with pytest.raises(CourtError) as failed:
        await asked
    return failed.value


# From the simulated court. A fault of the whole process strikes its search too, so it is the court's; one of a
# single document leaves the search well. Requests do not count the listing before.
OF_ALL: dict[str, tuple[str, Meaning, int]] = {
    "1 a token that has ended": ("token_rejected", REJECTED, 2),
    "2 no access to the process": ("no_access", NO_ACCESS, 1),
    "4 the firewall": ("firewall", BLOCKED, 2),
    "6 no such process": ("not_found", NOT_FOUND, 1),
    "9 details that fail alone": ("broken_details", NO_LISTING, 2),
    "10 too many requests": ("throttled", THROTTLED, 1),
    "11 out of service": ("unavailable", UNAVAILABLE, 2),
    "11 the gateway gave up": ("gateway_timeout", UNAVAILABLE, 2),
    "13 maintenance in JSON": ("maintenance_json", UNAVAILABLE, 2),
    "17 a redirect to the sign-in": ("redirected", REJECTED, 2),
    "19 a reset": ("reset", UNAVAILABLE, 2),
}
OF_ONE: dict[str, tuple[str, Meaning, int]] = {
    "1 a token refused for one document": ("token_rejected", NO_SOURCE, 2),
    "4 the firewall, at one document": ("firewall", NO_SOURCE, 2),
    "5 a sealed piece": ("sealed", SEALED, 2),
    "7 an unknown document": ("not_found", NO_DOCUMENT, 2),
    "8 the data lake failed": ("codex_error", NO_SOURCE, 2),
    "10 too many requests": ("throttled", THROTTLED, 1),
    "11 out of service, at one document": ("unavailable", NO_SOURCE, 2),
    "11 the gateway gave up on one document": ("gateway_timeout", NO_SOURCE, 2),
    "12 the portal's page": ("portal_page", PAGE, 2),
    "13 maintenance in JSON": ("maintenance_json", INVALID, 2),
    "14 nothing": ("empty", EMPTY, 2),
    "15 half of it": ("truncated", TRUNCATED, 1),
    "17 a redirect, at one document": ("redirected", PAGE, 2),
    "19 a reset on the way": ("reset", LOST, 2),
}


@pytest.fixture
async def court(simulator: SimulatedCourt) -> AsyncIterator[PdpjCourt]:
    """Our side."""
    tokens = GivenTokens(await simulator.token())
    court = PdpjCourt(simulator.origin, tokens=tokens, pace=CountingPace(), concurrency=4, user_agent="autos-tests")
    yield court
    await court.close()


async def requests(simulator: SimulatedCourt) -> int:
    """How many the court has seen."""
    return int((await simulator.stats())["requests"])


@pytest.mark.parametrize(("kind", "meaning", "cost"), OF_ALL.values(), ids=OF_ALL.keys())
async def test_what_goes_wrong_while_listing(
    court: PdpjCourt, simulator: SimulatedCourt, number: str, kind: str, meaning: Meaning, cost: int
) -> None:
    await simulator.fault(kind, number=number)
    failure = await failure_of(court.list_documents(ProcessNumber.parse(number)))
    assert ((type(failure), failure.code), await requests(simulator)) == (meaning, cost)


@pytest.mark.parametrize(("kind", "meaning", "cost"), OF_ONE.values(), ids=OF_ONE.keys())
async def test_what_goes_wrong_with_one_document(
    court: PdpjCourt, simulator: SimulatedCourt, number: str, kind: str, meaning: Meaning, cost: int
) -> None:
    await simulator.prepare(number, documents=2)
    broken, whole = await sources(court, number)
    await simulator.fault(kind, number=number, documents=[0])
    before = await requests(simulator)
    failure = await failure_of(fetched(court, broken))
    assert ((type(failure), failure.code), await requests(simulator) - before) == (meaning, cost)
    assert (await fetched(court, whole)).size_bytes > 0


@pytest.mark.parametrize("kind", [kind for kind, meaning, cost in OF_ALL.values() if meaning[0] is CourtFailure])
async def test_what_is_wrong_with_the_whole_court_blames_no_document(
    court: PdpjCourt, simulator: SimulatedCourt, number: str, kind: str
) -> None:
    await simulator.prepare(number, documents=1)
    [source] = await sources(court, number)
    await simulator.fault(kind, number=number)
    failure = await failure_of(fetched(court, source))
    assert type(failure) is CourtFailure


async def test_a_type_that_does_not_fit_is_no_failure(
    court: PdpjCourt, simulator: SimulatedCourt, number: str
) -> None:
    """Form 16."""
    await simulator.prepare(number, documents=4)
    await simulator.fault("mismatched", number=number)
    heads = [(await fetched(court, source)).head[:5] for source in await sources(court, number)]
    assert heads[0] == b"%PDF-"


async def test_a_process_unknown_to_the_data_lake_is_not_found(
    court: PdpjCourt, simulator: SimulatedCourt, number: str
) -> None:
    """Form 9, of a process that a search does not find either."""
    await simulator.prepare(number, exists=False)
    await simulator.fault("broken_details", number=number)
    failure = await failure_of(court.list_documents(ProcessNumber.parse(number)))
    assert ((type(failure), failure.code), await requests(simulator)) == (NOT_FOUND, 2)


@asynccontextmanager
async def asking(replies: dict[str, bytes]) -> AsyncIterator[tuple[PdpjCourt, ScriptedServer]]:
    """Our side, and the server that it asks."""
    async with scripted(by_path(replies)) as server:
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


async def listed(court: PdpjCourt) -> Listing:
    """List the process."""
    return await court.list_documents(ProcessNumber.parse(NUMBER))


async def binary(court: PdpjCourt) -> object:
    """Read the document."""
    return await fetched(court, source_at(NUMBER, href_of(DOCUMENT)))


async def text(court: PdpjCourt) -> object:
    """Read the document's text."""
    return await fetched(court, source_at(NUMBER, None, href_of(DOCUMENT, "texto")))


Ask = Callable[[PdpjCourt], Awaitable[object]]

# What only a script shows: what was asked, its answer, the search's, what it means, and how many requests it took.
SCRIPTED: dict[str, tuple[Ask, bytes, bytes, Meaning, int]] = {
    "1 rejected with JSON": (listed, answer(401, b'{"status": 401, "message": ""}'), answer(401), REJECTED, 2),
    "2 no access, at a document": (binary, answer(401, OUT_OF_REACH.partition(b"\r\n\r\n")[2]), FOUND, SEALED, 1),
    "3 a search out of reach": (listed, answer(504), OUT_OF_REACH, NO_ACCESS, 2),
    "4 the firewall, at details only": (listed, answer(403, b"<html>"), FOUND, NO_LISTING, 2),
    "4 the firewall's page cut, at details only": (listed, CUT_403, FOUND, NO_LISTING, 2),
    "4 the firewall's page cut, at a document only": (binary, CUT_403, FOUND, NO_SOURCE, 2),
    "5 no access without a word": (listed, answer(403), FOUND, NO_ACCESS, 2),
    "5 no access without a word, and no hit": (listed, FORBIDDEN, NO_HITS, NO_ACCESS, 2),
    "5 no access to a document, with its words": (binary, OUT_OF_REACH, FOUND, SEALED, 1),
    "5 sealed without a word": (binary, answer(403), FOUND, SEALED, 2),
    "5 sealed, the process out of reach": (binary, FORBIDDEN, OUT_OF_REACH, SEALED, 2),
    "5 sealed, the court down": (binary, FORBIDDEN, DOWN, BLOCKED, 2),
    "6 no hit, with 404": (listed, LAKE, NO_RECORDS, NOT_FOUND, 2),
    "7 a wrong path": (listed, SPRING, FOUND, INVALID_LISTING, 1),
    "7 no backend, at details only": (listed, NO_BACKEND, FOUND, NO_LISTING, 2),
    "7 an unknown document": (binary, SPRING, FOUND, NO_DOCUMENT, 2),
    "7 an unknown document, no process either": (binary, SPRING, NO_RECORDS, NO_DOCUMENT, 2),
    "7 a wrong path for documents and searches": (binary, SPRING, SPRING, UNAVAILABLE, 2),
    "8 at a text": (text, LAKE, FOUND, NO_SOURCE, 2),
    "8 everywhere": (binary, LAKE, LAKE, UNAVAILABLE, 2),
    "9 details broken, the process found": (listed, LAKE, FOUND, NO_LISTING, 2),
    "9 details broken, the process out of reach": (listed, LAKE, OUT_OF_REACH, NO_ACCESS, 2),
    "9 details broken, the search too": (listed, LAKE, LAKE, UNAVAILABLE, 2),
    "9 details broken, the search in maintenance": (listed, LAKE, MAINTENANCE, UNAVAILABLE, 2),
    "11 bad gateway, at details only": (listed, answer(502, b"<html>"), FOUND, NO_LISTING, 2),
    "11 a search without hits clears the court alone": (listed, DOWN, NO_HITS, NO_LISTING, 2),
    "11 the court blocks the search": (binary, DOWN, answer(403, b"<html>"), UNAVAILABLE, 2),
    "11 the court throttles the search": (binary, DOWN, answer(429), UNAVAILABLE, 2),
    "12 the portal's page for details": (listed, answer(200, SPA), FOUND, NO_LISTING, 2),
    "12 the portal's page for everything": (listed, answer(200, SPA), answer(200, SPA), UNAVAILABLE, 2),
    "12 the portal's page for a text": (text, answer(200, SPA), FOUND, PAGE, 2),
    "13 maintenance at details only": (listed, MAINTENANCE, FOUND, INVALID_LISTING, 2),
    "13 maintenance everywhere": (listed, MAINTENANCE, MAINTENANCE, UNAVAILABLE, 2),
    "13 maintenance for a text": (text, MAINTENANCE, FOUND, INVALID, 2),
    "14 nothing for a text": (text, answer(200, b""), FOUND, EMPTY, 2),
    "14 an empty text in JSON": (text, answer(200, b'{"texto": ""}'), FOUND, EMPTY, 2),
    "14 nothing for details": (listed, answer(200, b""), FOUND, NO_LISTING, 2),
    "15 fewer bytes than announced": (
        binary,
        b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n%PDF-1.4",
        FOUND,
        LOST,
        2,
    ),
    "15 a PDF without its end": (binary, answer(200, b"%PDF-1.4\n"), FOUND, TRUNCATED, 1),
    "17 a redirect, at details only": (listed, answer(302, location="https://x.invalid/"), FOUND, NO_LISTING, 2),
    "17 a redirect, everywhere": (binary, answer(307), answer(307), REJECTED, 2),
    "18 being prepared": (binary, answer(202, retry_after="3"), FOUND, NO_SOURCE, 2),
    "19 closed without an answer": (binary, b"", FOUND, NO_SOURCE, 2),
    "19 closed without an answer, everywhere": (binary, b"", b"", UNAVAILABLE, 2),
}


@pytest.mark.parametrize(("ask", "reply", "search", "meaning", "cost"), SCRIPTED.values(), ids=SCRIPTED.keys())
async def test_what_goes_wrong_by_script(
    ask: Ask, reply: bytes, search: bytes, meaning: Meaning, cost: int
) -> None:
    async with asking({SEARCH: search, DETAILS: reply}) as (court, server):
        failure = await failure_of(ask(court))
    assert ((type(failure), failure.code), len(server.requests)) == (meaning, cost)
    assert tells_nothing_of("a-token", failure)


async def test_a_page_in_place_of_a_pdf_is_invalid() -> None:
    """Form 13, in HTML: only the claim that it is a PDF tells it from a court's own page."""
    listing = answer(200, json.dumps(details(stage(piece(DOCUMENT, arquivo=None)))).encode())
    replies = {SEARCH: FOUND, f"{DETAILS}{NUMBER}/": answer(200, GATEWAY_PAGE), DETAILS: listing}
    async with asking(replies) as (court, _):
        [source] = await sources(court, NUMBER)
        failure = await failure_of(fetched(court, source))
    assert (type(failure), failure.code) == INVALID


async def test_the_first_failure_is_told_and_the_longer_wait_kept() -> None:
    async with asking({SEARCH: DOWN, DETAILS: answer(403, b"<html>", retry_after="7")}) as (court, _):
        failure = await failure_of(listed(court))
    assert (failure.code, failure.status, failure.retry_after) == (FailureCode.COURT_BLOCKED, 403, 40)


async def test_a_wait_stays_with_what_is_blamed() -> None:
    async with asking({SEARCH: FOUND, DETAILS: answer(202, retry_after="3")}) as (court, _):
        assert (await failure_of(binary(court))).retry_after == 3
    async with asking({SEARCH: FOUND, DETAILS: DOWN}) as (court, _):
        assert (await failure_of(binary(court))).retry_after == 40


async def test_a_court_that_is_away_is_unavailable() -> None:
    """Form 19: nobody takes the connection."""
    tokens = GivenTokens("a-token")
    court = PdpjCourt(
        "http://127.0.0.1:1", tokens=tokens, pace=CountingPace(), concurrency=1, user_agent="autos-tests"
    )
    for ask in (listed, binary, text):
        failure = await failure_of(ask(court))
        assert (type(failure), failure.code) == UNAVAILABLE
        assert tells_nothing_of("a-token", failure)
    await court.close()
