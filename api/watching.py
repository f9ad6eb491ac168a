"""Following processes for many at once: one reader for each process that is watched, however many watch it."""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from contextvars import Context
from dataclasses import dataclass
from typing import Self

import structlog
from fastapi.sse import ServerSentEvent

from api.answers import Answers, process_unknown
from domain.clients import Client
from domain.completeness import ProcessStatus
from domain.errors import DependencyUnavailable
from domain.process_number import ProcessNumber
from domain.representation import Json

EVERY_SECONDS = 0.5
RECONNECT_MILLISECONDS = 2_000
# Each holds a socket and has a process read, for as long as it likes, at the price of one request.
MOST_FOLLOWERS = 200
# Somebody who comes is read for at once, but a crowd that comes one by one is read for together.
_SOONEST_SECONDS = 0.05
_LONGEST_PAUSE_SECONDS = 5.0
_DIGEST_DIGITS = 32

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A process's status as it was at one moment, written once for everybody who asks for it.

    Attributes:
        body: the ``StatusBody`` as JSON.
        digest: of the body: two snapshots with the same one say the same.
        ended: whether no run is open.
        event: the snapshot for event streams.
    """

    body: str
    digest: str
    ended: bool
    event: ServerSentEvent

    @classmethod
    def of(cls, status: Json) -> Self:
        """Write down a status body."""
        body = json.dumps(status, ensure_ascii=False, separators=(",", ":"))
        digest = hashlib.sha256(body.encode()).hexdigest()[:_DIGEST_DIGITS]
        ended = status["status"] != ProcessStatus.PROCESSING
        event = ServerSentEvent(
            raw_data=body,
            event="ended" if ended else "progress",
            id=f"{time.time_ns() // 1_000_000}-{digest}",
            retry=RECONNECT_MILLISECONDS,
        )
        return cls(body, digest, ended, event)


class Watch:
    """What one watcher sees of a process: its present state, then each other one, as an iterator without an end.

    The present state was read after the watcher came. A watcher that is slow misses what lies between two states,
    never the last one. The iterator ends only when the service stops.

    Raises:
        Problem: 404, nothing is known of the process.
        DependencyUnavailable: the present state cannot be read. Once it was, failures are waited out.
    """

    def __init__(self, reader: _Reader) -> None:
        self._reader = reader
        self._left = False
        self._came_at = time.monotonic()
        self._seen: Snapshot | None = None

    def __aiter__(self) -> Self:
        """The watch is its own iterator."""
        return self

    async def __anext__(self) -> Snapshot:
        """Wait for a state that has not been seen; may be cancelled and asked again."""
        reader = self._reader
        while not (reader.over or self._left):
            changed, read = reader.changed, reader.read
            if self._seen is None and reader.failure is not None:
                raise DependencyUnavailable(reader.failure.dependency, str(reader.failure))
            if self._seen is None and reader.asked_at < self._came_at:
                await read.wait()
                continue
            if reader.snapshot is None:
                raise process_unknown(reader.number)
            if reader.snapshot is not self._seen:
                self._seen = reader.snapshot
                return self._seen
            await changed.wait()
        if self._seen is None:
            reader.explain()
        raise StopAsyncIteration

    def leave(self) -> None:
        """See nothing more; the process is read no further for this watcher. Leaving again changes nothing."""
        self._left = True
        self._reader.forget(self)


class _Reader:
    """Reads one process again and again while somebody watches, and wakes them when it has changed.

    Attributes:
        asked_at: when the latest reading that succeeded began, on the monotonic clock.
        snapshot: what it found; none if nothing is known of the process.
        failure: why the latest reading did not succeed, if it did not.
        changed: set when there is another snapshot; then replaced.
        read: set when a reading is over, whatever it found; then replaced.
        over: whether there will be no further reading.
        watches: those that have not left.
    """

    def __init__(self, number: ProcessNumber, answers: Answers, every_seconds: float) -> None:
        self.number = number
        self.asked_at = float("-inf")
        self.snapshot: Snapshot | None = None
        self.failure: DependencyUnavailable | None = None
        self.changed, self.read = asyncio.Event(), asyncio.Event()
        self.over = False
        self.watches: set[Watch] = set()
        self._answers = answers
        self._every_seconds = every_seconds
        self._somebody_came = asyncio.Event()
        # What it logs is not the first watcher's request.
        self._task = asyncio.create_task(self._run(), name=f"watching {number}", context=Context())
        self._task.add_done_callback(self._ended)

    def join(self) -> Watch:
        """A further watch."""
        watch = Watch(self)
        self.watches.add(watch)
        self._somebody_came.set()
        return watch

    def forget(self, watch: Watch) -> None:
        """One watch less; without any, the reader stops."""
        self.watches.discard(watch)
        if not self.watches:
            self.stop()

    def stop(self) -> None:
        """Read no more, and end every watch."""
        self.over = True
        self._task.cancel()
        self._wake()

    def explain(self) -> None:
        """Raise what the reader has died of, if it has."""
        if self._task.done() and not self._task.cancelled():
            self._task.result()

    async def _run(self) -> None:
        pause = self._every_seconds
        while True:
            self._somebody_came.clear()
            asked_at = time.monotonic()
            try:
                snapshot = await _read(self._answers, self.number)
            except DependencyUnavailable as error:
                if self.failure is None:
                    _log.warning("watching blindly", process=self.number.canonical, dependency=error.dependency)
                # One without a trace, which would keep alive what it went through.
                self.failure = DependencyUnavailable(error.dependency, str(error))
                self._wake(changed=False)
                pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)
                await asyncio.sleep(pause)
                continue
            if self.failure is not None:
                _log.info("watching again", process=self.number.canonical)
                self.failure, pause = None, self._every_seconds
            self.asked_at = asked_at
            changed = snapshot is None or self.snapshot is None or snapshot.digest != self.snapshot.digest
            if changed:
                self.snapshot = snapshot
            self._wake(changed=changed)
            await self._rest()

    async def _rest(self) -> None:
        soonest = min(_SOONEST_SECONDS, self._every_seconds)
        await asyncio.sleep(soonest)
        with suppress(TimeoutError):
            async with asyncio.timeout(self._every_seconds - soonest):
                await self._somebody_came.wait()

    def _wake(self, *, changed: bool = True) -> None:
        read, self.read = self.read, asyncio.Event()
        read.set()
        if changed:
            former, self.changed = self.changed, asyncio.Event()
            former.set()

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("unexpected error", error=type(error).__name__, process=self.number.canonical)
        self.over = True
        self._wake()


class Watching:
    """Lets any number of clients follow processes at the price of one reader for each process.

    Args:
        answers: reads a process's status.
        every_seconds: how often a process is read while it is watched.

    Attributes:
        followers: how many streams each client has open and how many of its requests wait, by its name.
    """

    def __init__(self, answers: Answers, *, every_seconds: float = EVERY_SECONDS) -> None:
        self._answers = answers
        self._every_seconds = every_seconds
        self._readers: dict[str, _Reader] = {}
        self._closed = False
        self.followers: Counter[str] = Counter()

    @property
    def watchers(self) -> dict[str, int]:
        """How many watch each process that is being read, by its number."""
        return {number: len(reader.watches) for number, reader in self._readers.items() if not reader.over}

    @contextmanager
    def place_of(self, client: Client) -> Iterator[bool]:
        """Count one more who follows something for a client, if a limited key may have one more; whether it may."""
        if client.requests_per_minute is not None and self.followers[client.name] >= MOST_FOLLOWERS:
            yield False
            return
        self.followers[client.name] += 1
        try:
            yield True
        finally:
            self.followers[client.name] -= 1
            if not self.followers[client.name]:
                del self.followers[client.name]

    async def now(self, number: ProcessNumber) -> Snapshot:
        """A process as it is, read for this call.

        Raises:
            Problem: 404, nothing is known of it.
            DependencyUnavailable: the database or Temporal does not answer.
        """
        snapshot = await _read(self._answers, number)
        if snapshot is None:
            raise process_unknown(number)
        return snapshot

    @asynccontextmanager
    async def process(self, number: ProcessNumber) -> AsyncIterator[Watch]:
        """Watch a process until the block is left."""
        reader = self._readers.get(number.canonical)
        if reader is None or reader.over:
            reader = self._readers[number.canonical] = _Reader(number, self._answers, self._every_seconds)
            if self._closed:
                reader.stop()
        watch = reader.join()
        try:
            yield watch
        finally:
            watch.leave()
            if reader.over and self._readers.get(number.canonical) is reader:
                del self._readers[number.canonical]

    async def until(
        self, number: ProcessNumber, seconds: float, reached: Callable[[Snapshot], bool]
    ) -> Snapshot | None:
        """Wait until a process is as wanted, so many seconds at most; its latest state, if any came to be known.

        Raises:
            Problem: 404, nothing is known of it.
            DependencyUnavailable: the database or Temporal does not answer.
        """
        latest: Snapshot | None = None
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds), self.process(number) as watch:
                async for latest in watch:
                    if reached(latest):
                        break
        return latest

    async def until_ended(self, number: ProcessNumber, seconds: float) -> None:
        """Wait until no run is open, so many seconds at most.

        Raises:
            Problem: 404, nothing is known of the process.
            DependencyUnavailable: the database or Temporal does not answer.
        """
        await self.until(number, seconds, lambda snapshot: snapshot.ended)

    def close(self) -> None:
        """End every watch, and let none begin any more: the service stops."""
        self._closed = True
        for reader in self._readers.values():
            reader.stop()


async def _read(answers: Answers, number: ProcessNumber) -> Snapshot | None:
    known = await answers.current(number)
    return None if known is None else Snapshot.of(await answers.status(*known))
