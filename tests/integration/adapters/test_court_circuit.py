"""The court's two rows: the deployment's circuit breaker, and encrypted credentials."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Self

import pytest
from cryptography.fernet import Fernet
from sqlalchemy import text

from activities.court_circuit import CourtCircuitBreaker
from activities.court_tokens import CourtTokens
from adapters.database import Catalog, Database
from adapters.security.encryption import Encryptor
from domain.court import CourtState, Credentials, FailureReport, TokenReport
from domain.errors import ConfigurationError, CourtFailure, CourtKnownUnavailable, FailureCode

NUMBER = "1000001-51.2026.8.11.0041"
DOWN = CourtFailure(FailureCode.COURT_UNAVAILABLE, "HTTP 503")
THROTTLED = CourtFailure(FailureCode.COURT_THROTTLED, "HTTP 429", retry_after=7)


def now() -> datetime:
    """Return the current time."""
    return datetime.now(UTC)


@pytest.fixture
async def court_catalog(database: Database) -> Catalog:
    """A catalog with an encryption key, and no row about the court yet."""
    async with database.writing() as connection:
        await connection.execute(text("DELETE FROM court"))
        await connection.execute(text("DELETE FROM court_credentials"))
    return Catalog(database, Encryptor([Fernet.generate_key().decode()]))


async def report(
    catalog: Catalog, failure: CourtFailure = DOWN, *, number: str = NUMBER, generation: int | None = None
) -> FailureReport:
    """Report a failure for a generation of the circuit. None means the current one."""
    if generation is None:
        generation = (await catalog.court_state.read_state()).generation
    return await catalog.court_state.open_circuit(
        failure, process_number=number, generation=generation, token="mark"
    )


async def test_a_circuit_that_never_opened_is_closed(court_catalog: Catalog) -> None:
    assert await court_catalog.court_state.read_state_and_token() == (CourtState(), TokenReport())


async def test_of_many_reports_one_opens_the_circuit(court_catalog: Catalog) -> None:
    reports = await asyncio.gather(*(report(court_catalog, generation=0) for _ in range(8)))

    state = await court_catalog.court_state.read_state()
    assert sorted(each.name for each in reports) == ["IGNORED"] * 7 + ["OPENED"]
    assert (state.failure_code, state.answer, state.process_number) == (DOWN.code, "HTTP 503", NUMBER)
    assert state.generation == 1
    assert state.since is not None


async def test_the_longest_retry_after_wins(court_catalog: Catalog) -> None:
    began = now()
    await report(court_catalog, THROTTLED)
    await report(court_catalog, CourtFailure(FailureCode.COURT_THROTTLED, "HTTP 429", retry_after=2))

    state = await court_catalog.court_state.read_state()
    assert state.not_before is not None
    # What has passed since the first report is over already; a tenth of a second for the precision of the clocks.
    passed = now() - began + timedelta(seconds=0.1)
    assert timedelta(seconds=7) - passed < state.not_before - state.clock <= timedelta(seconds=7)


async def test_failed_probes_are_counted_and_planned(court_catalog: Catalog) -> None:
    await report(court_catalog)
    due = now() + timedelta(seconds=5)
    await court_catalog.court_state.plan_probe(due)
    assert (await court_catalog.court_state.read_state()).next_probe_at == due

    failure = CourtFailure(FailureCode.COURT_BLOCKED, "HTTP 403")
    await court_catalog.court_state.record_failed_probe(failure, token="mark")

    state = await court_catalog.court_state.read_state()
    assert (state.failure_code, state.probes, state.next_probe_at) == ("court_blocked", 1, None)


async def test_a_failure_from_before_the_recovery_is_ignored(court_catalog: Catalog) -> None:
    await report(court_catalog, generation=0)
    await court_catalog.court_state.close_circuit()

    # However late it arrives, and whatever the clocks of the two workers say.
    assert await report(court_catalog, generation=0) is FailureReport.IGNORED
    assert (await court_catalog.court_state.read_state()).failure is None
    assert await report(court_catalog, generation=2) is FailureReport.OPENED


async def test_a_probe_that_fails_late_does_not_open_the_circuit_again(court_catalog: Catalog) -> None:
    await report(court_catalog)
    await court_catalog.court_state.close_circuit()
    await court_catalog.court_state.record_failed_probe(DOWN, token="mark")
    assert (await court_catalog.court_state.read_state()).failure is None


@pytest.mark.parametrize("skew", [timedelta(hours=-1), timedelta(hours=1)])
async def test_a_worker_with_a_wrong_clock_reads_the_same_state(
    court_catalog: Catalog, monkeypatch: pytest.MonkeyPatch, skew: timedelta
) -> None:
    class Skewed(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Self:
            return super().now(tz) + skew

    with monkeypatch.context() as patched:
        for module in ("adapters.database.court_state", "adapters.database.engine", "domain.court"):
            patched.setattr(f"{module}.datetime", Skewed)
        await report(court_catalog, THROTTLED)
        skewed = await court_catalog.court_state.read_state()
    state = await court_catalog.court_state.read_state()
    assert state == skewed
    assert state.since is not None
    assert state.not_before is not None
    assert abs(now() - state.clock) < timedelta(seconds=5)
    assert timedelta(0) <= state.clock - state.since < timedelta(seconds=5)
    assert timedelta(seconds=2) < state.not_before - state.clock <= timedelta(seconds=7)


async def test_a_stale_report_does_not_stop_other_workers(court_catalog: Catalog) -> None:
    tokens = CourtTokens(court_catalog.court_state, configured="token", file=None)
    first, second = (CourtCircuitBreaker(court_catalog.court_state, tokens) for _ in range(2))
    generation = await second.check()
    await first.record_failure(DOWN, process_number=NUMBER, generation=await first.check())
    with pytest.raises(CourtKnownUnavailable):
        await first.check()
    await court_catalog.court_state.close_circuit()

    # A failure of a past outage is not counted against the document, and stops nobody.
    assert await second.record_failure(DOWN, process_number=NUMBER, generation=generation) is True
    assert await second.check() == 2


async def test_a_court_that_fails_again_soon_keeps_its_probe_delay(court_catalog: Catalog) -> None:
    await report(court_catalog)
    await court_catalog.court_state.record_failed_probe(DOWN, token="mark")
    await court_catalog.court_state.close_circuit()

    assert await report(court_catalog) is FailureReport.OPENED

    assert (await court_catalog.court_state.read_state()).probes == 1


async def test_a_process_that_keeps_failing_at_a_working_court_stops_only_itself(
    court_catalog: Catalog,
) -> None:
    for _ in range(3):
        assert await report(court_catalog) is FailureReport.OPENED
        await court_catalog.court_state.close_circuit()

    assert await report(court_catalog) is FailureReport.NOT_THE_COURT
    assert (await court_catalog.court_state.read_state()).failure is None
    assert await report(court_catalog, number="1000002-36.2026.8.11.0041") is FailureReport.OPENED


async def test_of_many_workers_one_claims_the_check(court_catalog: Catalog) -> None:
    await report(court_catalog)
    due = now() + timedelta(seconds=5)

    claims = await asyncio.gather(
        *(court_catalog.court_state.claim_check(due, overdue_before=now()) for _ in range(8))
    )

    assert sorted(claims) == [False] * 7 + [True]
    assert (await court_catalog.court_state.read_state()).next_probe_at == due


async def test_dropping_a_refresh_token_keeps_the_access_token(court_catalog: Catalog) -> None:
    await court_catalog.court_state.store_credentials(Credentials("access", "spent"))
    before = await court_catalog.court_state.read_credentials()
    assert before is not None

    await court_catalog.court_state.drop_refresh_token(before.version)

    after = await court_catalog.court_state.read_credentials()
    assert after is not None
    assert (after.access_token, after.refresh_token, after.stored_at) == ("access", None, before.stored_at)


async def test_closing_a_closed_circuit_changes_nothing(court_catalog: Catalog) -> None:
    await court_catalog.court_state.close_circuit()
    assert await court_catalog.court_state.read_state() == CourtState()


async def test_the_token_report_survives_a_failure_of_the_court(court_catalog: Catalog) -> None:
    token = TokenReport("stored", expires_at=now(), renewable=True)
    await court_catalog.court_state.report_token(token)
    await report(court_catalog)
    assert (await court_catalog.court_state.read_state_and_token())[1] == token


async def test_credentials_are_read_back_and_are_encrypted_at_rest(
    court_catalog: Catalog, database: Database
) -> None:
    brought = Credentials("the-access-token", "the-refresh-token", expires_at=now(), refresh_expires_at=now())
    await court_catalog.court_state.store_credentials(brought)

    stored = await court_catalog.court_state.read_credentials()
    async with database.reading() as connection:
        row = (await connection.execute(text("SELECT * FROM court_credentials"))).one()
    assert stored is not None
    assert (stored.access_token, stored.refresh_token) == ("the-access-token", "the-refresh-token")
    assert (stored.expires_at, stored.version) == (brought.expires_at, 1)
    assert "the-" not in str(row)


async def test_of_two_concurrent_renewals_one_succeeds(court_catalog: Catalog) -> None:
    await court_catalog.court_state.store_credentials(Credentials("first", "refresh"))

    outcomes = await asyncio.gather(
        *(
            court_catalog.court_state.store_credentials(Credentials(token, "next"), instead_of=1)
            for token in ("second", "third")
        )
    )

    stored = await court_catalog.court_state.read_credentials()
    assert sorted(outcomes) == [False, True]
    assert stored is not None
    assert (stored.version, stored.access_token) == (2, "second" if outcomes[0] else "third")


async def test_new_credentials_replace_any_version(court_catalog: Catalog) -> None:
    for token in ("first", "second"):
        await court_catalog.court_state.store_credentials(Credentials(token))
    stored = await court_catalog.court_state.read_credentials()
    assert stored is not None
    assert (stored.access_token, stored.version) == ("second", 2)


async def test_a_refusal_that_meant_one_document_leaves_the_others_the_better_token(court_catalog: Catalog) -> None:
    await court_catalog.court_state.store_credentials(Credentials("stored"))
    tokens = CourtTokens(court_catalog.court_state, configured="environment", file=None)
    assert await tokens.get_token() == "stored"
    assert await tokens.replace_rejected("stored") == "environment"
    # Another document meanwhile was requested with the older token, which the court refuses to everybody.
    assert await tokens.get_token() == "environment"
    assert await tokens.replace_rejected("environment") == "stored"


async def test_the_only_token_is_replaced_by_none(court_catalog: Catalog) -> None:
    tokens = CourtTokens(court_catalog.court_state, configured="environment", file=None)
    assert await tokens.replace_rejected("environment") is None


async def test_without_a_key_nothing_is_stored_or_read(court_catalog: Catalog, database: Database) -> None:
    without = Catalog(database)
    assert await without.court_state.read_credentials() is None
    with pytest.raises(ConfigurationError, match="AUTOS_SECRET_KEY"):
        await without.court_state.store_credentials(Credentials("token"))
    await court_catalog.court_state.store_credentials(Credentials("token"))
    with pytest.raises(ConfigurationError, match="AUTOS_SECRET_KEY"):
        await without.court_state.read_credentials()


async def test_another_key_decrypts_nothing_and_the_old_key_after_a_new_one_does(
    court_catalog: Catalog, database: Database
) -> None:
    old, new = Fernet.generate_key().decode(), Fernet.generate_key().decode()
    await Catalog(database, Encryptor([old])).court_state.store_credentials(Credentials("token"))

    with pytest.raises(ConfigurationError, match="another AUTOS_SECRET_KEY"):
        await Catalog(database, Encryptor([new])).court_state.read_credentials()
    stored = await Catalog(database, Encryptor([new, old])).court_state.read_credentials()
    assert stored is not None
    assert stored.access_token == "token"


def test_an_invalid_key_is_reported() -> None:
    with pytest.raises(ConfigurationError, match="AUTOS_SECRET_KEY"):
        Encryptor(["too short"])
