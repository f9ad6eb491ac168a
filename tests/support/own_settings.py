"""Settings of the machine that the tests run on, and of a local stack."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from settings_fields import LOCAL_STACK_FILE


def remove_own_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove the developer's own settings from the environment."""
    for name in list(os.environ):
        if name.startswith("AUTOS_"):
            monkeypatch.delenv(name)


def write_local_stack_settings(data_dir: Path, **values: object) -> None:
    """Write the settings that a local stack leaves in this data folder."""
    data_dir.mkdir()
    (data_dir / LOCAL_STACK_FILE).write_text(json.dumps(values))
