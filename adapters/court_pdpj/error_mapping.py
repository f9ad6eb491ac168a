"""Map the court's error responses to domain errors.

The portal's status codes are not enough: 401 may be a bad token or a case that the user may not see, 403 a firewall
or a sealed document. The bodies tell them apart.
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
_SPRING_ERROR_KEYS = frozenset({"timestamp", "status", "error", "path"})


class Resource(Enum):
    """The kind of resource that was requested."""

    PROCESS = auto()
    DOCUMENT = auto()


class AmbiguousFailure(CourtFailure):
    """A failure of the court, or of the requested resource alone if the court turns out to be healthy.

    Attributes:
        code_if_healthy: The failure's code in the second case.
    """

    def __init__(
        self,
        code: FailureCode,
        answer: str,
        *,
        code_if_healthy: FailureCode,
        status: int | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(code, answer, status=status, retry_after=retry_after)
        self.code_if_healthy = code_if_healthy


def map_error_response(
    status: int, headers: Mapping[str, str], body: bytes | None, resource: Resource
) -> CourtError:
    """Return the domain error for an error response.

    Only the portal's own message blames the process or the document at once: without it, a gateway may send the
    same response to every request.

    Args:
        status: The HTTP status.
        headers: The response's headers, with case-insensitive lookup.
        body: The beginning of the response's body. None if it could not be read.
        resource: What was requested.
    """
    text = (body or b"").decode(errors="replace")
    answer = f"HTTP {status}{_format_message(text)}"
    retry_after = parse_retry_after(headers.get("retry-after"))
    stated_code = _code_from_message(status, text, resource)
    if stated_code is not None:
        error_type = DocumentFailure if resource is Resource.DOCUMENT else ProcessFailure
        return error_type(stated_code, answer, status=status, retry_after=retry_after)
    code = _code_of_court(status)
    code_if_healthy = _code_if_healthy(status, None if body is None else text, resource)
    if code_if_healthy is not None:
        return AmbiguousFailure(
            code, answer, code_if_healthy=code_if_healthy, status=status, retry_after=retry_after
        )
    return CourtFailure(code, answer, status=status, retry_after=retry_after)


def _code_from_message(status: int, text: str, resource: Resource) -> FailureCode | None:
    """Return the code that the portal's own message stands for. None if it has no such message."""
    is_document = resource is Resource.DOCUMENT
    if status in (401, 403) and _NO_ACCESS.search(text):
        return FailureCode.SEALED if is_document else FailureCode.NO_ACCESS
    if status != 404 or is_document:
        return None
    if _NO_RECORDS.search(text):
        return FailureCode.NOT_FOUND
    # Spring's own 404 is about a wrong path, not about an absent process.
    return FailureCode.INVALID_LISTING if parse_json_object(text).keys() >= _SPRING_ERROR_KEYS else None


def _code_of_court(status: int) -> FailureCode:
    """Return the code to use if every request gets this status."""
    if status == 429:
        return FailureCode.COURT_THROTTLED
    if status == 403:
        return FailureCode.COURT_BLOCKED
    if status == 401 or 300 <= status < 400:
        return FailureCode.CREDENTIALS_REJECTED
    return FailureCode.COURT_UNAVAILABLE


def _code_if_healthy(status: int, text: str | None, resource: Resource) -> FailureCode | None:
    """Return the code to use if only this resource gets this status. None if it is just unavailable for now."""
    is_document = resource is Resource.DOCUMENT
    if status == 403 and text is not None and not _MARKUP.match(text):
        return FailureCode.SEALED if is_document else FailureCode.NO_ACCESS
    if is_document and status == 404:
        return FailureCode.DOCUMENT_NOT_FOUND
    if is_document and 300 <= status < 400:
        return FailureCode.PORTAL_PAGE
    return None


def _format_message(text: str) -> str:
    # Only the portal's own message: the rest of its error bodies contains URLs.
    message = parse_json_object(text).get("message")
    if not isinstance(message, str):
        return ""
    shown = printable(message[:200])
    return f": {shown}" if shown else ""


def parse_json_object(text: str | bytes) -> dict[str, object]:
    """Return the JSON object in a response body. Empty if it is anything else."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
