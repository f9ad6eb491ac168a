"""Nothing that a server writes reaches a terminal as something that the terminal obeys."""

from __future__ import annotations

import ast
import io
import itertools
import json
import sys
import unicodedata
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

import autos_client_cli
from autos_client import Progress
from autos_client.models import Status
from autos_client_cli.display import LiveDisplay
from autos_client_cli.printing import print_json, printable, rich_text
from tests.integration.client.conftest import RunClient
from tests.integration.client.scripted import (
    NUMBER,
    Script,
    byte_stream,
    document_body,
    failure_body,
    json_answer,
    page_body,
    status_body,
)

COMMANDS = Path(autos_client_cli.__file__).parent
# A window title, a screen erased, one with an 8-bit CSI, text reversed, a forged line, a link and a colour of Rich.
HOSTILE = (
    "\x1b]0;title\x07\x1b[2J\x9b2J\u202etxt.exe\u2066\r\nforged\u2028line [link=https://evil.test][red]x[/red]"
)
WITHOUT_COMMANDS = "txt.exe"


def obeyed(text: str) -> set[str]:
    """Return the characters of printed lines that a terminal could obey."""
    return {each for each in text if unicodedata.category(each) in ("Cc", "Cf", "Cs", "Zl", "Zp")} - {"\n"}


def list_texts(value: Any) -> list[str]:
    """Return every text in a JSON value."""
    if isinstance(value, dict):
        return [*value, *itertools.chain.from_iterable(map(list_texts, value.values()))]
    if isinstance(value, list):
        return list(itertools.chain.from_iterable(map(list_texts, value)))
    return [value] if isinstance(value, str) else []


def hostile_failure() -> dict[str, Any]:
    """Return a failure whose texts are hostile."""
    return {**failure_body(HOSTILE), "answer": HOSTILE}


def hostile_status(status: str = "partial") -> dict[str, Any]:
    """Return a status all of whose texts are hostile, but the status itself."""
    return {
        **status_body(status, 1, 2),
        "court": HOSTILE,
        "phase": HOSTILE,
        "failure": hostile_failure(),
        "failures_by_code": {HOSTILE: 1},
        "warnings": [{"code": HOSTILE, "detail": HOSTILE}],
        "run": {
            "id": HOSTILE,
            "client": HOSTILE,
            "started_at": "2026-11-23T12:00:00Z",
            "ended_at": "2026-11-23T12:00:00Z",
            "outcome": HOSTILE,
        },
    }


def hostile_delivery() -> dict[str, Any]:
    """Return a delivery whose texts are hostile."""
    texts = dict.fromkeys(("id", "event_type", "process_number", "client", "url", "status"), HOSTILE)
    attempt = {"number": 1, "sent_at": "2026-11-23T12:00:00Z", "error": HOSTILE}
    return {**texts, "created_at": "2026-11-23T12:00:00Z", "attempts": [attempt]}


def hostile_batch() -> dict[str, Any]:
    """Return a batch whose texts are hostile."""
    item = {
        **dict.fromkeys(("given", "process_number", "state", "decision"), HOSTILE),
        "position": 1,
        "problem": {"code": HOSTILE, "detail": HOSTILE},
    }
    return {
        "id": HOSTILE,
        "client": HOSTILE,
        "created_at": "2026-11-23T12:00:00Z",
        "ended_at": "2026-11-23T12:00:00Z",
        "priority": 3,
        "counts": {HOSTILE: 1},
        "items": [item],
        "warnings": [{"code": HOSTILE, "detail": HOSTILE}],
    }


def hostile_court() -> dict[str, Any]:
    """Return a court's status whose texts are hostile."""
    return {
        "status": HOSTILE,
        "since": "2026-11-23T12:00:00Z",
        "failure": {"code": HOSTILE, "answer": HOSTILE},
        "credentials": {"source": HOSTILE, "renewable": True, "rejected": True, "candidate": HOSTILE},
    }


def hostile_endpoint() -> dict[str, Any]:
    """Return an endpoint whose texts are hostile."""
    return {"id": HOSTILE, "client": HOSTILE, "url": HOSTILE, "failing_since": "2026-11-23T12:00:00Z"}


