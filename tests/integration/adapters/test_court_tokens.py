"""Which token a request carries, and what happens when the court rejects it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from adapters.court_pdpj import PdpjClient
from domain.errors import CourtError, CourtFailure, FailureCode
from domain.process_number import ProcessNumber
from tests.support.court_rate_limiters import CountingRateLimiter
from tests.support.court_sources import fetched, source_at, sources
from tests.support.court_tokens import FixedTokens
from tests.support.portal_json import NUMBER, href_of
from tests.support.scripted_server import ReceivedRequest, Reply, ScriptedServer, answer, scripted
from tests.support.simulators import SimulatedCourt

KNOWN = ProcessNumber.parse("1011745-77.2025.8.11.0041")
SOURCE = source_at(NUMBER, href_of("0f1e2d3c-4b5a-5678-9abc-def012345678"))


@asynccontextmanager
async def open_client(origin: str, tokens: FixedTokens) -> AsyncIterator[PdpjClient]:
    """Open a client with these tokens."""
    court = PdpjClient(
        origin, tokens=tokens, rate_limiter=CountingRateLimiter(), concurrency=4, user_agent="autos-tests"
    )
    try:
        yield court
    finally:
        await court.close()


def court_accepting(*good: str) -> Reply:
    """Return the replies of a court that accepts only these tokens."""

    async def reply(asked: ReceivedRequest, writer: asyncio.StreamWriter) -> None:
        accepted = asked.headers.get("authorization") in {f"Bearer {token}" for token in good}
        writer.write(answer(200, b"Vistos.") if accepted else answer(401))

    return reply


def received_tokens(server: ScriptedServer) -> list[str]:
    """Return the tokens of the received requests, in order."""
    return [asked.headers.get("authorization", "").removeprefix("Bearer ") for asked in server.requests]


async def test_a_rejected_token_is_replaced_and_the_request_sent_again(simulator: SimulatedCourt) -> None:
    ended = await simulator.create_token()
    good = await simulator.create_token()
    tokens = FixedTokens(ended, good)
    async with open_client(simulator.origin, tokens) as court:
        found = await sources(court, KNOWN.canonical)
        assert len(found) == 31
        assert tokens.rejected == [ended]
        assert (await simulator.get_stats())["requests"] == 2
        assert (await fetched(court, found[0])).size_bytes > 0
    assert tokens.rejected == [ended]


async def test_a_token_that_ends_between_two_documents_is_replaced() -> None:
    async with scripted(court_accepting("second")) as server:
        tokens = FixedTokens("first", "second")
        async with open_client(server.origin, tokens) as court:
            for _ in range(2):
                assert (await fetched(court, SOURCE)).head == b"Vistos."
    assert received_tokens(server) == ["first", "second", "second"]


async def test_a_request_is_sent_again_only_once() -> None:
    async with scripted(court_accepting()) as server:
        tokens = FixedTokens("first", "second", "third")
        async with open_client(server.origin, tokens) as court:
            with pytest.raises(CourtFailure) as failed:
                await fetched(court, SOURCE)
    assert failed.value.code is FailureCode.CREDENTIALS_REJECTED
    # The third request is the health check with this token.
    assert received_tokens(server) == ["first", "second", "second"]
    assert tokens.rejected == ["first"]


async def test_without_another_token_it_is_not_sent_again() -> None:
    async with scripted(court_accepting()) as server, open_client(server.origin, FixedTokens("only")) as court:
        with pytest.raises(CourtFailure) as failed:
            await court.list_documents(KNOWN)
    assert failed.value.code is FailureCode.CREDENTIALS_REJECTED
    assert len(server.requests) == 2


async def test_only_a_rejected_token_is_replaced() -> None:
    no_access = '{"message": "Usuário não possui acesso ao processo 1"}'.encode()
    for reply in (answer(401, no_access), answer(403), answer(302), answer(503), answer(500)):

        async def send(_: ReceivedRequest, writer: asyncio.StreamWriter, reply: bytes = reply) -> None:
            writer.write(reply)

        tokens = FixedTokens("first", "second")
        async with scripted(send) as server, open_client(server.origin, tokens) as court:
            with pytest.raises(CourtError):
                await court.list_documents(KNOWN)
        assert tokens.rejected == []


@pytest.mark.parametrize("token", [None, "", "a token", "a\r\nHost: evil", "tokén", "a\x00b"])
async def test_without_a_token_that_can_be_sent_no_request_is_sent(token: str | None) -> None:
    tokens = FixedTokens() if token is None else FixedTokens(token)
    async with scripted(court_accepting()) as server, open_client(server.origin, tokens) as court:
        for ask in (court.list_documents(KNOWN), fetched(court, SOURCE), court.probe(KNOWN)):
            with pytest.raises(CourtFailure) as failed:
                await ask
            assert failed.value.code is FailureCode.CREDENTIALS_REJECTED
            assert not token or token not in str(failed.value)
    assert server.connections == 0


async def test_a_token_that_the_court_has_not_issued_is_rejected(simulator: SimulatedCourt) -> None:
    async with open_client(simulator.origin, FixedTokens("eyJhbGciOiJIUzI1NiJ9.e30.nonsense")) as court:
        with pytest.raises(CourtFailure) as failed:
            await court.list_documents(KNOWN)
    assert failed.value.code is FailureCode.CREDENTIALS_REJECTED
