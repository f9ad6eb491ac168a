"""Credentials that are brought while good ones are in use: the court decides."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest
from cryptography.fernet import Fernet
from sqlalchemy import text

from activities.court_access import CandidateToken, CourtTokens
from activities.credentials_trial import CredentialsTrial
from adapters.court_pdpj import PdpjCourt, SignIn
from adapters.database import Catalog, Database
from adapters.sealing import Seal
from domain.court import CourtState, Credentials, TokenReport, Verdict
from domain.errors import CourtFailure, FailureCode
from tests.support.court_paces import CountingPace
from tests.support.scripted_server import Asked, answer, scripted

FOUND = answer(200, b'{"content": []}', content_type="application/json")
GOOD = TokenReport("stored")
RUNNING = CourtState()
REFUSING = CourtState(failure_code=FailureCode.CREDENTIALS_REJECTED)
AWAY = CourtState(failure_code=FailureCode.COURT_UNAVAILABLE)


@dataclass
class Trial:
    """A catalog, and a court that takes certain tokens."""

    catalog: Catalog
    database: Database
    trial: CredentialsTrial
    taken: set[str]
    refresh: dict[str, str] = field(default_factory=dict)
    broken: bool = False

    async def in_use(self) -> str | None:
        """Return the access token in use."""
        stored = await self.catalog.court.credentials()
        return stored.access_token if stored else None

    async def settle_with(self, *, taken: set[str], state: CourtState = RUNNING) -> bool:
        """Settle the candidate at a court that takes these tokens."""
        self.taken.clear()
        self.taken |= taken
        return await self.trial.settle(state)


@pytest.fixture
async def tried(database: Database) -> AsyncIterator[Trial]:
    async with database.writing() as connection:
        for table in ("court", "court_credentials", "court_candidate"):
            await connection.execute(text(f"DELETE FROM {table}"))
    catalog = Catalog(database, Seal([Fernet.generate_key().decode()]))
    taken: set[str] = set()

    async def reply(asked: Asked, writer: asyncio.StreamWriter) -> None:
        if made.broken:
            writer.write(answer(503))
        elif asked.method == "POST":
            token = asked.body.decode().partition("refresh_token=")[2].partition("&")[0]
            body = (
                f'{{"access_token": "{made.refresh[token]}", "refresh_token": "next"}}'
                if token in made.refresh
                else ""
            )
            writer.write(
                answer(200, body.encode(), content_type="application/json")
                if body
                else answer(400, b'{"error": "invalid_grant"}', content_type="application/json")
            )
        else:
            token = asked.headers.get("authorization", "").removeprefix("Bearer ")
            writer.write(FOUND if token in taken else answer(401))

    async with scripted(reply) as server:
        candidate = CandidateToken()
        tokens = CourtTokens(catalog.court, configured=None, file=None)
        courts = [
            PdpjCourt(server.origin, tokens=each, pace=CountingPace(), concurrency=1, user_agent="autos-tests")
            for each in (candidate, tokens)
        ]
        sign_in = SignIn(f"{server.origin}/realm", client_id="tests", pace=CountingPace())
        trial = CredentialsTrial(catalog.court_candidate, candidate, courts[0], courts[1], sign_in)
        made = Trial(catalog, database, trial, taken)
        await catalog.court.store_credentials(Credentials("former"))
        await catalog.court.report_token(GOOD)
        yield made
        for court in courts:
            await court.close()
        await sign_in.close()


async def test_one_that_the_court_takes_is_put_to_use(tried: Trial) -> None:
    version = await tried.catalog.court_candidate.propose(Credentials("brought", "refresh"))
    assert await tried.in_use() == "former"
    assert await tried.catalog.court_candidate.verdict(version) is Verdict.PENDING

    assert await tried.settle_with(taken={"former", "brought"})

    assert await tried.in_use() == "brought"
    assert await tried.catalog.court_candidate.verdict(version) is Verdict.TAKEN
    assert (await tried.catalog.court.overview())[1] == TokenReport("stored", renewable=True)


async def test_one_that_the_court_refuses_is_dropped_and_the_good_one_stays(tried: Trial) -> None:
    version = await tried.catalog.court_candidate.propose(Credentials("brought"))

    assert await tried.settle_with(taken={"former"})

    assert await tried.in_use() == "former"
    assert await tried.catalog.court_candidate.verdict(version) is Verdict.REFUSED
    assert await tried.catalog.court_candidate.pending() is None
    async with tried.database.reading() as connection:
        row = (await connection.execute(text("SELECT access_token, refresh_token FROM court_candidate"))).one()
    assert tuple(row) == (None, None)


async def test_where_the_court_refuses_both_the_newer_one_is_put_to_use(tried: Trial) -> None:
    version = await tried.catalog.court_candidate.propose(Credentials("brought"))
    assert await tried.settle_with(taken=set())
    assert await tried.in_use() == "brought"
    assert await tried.catalog.court_candidate.verdict(version) is Verdict.TAKEN


async def test_one_waits_for_a_court_that_does_not_answer(tried: Trial) -> None:
    version = await tried.catalog.court_candidate.propose(Credentials("brought"))
    tried.broken = True
    assert not await tried.settle_with(taken={"brought"})
    assert await tried.in_use() == "former"
    assert await tried.catalog.court_candidate.verdict(version) is Verdict.PENDING
    assert await tried.trial.pending_version(AWAY) == 0
    assert await tried.trial.pending_version(RUNNING) == version
    tried.broken = False
    assert await tried.settle_with(taken={"brought"})
    assert await tried.in_use() == "brought"


async def test_one_takes_the_place_of_one_that_is_refused_meanwhile(tried: Trial) -> None:
    version = await tried.catalog.court_candidate.propose(Credentials("brought"))
    assert await tried.trial.pending_version(REFUSING) == version
    tried.broken = True  # Nobody asks.
    assert await tried.settle_with(taken=set(), state=REFUSING)
    assert await tried.in_use() == "brought"


async def test_a_refresh_token_alone_is_tried_at_the_sign_in(tried: Trial) -> None:
    tried.refresh["refresh"] = "renewed"
    version = await tried.catalog.court_candidate.propose(Credentials(None, "refresh"))
    assert await tried.settle_with(taken={"former"})
    stored = await tried.catalog.court.credentials()
    assert stored is not None
    assert (stored.access_token, stored.refresh_token) == ("renewed", "next")
    assert await tried.catalog.court_candidate.verdict(version) is Verdict.TAKEN


async def test_a_refresh_token_that_the_sign_in_refuses_is_dropped(tried: Trial) -> None:
    version = await tried.catalog.court_candidate.propose(Credentials(None, "unknown"))
    assert await tried.settle_with(taken={"former"})
    assert await tried.in_use() == "former"
    assert await tried.catalog.court_candidate.verdict(version) is Verdict.REFUSED


async def test_of_two_that_are_brought_the_later_one_counts(tried: Trial) -> None:
    first = await tried.catalog.court_candidate.propose(Credentials("first"))
    second = await tried.catalog.court_candidate.propose(Credentials("second"))
    assert first is not None
    assert second is not None
    assert await tried.catalog.court_candidate.verdict(first) is Verdict.SUPERSEDED
    assert not await tried.catalog.court_candidate.take(Credentials("first"), first)
    assert not await tried.catalog.court_candidate.refuse(first)
    assert await tried.settle_with(taken={"second"})
    assert await tried.in_use() == "second"


@pytest.mark.parametrize(
    "report", [TokenReport(), TokenReport("stored", rejected=True), TokenReport("environment", rejected=True)]
)
async def test_without_good_ones_what_is_brought_is_in_use_at_once(tried: Trial, report: TokenReport) -> None:
    waiting = await tried.catalog.court_candidate.propose(Credentials("waiting"))
    await tried.catalog.court.report_token(report)
    assert await tried.catalog.court_candidate.propose(Credentials("brought")) is None
    assert await tried.in_use() == "brought"
    assert await tried.catalog.court_candidate.verdict(waiting) is Verdict.SUPERSEDED
    assert await tried.trial.pending_version(RUNNING) == 0


async def test_a_court_that_refuses_what_is_in_use_lets_anything_take_its_place(tried: Trial) -> None:
    failure = CourtFailure(FailureCode.CREDENTIALS_REJECTED, "401")
    await tried.catalog.court.open_circuit(failure, process_number="x", generation=0, token=None)
    assert await tried.catalog.court_candidate.propose(Credentials("brought")) is None


async def test_tokens_on_trial_are_sealed_at_rest(tried: Trial) -> None:
    await tried.catalog.court_candidate.propose(Credentials("the-access-token", "the-refresh-token"))
    async with tried.database.reading() as connection:
        row = (await connection.execute(text("SELECT * FROM court_candidate"))).one()
    assert "the-" not in str(row)
