"""A followed state at one moment, serialized once for all clients, with its ETag and event id."""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from fastapi.sse import ServerSentEvent

from domain.serializers import Json

RECONNECT_MILLISECONDS = 2_000
_DIGEST_DIGITS = 32
_ENTITY_TAG = re.compile(r'(?:W/)?"([^"]*)"')
_EVENT_ID = re.compile(r"[0-9]{1,20}-([0-9a-f]{32})")


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A followed state at one moment, serialized once for all clients.

    Attributes:
        body: The body of an answer as JSON.
        digest: Digest of the body: snapshots with the same digest have the same content.
        ended: Whether nothing works on it: no run is open, or the bundle is not being built.
        event: The snapshot as a server-sent event.
    """

    body: str
    digest: str
    ended: bool
    event: ServerSentEvent

    @classmethod
    def of(cls, state: Json, *, ended: bool) -> Self:
        """Serialize a state."""
        body = json.dumps(state, ensure_ascii=False, separators=(",", ":"))
        digest = hashlib.sha256(body.encode()).hexdigest()[:_DIGEST_DIGITS]
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
