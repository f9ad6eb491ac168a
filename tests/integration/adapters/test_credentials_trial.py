"""Credentials that are provided while working ones are in use: the court decides which to use."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest
from cryptography.fernet import Fernet
from sqlalchemy import text

from activities.court_tokens import CandidateToken, CourtTokens
from activities.credentials_trial import CredentialsTrial
from adapters.court_pdpj import PdpjClient, TokenRefreshClient
from adapters.database import Catalog, Database
from adapters.security.encryption import Encryptor
from domain.court import CourtState, Credentials, TokenReport, Verdict
from domain.errors import CourtFailure, FailureCode
from tests.support.court_rate_limiters import CountingRateLimiter
from tests.support.scripted_server import ReceivedRequest, answer, scripted

FOUND = answer(200, b'{"content": []}', content_type="application/json")
WORKING_TOKEN = TokenReport("stored")
COURT_UP = CourtState()
TOKEN_REFUSED = CourtState(failure_code=FailureCode.CREDENTIALS_REJECTED)
COURT_DOWN = CourtState(failure_code=FailureCode.COURT_UNAVAILABLE)


@dataclass
class Trial:
    """A catalog, and a court that accepts certain tokens."""

    catalog: Catalog
    database: Database
    trial: CredentialsTrial
    accepted: set[str]
    refresh: dict[str, str] = field(default_factory=dict)
    broken: bool = False

    async def in_use(self) -> str | None:
        """Return the access token in use."""
        stored = await self.catalog.court_state.read_credentials()
        return stored.access_token if stored else None

    async def try_with(self, *, accepted: set[str], state: CourtState = COURT_UP) -> bool:
        """Try the candidate at a court that accepts these tokens."""
        self.accepted.clear()
        self.accepted |= accepted
        return await self.trial.try_candidate(state)


@pytest.fixture
async def env(database: Database) -> AsyncIterator[Trial]:
    async with database.writing() as connection:
        for table in ("court", "court_credentials", "court_candidate"):
            await connection.execute(text(f"DELETE FROM {table}"))
    catalog = Catalog(database, Encryptor([Fernet.generate_key().decode()]))
    accepted: set[str] = set()

    async def reply(asked: ReceivedRequest, writer: asyncio.StreamWriter) -> None:
        if trial_env.broken:
            writer.write(answer(503))
        elif asked.method == "POST":
            token = asked.body.decode().partition("refresh_token=")[2].partition("&")[0]
            body = (
                f'{{"access_token": "{trial_env.refresh[token]}", "refresh_token": "next"}}'
                if token in trial_env.refresh
                else ""
            )
            writer.write(
                answer(200, body.encode(), content_type="application/json")
                if body
                else answer(400, b'{"error": "invalid_grant"}', content_type="application/json")
            )
        else:
            token = asked.headers.get("authorization", "").removeprefix("Bearer ")
            writer.write(FOUND if token in accepted else answer(401))

    async with scripted(reply) as server:
        candidate = CandidateToken()
        tokens = CourtTokens(catalog.court_state, configured=None, file=None)
        courts = [
            PdpjClient(
                server.origin,
                tokens=each,
                rate_limiter=CountingRateLimiter(),
                concurrency=1,
                user_agent="autos-tests",
            )
            for each in (candidate, tokens)
        ]
        token_refresh = TokenRefreshClient(
            f"{server.origin}/realm", client_id="tests", rate_limiter=CountingRateLimiter()
        )
        trial = CredentialsTrial(catalog.candidate_credentials, candidate, courts[0], courts[1], token_refresh)
        trial_env = Trial(catalog, database, trial, accepted)
        await catalog.court_state.store_credentials(Credentials("former"))
        await catalog.court_state.report_token(WORKING_TOKEN)
        yield trial_env
        for court in courts:
            await court.close()
        await token_refresh.close()


async def test_a_candidate_that_the_court_accepts_is_used(env: Trial) -> None:
    version = await env.catalog.candidate_credentials.propose(Credentials("brought", "refresh"))
    assert await env.in_use() == "former"
    assert await env.catalog.candidate_credentials.get_verdict(version) is Verdict.PENDING

    assert await env.try_with(accepted={"former", "brought"})

    assert await env.in_use() == "brought"
    assert await env.catalog.candidate_credentials.get_verdict(version) is Verdict.TAKEN
    assert (await env.catalog.court_state.read_state_and_token())[1] == TokenReport("stored", renewable=True)


async def test_a_candidate_that_the_court_refuses_is_deleted_and_the_current_one_stays(env: Trial) -> None:
    version = await env.catalog.candidate_credentials.propose(Credentials("brought"))

    assert await env.try_with(accepted={"former"})

    assert await env.in_use() == "former"
    assert await env.catalog.candidate_credentials.get_verdict(version) is Verdict.REFUSED
    assert await env.catalog.candidate_credentials.get_pending() is None
    async with env.database.reading() as connection:
        row = (await connection.execute(text("SELECT access_token, refresh_token FROM court_candidate"))).one()
    assert tuple(row) == (None, None)


async def test_when_the_court_refuses_both_the_candidate_is_used(env: Trial) -> None:
    version = await env.catalog.candidate_credentials.propose(Credentials("brought"))
    assert await env.try_with(accepted=set())
    assert await env.in_use() == "brought"
    assert await env.catalog.candidate_credentials.get_verdict(version) is Verdict.TAKEN


async def test_a_candidate_stays_pending_while_the_court_does_not_answer(env: Trial) -> None:
    version = await env.catalog.candidate_credentials.propose(Credentials("brought"))
    env.broken = True
    assert not await env.try_with(accepted={"brought"})
    assert await env.in_use() == "former"
    assert await env.catalog.candidate_credentials.get_verdict(version) is Verdict.PENDING
    assert await env.trial.get_pending_version(COURT_DOWN) == 0
    assert await env.trial.get_pending_version(COURT_UP) == version
    env.broken = False
    assert await env.try_with(accepted={"brought"})
    assert await env.in_use() == "brought"


async def test_a_candidate_replaces_a_refused_token_without_a_request(env: Trial) -> None:
    version = await env.catalog.candidate_credentials.propose(Credentials("brought"))
    assert await env.trial.get_pending_version(TOKEN_REFUSED) == version
    env.broken = True  # Not noticed: no request is sent.
    assert await env.try_with(accepted=set(), state=TOKEN_REFUSED)
    assert await env.in_use() == "brought"


async def test_a_refresh_token_alone_is_tried_at_the_sign_in_service(env: Trial) -> None:
    env.refresh["refresh"] = "renewed"
    version = await env.catalog.candidate_credentials.propose(Credentials(None, "refresh"))
    assert await env.try_with(accepted={"former"})
    stored = await env.catalog.court_state.read_credentials()
    assert stored is not None
    assert (stored.access_token, stored.refresh_token) == ("renewed", "next")
    assert await env.catalog.candidate_credentials.get_verdict(version) is Verdict.TAKEN


async def test_a_refresh_token_that_the_sign_in_service_refuses_is_deleted(env: Trial) -> None:
    version = await env.catalog.candidate_credentials.propose(Credentials(None, "unknown"))
    assert await env.try_with(accepted={"former"})
    assert await env.in_use() == "former"
    assert await env.catalog.candidate_credentials.get_verdict(version) is Verdict.REFUSED


async def test_a_later_candidate_supersedes_an_earlier_one(env: Trial) -> None:
    first = await env.catalog.candidate_credentials.propose(Credentials("first"))
    second = await env.catalog.candidate_credentials.propose(Credentials("second"))
    assert first is not None
    assert second is not None
    assert await env.catalog.candidate_credentials.get_verdict(first) is Verdict.SUPERSEDED
    assert not await env.catalog.candidate_credentials.accept(Credentials("first"), first)
    assert not await env.catalog.candidate_credentials.refuse(first)
    assert await env.try_with(accepted={"second"})
    assert await env.in_use() == "second"


@pytest.mark.parametrize(
    "report", [TokenReport(), TokenReport("stored", rejected=True), TokenReport("environment", rejected=True)]
)
async def test_without_a_working_token_new_credentials_are_used_at_once(env: Trial, report: TokenReport) -> None:
    waiting = await env.catalog.candidate_credentials.propose(Credentials("waiting"))
    await env.catalog.court_state.report_token(report)
    assert await env.catalog.candidate_credentials.propose(Credentials("brought")) is None
    assert await env.in_use() == "brought"
    assert await env.catalog.candidate_credentials.get_verdict(waiting) is Verdict.SUPERSEDED
    assert await env.trial.get_pending_version(COURT_UP) == 0


async def test_new_credentials_are_used_at_once_while_the_court_refuses_the_current_ones(env: Trial) -> None:
    failure = CourtFailure(FailureCode.CREDENTIALS_REJECTED, "401")
    await env.catalog.court_state.open_circuit(failure, process_number="x", generation=0, token=None)
    assert await env.catalog.candidate_credentials.propose(Credentials("brought")) is None


async def test_candidate_tokens_are_encrypted_at_rest(env: Trial) -> None:
    await env.catalog.candidate_credentials.propose(Credentials("the-access-token", "the-refresh-token"))
    async with env.database.reading() as connection:
        row = (await connection.execute(text("SELECT * FROM court_candidate"))).one()
    assert "the-" not in str(row)


async def test_a_report_about_former_credentials_does_not_hide_the_new_ones(env: Trial) -> None:
    async with env.database.writing() as connection:
        await connection.execute(text("DELETE FROM court_credentials"))
    tokens = CourtTokens(env.catalog.court_state, configured=None, file=None)
    before = await tokens.describe_token()
    await env.catalog.court_state.report_token(before)
    assert (await env.catalog.court_state.read_state_and_token())[1].source is None

    # The worker's next report is made before the new credentials arrive, and is written after them.
    assert await env.catalog.candidate_credentials.propose(Credentials("brought", "refresh")) is None
    await env.catalog.court_state.report_token(before)
    assert (await env.catalog.court_state.read_state_and_token())[1] == TokenReport("stored", renewable=True)

    await env.catalog.court_state.drop_refresh_token(1)
    await env.catalog.court_state.report_token(await tokens.describe_token())
    assert (await env.catalog.court_state.read_state_and_token())[1] == TokenReport("stored")
