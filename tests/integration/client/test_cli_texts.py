"""The commands' texts: both languages have the same ones, and help pages show no types beside flags."""

from __future__ import annotations

import ast
import re
import string
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from api.problems.codes import ProblemCode
from autos_client import ApiProblem, Unauthorized
from autos_client_cli import texts
from autos_client_cli.access import problem_text
from autos_client_cli.command_help import Command, Group
from autos_client_cli.durations import parse_duration
from autos_client_cli.errors import CommandError, ExitCode
from autos_client_cli.portuguese import PORTUGUESE
from autos_client_cli.portuguese_problems import PORTUGUESE_PROBLEMS
from autos_client_cli.texts import Language, preferred_language
from autos_client_cli.words import duration_text, size_text, status_named, status_words

COMMANDS = Path(__file__).parents[3] / "client" / "autos_client_cli"
# Prints the help page of the program and of every command, each after a line with its name.
PRINT_ALL_HELP = """
import sys, typer
from autos_client_cli.app import app

def show(command, parent, name):
    context = typer.Context(command, parent=parent, info_name=name)
    print(f"=== {context.command_path}", flush=True)
    command.get_help(context)
    for child, each in getattr(command, "commands", {}).items():
        show(each, context, child)

show(typer.main.get_command(app), None, "autos-client")
"""


def list_texts() -> set[str]:
    """Return every text that the commands give to ``t``."""
    calls = (
        node
        for path in COMMANDS.glob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "t"
    )
    return {ast.literal_eval(call.args[0]) for call in calls}


def placeholders_in(text: str) -> list[str]:
    """Return the names in braces."""
    return sorted(name for _, name, _, _ in string.Formatter().parse(text) if name is not None)


