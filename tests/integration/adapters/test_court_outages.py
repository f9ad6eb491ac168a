"""A gateway that sends the same response to every request: no process or document is blamed, and no probe succeeds.

To one request alone, each of these responses would be a failure of the process or the document.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from adapters.court_pdpj import PdpjClient
from domain.errors import CourtError, CourtFailure, FailureCode
from domain.process_number import ProcessNumber
from tests.support.court_clients import court_answering, download_binary, download_text, list_process
from tests.support.portal_json import NUMBER
from tests.support.scripted_server import always, answer

CUT_PAGE = b"HTTP/1.1 403 Forbidden\r\ncontent-length: 1000\r\n\r\n<html><head>"
BLOCKED, UNAVAILABLE = FailureCode.COURT_BLOCKED, FailureCode.COURT_UNAVAILABLE


async def probe(court: PdpjClient) -> None:
    """Probe the court."""
    await court.probe(ProcessNumber.parse(NUMBER))


@pytest.mark.parametrize(("ask", "cost"), [(list_process, 2), (download_binary, 2), (download_text, 2), (probe, 1)])
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
async def test_a_response_to_every_request_is_a_failure_of_the_court(
    reply: bytes, code: FailureCode, ask: Callable[[PdpjClient], Awaitable[object]], cost: int
) -> None:
    async with court_answering(always(reply)) as (court, server):
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
async def test_a_court_that_answers_a_probe_with_its_own_message_works(reply: bytes) -> None:
    async with court_answering(always(reply)) as (court, server):
        await probe(court)
    assert len(server.requests) == 1
