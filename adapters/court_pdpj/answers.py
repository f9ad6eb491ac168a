"""What an answer that is not the thing asked for means.

The portal's statuses do not tell: 401 may be a bad token or a case that the user may not see, 403 a firewall or a
sealed piece. The bodies do.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from enum import Enum, auto

from domain.errors import CourtError, CourtFailure, DocumentFailure, FailureCode, ProcessFailure
from domain.retry_after import parse_retry_after

# Tolerates the portal's occasional mojibake in "não", and JSON's escapes.
_NO_ACCESS = re.compile(r"n.{1,6}o possui acesso", re.IGNORECASE)
_NO_RECORDS = re.compile(r"n.{1,6}o foram encontrados registros", re.IGNORECASE)
_MARKUP = re.compile(r"\s*<(?:!doctype|html|head|body)", re.IGNORECASE)


class Subject(Enum):
    """What was asked for."""

    PROCESS = auto()
    DOCUMENT = auto()


def failure_of(status: int, headers: Mapping[str, str], body: bytes, subject: Subject) -> CourtError:
    """Name the failure that an answer other than 200 stands for.

    Args:
        status: the HTTP status.
        headers: the answer's headers, looked up without regard to case.
        body: the beginning of the answer's body.
        subject: what was asked for.
    """
    text = body.decode(errors="replace")
    kind, code = _meaning(status, text, subject)
    retry_after = parse_retry_after(headers.get("retry-after"))
    return kind(code, f"HTTP {status}{_message(text)}", status=status, retry_after=retry_after)


def _meaning(status: int, text: str, subject: Subject) -> tuple[type[CourtError], FailureCode]:
    document = subject is Subject.DOCUMENT
    out_of_reach: tuple[type[CourtError], FailureCode] = (
        (DocumentFailure, FailureCode.SEALED) if document else (ProcessFailure, FailureCode.NO_ACCESS)
    )
    if status == 429:
        return CourtFailure, FailureCode.COURT_THROTTLED
    if status in (502, 503, 504):
        return CourtFailure, FailureCode.COURT_UNAVAILABLE
    if status in (401, 403) and _NO_ACCESS.search(text):
        return out_of_reach
    if status == 401 or 300 <= status < 400:
        return CourtFailure, FailureCode.CREDENTIALS_REJECTED
    if status == 403:
        return (CourtFailure, FailureCode.COURT_BLOCKED) if _MARKUP.match(text) else out_of_reach
    if document:
        return DocumentFailure, (
            FailureCode.DOCUMENT_NOT_FOUND if status == 404 else FailureCode.SOURCE_UNAVAILABLE
        )
    if status == 404:
        # Spring's own 404 speaks of a wrong path, not of an absent process.
        absent = _NO_RECORDS.search(text) is not None
        return ProcessFailure, FailureCode.NOT_FOUND if absent else FailureCode.INVALID_LISTING
    return CourtFailure, FailureCode.COURT_UNAVAILABLE


def _message(text: str) -> str:
    # Only the portal's own words: the rest of its error bodies holds addresses. In one line, and nothing that a
    # database refuses.
    try:
        message = json.loads(text).get("message")
    except (ValueError, AttributeError, RecursionError):
        return ""
    if not isinstance(message, str):
        return ""
    words = "".join(character if character.isprintable() else " " for character in message[:200]).strip()
    return f": {words}" if words else ""
