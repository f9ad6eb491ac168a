"""Fixtures of the client's tests."""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import TypeAlias

import httpx2
import pytest

from autos_client.asynchronous import connection as async_connection
from autos_client.blocking import connection as blocking_connection
from autos_client_cli.app import app
from autos_client_cli.commands import run_app
from tests.integration.client.scripted import Script

# Runs a command and returns its exit code, and what it has printed on standard output and on standard error.
RunClient: TypeAlias = Callable[..., tuple[int, str, str]]


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


@pytest.fixture
def run_client(script: Script, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> RunClient:
    """Return what runs a command against the script: its exit code, and what it has printed."""
    monkeypatch.setenv("AUTOS_PUBLIC_URL", "http://127.0.0.1:1")
    monkeypatch.delenv("AUTOS_API_KEY", raising=False)
    for name in ("HTTPTransport", "AsyncHTTPTransport"):
        monkeypatch.setattr(httpx2, name, lambda: httpx2.MockTransport(script))

    def run(*arguments: str | Path) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["autos-client", *map(str, arguments)])
        # An interrupted program leaves handlers that end it at once.
        handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
        try:
            code = run_app(app, program="autos-client")
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler)
        return (code, *capsys.readouterr())

    return run
