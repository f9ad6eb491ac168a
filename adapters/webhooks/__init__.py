"""Webhooks on their way out: where names lead, and signed events that go to no other place."""

from adapters.webhooks.destinations import Destinations
from adapters.webhooks.sender import Reply, WebhookSender

__all__ = ["Destinations", "Reply", "WebhookSender"]
