"""A first attempt that is over soon costs Temporal no heartbeat; whatever may kill a worker is counted."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from temporalio.testing import ActivityEnvironment

from activities.heartbeats import heartbeating


class Attempt:
    """One attempt of an activity, and its heartbeats."""

    def __init__(self, number: int, earlier: tuple[int, float] | None = None) -> None:
        self.heartbeats: list[tuple[int, float]] = []
        self._has_beaten = asyncio.Event()
        self._environment = ActivityEnvironment()
        details = [] if earlier is None else list(earlier)
        self._environment.info = replace(self._environment.info, attempt=number, heartbeat_details=details)
        self._environment.on_heartbeat = self._record

    def _record(self, *details: Any) -> None:
        self.heartbeats.append((details[0], details[1]))
        self._has_beaten.set()

    async def run(self, *, until_heartbeat: bool) -> None:
        """Work until the first heartbeat, or only for some turns of the event loop."""

        async def work() -> None:
            async with heartbeating(lambda: 7):
                if until_heartbeat:
                    await asyncio.wait_for(self._has_beaten.wait(), 10)
                else:
                    for _ in range(10):
                        await asyncio.sleep(0)

        await self._environment.run(work)


async def test_a_first_attempt_that_ends_soon_sends_none() -> None:
    attempt = Attempt(1)
    await attempt.run(until_heartbeat=False)
    assert attempt.heartbeats == []


async def test_a_first_attempt_that_lasts_sends_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("activities.heartbeats._FIRST_ATTEMPT_PAUSE_SECONDS", 0.01)
    attempt = Attempt(1)
    await attempt.run(until_heartbeat=True)
    assert attempt.heartbeats == [(7, 15.0)]


async def test_a_later_attempt_counts_from_its_beginning() -> None:
    attempt = Attempt(3, earlier=(5, 40.0))
    await attempt.run(until_heartbeat=False)
    assert attempt.heartbeats == [(7, 55.0)]
