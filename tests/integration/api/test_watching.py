"""One reader for each process that is watched: what it does for a crowd, and what in trouble."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import cast

import pytest

from api.presenters import ProcessPresenter
from api.problems.problem import Problem
from api.status_snapshot import Snapshot
from api.status_stream import StatusBroadcaster
from domain.errors import DependencyUnavailable
from domain.process_number import ProcessNumber
from domain.serializers import Json
from tests.support.conditions import eventually
from tests.support.numbers import fresh_number

EVERY_SECONDS = 0.02


class Process:
    """Stands where the answers do: a process whose state the test decides."""

    def __init__(self) -> None:
        self.number = ProcessNumber.parse(fresh_number())
        self.state: str | None = "processing"
        self.error: Exception | None = None
        self.reads = 0
        self.before_reading: Callable[[], Awaitable[None]] | None = None

    async def find_state(self, number: ProcessNumber) -> tuple[str, None] | None:
        """What the catalog and Temporal say at this moment."""
        self.reads += 1
        if self.error is not None:
            raise self.error
        state = self.state
        if self.before_reading is not None:
            await self.before_reading()
        return None if state is None else (state, None)

    async def status_body(self, state: str, _: None) -> Json:
        """The body of that."""
        return {"status": state.partition(" ")[0], "words": state}


@pytest.fixture
def process() -> Process:
    """A process with an open run."""
    return Process()


@pytest.fixture
def watching(process: Process) -> StatusBroadcaster:
    """Watches it, faster than a service does."""
    return StatusBroadcaster(cast("ProcessPresenter", process), poll_seconds=EVERY_SECONDS)


async def seen(watching: StatusBroadcaster, process: Process) -> list[Snapshot]:
    """Everything that one watcher sees until the end."""
    snapshots = []
    async with watching.subscribe(process.number) as watch:
        async for snapshot in watch:
            snapshots.append(snapshot)
            if snapshot.ended:
                break
    return snapshots


async def test_a_crowd_shares_one_reader_and_its_snapshots(process: Process, watching: StatusBroadcaster) -> None:
    crowd = [asyncio.create_task(seen(watching, process)) for _ in range(200)]
    await asyncio.sleep(0)
    assert watching.subscriber_counts == {process.number.canonical: 200}
    await asyncio.sleep(5 * EVERY_SECONDS)
    process.state = "completed"

    saw = await asyncio.gather(*crowd)

    assert all([snapshot.ended for snapshot in each] == [False, True] for each in saw)
    assert len({id(snapshot) for each in saw for snapshot in each}) == 2
    assert process.reads < 20
    assert watching.subscriber_counts == {}


async def test_nobody_is_told_of_an_end_from_before_they_came(
    process: Process, watching: StatusBroadcaster
) -> None:
    late: list[asyncio.Task[list[Snapshot]]] = []

    async def somebody_comes() -> None:
        # A new run begins, and is asked for, while the end of the last one is on its way.
        process.before_reading, process.state = None, "processing again"
        late.append(asyncio.create_task(seen(watching, process)))
        await asyncio.sleep(0)

    process.state, process.before_reading = "completed", somebody_comes
    assert [snapshot.ended for snapshot in await seen(watching, process)] == [True]
    process.state = "completed again"
    assert "completed again" in (await late[0])[-1].body


async def test_failures_are_waited_out_by_those_who_watch(process: Process, watching: StatusBroadcaster) -> None:
    async with watching.subscribe(process.number) as watch:
        assert not (await anext(watch)).ended
        process.error = DependencyUnavailable("temporal", "Temporal does not answer.")
        following = asyncio.create_task(anext(watch))
        before = process.reads

        async def failed_twice() -> bool:
            return process.reads >= before + 2

        await eventually(failed_twice, "two failures")
        with pytest.raises(DependencyUnavailable, match="Temporal does not answer"):
            await seen(watching, process)
        process.error, process.state = None, "completed"
        assert (await following).ended


async def test_who_comes_to_a_database_that_is_away_is_told_so(
    process: Process, watching: StatusBroadcaster
) -> None:
    process.error = DependencyUnavailable("database", "The database does not answer.")
    for _ in range(2):
        with pytest.raises(DependencyUnavailable):
            await seen(watching, process)
    assert watching.subscriber_counts == {}


async def test_a_reader_that_dies_says_of_what_and_ends_every_watch(
    process: Process, watching: StatusBroadcaster
) -> None:
    async with watching.subscribe(process.number) as watch:
        await anext(watch)
        process.error = LookupError("a bug")
        assert await anext(watch, None) is None
        with pytest.raises(LookupError, match="a bug"):
            await seen(watching, process)
    process.error, process.state = None, "completed"
    assert (await seen(watching, process))[-1].ended


async def test_nothing_is_known_of_an_unknown_process(process: Process, watching: StatusBroadcaster) -> None:
    process.state = None
    for question in (
        seen(watching, process),
        watching.read(process.number),
        watching.wait_until_ended(process.number, 5),
    ):
        with pytest.raises(Problem, match="Nothing is known"):
            await question


async def test_the_service_stops_without_waiting_for_watchers(
    process: Process, watching: StatusBroadcaster
) -> None:
    watcher = asyncio.create_task(seen(watching, process))
    await asyncio.sleep(3 * EVERY_SECONDS)
    watching.close()
    assert [snapshot.ended for snapshot in await watcher] == [False]
    assert await seen(watching, process) == []
    assert watching.subscriber_counts == {}


async def test_waiting_ends_with_the_run_or_the_time(process: Process, watching: StatusBroadcaster) -> None:
    began = time.monotonic()
    await watching.wait_until_ended(process.number, 0.2)
    assert time.monotonic() - began >= 0.2
    waiting = asyncio.create_task(watching.wait_until_ended(process.number, 60))
    await asyncio.sleep(0)
    process.state = "failed"
    await asyncio.wait_for(waiting, 5)


async def test_who_is_cut_off_while_waiting_is_forgotten(process: Process, watching: StatusBroadcaster) -> None:
    waiting = asyncio.create_task(watching.wait_until_ended(process.number, 60))
    await asyncio.sleep(2 * EVERY_SECONDS)
    assert watching.subscriber_counts == {process.number.canonical: 1}
    waiting.cancel()
    await asyncio.wait((waiting,))
    assert watching.subscriber_counts == {}
    await asyncio.sleep(0)
    before = process.reads
    await asyncio.sleep(5 * EVERY_SECONDS)
    assert process.reads == before
