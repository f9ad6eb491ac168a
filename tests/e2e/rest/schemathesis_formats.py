"""Formats for Schemathesis: texts of the API that no pattern in the description can express."""

from __future__ import annotations

import base64
import os

import schemathesis
from hypothesis import strategies

# Few processes with one document each, so that every run ends soon.
NUMBERS = tuple(os.environ.get("NUMBERS", "1011745-77.2025.8.11.0041").split(","))
RECEIVER = os.environ.get("RECEIVER", "http://127.0.0.1:9")


def _cursor(text: str) -> str:
    """Encode a cursor as the API does."""
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


_places = strategies.integers(0, 2**31 - 1)
_numbers = strategies.sampled_from(NUMBERS)
_moments = strategies.integers(1_700_000_000_000_000, 1_900_000_000_000_000)

schemathesis.openapi.format("cnj-process-number", _numbers)
schemathesis.openapi.format("webhook-url", strategies.just(f"{RECEIVER}/schemathesis"))
schemathesis.openapi.format("position-cursor", _places.map(lambda place: _cursor(f"p{place}")))
schemathesis.openapi.format(
    "processes-cursor", strategies.tuples(_moments, _numbers).map(lambda behind: _cursor("c{}/{}".format(*behind)))
)
schemathesis.openapi.format(
    "failures-cursor",
    strategies.tuples(_moments, _numbers, strategies.uuids().map(str)).map(
        lambda behind: _cursor("f{}/{}/{}".format(*behind))
    ),
)
