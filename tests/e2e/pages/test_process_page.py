"""The page of a process in every state."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from fastapi import FastAPI, Request

from api.pages.document_list import DocumentList, DocumentQuery
from api.pages.rendering import render_page
from api.pages.session import Sessions
from api.pages.view import CourtTrouble, ProcessView
from domain.clients import ALL_SCOPES
from domain.completeness import Completeness, Phase, ProcessStatus
from domain.document_search import FoundDocuments
from domain.documents import Failure
from domain.errors import FailureCode

NOW = datetime(2026, 3, 4, 15, 0, tzinfo=UTC)
COMPLETE = ProcessView(
    number="1011745-77.2025.8.11.0041",
    court="TJMT",
    status=ProcessStatus.COMPLETED,
    phase=None,
    counts=Completeness(available=3),
    listed_at=NOW,
    failure=None,
    cancelled=False,
    trouble=None,
    documents=DocumentList(FoundDocuments(), DocumentQuery(), None, ALL_SCOPES),
    may_act=True,
)


def render_process(process: ProcessView, language: str = "en", notice: str | None = None) -> str:
    """Render the page of a process, and return its HTML."""
    app = FastAPI()
    app.state.sessions = Sessions(None, "http://127.0.0.1:8000")
    headers = [(b"accept-language", language.encode())]
    request = Request({"type": "http", "method": "GET", "path": "/", "headers": headers, "app": app})
    return bytes(render_page(request, "process", process=process, notice=notice).body).decode()


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
def test_the_page_has_a_button_for_each_possible_action(
    changes: dict[str, object], actions: tuple[str, ...]
) -> None:
    process = replace(COMPLETE, **changes)  # type: ignore[arg-type]  # Each case changes what it names.
    assert process.actions == actions
    text = render_process(process)
    for name in ("download", "update", "retry", "pause", "resume", "cancel"):
        assert (f'id="do-{name}"' in text) is (name in actions)


def test_a_run_that_waits_for_the_court_shows_why_and_until_when() -> None:
    trouble = CourtTrouble(FailureCode.COURT_UNAVAILABLE.value, "HTTP 503 <html>", NOW)
    waiting = replace(COMPLETE, status=ProcessStatus.PROCESSING, phase=Phase.WAITING_FOR_COURT, trouble=trouble)
    english, portuguese = render_process(waiting), render_process(waiting, "pt-BR")
    assert "The court&#39;s system is unavailable." in english
    assert "Next check of the court: 04 Mar 2026, 12:00." in english
    assert "O sistema do tribunal está fora do ar." in portuguese
    assert "HTTP 503 &lt;html&gt;" in english


def test_a_failed_process_shows_why() -> None:
    failure = Failure(FailureCode.NOT_FOUND, "HTTP 404: Não foram encontrados registros", 1, NOW)
    text = render_process(
        replace(COMPLETE, status=ProcessStatus.FAILED, counts=Completeness(), failure=failure), "pt"
    )
    assert "O tribunal não conhece este processo." in text
    assert "Tentar novamente não adiantaria." in text
    assert "<summary>O que o tribunal respondeu</summary>" in text
    assert '<blockquote lang="pt-BR">HTTP 404: Não foram encontrados registros</blockquote>' in text


def test_a_process_that_the_court_never_listed_offers_to_ask_again() -> None:
    failure = Failure(FailureCode.NO_ACCESS, "HTTP 401", 1, NOW)
    failed = replace(COMPLETE, status=ProcessStatus.FAILED, counts=Completeness(), listed_at=None, failure=failure)
    text = render_process(failed)
    assert "Ask the court again" in text
    assert "Check for new documents" not in text
    assert "has not listed the process yet" not in text


def test_documents_that_the_court_lacks_do_not_keep_a_complete_process_from_looking_complete() -> None:
    text = render_process(replace(COMPLETE, counts=Completeness(available=3, no_content=2), cancelled=True))
    assert '<progress id="progress" max="3" value="3">' in text
    assert "The last download was cancelled." not in text
    pending = replace(COMPLETE, status=ProcessStatus.PENDING, cancelled=True)
    assert "The last download was cancelled." in render_process(pending)


def test_a_key_that_may_not_download_is_told_so_where_there_is_nothing_else() -> None:
    unknown = replace(COMPLETE, status=None, counts=Completeness(), may_act=False)
    assert "Your key does not allow requesting downloads." in render_process(unknown)
    assert "Your key does not allow" not in render_process(replace(unknown, may_act=True))


def test_our_own_description_of_an_answer_is_not_shown_as_the_courts() -> None:
    failure = Failure(FailureCode.INVALID_LISTING, "The court answered with a list of 3.", 1, NOW)
    text = render_process(replace(COMPLETE, status=ProcessStatus.FAILED, failure=failure), "pt")
    assert "<summary>Detalhes técnicos</summary>" in text
    assert '<blockquote lang="en">The court answered with a list of 3.</blockquote>' in text


def test_only_known_notices_are_shown() -> None:
    assert "No download is running for this process." in render_process(COMPLETE, notice="no_open_run")
    assert "elsewhere" not in render_process(COMPLETE, notice="call elsewhere")
