"""The runbook covers every alert, failure code and reason to wait, and its commands exist."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from cli.main import app
from domain.alerts import AlertKind
from domain.completeness import Outcome, Phase
from domain.errors import FailureCode, FailureScope
from workflows.monitor_court import MonitorCourt
from workflows.search_attributes import SEARCH_ATTRIBUTES

ROOT = Path(__file__).parents[2]
RUNBOOK = (ROOT / "docs" / "runbook.md").read_text()
FAILURES = (ROOT / "docs" / "failures.md").read_text()
PAGES = {
    name: (ROOT / name).read_text()
    for name in ("docs/runbook.md", "docs/failures.md", "docs/operations.md", "docs/keys.md", "README.md")
}
COMPOSE_SERVICES = set(yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"])
COMMANDS: dict[str, Any] = vars(typer.main.get_command(app))["commands"]
WAITING_REASONS = [code for code in FailureCode if code.scope is FailureScope.COURT] + [
    FailureCode.STORE_UNAVAILABLE
]


def read_section(text: str, heading: str) -> str:
    """Return what stands below a heading, up to the next one of its level. Empty without it."""
    level = len(heading) - len(heading.lstrip("#"))
    found = re.search(rf"^{re.escape(heading)}\n(.*?)(?=^#{{1,{level}}} |\Z)", text, re.MULTILINE | re.DOTALL)
    return found.group(1) if found else ""


def read_headings(text: str) -> list[str]:
    """Return the headings of the third level that are one code span, such as ``### `no_worker```."""
    return re.findall(r"^### `(\w+)`$", text, re.MULTILINE)


