"""The court client against the simulated court, over real connections."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator

import pytest

from adapters.court_pdpj import PdpjClient
from domain.errors import CourtFailure, FailureCode, ProcessFailure
from domain.process_number import ProcessNumber
from tests.support.conditions import eventually
from tests.support.court_rate_limiters import CountingRateLimiter
from tests.support.court_sources import fetched, source_of, sources
from tests.support.court_tokens import FixedTokens
from tests.support.simulators import SimulatedCourt

KNOWN = "1011745-77.2025.8.11.0041"
CONCURRENCY = 3


@pytest.fixture
async def token(simulator: SimulatedCourt) -> str:
    """A token that the court accepts."""
    return await simulator.create_token()


@pytest.fixture
async def court(simulator: SimulatedCourt, token: str) -> AsyncIterator[PdpjClient]:
    """The client of the simulated court."""
    court = PdpjClient(
        simulator.origin,
        tokens=FixedTokens(token),
        rate_limiter=CountingRateLimiter(),
        concurrency=CONCURRENCY,
        user_agent="autos-tests",
    )
    yield court
    await court.close()


async def test_the_known_process_is_listed_whole(court: PdpjClient) -> None:
    listing = await court.list_documents(ProcessNumber.parse(KNOWN))
    assert (listing.process_number, listing.court, len(listing.documents)) == (KNOWN, "TJMT", 31)
    assert len({document.id for document in listing.documents}) == 31


async def test_documents_have_the_courts_ids_and_are_in_filing_order(
    court: PdpjClient, simulator: SimulatedCourt, number: str
) -> None:
    ids = await simulator.create_process(number, documents=10, second_instance_documents=3)
    listing = await court.list_documents(ProcessNumber.parse(number))
    assert [document.id for document in listing.documents] == ids
    assert {instance.degree for instance in listing.instances} == {"G1", "G2"}


async def test_copies_from_a_second_source_are_merged(
    court: PdpjClient, simulator: SimulatedCourt, number: str
) -> None:
    ids = await simulator.create_process(number, documents=12, second_source=True)
    listing = await court.list_documents(ProcessNumber.parse(number))
    assert [document.id for document in listing.documents] == ids
    assert {len({origin.source for origin in document.sources}) for document in listing.documents} == {2}
    assert len({origin.id for document in listing.documents for origin in document.sources}) == 24


async def test_a_document_is_downloaded_completely(
    court: PdpjClient, simulator: SimulatedCourt, number: str
) -> None:
    ids = await simulator.create_process(number, documents=1, size_bytes=700_000)
    [source] = await sources(court, number)
    content = await fetched(court, source)
    assert (content.size_bytes, content.head[:5]) == (700_000, b"%PDF-")
    assert (await simulator.get_stats())["documents_served"] == {ids[0]: 1}


async def test_the_same_document_has_the_same_digest_again(court: PdpjClient) -> None:
    source = (await sources(court, KNOWN))[0]
    first, second = await fetched(court, source), await fetched(court, source)
    assert first.sha256 == second.sha256 != hashlib.sha256(b"").digest()


async def test_a_document_with_text_only_gives_its_text(court: PdpjClient) -> None:
    listing = await court.list_documents(ProcessNumber.parse(KNOWN))
    content = await fetched(court, source_of(KNOWN, listing.documents[0], text_only=True))
    assert "Conteúdo sintético".encode() in content.head


async def test_the_courts_retry_after_is_in_the_failure(
    court: PdpjClient, simulator: SimulatedCourt, number: str
) -> None:
    await simulator.inject_fault("throttled", number=number, retry_after=7)
    with pytest.raises(CourtFailure) as failed:
        await court.list_documents(ProcessNumber.parse(number))
    assert failed.value.retry_after == 7


async def test_an_unknown_process_is_not_found(court: PdpjClient, simulator: SimulatedCourt, number: str) -> None:
    await simulator.create_process(number, exists=False)
    with pytest.raises(ProcessFailure) as failed:
        await court.list_documents(ProcessNumber.parse(number))
    assert failed.value.code is FailureCode.NOT_FOUND


async def test_concurrent_requests_never_exceed_the_limit(
    court: PdpjClient, simulator: SimulatedCourt, number: str
) -> None:
    await simulator.create_process(number, documents=15, size_bytes=2000)
    documents = await sources(court, number)
    await simulator.set_latency(0.1)
    listings = (court.list_documents(ProcessNumber.parse(number)) for _ in range(5))
    await asyncio.gather(*(fetched(court, source) for source in documents), *listings)
    assert (await simulator.get_stats())["max_concurrent"] == CONCURRENCY


async def test_cancelled_requests_free_their_slots(
    court: PdpjClient, simulator: SimulatedCourt, number: str
) -> None:
    await simulator.create_process(number, documents=4, size_bytes=2000)
    documents = await sources(court, number)
    await simulator.set_latency(0.3)
    for _ in range(4):
        before = (await simulator.get_stats())["requests"]
        tasks = [asyncio.create_task(fetched(court, source)) for source in documents * 3]

        async def all_slots_in_use(before: int = before) -> bool:
            return bool((await simulator.get_stats())["requests"] >= before + CONCURRENCY)

        await eventually(all_slots_in_use, "requests in flight")
        for task in tasks:
            task.cancel()
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(isinstance(outcome, asyncio.CancelledError) for outcome in outcomes)
    await simulator.set_latency(0.02)
    async with asyncio.timeout(60):
        await asyncio.gather(*(fetched(court, source) for source in documents * 3))


async def test_a_reader_that_stops_early_frees_its_slot(
    court: PdpjClient, simulator: SimulatedCourt, number: str
) -> None:
    await simulator.create_process(number, documents=1, size_bytes=3_000_000)
    [source] = await sources(court, number)
    async with asyncio.timeout(60):
        for _ in range(2 * CONCURRENCY):
            async with court.open_document(ProcessNumber.parse(number), source.offers[0]) as opened:
                async for _chunk in opened.chunks:
                    break
        assert (await fetched(court, source)).size_bytes == 3_000_000


async def test_a_document_that_is_read_to_its_end_frees_its_slot_at_once(
    court: PdpjClient, simulator: SimulatedCourt, number: str
) -> None:
    await simulator.create_process(number, documents=CONCURRENCY + 1, size_bytes=2000)
    *first, last = await sources(court, number)
    opened = [court.open_document(ProcessNumber.parse(number), source.offers[0]) for source in first]
    for context in opened:
        document = await context.__aenter__()
        async for _ in document.chunks:
            pass
    async with asyncio.timeout(60):
        assert (await fetched(court, last)).size_bytes == 2000
    for context in opened:
        await context.__aexit__(None, None, None)


async def test_a_probe_says_whether_the_court_answers(
    court: PdpjClient, simulator: SimulatedCourt, number: str
) -> None:
    await court.probe(ProcessNumber.parse(number))
    await simulator.inject_fault("no_access", number=number, times=1)
    await court.probe(ProcessNumber.parse(number))
    await simulator.inject_fault("unavailable", number=number, times=1, retry_after=9)
    with pytest.raises(CourtFailure) as failed:
        await court.probe(ProcessNumber.parse(number))
    assert (failed.value.code, failed.value.retry_after) == (FailureCode.COURT_UNAVAILABLE, 9)
    await court.probe(ProcessNumber.parse(number))
    assert (await simulator.get_stats())["requests"] == 4
