"""The status broadcaster: one poller per process for all its subscribers, its errors and its end."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import cast

import pytest
from structlog.testing import capture_logs

from api.presenters import ProcessPresenter
from api.problems.problem import Problem
from api.status_snapshot import Snapshot
from api.status_stream import StatusBroadcaster
from api.stream_subjects import FollowedProcess
from domain.errors import DependencyUnavailable
from domain.process_number import ProcessNumber
from domain.serializers import Json
from tests.support.conditions import eventually
from tests.support.numbers import fresh_number

POLL_SECONDS = 0.02


class ScriptedPresenter:
    """A fake `ProcessPresenter` of one process, whose state the test sets."""

    def __init__(self) -> None:
        self.number = ProcessNumber.parse(fresh_number())
        self.state: str | None = "processing"
        self.error: Exception | None = None
        self.reads = 0
        self.before_reading: Callable[[], Awaitable[None]] | None = None

    @property
    def process(self) -> FollowedProcess:
        """The process, to be followed."""
        return FollowedProcess(self.number, cast("ProcessPresenter", self))

    async def find_state(self, number: ProcessNumber) -> tuple[str, None] | None:
        """Return the state as the catalog and Temporal would at this moment."""
        self.reads += 1
        if self.error is not None:
            raise self.error
        state = self.state
        if self.before_reading is not None:
            await self.before_reading()
        return None if state is None else (state, None)

    async def status_body(self, state: str, _: None) -> Json:
        """Return the status body of a state."""
        return {"status": state.partition(" ")[0], "words": state}


@pytest.fixture
def presenter() -> ScriptedPresenter:
    """A presenter of a process with an open run."""
    return ScriptedPresenter()


@pytest.fixture
def broadcaster(presenter: ScriptedPresenter) -> StatusBroadcaster:
    """A broadcaster that polls the process faster than the service does."""
    return StatusBroadcaster(poll_seconds=POLL_SECONDS)


async def collect_snapshots(broadcaster: StatusBroadcaster, presenter: ScriptedPresenter) -> list[Snapshot]:
    """Return all snapshots that one subscriber receives until the end."""
    snapshots = []
    async with broadcaster.subscribe(presenter.process) as subscription:
        async for snapshot in subscription:
            snapshots.append(snapshot)
            if snapshot.ended:
                break
    return snapshots


async def test_subscribers_share_one_poller_and_its_snapshots(
    presenter: ScriptedPresenter, broadcaster: StatusBroadcaster
) -> None:
    tasks = [asyncio.create_task(collect_snapshots(broadcaster, presenter)) for _ in range(200)]
    await asyncio.sleep(0)
    assert broadcaster.subscriber_counts == {presenter.number.canonical: 200}
    await asyncio.sleep(5 * POLL_SECONDS)
    presenter.state = "completed"

    received = await asyncio.gather(*tasks)

    assert all([snapshot.ended for snapshot in snapshots] == [False, True] for snapshots in received)
    assert len({id(snapshot) for snapshots in received for snapshot in snapshots}) == 2
    assert presenter.reads < 20
    assert broadcaster.subscriber_counts == {}


async def test_new_subscriber_does_not_receive_an_end_read_before_it_subscribed(
    presenter: ScriptedPresenter, broadcaster: StatusBroadcaster
) -> None:
    late_tasks: list[asyncio.Task[list[Snapshot]]] = []

    async def subscribe_late() -> None:
        # A new run starts and gets a subscriber while the end of the last run is being read.
        presenter.before_reading, presenter.state = None, "processing again"
        late_tasks.append(asyncio.create_task(collect_snapshots(broadcaster, presenter)))
        await asyncio.sleep(0)

    presenter.state, presenter.before_reading = "completed", subscribe_late
    assert [snapshot.ended for snapshot in await collect_snapshots(broadcaster, presenter)] == [True]
    presenter.state = "completed again"
    assert "completed again" in (await late_tasks[0])[-1].body


async def test_existing_subscribers_wait_through_read_errors(
    presenter: ScriptedPresenter, broadcaster: StatusBroadcaster
) -> None:
    async with broadcaster.subscribe(presenter.process) as subscription:
        assert not (await anext(subscription)).ended
        presenter.error = DependencyUnavailable("temporal", "Temporal does not answer.")
        following = asyncio.create_task(anext(subscription))
        reads_before = presenter.reads

        async def failed_twice() -> bool:
            return presenter.reads >= reads_before + 2

        await eventually(failed_twice, "two failures")
        with pytest.raises(DependencyUnavailable, match="Temporal does not answer"):
            await collect_snapshots(broadcaster, presenter)
        presenter.error, presenter.state = None, "completed"
        assert (await following).ended


async def test_new_subscriber_gets_the_error_of_an_unavailable_database(
    presenter: ScriptedPresenter, broadcaster: StatusBroadcaster
) -> None:
    presenter.error = DependencyUnavailable("database", "The database does not answer.")
    for _ in range(2):
        with pytest.raises(DependencyUnavailable):
            await collect_snapshots(broadcaster, presenter)
    assert broadcaster.subscriber_counts == {}


async def test_unexpected_error_ends_all_subscriptions_and_is_raised_to_new_subscribers(
    presenter: ScriptedPresenter, broadcaster: StatusBroadcaster
) -> None:
    async with broadcaster.subscribe(presenter.process) as subscription:
        await anext(subscription)
        presenter.error = LookupError("a bug")
        with capture_logs() as lines:
            assert await anext(subscription, None) is None
        assert [line["exc_info"] for line in lines] == [presenter.error]
        with pytest.raises(LookupError, match="a bug"):
            await collect_snapshots(broadcaster, presenter)
    presenter.error, presenter.state = None, "completed"
    assert (await collect_snapshots(broadcaster, presenter))[-1].ended


async def test_a_process_that_is_gone_ends_its_subscriptions_without_an_error(
    presenter: ScriptedPresenter, broadcaster: StatusBroadcaster
) -> None:
    async with broadcaster.subscribe(presenter.process) as subscription:
        await anext(subscription)
        presenter.state = None
        with capture_logs() as lines:
            assert await anext(subscription, None) is None
        assert lines == []
        with pytest.raises(Problem):
            await collect_snapshots(broadcaster, presenter)
    presenter.state = "completed"
    assert (await collect_snapshots(broadcaster, presenter))[-1].ended


async def test_whoever_waits_for_a_process_that_vanishes_is_not_given_its_last_state(
    presenter: ScriptedPresenter, broadcaster: StatusBroadcaster
) -> None:
    waiting = asyncio.create_task(broadcaster.wait_until(presenter.process, 60, lambda snapshot: snapshot.ended))

    async def read_twice() -> bool:
        return presenter.reads >= 2

    await eventually(read_twice, "two reads")
    presenter.state = None
    assert await asyncio.wait_for(waiting, 30) is None


async def test_unknown_process_raises_a_problem(
    presenter: ScriptedPresenter, broadcaster: StatusBroadcaster
) -> None:
    presenter.state = None
    for call in (
        collect_snapshots(broadcaster, presenter),
        presenter.process.read(),
        broadcaster.wait_until_ended(presenter.process, 5),
    ):
        with pytest.raises(Problem, match="Nothing is known"):
            await call


async def test_close_ends_all_subscriptions(presenter: ScriptedPresenter, broadcaster: StatusBroadcaster) -> None:
    subscriber = asyncio.create_task(collect_snapshots(broadcaster, presenter))

    async def read_twice() -> bool:
        # By the second reading, the subscriber has the first.
        return presenter.reads >= 2

    await eventually(read_twice, "two reads")
    broadcaster.close()
    assert [snapshot.ended for snapshot in await subscriber] == [False]
    assert await collect_snapshots(broadcaster, presenter) == []
    assert broadcaster.subscriber_counts == {}


async def test_wait_until_ended_returns_at_the_end_or_the_timeout(
    presenter: ScriptedPresenter, broadcaster: StatusBroadcaster
) -> None:
    began = time.monotonic()
    await broadcaster.wait_until_ended(presenter.process, 0.2)
    assert time.monotonic() - began >= 0.2
    waiting = asyncio.create_task(broadcaster.wait_until_ended(presenter.process, 60))
    await asyncio.sleep(0)
    presenter.state = "failed"
    await asyncio.wait_for(waiting, 30)


async def test_cancelled_wait_removes_its_subscription_and_stops_the_poller(
    presenter: ScriptedPresenter, broadcaster: StatusBroadcaster
) -> None:
    waiting = asyncio.create_task(broadcaster.wait_until_ended(presenter.process, 60))
    await asyncio.sleep(2 * POLL_SECONDS)
    assert broadcaster.subscriber_counts == {presenter.number.canonical: 1}
    waiting.cancel()
    await asyncio.wait((waiting,))
    assert broadcaster.subscriber_counts == {}
    await asyncio.sleep(0)
    reads_before = presenter.reads
    await asyncio.sleep(5 * POLL_SECONDS)
    assert presenter.reads == reads_before


async def test_closing_waits_for_the_reads_under_way(
    presenter: ScriptedPresenter, broadcaster: StatusBroadcaster
) -> None:
    connections: list[str] = []
    reading = asyncio.Event()

    async def read_slowly() -> None:
        connections.append("open")
        reading.set()
        try:
            await asyncio.Event().wait()
        finally:
            # As a database's driver does, it takes some steps to give the connection back.
            for _ in range(5):
                await asyncio.sleep(0)
            connections.append("closed")

    presenter.before_reading = read_slowly
    async with broadcaster.subscribe(presenter.process):
        await reading.wait()
    assert connections == ["open"]
    await broadcaster.aclose()
    assert connections == ["open", "closed"]
