"""Every form in which the court is known to fail: what it means, and how many requests it costs.

The numbers are those of the forms as clients of the portal have captured them; where the simulated court cannot
show one, a scripted server does.
"""

from __future__ import annotations

import json
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from adapters.court_pdpj import PdpjClient
from domain.errors import CourtError, CourtFailure, DocumentFailure, FailureCode, ProcessFailure
from domain.process_number import ProcessNumber
from tests.support.court_clients import DOCUMENT, court_answering, download_binary, download_text, list_process
from tests.support.court_rate_limiters import CountingRateLimiter
from tests.support.court_sources import fetched, sources
from tests.support.court_tokens import FixedTokens
from tests.support.portal_json import NUMBER, details, piece, stage
from tests.support.scripted_server import answer, by_path
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


def hides_token(token: str, error: BaseException) -> bool:
    """Return whether neither the error nor its traceback contains the token."""
    trace = "".join(traceback.format_exception(error))
    return all(token not in text for text in (str(error), repr(error), trace))


async def capture_failure(request: Awaitable[object]) -> CourtError:
    """Return the error that it raises."""
    with pytest.raises(CourtError) as failed:
        await request
    return failed.value


# By the simulated court. A fault of the whole process affects its search too, so it is the court's failure. A fault
# of a single document does not affect the search. The numbers of requests do not include the listing before.
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
async def court(simulator: SimulatedCourt) -> AsyncIterator[PdpjClient]:
    """The client of the simulated court."""
    tokens = FixedTokens(await simulator.create_token())
    court = PdpjClient(
        simulator.origin, tokens=tokens, rate_limiter=CountingRateLimiter(), concurrency=4, user_agent="autos-tests"
    )
    yield court
    await court.close()


async def count_requests(simulator: SimulatedCourt) -> int:
    """Return how many requests the court has received."""
    return int((await simulator.get_stats())["requests"])


@pytest.mark.parametrize(("kind", "meaning", "cost"), OF_ALL.values(), ids=OF_ALL.keys())
async def test_failures_of_a_listing(
    court: PdpjClient, simulator: SimulatedCourt, number: str, kind: str, meaning: Meaning, cost: int
) -> None:
    await simulator.inject_fault(kind, number=number)
    failure = await capture_failure(court.list_documents(ProcessNumber.parse(number)))
    assert ((type(failure), failure.code), await count_requests(simulator)) == (meaning, cost)


@pytest.mark.parametrize(("kind", "meaning", "cost"), OF_ONE.values(), ids=OF_ONE.keys())
async def test_failures_of_one_document(
    court: PdpjClient, simulator: SimulatedCourt, number: str, kind: str, meaning: Meaning, cost: int
) -> None:
    await simulator.create_process(number, documents=2)
    broken, whole = await sources(court, number)
    await simulator.inject_fault(kind, number=number, documents=[0])
    before = await count_requests(simulator)
    failure = await capture_failure(fetched(court, broken))
    assert ((type(failure), failure.code), await count_requests(simulator) - before) == (meaning, cost)
    assert (await fetched(court, whole)).size_bytes > 0


@pytest.mark.parametrize("kind", [kind for kind, meaning, cost in OF_ALL.values() if meaning[0] is CourtFailure])
async def test_a_failure_of_the_court_blames_no_document(
    court: PdpjClient, simulator: SimulatedCourt, number: str, kind: str
) -> None:
    await simulator.create_process(number, documents=1)
    [source] = await sources(court, number)
    await simulator.inject_fault(kind, number=number)
    failure = await capture_failure(fetched(court, source))
    assert type(failure) is CourtFailure


async def test_a_media_type_that_does_not_match_is_not_a_failure(
    court: PdpjClient, simulator: SimulatedCourt, number: str
) -> None:
    """Form 16."""
    await simulator.create_process(number, documents=4)
    await simulator.inject_fault("mismatched", number=number)
    heads = [(await fetched(court, source)).head[:5] for source in await sources(court, number)]
    assert heads[0] == b"%PDF-"


