"""Payloads of Temporal in its JSON: what its UI and its command send to a codec, and get from it."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from api.schemas.base import RequestBody


class PayloadsBody(RequestBody):
    """Payloads, each with ``metadata`` and ``data`` in base64."""

    payloads: list[dict[str, Any]] = Field(default_factory=list)
