"""The published JSON Schema of every event, and a check of events against it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema_rs

from api.schemas.webhook_events import event_schema
from domain.webhooks import EventType

FOLDER = Path(__file__).parents[2] / "docs" / "schemas" / "webhooks"


def schema_file(event_type: EventType) -> Path:
    """Return the file in which the schema of an event type is published."""
    return FOLDER / f"{event_type}.json"


def write_schemas() -> None:
    """Write the schemas that the code defines to the files that are published."""
    for event_type in EventType:
        schema_file(event_type).write_text(json.dumps(event_schema(event_type), indent=2) + "\n")


def assert_is_event(event_type: EventType, event: dict[str, Any]) -> None:
    """Assert that an event matches its published schema."""
    published = json.loads(schema_file(event_type).read_text())
    jsonschema_rs.validator_for(published, validate_formats=True).validate(event)


if __name__ == "__main__":
    write_schemas()