async def test_a_process_unknown_to_the_data_lake_is_not_found(
    court: PdpjClient, simulator: SimulatedCourt, number: str
) -> None:
    """Form 9, of a process that a search does not find either."""
    await simulator.create_process(number, exists=False)
    await simulator.inject_fault("broken_details", number=number)
    failure = await capture_failure(court.list_documents(ProcessNumber.parse(number)))
    assert ((type(failure), failure.code), await count_requests(simulator)) == (NOT_FOUND, 2)


Ask = Callable[[PdpjClient], Awaitable[object]]

# By a scripted server: the request, its response, the response to a search, the resulting failure, and how many
# requests were sent.
SCRIPTED: dict[str, tuple[Ask, bytes, bytes, Meaning, int]] = {
    "1 rejected with JSON": (
        list_process,
        answer(401, b'{"status": 401, "message": ""}'),
        answer(401),
        REJECTED,
        2,
    ),
    "2 no access, at a document": (
        download_binary,
        answer(401, OUT_OF_REACH.partition(b"\r\n\r\n")[2]),
        FOUND,
        SEALED,
        1,
    ),
    "3 a search out of reach": (list_process, answer(504), OUT_OF_REACH, NO_ACCESS, 2),
    "4 the firewall, at details only": (list_process, answer(403, b"<html>"), FOUND, NO_LISTING, 2),
    "4 the firewall's page cut, at details only": (list_process, CUT_403, FOUND, NO_LISTING, 2),
    "4 the firewall's page cut, at a document only": (download_binary, CUT_403, FOUND, NO_SOURCE, 2),
    "5 no access without a word": (list_process, answer(403), FOUND, NO_ACCESS, 2),
    "5 no access without a word, and no hit": (list_process, FORBIDDEN, NO_HITS, NO_ACCESS, 2),
    "5 no access to a document, with its words": (download_binary, OUT_OF_REACH, FOUND, SEALED, 1),
    "5 sealed without a word": (download_binary, answer(403), FOUND, SEALED, 2),
    "5 sealed, the process out of reach": (download_binary, FORBIDDEN, OUT_OF_REACH, SEALED, 2),
    "5 sealed, the court down": (download_binary, FORBIDDEN, DOWN, BLOCKED, 2),
    "6 no hit, with 404": (list_process, LAKE, NO_RECORDS, NOT_FOUND, 2),
    "7 a wrong path": (list_process, SPRING, FOUND, INVALID_LISTING, 1),
    "7 no backend, at details only": (list_process, NO_BACKEND, FOUND, NO_LISTING, 2),
    "7 an unknown document": (download_binary, SPRING, FOUND, NO_DOCUMENT, 2),
    "7 an unknown document, no process either": (download_binary, SPRING, NO_RECORDS, NO_DOCUMENT, 2),
    "7 a wrong path for documents and searches": (download_binary, SPRING, SPRING, UNAVAILABLE, 2),
    "8 at a text": (download_text, LAKE, FOUND, NO_SOURCE, 2),
    "8 everywhere": (download_binary, LAKE, LAKE, UNAVAILABLE, 2),
    "9 details broken, the process found": (list_process, LAKE, FOUND, NO_LISTING, 2),
    "9 details broken, the process out of reach": (list_process, LAKE, OUT_OF_REACH, NO_ACCESS, 2),
    "9 details broken, the search too": (list_process, LAKE, LAKE, UNAVAILABLE, 2),
    "9 details broken, the search in maintenance": (list_process, LAKE, MAINTENANCE, UNAVAILABLE, 2),
    "11 bad gateway, at details only": (list_process, answer(502, b"<html>"), FOUND, NO_LISTING, 2),
    "11 a search without hits clears the court alone": (list_process, DOWN, NO_HITS, NO_LISTING, 2),
    "11 the court blocks the search": (download_binary, DOWN, answer(403, b"<html>"), UNAVAILABLE, 2),
    "11 the court throttles the search": (download_binary, DOWN, answer(429), UNAVAILABLE, 2),
    "12 the portal's page for details": (list_process, answer(200, SPA), FOUND, NO_LISTING, 2),
    "12 the portal's page for everything": (list_process, answer(200, SPA), answer(200, SPA), UNAVAILABLE, 2),
    "12 the portal's page for a text": (download_text, answer(200, SPA), FOUND, PAGE, 2),
    "13 maintenance at details only": (list_process, MAINTENANCE, FOUND, INVALID_LISTING, 2),
    "13 maintenance everywhere": (list_process, MAINTENANCE, MAINTENANCE, UNAVAILABLE, 2),
    "13 maintenance for a text": (download_text, MAINTENANCE, FOUND, INVALID, 2),
    "14 nothing for a text": (download_text, answer(200, b""), FOUND, EMPTY, 2),
    "14 an empty text in JSON": (download_text, answer(200, b'{"texto": ""}'), FOUND, EMPTY, 2),
    "14 nothing for details": (list_process, answer(200, b""), FOUND, NO_LISTING, 2),
    "15 fewer bytes than announced": (
        download_binary,
        b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n%PDF-1.4",
        FOUND,
        LOST,
        2,
    ),
    "15 a PDF without its end": (download_binary, answer(200, b"%PDF-1.4\n"), FOUND, TRUNCATED, 1),
    "17 a redirect, at details only": (
        list_process,
        answer(302, location="https://x.invalid/"),
        FOUND,
        NO_LISTING,
        2,
    ),
    "17 a redirect, everywhere": (download_binary, answer(307), answer(307), REJECTED, 2),
    "18 being prepared": (download_binary, answer(202, retry_after="3"), FOUND, NO_SOURCE, 2),
    "19 closed without an answer": (download_binary, b"", FOUND, NO_SOURCE, 2),
    "19 closed without an answer, everywhere": (download_binary, b"", b"", UNAVAILABLE, 2),
}


