"""Parsing of the control API's requests. Anything invalid or unknown is refused, never ignored."""

from __future__ import annotations

import json
import re
from dataclasses import fields
from typing import Any

from domain.errors import InvalidProcessNumber
from domain.process_number import ProcessNumber
from simulator.case import HIGHEST_SECRECY, Shape, natural_shape
from simulator.fault_kinds import KINDS, FaultOptions, Reach
from simulator.faults import FaultRule
from simulator.tokens import DEFAULT_LIFETIME

MAX_DOCUMENTS = 100_000
MAX_DOCUMENT_BYTES = 8 * 1024**3
_HOUR = 3600
_YEAR = 365 * 24 * _HOUR


class InvalidControlRequest(ValueError):
    """The request is invalid; the text says why."""


class Body:
    """A JSON object with known keys. Every method treats null as absent, and raises ``InvalidControlRequest``."""

    def __init__(self, raw: bytes, *known: str) -> None:
        try:
            content = json.loads(raw) if raw.strip() else {}
        except ValueError as error:
            raise InvalidControlRequest(f"The body is not JSON: {error}.") from None
        if not isinstance(content, dict):
            raise InvalidControlRequest("The body must be a JSON object.")
        if unknown := sorted(content.keys() - set(known)):
            raise InvalidControlRequest(f"Unknown: {', '.join(unknown)}. Known here: {', '.join(known)}.")
        self._content: dict[str, Any] = content

    def value(self, key: str) -> Any:
        """Return the value unchecked."""
        return self._content.get(key)

    def integer(self, key: str, lowest: int, highest: int) -> int | None:
        """Return a whole number within these limits."""
        value = self.value(key)
        if value is None:
            return None
        if type(value) is not int or not lowest <= value <= highest:
            raise InvalidControlRequest(f"{key} must be a whole number from {lowest} to {highest}.")
        return value

    def seconds(self, key: str) -> float | None:
        """Return a number of seconds, an hour at most."""
        value = self.value(key)
        if value is None:
            return None
        if type(value) not in (int, float) or not 0 <= value <= _HOUR:
            raise InvalidControlRequest(f"{key} must be a number of seconds from 0 to {_HOUR}.")
        return float(value)

    def header(self, key: str) -> str | None:
        """Return a header value: printable ASCII."""
        value = self.value(key)
        if value is None:
            return None
        if not isinstance(value, str) or not re.fullmatch(r"[!-~]([ -~]{0,198}[!-~])?", value):
            raise InvalidControlRequest(
                f"{key} must be 1 to 200 printable ASCII characters without blanks around them."
            )
        return value

    def flag(self, key: str, default: bool) -> bool:
        """Return a boolean."""
        value = self.value(key)
        if value is None:
            return default
        if not isinstance(value, bool):
            raise InvalidControlRequest(f"{key} must be true or false.")
        return value


def read_number(text: object) -> ProcessNumber:
    """Parse a process number with correct check digits."""
    if not isinstance(text, str):
        raise InvalidControlRequest("number must be a process number, as text.")
    try:
        return ProcessNumber.parse(text)
    except InvalidProcessNumber as error:
        raise InvalidControlRequest(str(error)) from None


def read_shape(number: ProcessNumber, raw: bytes) -> Shape:
    """Parse the shape of a process. Without ``documents``, the count is derived from the number."""
    body = Body(raw, *(field.name for field in fields(Shape) if field.name not in ("twins", "history")))
    configured = body.integer("documents", 0, MAX_DOCUMENTS)
    documents = natural_shape(number).documents if configured is None else configured
    second_instance = body.integer("second_instance_documents", 0, MAX_DOCUMENTS) or 0
    return Shape(
        documents=documents,
        size_bytes=body.integer("size_bytes", 1, MAX_DOCUMENT_BYTES),
        second_instance_documents=second_instance,
        second_source=body.flag("second_source", default=False),
        exists=body.flag("exists", default=True),
        text_only_documents=body.integer("text_only_documents", 0, documents + second_instance) or 0,
        bare_documents=body.integer("bare_documents", 0, documents + second_instance) or 0,
        secret_documents=body.integer("secret_documents", 0, documents + second_instance) or 0,
        secrecy=body.integer("secrecy", 0, HIGHEST_SECRECY) or 0,
        content_type=body.header("content_type"),
        content_disposition=body.header("content_disposition"),
    )


def read_fault(raw: bytes) -> FaultRule:
    """Parse a fault to inject."""
    body = Body(raw, "kind", "number", "documents", "times", "retry_after", "delay_seconds")
    kind = body.value("kind")
    if not isinstance(kind, str) or kind not in KINDS:
        raise InvalidControlRequest(f"kind must be one of {', '.join(KINDS)}.")
    retry_after = body.integer("retry_after", 0, _HOUR * 24)
    if retry_after is not None and not KINDS[kind].takes_retry_after:
        raise InvalidControlRequest(f"{kind} sends no Retry-After: leave retry_after out.")
    documents = _read_documents(body.value("documents"))
    if documents is not None and KINDS[kind].reach is Reach.DETAILS:
        raise InvalidControlRequest(f"{kind} affects a process's details, never documents: leave documents out.")
    number = body.value("number")
    return FaultRule(
        kind=kind,
        number=None if number is None else read_number(number).canonical,
        documents=documents,
        times=body.integer("times", 1, 1_000_000),
        options=FaultOptions(retry_after=retry_after, delay_seconds=body.seconds("delay_seconds")),
    )


def _read_documents(value: object) -> frozenset[int] | float | None:
    if value is None:
        return None
    if isinstance(value, list):
        if all(type(index) is int and index >= 0 for index in value):
            return frozenset(value)
    elif type(value) in (int, float) and isinstance(value, int | float) and 0 <= value <= 1:
        return float(value)
    raise InvalidControlRequest(
        "documents must be a list of positions in filing order (from 0), or a fraction from 0 to 1."
    )


def read_latency(raw: bytes) -> float:
    """Parse the latency, in seconds."""
    seconds = Body(raw, "seconds").seconds("seconds")
    if seconds is None:
        raise InvalidControlRequest("seconds is missing.")
    return seconds


def read_token_request(raw: bytes) -> tuple[int, bool]:
    """Parse a request for a new token.

    Returns:
        Its lifetime in seconds, where 0 means already expired, and whether it revokes the tokens before it.
    """
    body = Body(raw, "expires_in", "revoke_others")
    lifetime = body.integer("expires_in", 0, _YEAR)
    return DEFAULT_LIFETIME if lifetime is None else lifetime, body.flag("revoke_others", default=True)
