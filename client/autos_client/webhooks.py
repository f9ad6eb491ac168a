"""Receiving webhooks: nothing is believed before its signature is verified."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress

from pydantic import ValidationError
from standardwebhooks import Webhook, WebhookVerificationError
from standardwebhooks.webhooks import EmptyWebhookSecretError

from autos_client.errors import WebhookRefused
from autos_client.models import ProcessEnd, WebhookEvent


def verify_webhook(secret: str | Sequence[str], headers: Mapping[str, str], body: bytes) -> WebhookEvent:
    """The event in a request, once its signature and its age (at most five minutes) are verified.

    Args:
        secret: ``whsec_…``; several while one is changed for another.
        headers: the request's headers, in any case.
        body: the very bytes of its body.

    Raises:
        WebhookRefused: it is not genuine, or too old.
        ValueError: a secret is not one.
    """
    verifiers = [_verifier(each) for each in ([secret] if isinstance(secret, str) else secret)]
    given = {name.lower(): value for name, value in headers.items()}
    for verifier in verifiers:
        # The library lets a signature that is not even base64 through as a ValueError.
        with suppress(WebhookVerificationError, ValueError):
            content = verifier.verify(body, given)
            return _event(given["webhook-id"], content)
    raise WebhookRefused("The signature is not ours, or the event is older than five minutes.")


def _verifier(secret: str) -> Webhook:
    try:
        return Webhook(secret)
    except (EmptyWebhookSecretError, ValueError):
        pass
    raise ValueError("A webhook secret is whsec_ and the base64 of its bytes.")


def _event(event_id: str, content: object) -> WebhookEvent:
    if not isinstance(content, dict):
        raise WebhookRefused("The signature is right, but this is not an event.")
    try:
        ended = str(content.get("type")).startswith("process.")
        process = ProcessEnd.model_validate(content.get("data")) if ended else None
        return WebhookEvent.model_validate({**content, "id": event_id, "process": process})
    except ValidationError:
        pass
    raise WebhookRefused("The signature is right, but this is not an event that this version understands.")
