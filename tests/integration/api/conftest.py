"""The API alone: no Temporal, no object store, no stack."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def clean_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove the developer's own settings: environment variables and the `.env` of the working directory."""
    for name in list(os.environ):
        if name.startswith(("AUTOS_", "TEMPORAL_")):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
