"""Formats for Schemathesis: texts of the API that no pattern in the description can express."""

from __future__ import annotations

import base64
import os
from typing import Any

import schemathesis
from hypothesis import strategies

# Few processes with one document each, so that every run ends soon.
NUMBERS = tuple(os.environ.get("NUMBERS", "1011745-77.2025.8.11.0041").split(","))
RECEIVER = os.environ.get("RECEIVER", "http://127.0.0.1:9")


def _cursor(text: str) -> str:
    """Encode a cursor as the API does."""
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


_batch_ids = strategies.uuids().map(lambda batch_id: batch_id.hex)
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
schemathesis.openapi.format(
    "batches-cursor", strategies.tuples(_moments, _batch_ids).map(lambda behind: _cursor("b{}/{}".format(*behind)))
)

schemathesis.openapi.format(
    "accesses-cursor", strategies.tuples(_moments, _places).map(lambda behind: _cursor("a{}/{}".format(*behind)))
)
schemathesis.openapi.format("changes-cursor", _places.map(lambda place: _cursor(f"g{place}")))
schemathesis.openapi.format(
    "timeline-cursor",
    strategies.tuples(_moments | strategies.just(""), strategies.sampled_from("dm"), strategies.uuids()).map(
        lambda behind: _cursor("t{}/{}/{}".format(*behind))
    ),
)


@schemathesis.hook
def before_load_schema(_: object, schema: dict[str, Any]) -> None:
    """Use our own formats as formats. The description calls them otherwise, because generators do not know them."""
    _rename_formats(schema)


def _rename_formats(part: object) -> None:
    if isinstance(part, dict):
        if "x-format" in part:
            part["format"] = part.pop("x-format")
        for value in part.values():
            _rename_formats(value)
    elif isinstance(part, list):
        for value in part:
            _rename_formats(value)