def answer_with_hostile_texts(script: Script, numbers: Path) -> dict[tuple[str, ...], bool]:
    """Plan the answers. Return each command, and whether it has ``--json``."""
    numbers.write_text(NUMBER)
    process = f"/processes/{NUMBER}"
    entry = {
        "process_number": HOSTILE,
        "court": HOSTILE,
        "failure": hostile_failure(),
        "document": {"id": HOSTILE, "name": HOSTILE},
    }
    documents = [
        document_body(1, b"1", name=HOSTILE, type=HOSTILE),
        document_body(2, status="failed", name=HOSTILE, failure=hostile_failure()),
    ]
    for route, body in {
        f"GET {process}/status": hostile_status(),
        f"POST {process}/retry": {**hostile_status(), "retried_documents": 1},
        f"POST {process}/downloads": {**hostile_status(), "documents": [], "decision": HOSTILE},
        f"GET {process}/documents": page_body(documents),
        "GET /processes": {"processes": [{**hostile_status(HOSTILE), "process_number": HOSTILE}]},
        "GET /failures": {"failures": [entry]},
        "POST /batches": hostile_batch(),
        "GET /court/status": hostile_court(),
        "GET /webhooks/deliveries": {"deliveries": [hostile_delivery()]},
        "POST /webhooks/test": hostile_delivery(),
        "POST /webhooks/deliveries/1/redeliver": hostile_delivery(),
        "GET /webhooks/endpoints": {"endpoints": [hostile_endpoint()]},
        "POST /webhooks/endpoints/1/enable": hostile_endpoint(),
    }.items():
        script.on(route, json_answer(body))
    script.on("GET /d1", byte_stream(b"1"))
    return {
        ("status", NUMBER): True,
        ("retry", NUMBER): True,
        ("list",): True,
        ("list", "-q"): False,
        ("failures",): True,
        ("batch", str(numbers)): True,
        ("court", "status"): True,
        ("deliveries",): True,
        ("deliveries", "test", "https://me.test/"): True,
        ("deliveries", "redeliver", "1"): True,
        ("deliveries", "endpoints"): True,
        ("deliveries", "enable", "1"): True,
        ("get", NUMBER, "-o", str(numbers.parent)): True,
    }


def test_no_command_prints_what_a_terminal_obeys(script: Script, tmp_path: Path, run_client: RunClient) -> None:
    for command, has_json in answer_with_hostile_texts(script, tmp_path / "numbers.txt").items():
        for arguments in (command, (*command, "--json"))[: 1 + has_json]:
            code, out, err = run_client(*arguments)

            assert code in (0, 6), (arguments, err)
            assert WITHOUT_COMMANDS in out + err, arguments
            assert obeyed(out + err) == set(), arguments
            assert not [line for line in (out + err).split("\n") if line.startswith("forged")], arguments
            if "--json" in arguments:
                assert HOSTILE in list_texts([json.loads(line) for line in out.splitlines()]), arguments


@pytest.mark.parametrize("command", [("status", NUMBER), ("get", NUMBER)])
def test_no_refusal_prints_what_a_terminal_obeys(
    script: Script, tmp_path: Path, run_client: RunClient, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    monkeypatch.chdir(tmp_path)
    problem = {"code": HOSTILE, "detail": HOSTILE, "request_id": HOSTILE, "status": 409}
    not_as_written = {**status_body(), "failures_by_code": {HOSTILE: "not a number"}}
    for handler in (json_answer(problem, 409), json_answer(problem, 401), json_answer(not_as_written)):
        script.on(f"GET /processes/{NUMBER}/status", handler)
        script.on(f"POST /processes/{NUMBER}/downloads", handler)
        script.on(f"GET /processes/{NUMBER}/documents", json_answer(page_body([])))
        code, out, err = run_client(*command)

        assert code != 0
        assert obeyed(out + err) == set()
        assert "\nforged" not in err


def test_live_display_shows_markup_and_escapes_as_text() -> None:
    written = io.StringIO()
    console = Console(file=written, width=300, force_terminal=True, color_system="truecolor", highlight=False)
    display = LiveDisplay(1, console)
    display.totals.update(HOSTILE, Progress(Status.model_validate(hostile_status("processing"))))

    console.print(display._render())
    console.print(rich_text(HOSTILE))

    shown = written.getvalue()
    assert "[link=https://evil.test][red]x[/red]" in shown
    assert [each for each in ("\x1b]", "\x1b[2J", "\x9b", "\u202e", "\x1b[31m") if each in shown] == []


def test_everything_is_printed_by_one_module() -> None:
    elsewhere = [
        f"{path.name}:{node.lineno}"
        for path in COMMANDS.glob("*.py")
        if path.name != "printing.py"
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("typer.echo", "typer.secho", "print", "Text")
    ]
    assert elsewhere == []


@given(st.text())
def test_printable_text_is_one_line_without_commands(text: str) -> None:
    assert obeyed(printable(text)) == set()
    assert "\n" not in printable(text)
    assert len(printable(text)) == len(text)


def test_words_of_people_stay_as_they_are() -> None:
    assert printable("Petição nº 12\xa0— ação 日本") == "Petição nº 12 — ação 日本"


@given(st.dictionaries(st.text(), st.text()))
def test_json_is_the_same_value_without_commands(value: dict[str, str]) -> None:
    written = io.StringIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdout", written)
        print_json(value)

    assert json.loads(written.getvalue()) == value
    assert obeyed(written.getvalue()) == set()
