"""A process's status at one moment, serialized once for all clients, with its ETag and event id."""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from fastapi.sse import ServerSentEvent

from domain.completeness import ProcessStatus
from domain.serializers import Json

RECONNECT_MILLISECONDS = 2_000
_DIGEST_DIGITS = 32
_ENTITY_TAG = re.compile(r'(?:W/)?"([^"]*)"')
_EVENT_ID = re.compile(r"[0-9]{1,20}-([0-9a-f]{32})")


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A process's status at one moment, serialized once for all clients.

    Attributes:
        body: The ``StatusBody`` as JSON.
        digest: Digest of the body: snapshots with the same digest have the same content.
        ended: Whether no run is open.
        event: The snapshot as a server-sent event.
    """

    body: str
    digest: str
    ended: bool
    event: ServerSentEvent

    @classmethod
    def of(cls, status: Json) -> Self:
        """Serialize a status body."""
        body = json.dumps(status, ensure_ascii=False, separators=(",", ":"))
        digest = hashlib.sha256(body.encode()).hexdigest()[:_DIGEST_DIGITS]
        ended = status["status"] != ProcessStatus.PROCESSING
        event = ServerSentEvent(
            raw_data=body,
            event="ended" if ended else "progress",
            id=f"{time.time_ns() // 1_000_000}-{digest}",
            retry=RECONNECT_MILLISECONDS,
        )
        return cls(body, digest, ended, event)


def entity_tag(digest: str) -> str:
    """Return a weak ETag: it identifies the state, not the bytes of an answer."""
    return f'W/"{digest}"'


def matches_etag(digest: str, if_none_match: Sequence[str]) -> bool:
    """Return whether ``If-None-Match`` names a state, by weak comparison. Invalid tags are ignored.

    Args:
        digest: The state.
        if_none_match: The values of the header; it may be sent in several lines.
    """
    tags = ",".join(if_none_match)
    return tags.strip() == "*" or digest in _ENTITY_TAG.findall(tags)


def digest_from_event_id(event_id: str | None) -> str | None:
    """Return the digest in an event's id, whichever API instance sent it. None if the id is not one of ours."""
    match = _EVENT_ID.fullmatch(event_id or "")
    return match[1] if match else None
