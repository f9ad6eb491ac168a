"""Log output for people and programs, without secrets."""

from __future__ import annotations

import io
import json
import logging
from typing import Literal

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st
from temporalio import activity
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities.errors import translating_infrastructure_errors
from activities.failure_lines import shorten_failure_lines
from adapters import logs
from adapters.logs import configure_logging, redact
from domain.errors import DependencyUnavailable

LogFormat = Literal["json", "console"]
FRAGMENTS = (
    *("autos_", "abcdefgh", "_", "whsec_", "eyJ", ".", "Bearer", "basic", " ", "\t", "\n", "=", "://", "@", ":"),
    *("X-Amz-Signature", "secret", "user"),
)
SECRETS = ("hunter2-hunter2", "c2VjcmV0LXRva2Vu")


pytestmark = pytest.mark.usefixtures("restored_logging")


@given(st.lists(st.sampled_from(FRAGMENTS) | st.text(max_size=3), max_size=8).map("".join))
def test_no_secret_escapes_the_quick_look_at_a_text(text: str) -> None:
    thorough = text
    for pattern, replacement in logs._SECRETS:
        thorough = pattern.sub(replacement, thorough)
    assert redact(text) == thorough


def raise_with_secrets() -> None:
    """Raise an error with one secret in a local variable and another in the message."""
    api_key = SECRETS[0]
    raise RuntimeError(f"refused Bearer {SECRETS[1]}, of {len(api_key)} characters")


@pytest.mark.parametrize("log_format", ["console", "json"])
@pytest.mark.parametrize("by", ["structlog", "logging"])
def test_traceback_shows_the_location_but_no_secrets(
    capsys: pytest.CaptureFixture[str], log_format: LogFormat, by: str
) -> None:
    configure_logging(log_format, "info")
    log = structlog.get_logger() if by == "structlog" else logging.getLogger("some.library")

    try:
        raise_with_secrets()
    except RuntimeError:
        log.exception("it failed")

    written = capsys.readouterr().err
    assert "it failed" in written
    assert "in raise_with_secrets" in written
    assert "RuntimeError: refused Bearer ***" in written
    assert [secret for secret in SECRETS if secret in written] == []


def test_json_log_has_one_object_per_line_with_the_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("json", "info")
    try:
        raise_with_secrets()
    except RuntimeError:
        structlog.get_logger().exception("it failed", process="1")
    [line] = capsys.readouterr().err.splitlines()
    event = json.loads(line)
    assert (event["event"], event["process"], event["level"]) == ("it failed", "1", "error")
    assert event["exception"].startswith("Traceback")


class WritesOfStream(io.StringIO):
    """A stream that keeps each write apart, as a stderr without a buffer hands it to the system."""

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[str] = []

    def write(self, text: str) -> int:
        """Keep a write."""
        self.writes.append(text)
        return len(text)


@pytest.mark.parametrize("log_format", ["console", "json"])
def test_each_line_is_one_write_so_that_lines_of_others_come_before_or_after_it(
    monkeypatch: pytest.MonkeyPatch, log_format: LogFormat
) -> None:
    stream = WritesOfStream()
    monkeypatch.setattr("sys.stderr", stream)
    configure_logging(log_format, "info")
    structlog.get_logger().info("ours")
    logging.getLogger("some.library").warning("theirs")
    assert [write.endswith("\n") and write.count("\n") for write in stream.writes] == [1, 1]


@pytest.mark.parametrize("error", [DependencyUnavailable("database", "It does not answer."), KeyError("defect")])
def test_an_activity_that_meets_an_outage_takes_one_line(
    capsys: pytest.CaptureFixture[str], error: Exception
) -> None:
    if isinstance(error, DependencyUnavailable):
        error.place = "AUTOS_DATABASE_URL names the database autos at 127.0.0.1:5432."

    def fail() -> None:
        try:
            with translating_infrastructure_errors():
                raise error
        except (ApplicationError, KeyError):
            # As the SDK does.
            activity.logger.warning("Completing activity as failed", exc_info=True)

    configure_logging("json", "info")
    shorten_failure_lines()
    ActivityEnvironment().run(fail)
    line = json.loads(capsys.readouterr().err)
    if isinstance(error, DependencyUnavailable):
        assert line["event"] == f"activity unknown failed, attempt 1: It does not answer. {error.place}"
        assert "exception" not in line
    else:
        assert "KeyError" in line["exception"]
