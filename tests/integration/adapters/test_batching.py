"""Keys that are loaded at the same time are loaded in one batch, and each caller gets its own value."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from adapters.database.batching import Batcher


class Loader:
    """Loads the double of each key, and remembers the batches."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.started = asyncio.Event()
        self.gate = asyncio.Event()
        self.gate.set()

    async def __call__(self, keys: Sequence[int]) -> list[int]:
        """Load a batch once the gate is open."""
        self.batches.append(list(keys))
        self.started.set()
        await self.gate.wait()
        if -1 in keys:
            raise ValueError("the whole batch failed")
        return [2 * key for key in keys]


async def test_concurrent_keys_are_one_batch() -> None:
    loader = Loader()
    load = Batcher(loader)
    assert await asyncio.gather(*(load(number) for number in range(50))) == [2 * number for number in range(50)]
    assert loader.batches == [list(range(50))]


async def test_batches_have_a_maximum_size() -> None:
    loader = Loader()
    load = Batcher(loader)
    await asyncio.gather(*(load(number) for number in range(450)))
    assert [len(batch) for batch in loader.batches] == [200, 200, 50]


async def test_an_error_reaches_every_caller_of_its_batch_and_no_other() -> None:
    loader = Loader()
    load = Batcher(loader)
    failed = await asyncio.gather(load(1), load(-1), return_exceptions=True)
    assert [type(error) for error in failed] == [ValueError, ValueError]
    assert await load(3) == 6


async def test_a_cancelled_key_is_not_loaded() -> None:
    loader = Loader()
    load = Batcher(loader)
    leaving = asyncio.ensure_future(load(1))
    staying = asyncio.ensure_future(load(2))
    await asyncio.sleep(0)
    leaving.cancel()
    assert await staying == 4
    assert loader.batches == [[2]]


async def test_a_caller_cancelled_during_a_batch_does_not_disturb_it() -> None:
    loader = Loader()
    loader.gate.clear()
    load = Batcher(loader)
    leaving, staying = asyncio.ensure_future(load(1)), asyncio.ensure_future(load(2))
    await loader.started.wait()
    leaving.cancel()
    loader.gate.set()
    assert await staying == 4
    with pytest.raises(asyncio.CancelledError):
        await leaving
