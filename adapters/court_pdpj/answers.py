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
from domain.text import printable

# Tolerates the portal's occasional mojibake in "não", and JSON's escapes.
_NO_ACCESS = re.compile(r"n.{1,6}o possui acesso", re.IGNORECASE)
_NO_RECORDS = re.compile(r"n.{1,6}o foram encontrados registros", re.IGNORECASE)
_MARKUP = re.compile(r"\s*<(?:!doctype|html|head|body)", re.IGNORECASE)
_WRONG_PATH = frozenset({"timestamp", "status", "error", "path"})


class Subject(Enum):
    """What was asked for."""

    PROCESS = auto()
    DOCUMENT = auto()


class Ambiguous(CourtFailure):
    """Trouble at the court, unless the court is well: then it is that of the one thing asked for.

    Attributes:
        alone: the code that it has then.
    """

    def __init__(
        self,
        code: FailureCode,
        answer: str,
        *,
        alone: FailureCode,
        status: int | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(code, answer, status=status, retry_after=retry_after)
        self.alone = alone


def failure_of(status: int, headers: Mapping[str, str], body: bytes | None, subject: Subject) -> CourtError:
    """Name the failure that an answer other than 200 stands for.

    Only the portal's own words blame the process or the document at once: without them, a gateway may give the
    same answer to everybody.

    Args:
        status: the HTTP status.
        headers: the answer's headers, looked up without regard to case.
        body: the beginning of the answer's body; none if it could not be read.
        subject: what was asked for.
    """
    text = (body or b"").decode(errors="replace")
    answer = f"HTTP {status}{_message(text)}"
    retry_after = parse_retry_after(headers.get("retry-after"))
    said = _said(status, text, subject)
    if said is not None:
        kind = DocumentFailure if subject is Subject.DOCUMENT else ProcessFailure
        return kind(said, answer, status=status, retry_after=retry_after)
    code, alone = _trouble(status), _alone(status, None if body is None else text, subject)
    if alone is not None:
        return Ambiguous(code, answer, alone=alone, status=status, retry_after=retry_after)
    return CourtFailure(code, answer, status=status, retry_after=retry_after)


def _said(status: int, text: str, subject: Subject) -> FailureCode | None:
    """What the portal's own words say of the document or the process."""
    document = subject is Subject.DOCUMENT
    if status in (401, 403) and _NO_ACCESS.search(text):
        return FailureCode.SEALED if document else FailureCode.NO_ACCESS
    if status != 404 or document:
        return None
    if _NO_RECORDS.search(text):
        return FailureCode.NOT_FOUND
    # Spring's own 404 speaks of a wrong path, not of an absent process.
    return FailureCode.INVALID_LISTING if _object(text).keys() >= _WRONG_PATH else None


def _trouble(status: int) -> FailureCode:
    """What it means if everybody is answered so."""
    if status == 429:
        return FailureCode.COURT_THROTTLED
    if status == 403:
        return FailureCode.COURT_BLOCKED
    if status == 401 or 300 <= status < 400:
        return FailureCode.CREDENTIALS_REJECTED
    return FailureCode.COURT_UNAVAILABLE


def _alone(status: int, text: str | None, subject: Subject) -> FailureCode | None:
    """What it means if nothing else is answered so, when that is more than that it cannot be had now."""
    document = subject is Subject.DOCUMENT
    if status == 403 and text is not None and not _MARKUP.match(text):
        return FailureCode.SEALED if document else FailureCode.NO_ACCESS
    if document and status == 404:
        return FailureCode.DOCUMENT_NOT_FOUND
    if document and 300 <= status < 400:
        return FailureCode.PORTAL_PAGE
    return None


def _message(text: str) -> str:
    # Only the portal's own words: the rest of its error bodies holds addresses.
    message = _object(text).get("message")
    if not isinstance(message, str):
        return ""
    words = printable(message[:200])
    return f": {words}" if words else ""


def _object(text: str) -> dict[str, object]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
