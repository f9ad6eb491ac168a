"""Fan-out of changes of a state: one poller per followed subject, however many clients follow it."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from contextvars import Context
from typing import Protocol, Self

import structlog

from api.problems.problem import Problem
from api.status_snapshot import Snapshot
from domain.background_tasks import cancel_and_wait
from domain.clients import Client
from domain.errors import DependencyUnavailable, ProcessErased
from domain.process_number import ProcessNumber

POLL_SECONDS = 0.5
# Each slot holds a socket and keeps a subject polled for as long as the client likes, at the price of one request.
MAX_SLOTS_PER_CLIENT = 200
# A new subscriber triggers a read at once, but subscribers that arrive one by one share a read.
_MIN_POLL_SECONDS = 0.05
_MAX_BACKOFF_SECONDS = 5.0

_log = structlog.get_logger()


class Subject(Protocol):
    """What clients follow: a process, or a bundle as some of them may see it."""

    @property
    def number(self) -> ProcessNumber:
        """Its process."""

    @property
    def key(self) -> str:
        """What it is, the same for all clients that may share a poller."""

    async def read(self) -> Snapshot:
        """Return its state now.

        Raises:
            Problem: It does not exist, or the client may not see it.
            ProcessErased: Its process was erased, or is being erased.
            DependencyUnavailable: The database or Temporal does not answer.
        """


class StatusSubscription:
    """One subscriber's view of a subject: an endless async iterator over its states, the current one first.

    The first state was read after the subscription began. A slow subscriber misses states in between, but never the
    last one. The iterator ends when the service stops, the subscription is closed, or the subject can no longer be
    read, because it is gone or withheld.

    Raises:
        Problem: The first state cannot be read: as `Subject.read` says.
        DependencyUnavailable: The first state cannot be read. Later failures are waited out.
    """

    def __init__(self, poller: _Poller) -> None:
        self._poller = poller
        self._closed = False
        self._subscribed_at = time.monotonic()
        self._last: Snapshot | None = None

    def __aiter__(self) -> Self:
        """Return the subscription itself."""
        return self

    async def __anext__(self) -> Snapshot:
        """Wait for a state that this subscriber has not seen. May be cancelled and called again."""
        poller = self._poller
        while not (poller.stopped or self._closed):
            # Taken before the checks, so that no notification is missed.
            changed, read_done = poller.changed, poller.read_done
            if self._last is None and poller.failure is not None:
                raise DependencyUnavailable(poller.failure.dependency, str(poller.failure))
            if self._last is None and poller.read_started_at < self._subscribed_at:
                await read_done.wait()
                continue
            if poller.refusal is not None:
                if self._last is None:
                    raise poller.refusal.with_traceback(None)
                break
            if poller.snapshot is not None and poller.snapshot is not self._last:
                self._last = poller.snapshot
                return self._last
            await changed.wait()
        if self._last is None:
            poller.raise_crash()
        raise StopAsyncIteration

    def close(self) -> None:
        """End the subscription, so that the subject is no longer polled for it. Idempotent."""
        self._closed = True
        self._poller.unsubscribe(self)


class _Poller:
    """Polls one subject while it has subscribers, and notifies them of changes.

    Attributes:
        read_started_at: When the latest read that was answered began, on the monotonic clock.
        snapshot: The result of that read. None if it was refused.
        refusal: Why it was refused. None if it was not.
        failure: Why the latest read was not answered. None if it was.
        task: Polls until it is cancelled.
        changed: Set when there is a new snapshot, then replaced by a new event.
        read_done: Set when a read has ended, successful or not, then replaced by a new event.
        stopped: Whether there will be no further read.
        subscriptions: The subscriptions that are not closed.
    """

    def __init__(self, subject: Subject, poll_seconds: float) -> None:
        self.read_started_at = float("-inf")
        self.snapshot: Snapshot | None = None
        self.refusal: Problem | None = None
        self.failure: DependencyUnavailable | None = None
        self.changed, self.read_done = asyncio.Event(), asyncio.Event()
        self.stopped = False
        self.subscriptions: set[StatusSubscription] = set()
        self._subject = subject
        self._poll_seconds = poll_seconds
        self._new_subscriber = asyncio.Event()
        # An empty context: what the poller logs does not belong to the first subscriber's request.
        self.task = asyncio.create_task(self._run(), name=f"polling {subject.key}", context=Context())
        self.task.add_done_callback(self._on_task_done)

    def subscribe(self) -> StatusSubscription:
        """Add a subscription."""
        subscription = StatusSubscription(self)
        self.subscriptions.add(subscription)
        self._new_subscriber.set()
        return subscription

    def unsubscribe(self, subscription: StatusSubscription) -> None:
        """Remove a subscription. Stop when none is left."""
        self.subscriptions.discard(subscription)
        if not self.subscriptions:
            self.stop()

    def stop(self) -> None:
        """Stop polling, and end every subscription."""
        self.stopped = True
        self.task.cancel()
        self._notify()

    def raise_crash(self) -> None:
        """Raise the error that ended the polling task, if one did."""
        if self.task.done() and not self.task.cancelled():
            self.task.result()

    async def _run(self) -> None:
        backoff = self._poll_seconds
        while True:
            self._new_subscriber.clear()
            started_at = time.monotonic()
            snapshot = refusal = None
            try:
                snapshot = await self._subject.read()
            except Problem as problem:
                # Without its traceback, as below.
                refusal = problem.with_traceback(None)
            except DependencyUnavailable as error:
                if self.failure is None:
                    _log.warning(
                        "status polling failed", process=self._subject.number.canonical, dependency=error.dependency
                    )
                # A new error without a traceback, which would keep the frames of the failed read alive.
                self.failure = DependencyUnavailable(error.dependency, str(error))
                self._notify(changed=False)
                backoff = min(2 * backoff, _MAX_BACKOFF_SECONDS)
                await asyncio.sleep(backoff)
                continue
            if self.failure is not None:
                _log.info("status polling recovered", process=self._subject.number.canonical)
                self.failure, backoff = None, self._poll_seconds
            self.read_started_at = started_at
            self.refusal = refusal
            changed = snapshot is None or self.snapshot is None or snapshot.digest != self.snapshot.digest
            if changed:
                self.snapshot = snapshot
            self._notify(changed=changed)
            await self._wait_for_next_poll()

    async def _wait_for_next_poll(self) -> None:
        shortest = min(_MIN_POLL_SECONDS, self._poll_seconds)
        await asyncio.sleep(shortest)
        with suppress(TimeoutError):
            async with asyncio.timeout(self._poll_seconds - shortest):
                await self._new_subscriber.wait()

    def _notify(self, *, changed: bool = True) -> None:
        read_done, self.read_done = self.read_done, asyncio.Event()
        read_done.set()
        if changed:
            previous, self.changed = self.changed, asyncio.Event()
            previous.set()

    def _on_task_done(self, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        # An erased process ends its streams. A subscriber without a snapshot gets the error itself.
        if error is not None and not isinstance(error, ProcessErased):
            _log.error("unexpected error", process=self._subject.number.canonical, exc_info=error)
        self.stopped = True
        self._notify()


class StatusBroadcaster:
    """Lets any number of clients follow subjects with one poller per subject.

    Args:
        poll_seconds: Interval between two reads of a subject that has subscribers.

    Attributes:
        slots: Open streams and waiting requests of each client, by the client's name.
    """

    def __init__(self, *, poll_seconds: float = POLL_SECONDS) -> None:
        self._poll_seconds = poll_seconds
        self._pollers: dict[str, _Poller] = {}
        # Those of pollers that were stopped too, until they have ended.
        self._polling: set[asyncio.Task[None]] = set()
        self._closed = False
        self.slots: Counter[str] = Counter()

    @property
    def subscriber_counts(self) -> dict[str, int]:
        """Number of subscribers of each polled subject, by its key."""
        return {key: len(poller.subscriptions) for key, poller in self._pollers.items() if not poller.stopped}

    @contextmanager
    def reserve_slot(self, client: Client) -> Iterator[bool]:
        """Reserve one of the client's stream slots. Yields False at the limit, which only limited keys have."""
        if client.requests_per_minute is not None and self.slots[client.name] >= MAX_SLOTS_PER_CLIENT:
            yield False
            return
        self.slots[client.name] += 1
        try:
            yield True
        finally:
            self.slots[client.name] -= 1
            if not self.slots[client.name]:
                del self.slots[client.name]

    @asynccontextmanager
    async def subscribe(self, subject: Subject) -> AsyncIterator[StatusSubscription]:
        """Subscribe to a subject until the block ends."""
        poller = self._pollers.get(subject.key)
        if poller is None or poller.stopped:
            poller = self._pollers[subject.key] = _Poller(subject, self._poll_seconds)
            self._polling.add(poller.task)
            poller.task.add_done_callback(self._polling.discard)
            if self._closed:
                poller.stop()
        subscription = poller.subscribe()
        try:
            yield subscription
        finally:
            subscription.close()
            if poller.stopped and self._pollers.get(subject.key) is poller:
                del self._pollers[subject.key]

    async def wait_until(
        self, subject: Subject, seconds: float, is_reached: Callable[[Snapshot], bool]
    ) -> Snapshot | None:
        """Wait until a subject has reached a state, at most this many seconds.

        Returns:
            The latest state. None if none could be read in that time, or if the subject can no longer be read.

        Raises:
            Problem: As `Subject.read` says, at the first read.
            DependencyUnavailable: The database or Temporal does not answer.
        """
        latest: Snapshot | None = None
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds), self.subscribe(subject) as subscription:
                async for latest in subscription:
                    if is_reached(latest):
                        break
                else:
                    # What was read is no longer true: the subject is gone.
                    return None
        return latest

    async def wait_until_ended(self, subject: Subject, seconds: float) -> None:
        """Wait until nothing works on a subject, at most this many seconds.

        Raises:
            Problem: As `Subject.read` says, at the first read.
            DependencyUnavailable: The database or Temporal does not answer.
        """
        await self.wait_until(subject, seconds, lambda snapshot: snapshot.ended)

    def close(self) -> None:
        """End every subscription, and let no new one begin: the service stops."""
        self._closed = True
        for poller in self._pollers.values():
            poller.stop()

    async def aclose(self) -> None:
        """Close, and wait for the reads under way: the database may be closed only then."""
        self.close()
        await cancel_and_wait(self._polling)