@pytest.mark.parametrize(("ask", "reply", "search", "meaning", "cost"), SCRIPTED.values(), ids=SCRIPTED.keys())
async def test_failures_by_a_scripted_server(
    ask: Ask, reply: bytes, search: bytes, meaning: Meaning, cost: int
) -> None:
    async with court_answering(by_path({SEARCH: search, DETAILS: reply})) as (court, server):
        failure = await capture_failure(ask(court))
    assert ((type(failure), failure.code), len(server.requests)) == (meaning, cost)
    assert hides_token("a-token", failure)


async def test_an_html_page_instead_of_a_pdf_is_invalid() -> None:
    """Form 13, in HTML: only the listing, which says that it is a PDF, distinguishes it from a document in HTML."""
    listing = answer(200, json.dumps(details(stage(piece(DOCUMENT, arquivo=None)))).encode())
    replies = {SEARCH: FOUND, f"{DETAILS}{NUMBER}/": answer(200, GATEWAY_PAGE), DETAILS: listing}
    async with court_answering(by_path(replies)) as (court, _):
        [source] = await sources(court, NUMBER)
        failure = await capture_failure(fetched(court, source))
    assert (type(failure), failure.code) == INVALID


async def test_the_first_failure_is_reported_with_the_longer_retry_after() -> None:
    async with court_answering(by_path({SEARCH: DOWN, DETAILS: answer(403, b"<html>", retry_after="7")})) as (
        court,
        _,
    ):
        failure = await capture_failure(list_process(court))
    assert (failure.code, failure.status, failure.retry_after) == (FailureCode.COURT_BLOCKED, 403, 40)


async def test_the_retry_after_is_kept_when_the_failure_is_reattributed() -> None:
    async with court_answering(by_path({SEARCH: FOUND, DETAILS: answer(202, retry_after="3")})) as (court, _):
        assert (await capture_failure(download_binary(court))).retry_after == 3
    async with court_answering(by_path({SEARCH: FOUND, DETAILS: DOWN})) as (court, _):
        assert (await capture_failure(download_binary(court))).retry_after == 40


async def test_an_unreachable_court_is_unavailable() -> None:
    """Form 19: no server accepts the connection."""
    tokens = FixedTokens("a-token")
    court = PdpjClient(
        "http://127.0.0.1:1",
        tokens=tokens,
        rate_limiter=CountingRateLimiter(),
        concurrency=1,
        user_agent="autos-tests",
    )
    for ask in (list_process, download_binary, download_text):
        failure = await capture_failure(ask(court))
        assert (type(failure), failure.code) == UNAVAILABLE
        assert hides_token("a-token", failure)
    await court.close()
