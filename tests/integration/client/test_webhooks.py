"""Verification of webhook events."""

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


def sign_event(
    content: Any, *, secrets: tuple[str, ...] = (SECRET,), age: float = 0
) -> tuple[dict[str, str], bytes]:
    """Return headers and body of an event as the service sends it."""
    body, sent = json.dumps(content), datetime.now(UTC) - timedelta(seconds=age)
    headers = {
        "Webhook-Id": "e1",
        "Webhook-Timestamp": str(int(sent.timestamp())),
        "Webhook-Signature": " ".join(Webhook(each).sign("e1", sent, body) for each in secrets),
    }
    return headers, body.encode()


def build_completed_event() -> dict[str, Any]:
    """Return a ``process.completed`` event."""
    run = {"id": "r", "client": "c", "started_at": "2026-11-23T12:00:00Z", "ended_at": None, "outcome": "completed"}
    data = {
        **status_head("completed", 1),
        "outcome": "completed",
        "run": run,
        "documents": [document_body(1, b"x")],
    }
    data |= {"status_url": "https://autos.test/s", "documents_url": "https://autos.test/d"}
    return {"type": "process.completed", "timestamp": "2026-11-23T12:00:00.000000Z", "data": data}


def test_verified_event_is_typed_and_its_repr_hides_links() -> None:
    event = verify_webhook(SECRET, *sign_event(build_completed_event()))

    assert (event.id, event.type) == ("e1", "process.completed")
    assert event.process is not None
    assert event.process.process_number == NUMBER
    assert [each.id for each in event.process.documents or ()] == ["d1"]
    assert "X-Amz-Signature" not in repr(event)


def test_event_of_a_terminated_run_has_no_counts() -> None:
    event = build_completed_event()
    counts = ("total", "available", "pending", "failed")
    for name in (*(f"{each}_documents" for each in counts), "progress_percentage", "available_bytes"):
        del event["data"][name]
    process = verify_webhook(SECRET, *sign_event(event)).process
    assert process is not None
    assert (process.outcome, process.total_documents) == ("completed", None)


def test_unknown_event_type_keeps_its_raw_data() -> None:
    event = verify_webhook(
        SECRET, *sign_event({"type": "webhook.test", "timestamp": "2026-11-23T12:00:00Z", "data": {"a": 1}})
    )

    assert (event.type, event.data, event.process) == ("webhook.test", {"a": 1}, None)


def test_both_secrets_verify_during_rotation() -> None:
    assert verify_webhook([OTHER, SECRET], *sign_event(build_completed_event())).id == "e1"
    assert verify_webhook(SECRET, *sign_event(build_completed_event(), secrets=(OTHER, SECRET))).id == "e1"


@pytest.mark.parametrize(
    ("changed_headers", "age"),
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
def test_event_with_invalid_headers_is_refused(changed_headers: dict[str, str], age: float) -> None:
    headers, body = sign_event(build_completed_event(), age=age)
    with pytest.raises(WebhookRefused):
        verify_webhook(SECRET, {**headers, **changed_headers}, body)


def test_event_with_another_body_or_secret_is_refused() -> None:
    headers, body = sign_event(build_completed_event())
    for secret, sent in ((SECRET, body + b" "), (OTHER, body), (SECRET, b"\xff")):
        with pytest.raises(WebhookRefused):
            verify_webhook(secret, headers, sent)


@pytest.mark.parametrize("content", [[], {"type": "process.completed"}, {**build_completed_event(), "data": {}}])
def test_signed_body_that_is_not_an_event_is_refused(content: Any) -> None:
    with pytest.raises(WebhookRefused, match="not an event"):
        verify_webhook(SECRET, *sign_event(content))


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_not base64", []])
def test_invalid_secret_is_reported_at_once(secret: str | list[str]) -> None:
    with pytest.raises((ValueError, WebhookRefused)):
        verify_webhook(secret, *sign_event(build_completed_event()))
