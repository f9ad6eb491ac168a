"""Fixtures of the client's tests."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from types import ModuleType

import pytest

from autos_client.asynchronous import connection as async_connection
from autos_client.blocking import connection as blocking_connection
from tests.integration.client.scripted import Script


@pytest.fixture
def script() -> Script:
    """An API without planned answers."""
    return Script()


class _ModuleWithFakeSleep(ModuleType):
    """A module whose ``sleep`` is replaced for the clients only, because other threads sleep too."""

    def __init__(self, module: ModuleType, sleep: Callable[[float], object]) -> None:
        super().__init__(module.__name__)
        self._module = module
        self.sleep = sleep

    def __getattr__(self, name: str) -> object:
        return getattr(self._module, name)


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Replace the clients' sleeps, and collect their seconds, without jitter."""
    taken: list[float] = []

    async def pause(seconds: float) -> None:
        taken.append(seconds)
        await asyncio.sleep(0)

    monkeypatch.setattr(blocking_connection, "time", _ModuleWithFakeSleep(time, taken.append))
    monkeypatch.setattr(async_connection, "asyncio", _ModuleWithFakeSleep(asyncio, pause))
    monkeypatch.setattr("autos_client.waits._JITTER", 0.0)
    return taken


@pytest.fixture
def clock(pauses: list[float], monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Replace sleeps, and let the clock show what was slept."""
    begun = time.monotonic()
    monkeypatch.setattr("autos_client.patience.time.monotonic", lambda: begun + sum(pauses))
    return pauses
