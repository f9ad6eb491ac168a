"""The published schemas of webhook events, in files and in OpenAPI, match the code."""

from __future__ import annotations

import json

import jsonschema_rs
import pytest
from fastapi import FastAPI

from api.schemas.webhook_events import event_routes, event_schema
from domain.webhooks import EventType
from tests.support.event_schemas import FOLDER, assert_is_event, schema_file


@pytest.mark.parametrize("event_type", EventType)
def test_published_event_schema_is_up_to_date(event_type: EventType) -> None:
    published = json.loads(schema_file(event_type).read_text())
    assert published == event_schema(event_type), "run `python -m tests.support.event_schemas`"
    jsonschema_rs.meta.validate(published)


def test_published_schemas_are_exactly_the_event_types() -> None:
    assert {path.stem for path in FOLDER.iterdir()} == set(EventType)


def test_openapi_describes_every_event() -> None:
    described = FastAPI(webhooks=event_routes()).openapi()["webhooks"]
    assert set(described) == set(EventType)
    body = described["process.completed"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert body == {"$ref": "#/components/schemas/ProcessCompleted"}


@pytest.mark.parametrize(
    "change",
    [{"type": "process.completed"}, {"version": 2}, {"data": {}}, {"timestamp": "yesterday"}, {"more": 1}],
)
def test_event_schema_refuses_invalid_events(change: dict[str, object]) -> None:
    event = {
        "type": "webhook.test",
        "version": 1,
        "timestamp": "2026-03-02T10:00:00Z",
        "data": {"client": "desk"},
    }
    assert_is_event(EventType.WEBHOOK_TEST, event)
    with pytest.raises(jsonschema_rs.ValidationError):
        assert_is_event(EventType.WEBHOOK_TEST, event | change)
