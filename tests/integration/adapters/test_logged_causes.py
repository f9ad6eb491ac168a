"""The vendor's error behind a domain error: in a debug log line, without secrets."""

from __future__ import annotations

import pytest
from sqlalchemy.exc import OperationalError
from structlog.testing import capture_logs

from adapters.database.error_mapping import TranslatingDriverErrors
from adapters.logs import log_cause
from domain.errors import DependencyUnavailable


def test_a_database_error_logs_its_cause_without_the_statement() -> None:
    cause = OSError("connection refused")
    with capture_logs() as lines, pytest.raises(DependencyUnavailable) as failure, TranslatingDriverErrors():
        raise OperationalError("SELECT secret_column", {"key": "hunter2"}, cause)
    assert failure.value.__cause__ is None
    assert lines == [
        {
            "event": "cause",
            "log_level": "debug",
            "dependency": "database",
            "error": "OSError",
            "text": "connection refused",
        }
    ]


def test_a_logged_cause_shows_no_secret() -> None:
    with capture_logs() as lines:
        log_cause(RuntimeError("GET /x?X-Amz-Signature=abc123 refused Bearer abc.def"), "storage")
    assert lines[0]["text"] == "GET /x?X-Amz-Signature=*** refused Bearer ***"
