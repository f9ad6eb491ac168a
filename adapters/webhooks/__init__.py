"""Sending webhooks: signed events, and the guard that keeps them from reaching private addresses."""

from adapters.webhooks.address_guard import AddressGuard
from adapters.webhooks.sender import Reply, WebhookSender

__all__ = ["AddressGuard", "Reply", "WebhookSender"]
