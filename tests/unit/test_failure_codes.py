"""The closed set of failure codes, their scopes, and whether they are retryable."""

from __future__ import annotations

from pathlib import Path

import pytest

from domain.errors import (
    AutosError,
    CourtError,
    CourtFailure,
    DocumentFailure,
    FailureCode,
    FailureScope,
    InvalidInput,
    InvalidProcessNumber,
    ProcessFailure,
)

ROOT = Path(__file__).parents[2]

DOCUMENT = {
    "source_unavailable": True,
    "sealed": False,
    "document_not_found": False,
    "too_large": False,
    "portal_page": True,
    "invalid_content": True,
    "empty_document": True,
    "truncated": True,
    "connection_lost": True,
    "foreign_address": False,
    "no_content_address": False,
    "timed_out": True,
    "not_stored": True,
    "no_content": False,
}
PROCESS = {"not_found": False, "no_access": False, "invalid_listing": True, "listing_unavailable": True}
COURT = {
    "credentials_rejected": True,
    "court_blocked": True,
    "court_throttled": True,
    "court_unavailable": True,
}
SERVICE = {"store_unavailable": True, "internal_error": True}
SCOPES = (
    dict.fromkeys(DOCUMENT, FailureScope.DOCUMENT)
    | dict.fromkeys(PROCESS, FailureScope.PROCESS)
    | dict.fromkeys(COURT, FailureScope.COURT)
    | dict.fromkeys(SERVICE, FailureScope.SERVICE)
)


def test_failure_codes_are_exactly_these() -> None:
    assert {code.value for code in FailureCode} == {*DOCUMENT, *PROCESS, *COURT, *SERVICE}


@pytest.mark.parametrize("code", FailureCode)
def test_every_code_has_one_scope(code: FailureCode) -> None:
    assert code.scope is SCOPES[code.value]


@pytest.mark.parametrize("code", FailureCode)
def test_every_code_is_retryable_or_not(code: FailureCode) -> None:
    assert code.retryable is {**DOCUMENT, **PROCESS, **COURT, **SERVICE}[code.value]


@pytest.mark.parametrize("code", [code for code in FailureCode if code.scope is FailureScope.COURT])
def test_court_failures_are_retryable(code: FailureCode) -> None:
    assert code.retryable


@pytest.mark.parametrize("kind", [DocumentFailure, ProcessFailure, CourtFailure])
def test_court_error_contains_the_answer(kind: type[CourtError]) -> None:
    failure = kind(FailureCode.COURT_THROTTLED, "HTTP 429", status=429, retry_after=7.0)
    assert isinstance(failure, AutosError)
    assert (failure.code, failure.answer) == (FailureCode.COURT_THROTTLED, "HTTP 429")
    assert (failure.status, failure.retry_after) == (429, 7.0)
    assert str(failure) == "court_throttled: HTTP 429"


def test_invalid_input_has_code_and_parameter() -> None:
    error = InvalidInput("No.", code="invalid_max_age", field="max_age")
    assert (error.code, error.field) == ("invalid_max_age", "max_age")
    assert InvalidInput("No.").code == "invalid_request"
    assert InvalidProcessNumber("No.").code == "invalid_process_number"


@pytest.mark.parametrize("code", FailureCode)
def test_every_code_is_documented(code: FailureCode) -> None:
    assert f"`{code}`" in (ROOT / "docs" / "failures.md").read_text()
