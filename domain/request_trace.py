"""What identifies a request in log lines: its id, and the id of the caller's trace."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

# The header of Temporal's workflows and activities that carries a trace, as JSON.
TRACE_HEADER = "autos-request"

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")
# An API key, a webhook secret or a JSON Web Token, sent by mistake: ids are logged and shown in Temporal's UI.
_SECRET = re.compile(r"autos_|whsec_|eyJ")
# W3C Trace Context. Later versions may have more members after these.
_TRACEPARENT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}(-.*)?")
_INVALID_VERSION = "ff"
_FIRST_VERSION = "00"
_TRACE_ID = re.compile(r"[0-9a-f]{32}")


def read_request_id(text: str) -> str | None:
    """Return a caller's request id, or None if it may not be used: too long, other characters, or a secret."""
    return text if _REQUEST_ID.fullmatch(text) and not _SECRET.match(text) else None


def read_trace_id(traceparent: str) -> str | None:
    """Return the trace id of a W3C ``traceparent``, or None if the header is invalid."""
    match = _TRACEPARENT.fullmatch(traceparent)
    if match is None:
        return None
    version, trace_id, parent_id, more = match.groups()
    if version == _INVALID_VERSION or (version == _FIRST_VERSION and more is not None):
        return None
    return trace_id if trace_id.strip("0") and parent_id.strip("0") else None


@dataclass(frozen=True, slots=True)
class RequestTrace:
    """The ids of a request, as its log lines and those of its run have them.

    Attributes:
        request_id: The caller's ``X-Request-Id``, or one that the API made.
        trace_id: From the caller's ``traceparent``. None without one.
    """

    request_id: str
    trace_id: str | None = None

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
        return cls(request_id, trace_id)

    def to_json(self) -> bytes:
        """Return the trace for ``TRACE_HEADER``."""
        return json.dumps(self.to_fields()).encode()

    @classmethod
    def from_json(cls, data: bytes) -> RequestTrace | None:
        """Return the trace of a ``TRACE_HEADER``, or None if it is not one."""
        try:
            fields = json.loads(data)
        except ValueError:
            return None
        return cls.from_fields(fields) if isinstance(fields, dict) else None
