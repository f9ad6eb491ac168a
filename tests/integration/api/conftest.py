"""The API by itself: no Temporal, no store, no stack."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def nothing_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep what the person who runs the tests has set out of them."""
    for name in list(os.environ):
        if name.startswith(("AUTOS_", "TEMPORAL_")):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
