"""The SDK's log line about an activity that failed, on one line where the error is one of ours."""

from __future__ import annotations

import logging

from temporalio import activity
from temporalio.exceptions import ApplicationError

from domain.errors import DependencyUnavailable


class _FailureLines(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        """Shorten the record if its error was translated: the traceback leads to the translation alone."""
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, ApplicationError):
            info = getattr(record, "temporal_activity", {})
            # What it was translated from knows where the dependency is expected, for operators alone.
            place = error.__context__.place if isinstance(error.__context__, DependencyUnavailable) else ""
            name, attempt = info.get("activity_type"), info.get("attempt")
            record.msg = f"activity {name} failed, attempt {attempt}: {error.message} {place}".rstrip()
            record.args, record.exc_info = (), None
        return True


_FILTER = _FailureLines()


def shorten_failure_lines() -> None:
    """Have the SDK log an activity's translated error as one line without a traceback. Idempotent."""
    activity.logger.base_logger.addFilter(_FILTER)
