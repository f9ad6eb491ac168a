"""Data loader: collects the keys that concurrent callers ask for and loads them in one transaction."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")

_MAX_BATCH_SIZE = 200
# Short compared with any request to the court, and long enough that a busy worker's keys come in batches.
BATCH_WINDOW_SECONDS = 0.02


class Batcher(Generic[K, V]):
    """Data loader without a cache: batches keys and calls one function per batch.

    Each key waits for the batch window, and for the batch before it if that is still loading. Every caller gets the
    value of its own key, or the exception of its batch.

    Args:
        load_batch: Returns the values of many keys, in the order of the keys.
        window_seconds: The batch window. With 0, a key waits only for the batch that is loading.
    """

    def __init__(
        self,
        load_batch: Callable[[Sequence[K]], Awaitable[Sequence[V]]],
        *,
        window_seconds: float = BATCH_WINDOW_SECONDS,
    ) -> None:
        self._load_batch = load_batch
        self._window_seconds = window_seconds
        self._queue: list[tuple[K, asyncio.Future[V]]] = []
        self._dispatcher: asyncio.Task[None] | None = None

    async def __call__(self, key: K) -> V:
        """Load the value of a key, in one batch with the keys of other callers."""
        future: asyncio.Future[V] = asyncio.get_running_loop().create_future()
        self._queue.append((key, future))
        if self._dispatcher is None:
            self._dispatcher = asyncio.ensure_future(self._dispatch_batches())
        return await future

    async def _dispatch_batches(self) -> None:
        try:
            while self._queue:
                await asyncio.sleep(self._window_seconds)
                batch, self._queue = self._queue[:_MAX_BATCH_SIZE], self._queue[_MAX_BATCH_SIZE:]
                await self._dispatch(batch)
        finally:
            self._dispatcher = None
            for _, future in self._queue:
                future.cancel()
            self._queue = []

    async def _dispatch(self, batch: Sequence[tuple[K, asyncio.Future[V]]]) -> None:
        # Callers that were cancelled while they waited need no value.
        batch = [(key, future) for key, future in batch if not future.done()]
        if not batch:
            return
        try:
            values = await self._load_batch([key for key, _ in batch])
        except asyncio.CancelledError:
            for _, future in batch:
                future.cancel()
            raise
        except Exception as error:  # noqa: BLE001 - passed on to the callers.
            for _, future in batch:
                if not future.done():
                    future.set_exception(error)
        else:
            for (_, future), value in zip(batch, values, strict=True):
                if not future.done():
                    future.set_result(value)
