"""Webhook deliveries as they were received, byte by byte, and the changes that a forger would make."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from standardwebhooks import Webhook

from tests.support.scripted_server import ReceivedRequest

_HEADERS = ("content-type", "webhook-id", "webhook-timestamp", "webhook-signature")


@dataclass(frozen=True)
class SignedDelivery:
    """One delivery: the headers that a receiver verifies, and the body."""

    headers: dict[str, str]
    body: bytes

    @classmethod
    def from_request(cls, request: ReceivedRequest) -> SignedDelivery:
        """Return the delivery in a request that a server received."""
        return cls({name: request.headers[name] for name in _HEADERS}, request.body)

    @property
    def id(self) -> str:
        """The event's id."""
        return self.headers["webhook-id"]

    @property
    def age(self) -> timedelta:
        """How long ago it was signed."""
        return datetime.now(UTC) - datetime.fromtimestamp(int(self.headers["webhook-timestamp"]), UTC)

    def with_headers(self, **headers: str) -> SignedDelivery:
        """Return a copy with other headers; underscores in their names become hyphens."""
        return replace(
            self, headers=self.headers | {name.replace("_", "-"): text for name, text in headers.items()}
        )

    def without_header(self, header: str) -> SignedDelivery:
        """Return a copy without a header."""
        return replace(self, headers={name: text for name, text in self.headers.items() if name != header})

    def signed_with(self, secret: str, *, age: timedelta = timedelta(0)) -> SignedDelivery:
        """Return a copy with a right signature under the secret, sent so long ago."""
        sent_at = datetime.now(UTC) - age
        signature = Webhook(secret).sign(self.id, sent_at, self.body.decode())
        return self.with_headers(webhook_timestamp=str(int(sent_at.timestamp())), webhook_signature=signature)
