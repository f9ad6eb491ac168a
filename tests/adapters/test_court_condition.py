"""The court's two rows: found unwell by many, well by the watch, and credentials that only a key can read."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.fernet import Fernet
from sqlalchemy import text

from adapters.database import Catalog, Database
from adapters.sealing import Seal
from domain.court import CourtCondition, Credentials, TokenReport, Verdict
from domain.errors import ConfigurationError, CourtFailure, FailureCode

NUMBER = "1000001-51.2026.8.11.0041"
DOWN = CourtFailure(FailureCode.COURT_UNAVAILABLE, "HTTP 503")
THROTTLED = CourtFailure(FailureCode.COURT_THROTTLED, "HTTP 429", retry_after=7)


def now() -> datetime:
    """The present moment."""
    return datetime.now(UTC)


@pytest.fixture
async def court_catalog(database: Database) -> Catalog:
    """A catalog that can seal, of a court that nobody has said anything of."""
    async with database.writing() as connection:
        await connection.execute(text("DELETE FROM court"))
        await connection.execute(text("DELETE FROM court_credentials"))
    return Catalog(database, Seal([Fernet.generate_key().decode()]))


async def unwell(catalog: Catalog, failure: CourtFailure = DOWN, asked_at: datetime | None = None) -> bool:
    """Say that the court does not answer; whether that was news."""
    return await verdict(catalog, failure, asked_at) is Verdict.NEWS


async def verdict(
    catalog: Catalog, failure: CourtFailure = DOWN, asked_at: datetime | None = None, number: str = NUMBER
) -> Verdict:
    """Say that the court does not answer; what that is found to be."""
    return await catalog.court.found_unwell(
        failure, process_number=number, asked_at=asked_at or now(), token="mark"
    )


async def test_a_court_that_nobody_complained_of_answers(court_catalog: Catalog) -> None:
    assert await court_catalog.court.overview() == (CourtCondition(), TokenReport())


async def test_of_many_who_find_it_unwell_one_brings_news(court_catalog: Catalog) -> None:
    news = await asyncio.gather(*(unwell(court_catalog) for _ in range(8)))

    condition = await court_catalog.court.condition()
    assert sorted(news) == [False] * 7 + [True]
    assert (condition.failure_code, condition.answer, condition.process_number) == (DOWN.code, "HTTP 503", NUMBER)
    assert condition.since is not None


async def test_the_longest_wait_that_the_court_asked_for_counts(court_catalog: Catalog) -> None:
    await unwell(court_catalog, THROTTLED)
    await unwell(court_catalog, CourtFailure(FailureCode.COURT_THROTTLED, "HTTP 429", retry_after=2))

    condition = await court_catalog.court.condition()
    assert condition.not_before is not None
    assert timedelta(seconds=5) < condition.not_before - now() <= timedelta(seconds=7)


async def test_probes_in_vain_are_counted_and_planned(court_catalog: Catalog) -> None:
    await unwell(court_catalog)
    due = now() + timedelta(seconds=5)
    await court_catalog.court.plan_probe(due)
    assert (await court_catalog.court.condition()).next_probe_at == due

    await court_catalog.court.probed_in_vain(CourtFailure(FailureCode.COURT_BLOCKED, "HTTP 403"), token="mark")

    condition = await court_catalog.court.condition()
    assert (condition.failure_code, condition.probes, condition.next_probe_at) == ("court_blocked", 1, None)


async def test_a_failure_from_before_the_recovery_says_nothing(court_catalog: Catalog) -> None:
    asked_at = now()
    await unwell(court_catalog)
    await court_catalog.court.found_well()

    assert not await unwell(court_catalog, asked_at=asked_at)
    assert (await court_catalog.court.condition()).failure is None


async def test_a_court_that_fails_again_at_once_is_probed_with_the_patience_it_had(court_catalog: Catalog) -> None:
    await unwell(court_catalog)
    await court_catalog.court.probed_in_vain(DOWN, token="mark")
    await court_catalog.court.found_well()

    assert await unwell(court_catalog)

    assert (await court_catalog.court.condition()).probes == 1


async def test_one_process_at_which_a_well_court_fails_time_and_again_holds_up_itself_alone(
    court_catalog: Catalog,
) -> None:
    for _ in range(3):
        assert await verdict(court_catalog) is Verdict.NEWS
        await court_catalog.court.found_well()

    assert await verdict(court_catalog) is Verdict.NOT_THE_COURT
    assert (await court_catalog.court.condition()).failure is None
    assert await verdict(court_catalog, number="1000002-36.2026.8.11.0041") is Verdict.NEWS


async def test_of_many_who_find_no_probe_planned_one_calls_the_watch(court_catalog: Catalog) -> None:
    await unwell(court_catalog)
    due = now() + timedelta(seconds=5)

    claims = await asyncio.gather(*(court_catalog.court.claim_watch(due, overdue_before=now()) for _ in range(8)))

    assert sorted(claims) == [False] * 7 + [True]
    assert (await court_catalog.court.condition()).next_probe_at == due


async def test_a_refresh_token_that_serves_no_more_is_forgotten_alone(court_catalog: Catalog) -> None:
    await court_catalog.court.store_credentials(Credentials("access", "spent"))
    before = await court_catalog.court.credentials()
    assert before is not None

    await court_catalog.court.drop_refresh_token(before.version)

    after = await court_catalog.court.credentials()
    assert after is not None
    assert (after.access_token, after.refresh_token, after.stored_at) == ("access", None, before.stored_at)


async def test_finding_a_well_court_well_changes_nothing(court_catalog: Catalog) -> None:
    await court_catalog.court.found_well()
    assert (await court_catalog.court.condition()).answered_at is None


async def test_the_report_on_the_token_is_kept_beside_the_condition(court_catalog: Catalog) -> None:
    report = TokenReport("stored", expires_at=now(), renewable=True)
    await court_catalog.court.report_token(report)
    await unwell(court_catalog)
    assert (await court_catalog.court.overview())[1] == report


async def test_credentials_come_back_as_they_were_and_are_sealed_at_rest(
    court_catalog: Catalog, database: Database
) -> None:
    brought = Credentials("the-access-token", "the-refresh-token", expires_at=now(), refresh_expires_at=now())
    await court_catalog.court.store_credentials(brought)

    stored = await court_catalog.court.credentials()
    async with database.reading() as connection:
        row = (await connection.execute(text("SELECT * FROM court_credentials"))).one()
    assert stored is not None
    assert (stored.access_token, stored.refresh_token) == ("the-access-token", "the-refresh-token")
    assert (stored.expires_at, stored.version) == (brought.expires_at, 1)
    assert "the-" not in str(row)


async def test_of_two_who_renew_the_same_credentials_one_succeeds(court_catalog: Catalog) -> None:
    await court_catalog.court.store_credentials(Credentials("first", "refresh"))

    outcomes = await asyncio.gather(
        *(
            court_catalog.court.store_credentials(Credentials(token, "next"), instead_of=1)
            for token in ("second", "third")
        )
    )

    stored = await court_catalog.court.credentials()
    assert sorted(outcomes) == [False, True]
    assert stored is not None
    assert (stored.version, stored.access_token) == (2, "second" if outcomes[0] else "third")


async def test_what_people_bring_takes_the_place_of_anything(court_catalog: Catalog) -> None:
    for token in ("first", "second"):
        await court_catalog.court.store_credentials(Credentials(token))
    stored = await court_catalog.court.credentials()
    assert stored is not None
    assert (stored.access_token, stored.version) == ("second", 2)


async def test_without_a_key_nothing_is_stored_or_read(court_catalog: Catalog, database: Database) -> None:
    without = Catalog(database)
    assert await without.court.credentials() is None
    with pytest.raises(ConfigurationError, match="AUTOS_SECRET_KEY"):
        await without.court.store_credentials(Credentials("token"))
    await court_catalog.court.store_credentials(Credentials("token"))
    with pytest.raises(ConfigurationError, match="AUTOS_SECRET_KEY"):
        await without.court.credentials()


async def test_another_key_opens_nothing_and_the_old_one_behind_a_new_one_does(
    court_catalog: Catalog, database: Database
) -> None:
    old, new = Fernet.generate_key().decode(), Fernet.generate_key().decode()
    await Catalog(database, Seal([old])).court.store_credentials(Credentials("token"))

    with pytest.raises(ConfigurationError, match="another AUTOS_SECRET_KEY"):
        await Catalog(database, Seal([new])).court.credentials()
    stored = await Catalog(database, Seal([new, old])).court.credentials()
    assert stored is not None
    assert stored.access_token == "token"


def test_a_key_that_is_none_is_named() -> None:
    with pytest.raises(ConfigurationError, match="AUTOS_SECRET_KEY"):
        Seal(["too short"])
