"""What the doctor makes of clocks that differ and of little space on the disk."""

from __future__ import annotations

import shutil
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cli.doctor.findings import Finding, State
from cli.doctor.local_checks import check_clock, check_disk
from cli.doctor.parts import Parts
from settings import Settings

MIB = 1024**2


async def judge_clocks(**skews: int | None) -> Finding:
    """Judge clocks that are so many seconds ahead. None has not answered."""
    parts: Any = Parts(Settings(), None, AsyncExitStack())
    found = {name: None if skew is None else timedelta(seconds=skew) for name, skew in skews.items()}
    parts.database_skew = found["database"]
    parts.bucket = SimpleNamespace(clock_skew=found["store"])
    parts.court = SimpleNamespace(clock_skew=found["court"])
    return await check_clock(parts)


@pytest.mark.parametrize(
    ("database", "store", "court", "state", "texts"),
    [
        (None, None, None, State.SKIPPED, ["No other clock"]),
        (1, -2, 0, State.OK, ["the database, the store and the court"]),
        (-60, 60, None, State.OK, []),
        (90, 90, 90, State.WARNING, ["90 s ahead", "Set this machine's clock"]),
        (400, 400, 400, State.FAILED, ["6 minutes ahead", "Set this machine's clock"]),
        (0, -400, 0, State.FAILED, ["store is 6 minutes behind", "Set the clock of the store"]),
        (0, 0, 4000, State.WARNING, ["court is 66 minutes ahead", "Nothing"]),
        (None, None, 4000, State.FAILED, ["Set this machine's clock"]),
    ],
)
async def test_clocks(
    database: int | None, store: int | None, court: int | None, state: State, texts: list[str]
) -> None:
    finding = await judge_clocks(database=database, store=store, court=court)
    assert finding.state is state
    assert [text for text in texts if text not in finding.found + finding.remedy] == []


@pytest.mark.parametrize(
    ("data", "temporary", "state", "found"),
    [
        (2000 * MIB, 2000 * MIB, State.OK, "2.0 GiB"),
        (900 * MIB, 2000 * MIB, State.WARNING, "900 MiB for the data folder"),
        (90 * MIB, 2000 * MIB, State.FAILED, "90 MiB for the data folder"),
        (2000 * MIB, 64 * MIB, State.WARNING, "64 MiB for temporary files"),
        (2000 * MIB, 128 * MIB, State.OK, "0.1 GiB"),
    ],
)
async def test_disk(
    data: int, temporary: int, state: State, found: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = {tmp_path: data}
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=free.get(folder, temporary)))
    settings = Settings(data_dir=tmp_path, database_url="postgresql://db.example.org/autos")
    finding = await check_disk(Parts(settings, None, AsyncExitStack()))
    assert finding.state is state
    assert found in finding.found
