"""What is taken for a genuine event, and what is not."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from standardwebhooks import Webhook

from autos_client import WebhookRefused, verify_webhook
from tests.integration.client.scripted import NUMBER, document_body, status_head

SECRET = "whsec_" + base64.b64encode(b"a" * 32).decode()
OTHER = "whsec_" + base64.b64encode(b"b" * 32).decode()


def signed(content: Any, *, secrets: tuple[str, ...] = (SECRET,), age: float = 0) -> tuple[dict[str, str], bytes]:
    """An event as the service sends it."""
    body, sent = json.dumps(content), datetime.now(UTC) - timedelta(seconds=age)
    headers = {
        "Webhook-Id": "e1",
        "Webhook-Timestamp": str(int(sent.timestamp())),
        "Webhook-Signature": " ".join(Webhook(each).sign("e1", sent, body) for each in secrets),
    }
    return headers, body.encode()


def ended() -> dict[str, Any]:
    """A ``process.completed``."""
    run = {"id": "r", "client": "c", "started_at": "2026-11-23T12:00:00Z", "ended_at": None, "outcome": "completed"}
    data = {
        **status_head("completed", 1),
        "outcome": "completed",
        "run": run,
        "documents": [document_body(1, b"x")],
    }
    data |= {"status_url": "https://autos.test/s", "documents_url": "https://autos.test/d"}
    return {"type": "process.completed", "timestamp": "2026-11-23T12:00:00.000000Z", "data": data}


def test_a_genuine_event_is_typed_and_its_links_are_not_shown() -> None:
    event = verify_webhook(SECRET, *signed(ended()))

    assert (event.id, event.type) == ("e1", "process.completed")
    assert event.process is not None
    assert event.process.process_number == NUMBER
    assert [each.id for each in event.process.documents or ()] == ["d1"]
    assert "X-Amz-Signature" not in repr(event)


def test_the_end_of_a_run_that_was_killed_has_no_counts() -> None:
    event = ended()
    counts = ("total", "available", "pending", "failed")
    for name in (*(f"{each}_documents" for each in counts), "progress_percentage", "available_bytes"):
        del event["data"][name]
    process = verify_webhook(SECRET, *signed(event)).process
    assert process is not None
    assert (process.outcome, process.total_documents) == ("completed", None)


def test_an_event_of_another_type_has_its_data_as_it_was_sent() -> None:
    event = verify_webhook(
        SECRET, *signed({"type": "webhook.test", "timestamp": "2026-11-23T12:00:00Z", "data": {"a": 1}})
    )

    assert (event.type, event.data, event.process) == ("webhook.test", {"a": 1}, None)


def test_while_a_secret_is_changed_both_are_good() -> None:
    assert verify_webhook([OTHER, SECRET], *signed(ended())).id == "e1"
    assert verify_webhook(SECRET, *signed(ended(), secrets=(OTHER, SECRET))).id == "e1"


@pytest.mark.parametrize(
    ("spoil", "age"),
    [
        ({}, 301.5),
        ({}, -302),
        ({"Webhook-Signature": "v1,AAAA"}, 0),
        ({"Webhook-Signature": "no comma"}, 0),
        ({"Webhook-Signature": "v1,é"}, 0),
        ({"Webhook-Timestamp": "yesterday"}, 0),
        ({"Webhook-Timestamp": "nan"}, 0),
        ({"Webhook-Id": ""}, 0),
        ({"Webhook-Id": "e2"}, 0),
    ],
)
def test_what_is_not_genuine_is_refused(spoil: dict[str, str], age: float) -> None:
    headers, body = signed(ended(), age=age)
    with pytest.raises(WebhookRefused):
        verify_webhook(SECRET, {**headers, **spoil}, body)


def test_another_body_or_another_secret_is_refused() -> None:
    headers, body = signed(ended())
    for secret, sent in ((SECRET, body + b" "), (OTHER, body), (SECRET, b"\xff")):
        with pytest.raises(WebhookRefused):
            verify_webhook(secret, headers, sent)


@pytest.mark.parametrize("content", [[], {"type": "process.completed"}, {**ended(), "data": {}}])
def test_a_signed_body_that_is_no_event_is_refused(content: Any) -> None:
    with pytest.raises(WebhookRefused, match="not an event"):
        verify_webhook(SECRET, *signed(content))


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_not base64", []])
def test_what_is_no_secret_is_said_at_once(secret: str | list[str]) -> None:
    with pytest.raises((ValueError, WebhookRefused)):
        verify_webhook(secret, *signed(ended()))
