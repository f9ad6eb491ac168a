"""docs/settings.md and .env.example are what `make settings` writes, and say the truth about who reads what."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
import yaml

from cli import settings_reference
from cli.settings_reference import build_example, build_page, find_unlisted_fields, list_readers
from cli.settings_sections import SECTIONS
from settings import Settings
from settings_fields import LOCAL_STACK_FIELDS

ROOT = Path(__file__).parents[2]
FIELDS = sorted(Settings.model_fields.keys() - LOCAL_STACK_FIELDS)
# What Compose need not set: there is no local stack, docker-compose.secrets.yml sets the folder of secrets, and
# AUTOS_PUBLIC_URL always has a value.
NOT_IN_COMPOSE = {"data_dir", "secrets_dir", "api_host", "api_port"}
# The modules that each service reads its settings in.
MODULES = {
    "api": [*(ROOT / "api").rglob("*.py"), ROOT / "cli" / "main.py"],
    "worker": [ROOT / "worker.py", ROOT / "worker_parts.py"],
}
# Every command reads these before anything else.
ALWAYS_READ = {"data_dir", "secrets_dir", "log_format", "log_level"}
# This concerns the ports of a local stack: it looks at the addresses of all services.
LOCAL_STACK_PROPERTIES = {"own_ports", "is_exposed"}


def read_compose_environment(service: str) -> set[str]:
    """Return the names of the variables that docker-compose.yml gives a service."""
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
    return set(compose["services"][service]["environment"])


def read_fields_used(files: list[Path]) -> set[str]:
    """Return the settings that modules read, also by way of properties of ``Settings``."""
    tree = ast.parse((ROOT / "settings.py").read_text(encoding="utf-8"))
    [settings] = [node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == "Settings"]
    reads = {
        function.name: {
            node.attr
            for node in ast.walk(function)
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "self"
        }
        for function in settings.body
        if isinstance(function, ast.FunctionDef)
    }
    found: set[str] = set()
    waiting = {
        name for file in files for name in re.findall(r"\bsettings\.([a-z]\w+)", file.read_text(encoding="utf-8"))
    }
    while waiting:
        name = waiting.pop()
        if name not in found and name not in LOCAL_STACK_PROPERTIES:
            found.add(name)
            waiting |= reads.get(name, set())
    return found & set(FIELDS)


@pytest.mark.parametrize("service", ["api", "worker"])
def test_the_documented_readers_are_those_in_the_code(service: str) -> None:
    documented = {name for section in SECTIONS for name in section.fields if service in list_readers(section, name)}
    used = read_fields_used(MODULES[service]) | ALWAYS_READ
    # In a local stack, a key decides whether webhooks may use private addresses by default.
    assert documented ^ used <= ({"api_key"} if service == "worker" else set())


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
    assert "| `AUTOS_API_KEY` | secret, at least 16 characters |" in page
    assert "None" not in page
    assert "| `AUTOS_COURT_HEADERS` | JSON object | `{}` | worker, up |" in page


@pytest.mark.parametrize("service", ["api", "worker"])
def test_a_service_of_compose_gets_what_it_reads(service: str) -> None:
    documented = {
        f"AUTOS_{name.upper()}"
        for section in SECTIONS
        for name in section.fields
        if service in list_readers(section, name)
    }
    given = {name for name in read_compose_environment(service) if name.startswith("AUTOS_")}
    # One fragment with settings of both is shared in docker-compose.yml; it may give a service more than it reads.
    shared = read_compose_environment("api") & read_compose_environment("worker")
    assert documented - given <= {f"AUTOS_{name.upper()}" for name in NOT_IN_COMPOSE}
    assert given - documented - shared == set()
