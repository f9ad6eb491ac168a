"""Reads what is ordered over ``/_simulator``. What makes no sense is refused, never ignored."""

from __future__ import annotations

import json
import re
from dataclasses import fields
from typing import Any

from domain.errors import InvalidProcessNumber
from domain.process_number import ProcessNumber
from simulator.case import HIGHEST_SECRECY, Shape, natural_shape
from simulator.fault_kinds import KINDS, Reach, Terms
from simulator.faults import Order
from simulator.tokens import DEFAULT_LIFETIME

MOST_DOCUMENTS = 100_000
LARGEST_DOCUMENT = 8 * 1024**3
_HOUR = 3600
_YEAR = 365 * 24 * _HOUR


class Nonsense(ValueError):
    """The order cannot be followed; the text says why."""


class Body:
    """A JSON object with known keys. Every reader treats null as absent."""

    def __init__(self, raw: bytes, *known: str) -> None:
        try:
            content = json.loads(raw) if raw.strip() else {}
        except ValueError as error:
            raise Nonsense(f"The body is not JSON: {error}.") from None
        if not isinstance(content, dict):
            raise Nonsense("The body must be a JSON object.")
        if unknown := sorted(content.keys() - set(known)):
            raise Nonsense(f"Unknown: {', '.join(unknown)}. Known here: {', '.join(known)}.")
        self._content: dict[str, Any] = content

    def value(self, key: str) -> Any:
        """The value as it came."""
        return self._content.get(key)

    def integer(self, key: str, lowest: int, highest: int) -> int | None:
        """A whole number within these limits."""
        value = self.value(key)
        if value is None:
            return None
        if type(value) is not int or not lowest <= value <= highest:
            raise Nonsense(f"{key} must be a whole number from {lowest} to {highest}.")
        return value

    def seconds(self, key: str) -> float | None:
        """A time of at most an hour."""
        value = self.value(key)
        if value is None:
            return None
        if type(value) not in (int, float) or not 0 <= value <= _HOUR:
            raise Nonsense(f"{key} must be a number of seconds from 0 to {_HOUR}.")
        return float(value)

    def header(self, key: str) -> str | None:
        """What a header may hold: printable ASCII."""
        value = self.value(key)
        if value is None:
            return None
        if not isinstance(value, str) or not re.fullmatch(r"[!-~]([ -~]{0,198}[!-~])?", value):
            raise Nonsense(f"{key} must be 1 to 200 printable ASCII characters without blanks around them.")
        return value

    def flag(self, key: str, default: bool) -> bool:
        """True or false."""
        value = self.value(key)
        if value is None:
            return default
        if not isinstance(value, bool):
            raise Nonsense(f"{key} must be true or false.")
        return value


def read_number(text: object) -> ProcessNumber:
    """A process number with right check digits."""
    if not isinstance(text, str):
        raise Nonsense("number must be a process number, as text.")
    try:
        return ProcessNumber.parse(text)
    except InvalidProcessNumber as error:
        raise Nonsense(str(error)) from None


def read_shape(number: ProcessNumber, raw: bytes) -> Shape:
    """The shape of a process; ``documents`` left out is the number's own count."""
    body = Body(raw, *(field.name for field in fields(Shape) if field.name != "twins"))
    ordered = body.integer("documents", 0, MOST_DOCUMENTS)
    documents = natural_shape(number).documents if ordered is None else ordered
    appealed = body.integer("second_instance_documents", 0, MOST_DOCUMENTS) or 0
    return Shape(
        documents=documents,
        size_bytes=body.integer("size_bytes", 1, LARGEST_DOCUMENT),
        second_instance_documents=appealed,
        second_source=body.flag("second_source", default=False),
        exists=body.flag("exists", default=True),
        text_only_documents=body.integer("text_only_documents", 0, documents + appealed) or 0,
        bare_documents=body.integer("bare_documents", 0, documents + appealed) or 0,
        secret_documents=body.integer("secret_documents", 0, documents + appealed) or 0,
        secrecy=body.integer("secrecy", 0, HIGHEST_SECRECY) or 0,
        content_type=body.header("content_type"),
        content_disposition=body.header("content_disposition"),
    )


def read_fault(raw: bytes) -> Order:
    """What shall go wrong."""
    body = Body(raw, "kind", "number", "documents", "times", "retry_after", "delay_seconds")
    kind = body.value("kind")
    if not isinstance(kind, str) or kind not in KINDS:
        raise Nonsense(f"kind must be one of {', '.join(KINDS)}.")
    retry_after = body.integer("retry_after", 0, _HOUR * 24)
    if retry_after is not None and not KINDS[kind].takes_retry_after:
        raise Nonsense(f"{kind} answers without Retry-After: leave retry_after out.")
    documents = _documents(body.value("documents"))
    if documents is not None and KINDS[kind].reach is Reach.DETAILS:
        raise Nonsense(f"{kind} strikes a process's details, never documents: leave documents out.")
    number = body.value("number")
    return Order(
        kind=kind,
        number=None if number is None else read_number(number).canonical,
        documents=documents,
        times=body.integer("times", 1, 1_000_000),
        terms=Terms(retry_after=retry_after, delay_seconds=body.seconds("delay_seconds")),
    )


def _documents(value: object) -> frozenset[int] | float | None:
    if value is None:
        return None
    if isinstance(value, list):
        if all(type(index) is int and index >= 0 for index in value):
            return frozenset(value)
    elif type(value) in (int, float) and isinstance(value, int | float) and 0 <= value <= 1:
        return float(value)
    raise Nonsense("documents must be a list of places in filing order (from 0), or a fraction from 0 to 1.")


def read_latency(raw: bytes) -> float:
    """Seconds."""
    seconds = Body(raw, "seconds").seconds("seconds")
    if seconds is None:
        raise Nonsense("seconds is missing.")
    return seconds


def read_lifetime(raw: bytes) -> int:
    """How long a new token lives, in seconds; 0 makes one that has ended already."""
    lifetime = Body(raw, "expires_in").integer("expires_in", 0, _YEAR)
    return DEFAULT_LIFETIME if lifetime is None else lifetime
