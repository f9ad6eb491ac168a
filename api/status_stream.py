"""Fan-out of status changes: one poller per subscribed process, however many clients follow it."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from contextvars import Context
from typing import Self

import structlog

from api.presenters import ProcessPresenter, process_unknown
from api.status_snapshot import Snapshot
from domain.background_tasks import cancel_and_wait
from domain.clients import Client
from domain.errors import DependencyUnavailable, ProcessErased
from domain.process_number import ProcessNumber

POLL_SECONDS = 0.5
# Each slot holds a socket and keeps a process polled for as long as the client likes, at the price of one request.
MAX_SLOTS_PER_CLIENT = 200
# A new subscriber triggers a read at once, but subscribers that arrive one by one share a read.
_MIN_POLL_SECONDS = 0.05
_MAX_BACKOFF_SECONDS = 5.0

_log = structlog.get_logger()


class StatusSubscription:
    """One subscriber's view of a process: an endless async iterator over its states, the current one first.

    The first state was read after the subscription began. A slow subscriber misses states in between, but never the
    last one. The iterator ends only when the service stops or the subscription is closed.

    Raises:
        Problem: 404, the process is unknown.
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
            if poller.snapshot is None:
                raise process_unknown(poller.number)
            if poller.snapshot is not self._last:
                self._last = poller.snapshot
                return self._last
            await changed.wait()
        if self._last is None:
            poller.raise_crash()
        raise StopAsyncIteration

    def close(self) -> None:
        """End the subscription, so that the process is no longer polled for it. Idempotent."""
        self._closed = True
        self._poller.unsubscribe(self)


class _Poller:
    """Polls one process while it has subscribers, and notifies them of changes.

    Attributes:
        read_started_at: When the latest successful read began, on the monotonic clock.
        snapshot: The result of that read. None if the process is unknown.
        failure: Why the latest read failed. None if it succeeded.
        task: Polls until it is cancelled.
        changed: Set when there is a new snapshot, then replaced by a new event.
        read_done: Set when a read has ended, successful or not, then replaced by a new event.
        stopped: Whether there will be no further read.
        subscriptions: The subscriptions that are not closed.
    """

    def __init__(self, number: ProcessNumber, presenter: ProcessPresenter, poll_seconds: float) -> None:
        self.number = number
        self.read_started_at = float("-inf")
        self.snapshot: Snapshot | None = None
        self.failure: DependencyUnavailable | None = None
        self.changed, self.read_done = asyncio.Event(), asyncio.Event()
        self.stopped = False
        self.subscriptions: set[StatusSubscription] = set()
        self._presenter = presenter
        self._poll_seconds = poll_seconds
        self._new_subscriber = asyncio.Event()
        # An empty context: what the poller logs does not belong to the first subscriber's request.
        self.task = asyncio.create_task(self._run(), name=f"polling {number}", context=Context())
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
            try:
                snapshot = await _read_snapshot(self._presenter, self.number)
            except DependencyUnavailable as error:
                if self.failure is None:
                    _log.warning(
                        "status polling failed", process=self.number.canonical, dependency=error.dependency
                    )
                # A new error without a traceback, which would keep the frames of the failed read alive.
                self.failure = DependencyUnavailable(error.dependency, str(error))
                self._notify(changed=False)
                backoff = min(2 * backoff, _MAX_BACKOFF_SECONDS)
                await asyncio.sleep(backoff)
                continue
            if self.failure is not None:
                _log.info("status polling recovered", process=self.number.canonical)
                self.failure, backoff = None, self._poll_seconds
            self.read_started_at = started_at
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
            _log.error("unexpected error", process=self.number.canonical, exc_info=error)
        self.stopped = True
        self._notify()


class StatusBroadcaster:
    """Lets any number of clients follow processes with one poller per process.

    Args:
        presenter: Reads a process's status.
        poll_seconds: Interval between two reads of a process that has subscribers.

    Attributes:
        slots: Open streams and waiting requests of each client, by the client's name.
    """

    def __init__(self, presenter: ProcessPresenter, *, poll_seconds: float = POLL_SECONDS) -> None:
        self._presenter = presenter
        self._poll_seconds = poll_seconds
        self._pollers: dict[str, _Poller] = {}
        # Those of pollers that were stopped too, until they have ended.
        self._polling: set[asyncio.Task[None]] = set()
        self._closed = False
        self.slots: Counter[str] = Counter()

    @property
    def subscriber_counts(self) -> dict[str, int]:
        """Number of subscribers of each polled process, by its number."""
        return {number: len(poller.subscriptions) for number, poller in self._pollers.items() if not poller.stopped}

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

    async def read(self, number: ProcessNumber) -> Snapshot:
        """Read a process's status now, for this call alone.

        Raises:
            Problem: 404, the process is unknown.
            DependencyUnavailable: The database or Temporal does not answer.
        """
        snapshot = await _read_snapshot(self._presenter, number)
        if snapshot is None:
            raise process_unknown(number)
        return snapshot

    @asynccontextmanager
    async def subscribe(self, number: ProcessNumber) -> AsyncIterator[StatusSubscription]:
        """Subscribe to a process until the block ends."""
        poller = self._pollers.get(number.canonical)
        if poller is None or poller.stopped:
            poller = self._pollers[number.canonical] = _Poller(number, self._presenter, self._poll_seconds)
            self._polling.add(poller.task)
            poller.task.add_done_callback(self._polling.discard)
            if self._closed:
                poller.stop()
        subscription = poller.subscribe()
        try:
            yield subscription
        finally:
            subscription.close()
            if poller.stopped and self._pollers.get(number.canonical) is poller:
                del self._pollers[number.canonical]

    async def wait_until(
        self, number: ProcessNumber, seconds: float, is_reached: Callable[[Snapshot], bool]
    ) -> Snapshot | None:
        """Wait until a process has reached a state, at most this many seconds.

        Returns:
            The latest state. None if none could be read in that time.

        Raises:
            Problem: 404, the process is unknown.
            DependencyUnavailable: The database or Temporal does not answer.
        """
        latest: Snapshot | None = None
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds), self.subscribe(number) as subscription:
                async for latest in subscription:
                    if is_reached(latest):
                        break
        return latest

    async def wait_until_ended(self, number: ProcessNumber, seconds: float) -> None:
        """Wait until no run is open, at most this many seconds.

        Raises:
            Problem: 404, the process is unknown.
            DependencyUnavailable: The database or Temporal does not answer.
        """
        await self.wait_until(number, seconds, lambda snapshot: snapshot.ended)

    def close(self) -> None:
        """End every subscription, and let no new one begin: the service stops."""
        self._closed = True
        for poller in self._pollers.values():
            poller.stop()

    async def aclose(self) -> None:
        """Close, and wait for the reads under way: the database may be closed only then."""
        self.close()
        await cancel_and_wait(self._polling)


async def _read_snapshot(presenter: ProcessPresenter, number: ProcessNumber) -> Snapshot | None:
    state = await presenter.find_state(number)
    return None if state is None else Snapshot.of(await presenter.status_body(*state))