def find_commands(text: str, program: str) -> Iterator[list[str]]:
    """Return the words of the commands of a program in code blocks and code spans, without what is piped to it."""
    blocks = re.findall(r"^```\w*\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    lines = [line.split(" #")[0] for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    spans = re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL))
    for line in (*lines, *spans):
        # Quotes may hold a pipe, but no command here pipes within them.
        for part in _split_commands(line):
            if part.startswith(f"{program} "):
                yield shlex.split(re.split(r"\s[<>]\s?", part)[0])[1:]


def _split_commands(line: str) -> list[str]:
    """Split a line of shell at its pipes and separators, outside quotes."""
    # The body of a shell function begins after its name.
    line = re.sub(r"^\w+\(\) { ", "", line.strip().removeprefix(".venv/bin/"))
    lexer = shlex.shlex(line, posix=False, punctuation_chars="|;&")
    lexer.whitespace_split = True
    lexer.commenters = ""
    parts: list[list[str]] = [[]]
    try:
        for word in lexer:
            if set(word) <= set("|;&"):
                parts.append([])
            elif word not in ("do", "then") or parts[-1]:
                parts[-1].append(word)
    except ValueError:  # A span of prose with an apostrophe is no command.
        return []
    return [" ".join(part) for part in parts]


def find_unknown_part(words: list[str]) -> str | None:
    """Return the first command or option of a command line that `autos` does not have."""
    command: Any = typer.main.get_command(app)  # Typer has its own copy of Click.
    for word in words:
        if word.startswith("-"):
            name = word.split("=")[0]
            if name not in {option for parameter in command.params for option in parameter.opts}:
                return word
        elif hasattr(command, "commands"):
            if word in command.commands:
                command = command.commands[word]
            elif not command.invoke_without_command:
                return word
    return None


def test_each_alert_has_its_section_with_advice() -> None:
    assert set(read_headings(read_section(RUNBOOK, "## Alerts"))) == {kind.value for kind in AlertKind}
    for kind in AlertKind:
        section = read_section(RUNBOOK, f"### `{kind}`")
        assert "**It means**" in section
        assert "**Look at**" in section or "| look at |" in section
        assert "**What to do" in section


def test_no_heading_of_the_runbook_changes_the_anchor_of_an_alert() -> None:
    assert len(read_headings(RUNBOOK)) == len(set(read_headings(RUNBOOK)))


def test_each_failure_code_has_one_section_with_advice() -> None:
    headings = read_headings(FAILURES)
    assert sorted(headings) == sorted(code.value for code in FailureCode)
    for code in FailureCode:
        section = read_section(FAILURES, f"### `{code}`")
        assert [part for part in ("**Means:**", "**Look at:**", "**Do:**") if part not in section] == []


@pytest.mark.parametrize("code", FailureCode)
def test_the_runbook_leads_to_each_failure_code(code: FailureCode) -> None:
    assert f"[`{code}`](failures.md#{code})" in read_section(RUNBOOK, "## Why did this document fail?")


def test_each_reason_to_wait_is_listed() -> None:
    section = read_section(RUNBOOK, "## What a run waits for")
    reasons = set(re.findall(r"^\| `waiting_for_\w+` \| \[`(\w+)`\]", section, re.MULTILINE))
    assert reasons == {code.value for code in WAITING_REASONS}
    # A run that lists, downloads or finishes is at work, and a worker or a dependency may be what it lacks.
    assert [phase for phase in Phase if phase is not Phase.FINISHING and f"`{phase}`" not in section] == []


@pytest.mark.parametrize("page", PAGES)
def test_the_commands_of_autos_exist(page: str) -> None:
    commands = list(find_commands(PAGES[page], "autos"))
    assert commands
    # `autos court status` in a text is a command; `autos` alone is the program.
    assert [(words, part) for words in commands if (part := find_unknown_part(words))] == []


def test_the_runbook_uses_the_commands_that_it_promises() -> None:
    commands = [" ".join(words) for words in find_commands(RUNBOOK, "autos")]
    for expected in ("court status", "failures --json", "retry NUMBER", "status NUMBER", "court login"):
        assert expected in commands


def test_an_unknown_command_or_option_is_found() -> None:
    assert find_unknown_part(["court", "repair"]) == "repair"
    assert find_unknown_part(["retry", "NUMBER", "--force"]) == "--force"
    assert find_unknown_part(["deliveries", "redeliver", "--failed-since", "TIME"]) is None
    assert list(
        find_commands(
            "```\nautos failures --json | jq -r .x | sort; do autos retry N < /dev/null; done\n```", "autos"
        )
    ) == [
        ["failures", "--json"],
        ["retry", "N"],
    ]


@pytest.mark.parametrize("page", PAGES)
def test_queries_name_existing_attributes_and_values(page: str) -> None:
    queries = re.findall(r"--query \"([^\"]+)\"|--query '([^']+)'", PAGES[page])
    known = {attribute.name for attribute in SEARCH_ATTRIBUTES} | {"WorkflowType", "ExecutionStatus"}
    values = {"Phase": {phase.value for phase in Phase}, "Outcome": {outcome.value for outcome in Outcome}}
    for query in (first or second for first, second in queries):
        for name, compared in re.findall(r"(\w+) ?(?:=|IN) ?(\([^)]*\)|[\"'][^\"']*[\"'])", query):
            assert name in known
            found = set(re.findall(r"[\"']([^\"']+)[\"']", compared))
            assert found <= values.get(name, found)
    assert page != "docs/runbook.md" or len(queries) > 4


def test_the_signal_that_has_the_court_probed_exists() -> None:
    [words] = [words for words in find_commands(RUNBOOK, "temporal") if "signal" in words]
    assert words[words.index("--workflow-id") + 1] == "court"
    assert callable(getattr(MonitorCourt, words[words.index("--name") + 1]))


@pytest.mark.parametrize("page", PAGES)
def test_the_services_of_compose_commands_exist(page: str) -> None:
    commands = list(find_commands(PAGES[page], "docker"))
    assert commands or page not in ("docs/runbook.md", "docs/operations.md")
    for words in commands:
        if words[0] != "compose" or words[1] not in ("run", "exec", "logs", "ps"):
            continue
        known = [word for word in words[2:] if word in COMPOSE_SERVICES]
        assert known, words
        following = words[words.index(known[-1]) + 1 :]
        if words[1] == "exec":
            assert following[0] == "autos", words
            following = following[1:]
        if following and "--entrypoint" not in words and following != ["$@"]:
            assert find_unknown_part(following) is None, words


def test_every_alert_of_prometheus_is_named_where_its_annotation_leads() -> None:
    groups = yaml.safe_load((ROOT / "deploy" / "prometheus" / "rules.yml").read_text())["groups"]
    links = {rule["alert"]: rule["annotations"]["runbook"] for group in groups for rule in group["rules"]}
    metrics = (ROOT / "docs" / "metrics.md").read_text()

    assert len(links) > len(AlertKind)
    for alert, link in links.items():
        page, _, anchor = link.partition("#")
        if page == "docs/metrics.md":
            assert f"`{alert}`" in read_section(metrics, f"### {anchor}")
        else:
            assert anchor in set(AlertKind) or f"`{alert}`" in RUNBOOK + metrics


@pytest.mark.parametrize("command", COMMANDS)
def test_operators_find_every_command(command: str) -> None:
    assert re.search(rf"`(autos )?{command}[` ]", PAGES["docs/operations.md"])
