"""docs/keeping.md: every table is in its list, and its defaults are those of the settings."""

from __future__ import annotations

import re

import adapters.database  # noqa: F401 - registers every table.
from adapters.database.tables import metadata
from domain.accesses import AccessKind
from domain.history import HistoryKind
from settings import Settings
from tests.support.paths import ROOT

PAGE = (ROOT / "docs" / "keeping.md").read_text(encoding="utf-8")
TABLES = PAGE.partition("## Which tables grow")[2]


def test_every_table_is_in_the_list_of_what_grows() -> None:
    cells = re.findall(r"^\| (`[^|]+`) \|", TABLES, re.MULTILINE)
    listed = [name for cell in cells for name in re.findall(r"`(\w+)`", cell)]
    assert sorted(listed) == sorted(metadata.tables)


def test_the_defaults_are_those_of_the_settings() -> None:
    documented = dict(re.findall(r"^\| `AUTOS_(KEEP_\w+_DAYS)` \| (\d+) \|", PAGE, re.MULTILINE))
    defaults = {
        name.upper(): str(field.default)
        for name, field in Settings.model_fields.items()
        if name.startswith("keep_") and name.endswith("_days")
    }
    assert documented == defaults


def test_every_kind_of_history_has_a_retention_that_can_be_turned_off() -> None:
    assert Settings().history_retention.keys() == set(HistoryKind)
    names = [name for name in Settings.model_fields if name.startswith("keep_")]
    assert Settings(**dict.fromkeys(names, "")).history_retention == {}  # type: ignore[arg-type]  # As from .env.


def test_every_way_out_is_explained() -> None:
    [row] = re.findall(r"^\| `how` \| (.+) \|$", PAGE, re.MULTILINE)
    assert re.findall(r"`(\w+)`:", row) == list(AccessKind)
