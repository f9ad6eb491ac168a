"""docs/settings.md and .env.example are what `make settings` writes, and say the truth about who reads what."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from cli import settings_reference
from cli.settings_reference import build_example, build_page, find_unlisted_fields, list_readers
from cli.settings_sections import SECTIONS
from settings import LOCAL_STACK_FIELDS, Settings

ROOT = Path(__file__).parents[2]
FIELDS = sorted(Settings.model_fields.keys() - LOCAL_STACK_FIELDS)
# Compose sets these for all services by itself, or reads them for other purposes.
NOT_IN_COMPOSE = {"data_dir"}


def read_compose_environment(service: str) -> set[str]:
    """Return the names of the variables that docker-compose.yml gives a service."""
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
    return set(compose["services"][service]["environment"])


def test_the_files_are_what_the_settings_say() -> None:
    advice = "run `make settings`"
    assert (ROOT / "docs" / "settings.md").read_text(encoding="utf-8") == build_page(), advice
    assert (ROOT / ".env.example").read_text(encoding="utf-8") == build_example(), advice


def test_each_setting_is_in_one_section() -> None:
    assert find_unlisted_fields() == set()


def test_a_setting_that_no_section_has_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings_reference, "SECTIONS", [part for part in SECTIONS if part.title != "Logs"])

    assert find_unlisted_fields() == {"log_format", "log_level", "access_log"}
    with pytest.raises(SystemExit, match="access_log"):
        settings_reference.main()


@pytest.mark.parametrize("name", FIELDS)
def test_each_setting_has_a_row_with_its_meaning(name: str) -> None:
    [row] = [line for line in build_page().splitlines() if line.startswith(f"| `AUTOS_{name.upper()}` |")]
    _, _variable, kind, _default, readers, meaning = row.replace("\\|", "/").removesuffix("|").split("|")
    assert all(cell.strip() for cell in (kind, readers, meaning))
    assert len(meaning.split()) > 2


def test_limits_and_choices_are_shown() -> None:
    page = build_page()
    assert "| `AUTOS_LINK_TTL_SECONDS` | integer, ≥ 1, ≤ 604,800 | `3600` | api, worker, up |" in page
    assert "| `AUTOS_LOG_LEVEL` | `debug`, `info`, `warning`, `error` | `info` |" in page
    assert "| `AUTOS_COURT_HEADERS` | JSON object | `{}` | worker, up |" in page


@pytest.mark.parametrize("service", ["api", "worker"])
def test_a_service_of_compose_gets_what_it_reads(service: str) -> None:
    documented = {
        f"AUTOS_{name.upper()}"
        for section in SECTIONS
        for name in section.fields
        if name not in NOT_IN_COMPOSE and service in list_readers(section, name)
    }
    given = {name for name in read_compose_environment(service) if name.startswith("AUTOS_")}
    # One fragment with settings of both is shared in docker-compose.yml; it may give a service more than it reads.
    shared = read_compose_environment("api") & read_compose_environment("worker")
    assert documented - given == set()
    assert given - documented - shared == set()
