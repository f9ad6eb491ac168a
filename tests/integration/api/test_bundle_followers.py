"""Followers of one build with different rights, and requests that its end has overtaken, over a real catalog."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import cast

import pytest
from sqlalchemy import update

from adapters.database import Catalog, Database
from adapters.database.bundle_tables import bundles
from adapters.database.bundles import BundleRepository
from adapters.database.migrate import upgrade
from adapters.storage.link_issuer import LinkIssuer
from adapters.temporal.bundle_client import BundleClient
from adapters.temporal.run_client import RunClient
from adapters.webhooks import AddressGuard
from api.problems.codes import ProblemCode
from api.problems.problem import Problem
from api.services.bundles import BundleService
from api.status_stream import StatusBroadcaster
from api.stream_subjects import FollowedBundle
from domain.bundle_messages import BundleRequest
from domain.bundle_selection import BundleFormat, BundleOptions, BundleSelection, select_documents
from domain.bundles import INTERRUPTED, BundleFailure, BundleProgress, BundleState
from domain.clients import ALL_SCOPES, Client, Scope
from domain.delivery_messages import DeliveryRef
from domain.documents import StoredObject
from domain.errors import BundleFailureCode
from domain.process_number import ProcessNumber
from domain.secrecy import Secrecy
from tests.support.listings import document_ids, listed, listing_of, stored_object
from tests.support.numbers import fresh_number

ONE_ZIP = BundleOptions(BundleFormat.ZIP)
ARCHIVE = Client("archive", ALL_SCOPES)
DESK = Client("desk", ALL_SCOPES - {Scope.SEALED})


class ScriptedBuilds:
    """A fake `BundleClient`: whether a build is open is what the test says.

    Attributes:
        is_one_open: Whether a build is open.
        started: How the builds were started.
    """

    def __init__(self) -> None:
        self.is_one_open = True
        self.started: list[str] = []

    async def is_open(self, bundle_id: str) -> bool:
        """Return whether a build is open."""
        return self.is_one_open

    async def start(self, request: BundleRequest, client: str) -> bool:
        """Start no build: the last one has ended without an error."""
        return self.is_one_open

    async def start_again(self, request: BundleRequest, client: str, *, replace: bool = False) -> None:
        """Start a build."""
        self.started.append("replacing" if replace else "another")


class OvertakingRepository(BundleRepository):
    """The tables of bundles. A build may end while a request is between two of its steps.

    Attributes:
        end: Ends the build. None: it goes on.
    """

    end: Callable[[], Awaitable[None]] | None = None

    async def subscribe(self, bundle_id: str, number: str, client: str, url: str | None) -> DeliveryRef | None:
        """Subscribe a client, and then have the build end."""
        delivery = await super().subscribe(bundle_id, number, client, url)
        if self.end is not None:
            await self.end()
        return delivery


@dataclass(frozen=True)
class Building:
    """A process with one document and a bundle of it that is being built."""

    database: Database
    catalog: Catalog
    table: OvertakingRepository
    builds: ScriptedBuilds
    bundles: BundleService
    number: ProcessNumber
    document_id: str
    selection: BundleSelection

    def followed_by(self, client: Client) -> FollowedBundle:
        """Return the bundle as a client follows it."""
        return FollowedBundle(self.number, self.selection.id, client, self.bundles)

    async def seal(self) -> None:
        """Have the court seal the document."""
        sealed = replace(listed(self.document_id), secrecy=Secrecy.JUSTICE_SECRET)
        await self.catalog.listings.record(listing_of(self.number.canonical, [sealed], hour=1))

    async def record_ready(self) -> None:
        """Have the build end."""
        number, bundle_id = self.number.canonical, self.selection.id
        file = StoredObject(f"bundles/{number}/{bundle_id}.1.zip", 8_000, "ab" * 32, "application/zip")
        await self.catalog.bundles.record_ready(bundle_id, number, file, BundleProgress(1), [], pages=None)

    async def record_failure(self) -> None:
        """Have the build fail."""
        failure = BundleFailure(BundleFailureCode.SCRATCH_FULL, "The disk is full.")
        await self.catalog.bundles.record_failure(self.selection.id, self.number.canonical, failure)


@pytest.fixture
async def building(tmp_path: Path) -> AsyncIterator[Building]:
    """A bundle that is being built."""
    url = f"sqlite+aiosqlite:///{tmp_path / 'autos.db'}"
    await asyncio.to_thread(upgrade, url)
    database, builds = Database(url), ScriptedBuilds()
    catalog, table = Catalog(database), OvertakingRepository(database)
    catalog.bundles = table
    number, [document_id] = ProcessNumber.parse(fresh_number()), document_ids(1)
    await catalog.listings.record(listing_of(number.canonical, [document_id]))
    stored = stored_object(number.canonical, document_id)
    await catalog.documents.mark_available(number.canonical, document_id, stored)
    known = await catalog.bundle_builds.list_documents(number.canonical)
    selection = select_documents(number.canonical, known, ONE_ZIP, DESK.scopes)
    await catalog.bundles.request(selection, DESK.name)
    service = BundleService(
        catalog,
        cast("BundleClient", builds),
        cast("RunClient", None),
        cast("LinkIssuer", None),
        cast("AddressGuard", None),
    )
    yield Building(database, catalog, table, builds, service, number, document_id, selection)
    await catalog.close()


async def test_a_seal_ends_the_streams_of_those_who_may_not_see_it_and_no_others(building: Building) -> None:
    broadcaster = StatusBroadcaster(poll_seconds=0.02)
    async with (
        # First: the other one would join its poller, if both had the same.
        broadcaster.subscribe(building.followed_by(ARCHIVE)) as whole,
        broadcaster.subscribe(building.followed_by(DESK)) as public,
    ):
        assert [(await anext(each)).ended for each in (whole, public)] == [False, False]
        assert sorted(broadcaster.subscriber_counts.values()) == [1, 1]

        await building.seal()
        await building.catalog.bundles.record_progress(building.selection.id, BundleProgress(1, 0, 1_000))

        assert await asyncio.wait_for(anext(public, None), 30) is None
        states = [await asyncio.wait_for(anext(whole), 30)]
        assert "justice_secret" in states[-1].body
        with pytest.raises(Problem) as refused:
            async with broadcaster.subscribe(building.followed_by(DESK)) as late:
                await anext(late)
        assert refused.value.code is ProblemCode.SEALED
        await building.record_ready()
        while not states[-1].ended:
            states.append(await asyncio.wait_for(anext(whole), 30))
    assert '"state":"ready"' in states[-1].body
    assert '"download_url":null' in states[-1].body
    await broadcaster.aclose()


async def test_a_deleted_bundle_ends_its_streams(building: Building) -> None:
    broadcaster = StatusBroadcaster(poll_seconds=0.02)
    async with broadcaster.subscribe(building.followed_by(DESK)) as subscription:
        await anext(subscription)
        await building.catalog.bundles.delete(building.selection.id)
        assert await asyncio.wait_for(anext(subscription, None), 30) is None
    await broadcaster.aclose()


async def test_a_build_that_nobody_has_started_yet_is_no_build_that_was_ended(building: Building) -> None:
    building.builds.is_one_open = False
    number, bundle_id = building.number, building.selection.id
    assert (await building.bundles.get(number, bundle_id, DESK)).state is BundleState.BUILDING
    async with building.database.writing() as connection:
        earlier = {"requested_at": datetime.now(UTC) - timedelta(seconds=11)}
        await connection.execute(update(bundles).values(earlier))
    ended = await building.bundles.get(number, bundle_id, DESK)
    assert (ended.state, ended.failure) == (BundleState.FAILED, INTERRUPTED)


async def test_a_request_that_an_end_has_overtaken_is_answered_by_it(building: Building) -> None:
    building.builds.is_one_open = False
    building.table.end = building.record_ready
    bundle = await building.bundles.request(building.number, DESK, ONE_ZIP)
    assert (bundle.state, building.builds.started) == (BundleState.READY, [])


async def test_a_request_that_a_failure_has_overtaken_builds_again(building: Building) -> None:
    building.builds.is_one_open = False
    building.table.end = building.record_failure
    bundle = await building.bundles.request(building.number, DESK, ONE_ZIP)
    assert (bundle.state, building.builds.started) == (BundleState.BUILDING, ["replacing"])


async def test_a_request_for_a_bundle_whose_file_was_lost_builds_again(building: Building) -> None:
    building.builds.is_one_open = False
    bundle = await building.bundles.request(building.number, DESK, ONE_ZIP)
    assert (bundle.state, building.builds.started) == (BundleState.BUILDING, ["another"])
