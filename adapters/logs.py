"""Logging setup: JSON, or readable text on a terminal, with secrets redacted."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any, Literal

import structlog

_log = structlog.get_logger()

_SECRETS = (
    (re.compile(r"\bautos_[a-z0-9]{8}_[\w-]+"), "autos_***"),
    (re.compile(r"(?i)\b(bearer|basic)\s+[\w.~+/=-]+"), r"\1 ***"),
    (re.compile(r"\beyJ[\w-]+\.[\w-]+\.[\w-]*"), "***"),
    (re.compile(r"\bwhsec_[\w+/=-]+"), "whsec_***"),
    (re.compile(r"(?i)(x-amz-(?:signature|credential|security-token)=)[^&\s\"']+"), r"\1***"),
    (re.compile(r"(?i)(://)[^/\s:@]+:[^/\s@]+@"), r"\1***@"),
)
# Every secret has one of these in it. Most fields of log lines have none, and this costs a tenth of the search.
_MAY_BE_SECRET = re.compile(r"_|\s|eyJ|=|://")


def redact(text: str) -> str:
    """Return the text without anything that looks like a token, a key, a password in a URL or a URL signature."""
    if _MAY_BE_SECRET.search(text) is None:
        return text
    for pattern, replacement in _SECRETS:
        text = pattern.sub(replacement, text)
    return text


def log_cause(error: BaseException, dependency: str) -> None:
    """Log the vendor's error that a domain error takes the place of, at the level debug.

    Domain errors are raised ``from None``, so that no token and no presigned URL travels in a chain of causes. This
    line keeps the class and the redacted text of the cause for operators.

    Args:
        error: The vendor's error. Its text must not hold statements or their parameters.
        dependency: What failed: ``database``, ``storage`` or ``temporal``.
    """
    _log.debug("cause", dependency=dependency, error=type(error).__name__, text=redact(str(error)))


def configure_logging(log_format: Literal["auto", "json", "console"], level: str) -> None:
    """Send all log lines of this service to stderr.

    Args:
        log_format: ``auto`` writes readable text on a terminal and JSON elsewhere.
        level: The lowest level that is written.
    """
    readable = log_format == "console" or (log_format == "auto" and sys.stderr.isatty())
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        _redact_event,
    ]
    # Tracebacks are formatted before they are redacted, and plainly: the console's default formatter shows local
    # variables.
    renderer: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
        if readable
        else structlog.processors.JSONRenderer()
    )
    number = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        # A line and its end in one write: services of one machine, and threads, share a stderr.
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *shared],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(number)
    # These log the URL of every request, including presigned links and webhook addresses.
    for chatty in (
        "httpx2",
        "httpcore2",
        "botocore",
        "aiobotocore",
        "urllib3",
        "uvicorn.access",
        "alembic.runtime.plugins",
    ):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    # A line for each migration, at every start of the local stack.
    logging.getLogger("alembic").setLevel(logging.NOTSET if number <= logging.DEBUG else logging.WARNING)


def _redact_event(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for key, value in event.items():
        if isinstance(value, str):
            event[key] = redact(value)
    return event
