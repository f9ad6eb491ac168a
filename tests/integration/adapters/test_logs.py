"""What a person or a program reads in the logs, and what neither may."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from typing import Literal

import pytest
import structlog

from adapters.logs import configure_logging

LogFormat = Literal["json", "console"]
SECRETS = ("hunter2-hunter2", "c2VjcmV0LXRva2Vu")


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    """Undo what a test configures."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def fail() -> None:
    """Fail with a secret at hand, and another in the error's own words."""
    api_key = SECRETS[0]
    raise RuntimeError(f"refused Bearer {SECRETS[1]}, of {len(api_key)} characters")


@pytest.mark.parametrize("log_format", ["console", "json"])
@pytest.mark.parametrize("by", ["structlog", "logging"])
def test_a_trace_tells_where_it_failed_and_no_secret(
    capsys: pytest.CaptureFixture[str], log_format: LogFormat, by: str
) -> None:
    configure_logging(log_format, "info")
    log = structlog.get_logger() if by == "structlog" else logging.getLogger("some.library")

    try:
        fail()
    except RuntimeError:
        log.exception("it failed")

    written = capsys.readouterr().err
    assert "it failed" in written
    assert "in fail" in written
    assert "RuntimeError: refused Bearer ***" in written
    assert [secret for secret in SECRETS if secret in written] == []


def test_json_is_one_object_per_line_with_the_trace_in_it(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("json", "info")
    try:
        fail()
    except RuntimeError:
        structlog.get_logger().exception("it failed", process="1")
    [line] = capsys.readouterr().err.splitlines()
    event = json.loads(line)
    assert (event["event"], event["process"], event["level"]) == ("it failed", "1", "error")
    assert event["exception"].startswith("Traceback")
