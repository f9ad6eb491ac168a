"""What the page of a process shows in states that a court brings about."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from fastapi import FastAPI, Request

from api.pages.rendering import page
from api.pages.session import Sessions
from api.pages.view import CourtTrouble, ProcessView
from domain.clients import ALL_SCOPES
from domain.completeness import Completeness, Phase, ProcessStatus
from domain.documents import Failure
from domain.errors import FailureCode

NOW = datetime(2026, 3, 4, 15, 0, tzinfo=UTC)
KNOWN = ProcessView(
    number="1011745-77.2025.8.11.0041",
    court="TJMT",
    status=ProcessStatus.COMPLETED,
    phase=None,
    counts=Completeness(available=3),
    listed_at=NOW,
    failure=None,
    cancelled=False,
    trouble=None,
    groups=(),
    cursor=None,
    following=None,
    may_act=True,
    scopes=ALL_SCOPES,
)


def shown(process: ProcessView, language: str = "en", notice: str | None = None) -> str:
    """The page of a process."""
    app = FastAPI()
    app.state.sessions = Sessions(None, "http://127.0.0.1:8000")
    headers = [(b"accept-language", language.encode())]
    request = Request({"type": "http", "method": "GET", "path": "/", "headers": headers, "app": app})
    return bytes(page(request, "process", process=process, notice=notice).body).decode()


@pytest.mark.parametrize(
    ("changes", "actions"),
    [
        ({"status": None, "counts": Completeness()}, ("download",)),
        ({"status": ProcessStatus.PENDING}, ("download",)),
        ({}, ("update",)),
        ({"counts": Completeness(available=1, failed_retryable=1)}, ("retry", "update")),
        ({"counts": Completeness(available=1, failed_for_good=1)}, ("update",)),
        ({"phase": Phase.LISTING}, ("pause", "cancel")),
        ({"phase": Phase.WAITING_FOR_COURT}, ("pause", "cancel")),
        ({"phase": Phase.PAUSED}, ("resume", "cancel")),
        ({"phase": Phase.FINISHING}, ()),
        ({"phase": Phase.PAUSED, "may_act": False}, ()),
    ],
)
def test_only_what_can_be_done_has_a_button(changes: dict[str, object], actions: tuple[str, ...]) -> None:
    process = replace(KNOWN, **changes)  # type: ignore[arg-type]  # Each case changes what it names.
    assert process.actions == actions
    text = shown(process)
    for name in ("download", "update", "retry", "pause", "resume", "cancel"):
        assert (f'id="do-{name}"' in text) is (name in actions)


def test_a_run_that_waits_for_the_court_says_why_and_until_when() -> None:
    trouble = CourtTrouble(FailureCode.COURT_UNAVAILABLE.value, "HTTP 503 <html>", NOW)
    waiting = replace(KNOWN, status=ProcessStatus.PROCESSING, phase=Phase.WAITING_FOR_COURT, trouble=trouble)
    english, portuguese = shown(waiting), shown(waiting, "pt-BR")
    assert "The court&#39;s system is out of order." in english
    assert "The court is asked again at 04 Mar 2026, 12:00." in english
    assert "O sistema do tribunal está fora do ar." in portuguese
    assert "HTTP 503 &lt;html&gt;" in english


def test_a_process_that_failed_says_why() -> None:
    failure = Failure(FailureCode.NOT_FOUND, "Não foram encontrados registros", 1, NOW)
    text = shown(replace(KNOWN, status=ProcessStatus.FAILED, counts=Completeness(), failure=failure), "pt")
    assert "O tribunal não conhece este processo." in text
    assert "Tentar de novo não adiantaria." in text
    assert "Resposta do tribunal: “Não foram encontrados registros”" in text


def test_a_notice_is_one_of_ours_or_none() -> None:
    assert "Nothing is being downloaded for this process now." in shown(KNOWN, notice="no_open_run")
    assert "elsewhere" not in shown(KNOWN, notice="call elsewhere")
