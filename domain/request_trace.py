"""What identifies a request in log lines: its id, and the id of the caller's trace."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from domain.spans import SpanContext

# The header of Temporal's workflows and activities that carries a trace, as JSON.
TRACE_HEADER = "autos-request"

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")
# An API key, a webhook secret or a JSON Web Token, sent by mistake: ids are logged and shown in Temporal's UI.
_SECRET = re.compile(r"autos_|whsec_|eyJ")
# W3C Trace Context. Later versions may have more members after these.
_TRACEPARENT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_INVALID_VERSION = "ff"
_FIRST_VERSION = "00"
_SAMPLED = 1
_TRACE_ID = re.compile(r"[0-9a-f]{32}")
_SPAN_ID = re.compile(r"[0-9a-f]{16}")


def read_request_id(text: str) -> str | None:
    """Return a caller's request id, or None if it may not be used: too long, other characters, or a secret."""
    return text if _REQUEST_ID.fullmatch(text) and not _SECRET.match(text) else None


def read_traceparent(traceparent: str) -> SpanContext | None:
    """Return the span that a W3C ``traceparent`` names, or None if the header is invalid."""
    match = _TRACEPARENT.fullmatch(traceparent)
    if match is None:
        return None
    version, trace_id, parent_id, flags, more = match.groups()
    if version == _INVALID_VERSION or (version == _FIRST_VERSION and more is not None):
        return None
    if not (trace_id.strip("0") and parent_id.strip("0")):
        return None
    return SpanContext(trace_id, parent_id, sampled=bool(int(flags, 16) & _SAMPLED))


@dataclass(frozen=True, slots=True)
class RequestTrace:
    """The ids of a request, as its log lines and those of its run have them.

    Attributes:
        request_id: The caller's ``X-Request-Id``, or one that the API made.
        trace_id: From the caller's ``traceparent``. None without one, unless the API exports spans.
        span_id: The exported span that started the workflow, below which the spans of its activities are. Not in
            log lines.
    """

    request_id: str
    trace_id: str | None = None
    span_id: str | None = None

    @property
    def span(self) -> SpanContext | None:
        """The span that started the workflow, or None if it is not exported."""
        if self.trace_id is None or self.span_id is None:
            return None
        return SpanContext(self.trace_id, self.span_id)

    def below(self, span: SpanContext | None) -> RequestTrace:
        """Return the same ids with this span, if it is exported."""
        if span is None or not span.sampled:
            return self
        return replace(self, trace_id=span.trace_id, span_id=span.span_id)

    def to_fields(self) -> dict[str, str]:
        """Return the fields of log lines."""
        fields = {"request_id": self.request_id}
        if self.trace_id is not None:
            fields["trace_id"] = self.trace_id
        return fields

    @classmethod
    def from_fields(cls, fields: Mapping[str, object]) -> RequestTrace | None:
        """Return the trace in the fields of a log line, or None if there is no valid one."""
        request_id, trace_id = fields.get("request_id"), fields.get("trace_id")
        if not isinstance(request_id, str) or read_request_id(request_id) is None:
            return None
        if not isinstance(trace_id, str) or not _TRACE_ID.fullmatch(trace_id):
            trace_id = None
        span_id = fields.get("span_id")
        if not isinstance(span_id, str) or not _SPAN_ID.fullmatch(span_id):
            span_id = None
        return cls(request_id, trace_id, span_id)

    def to_json(self) -> bytes:
        """Return the trace for ``TRACE_HEADER``."""
        span = {} if self.span_id is None else {"span_id": self.span_id}
        return json.dumps({**self.to_fields(), **span}).encode()

    @classmethod
    def from_json(cls, data: bytes) -> RequestTrace | None:
        """Return the trace of a ``TRACE_HEADER``, or None if it is not one."""
        try:
            fields = json.loads(data)
        except ValueError:
            return None
        return cls.from_fields(fields) if isinstance(fields, dict) else None
