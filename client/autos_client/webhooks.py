"""Receive webhooks. Nothing of an event is used before its signature is verified."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress

from pydantic import ValidationError
from standardwebhooks import Webhook, WebhookVerificationError
from standardwebhooks.webhooks import EmptyWebhookSecretError

from autos_client.errors import WebhookRefused
from autos_client.models import ProcessEnd, WebhookEvent

# Other events about processes tell what is new in one that is watched.
_ENDS = frozenset(f"process.{outcome}" for outcome in ("completed", "partial", "failed", "cancelled"))


def verify_webhook(secret: str | Sequence[str], headers: Mapping[str, str], body: bytes) -> WebhookEvent:
    """Verify a request's signature and age (at most five minutes), and return its event.

    Args:
        secret: ``whsec_…``. Several while a secret is being rotated.
        headers: The request's headers, in upper or lower case.
        body: The exact bytes of its body.

    Raises:
        WebhookRefused: The request is not genuine, or too old.
        ValueError: A secret has the wrong form.
    """
    verifiers = [_verifier_for(key) for key in ([secret] if isinstance(secret, str) else secret)]
    lower_headers = {name.lower(): value for name, value in headers.items()}
    for verifier in verifiers:
        # The library raises a plain ValueError for a signature that is not base64.
        with suppress(WebhookVerificationError, ValueError):
            content = verifier.verify(body, lower_headers)
            return _parse_event(lower_headers["webhook-id"], content)
    raise WebhookRefused("The signature is not ours, or the event is older than five minutes.")


def _verifier_for(secret: str) -> Webhook:
    try:
        return Webhook(secret)
    except (EmptyWebhookSecretError, ValueError):
        pass
    raise ValueError("A webhook secret is whsec_ and the base64 of its bytes.")


def _parse_event(event_id: str, content: object) -> WebhookEvent:
    if not isinstance(content, dict):
        raise WebhookRefused("The signature is right, but this is not an event.")
    try:
        is_process_end = content.get("type") in _ENDS
        process = ProcessEnd.model_validate(content.get("data")) if is_process_end else None
        return WebhookEvent.model_validate({**content, "id": event_id, "process": process})
    except ValidationError:
        pass
    raise WebhookRefused("The signature is right, but this is not an event that this version understands.")