def print_all_help(**variables: str) -> dict[str, str]:
    """Return every help page by its command's name, without what only breaks its lines."""
    shown = subprocess.run(
        [sys.executable, "-c", PRINT_ALL_HELP],
        env={"PYTHONPATH": str(COMMANDS.parent), "COLUMNS": "200", "PYTHONUTF8": "1", **variables},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    pages = (page.partition("\n") for page in shown.split("=== ")[1:])
    return {name: " ".join(text.replace("│", " ").split()) for name, _, text in pages}


def test_both_languages_have_the_same_texts_and_placeholders() -> None:
    assert list_texts() == PORTUGUESE.keys()
    assert {
        english: portuguese
        for english, portuguese in PORTUGUESE.items()
        if placeholders_in(english) != placeholders_in(portuguese)
    } == {}


def test_commands_and_groups_have_one_kind_of_help_page() -> None:
    for name in ("get_params", "get_usage", "format_help"):
        assert getattr(Command, name) is getattr(Group, name)


def test_an_option_of_several_commands_is_defined_once() -> None:
    helps = [
        ast.unparse(keyword.value)
        for path in COMMANDS.glob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "typer.Option"
        for keyword in node.keywords
        if keyword.arg == "help"
    ]
    patience = [page.partition("--patience")[2] for page in print_all_help().values() if "--patience" in page]

    assert sorted(helps) == sorted(set(helps))
    assert len(patience) == 3
    assert len({text.partition("Default: 10m.")[0] for text in patience}) == 1


def test_every_help_page_is_in_the_language_and_shows_no_types() -> None:
    english, portuguese = print_all_help(), print_all_help(LANG="pt_BR.UTF-8")

    assert len(english) > 15
    assert english.keys() == portuguese.keys()
    assert [name for name, page in english.items() if re.search("<[a-z]+>", page)] == []
    assert all("Usage: " in page and "Show this message and exit." in page for page in english.values())
    for name, page in portuguese.items():
        assert f"Uso: {name}" in page
        assert not {
            "Usage",
            "Options",
            "[OPTIONS]",
            "[ARGS]...",
            "[required]",
            "Arguments",
            "Commands",
            "Show",
            "the",
            "The",
        } & set(page.split()), name
    assert "Examples: autos-client get 1011745-77.2025.8.11.0041" in english["autos-client get"]
    assert "AUTOS_PUBLIC_URL" in english["autos-client"]
    assert "AUTOS_API_KEY" in portuguese["autos-client"]


@pytest.mark.parametrize(
    ("environment", "language"),
    [
        ({}, "en"),
        ({"LANG": "C.UTF-8"}, "en"),
        ({"LANG": "pt_BR.UTF-8"}, "pt"),
        ({"LANG": "pt_PT"}, "pt"),
        ({"LANG": "pt_BR.UTF-8", "LC_MESSAGES": "en_GB.UTF-8"}, "en"),
        ({"LANG": "en_US.UTF-8", "LC_MESSAGES": "pt_BR.UTF-8"}, "pt"),
        ({"LC_ALL": "C", "LC_MESSAGES": "pt_BR.UTF-8"}, "en"),
        ({"LC_ALL": "", "LANG": "pt_BR.UTF-8"}, "pt"),
        ({"AUTOS_LANG": "pt", "LC_ALL": "C"}, "pt"),
        ({"AUTOS_LANG": "en", "LANG": "pt_BR.UTF-8"}, "en"),
    ],
)
def test_language_is_that_of_the_locale(environment: Mapping[str, str], language: str) -> None:
    assert preferred_language(environment) == Language(language)


@pytest.mark.parametrize(
    ("text", "seconds"), [("0", 0), ("90", 90), ("90s", 90), ("10m", 600), ("1h30m", 5400), (" 2H ", 7200)]
)
def test_durations_are_read(text: str, seconds: float) -> None:
    assert parse_duration(text, "--patience") == seconds


@pytest.mark.parametrize("text", ["", "soon", "-5", "1.5h", "10m1h", "1d", "٣"])
def test_other_durations_are_refused(text: str) -> None:
    with pytest.raises(CommandError, match="--patience: a time is") as refused:
        parse_duration(text, "--patience")
    assert refused.value.exit_code is ExitCode.USAGE


def test_frequent_refusals_are_in_the_users_language(monkeypatch: pytest.MonkeyPatch) -> None:
    refused = Unauthorized("unauthorized", "Send a valid API key.", status=401, request_id="7")
    rare = ApiProblem("too_large", "The body is too large.", status=413)
    assert problem_text(refused) == (
        "Send a valid API key. (HTTP 401, unauthorized, request 7) The key is read from AUTOS_API_KEY."
    )
    monkeypatch.setattr(texts, "LANGUAGE", Language.PORTUGUESE)
    assert problem_text(refused) == (
        "A API não aceita a chave. Confira a variável AUTOS_API_KEY. (HTTP 401, unauthorized, request 7)"
    )
    assert problem_text(rare) == "The body is too large. (HTTP 413, too_large)"


def test_translated_problems_are_problems_of_the_api() -> None:
    assert set(PORTUGUESE_PROBLEMS) - {code.value for code in ProblemCode} == {"no_answer"}


def test_times_sizes_and_words_are_short() -> None:
    assert [duration_text(seconds) for seconds in (0.4, 59, 90, 119.9, 600, 3599, 3600, 93_900)] == [
        *("0 s", "59 s", "1 min 30 s", "2 min", "10 min", "60 min", "1 h 00 min", "26 h 05 min")
    ]
    assert [size_text(size) for size in (0, 999, 1500, 2_000_000, 3.21e9, 5e15)] == [
        *("0 B", "999 B", "1.5 kB", "2.0 MB", "3.2 GB", "5,000.0 TB")
    ]
    assert status_words("processing", "waiting_for_court") == "waiting for the court"
    assert [status_named(words) for words in ("Under way", "partial", "of a newer kind")] == [
        *("processing", "partial", "of a newer kind")
    ]
    assert status_words("processing", "of_a_newer_kind") == "of a newer kind"
