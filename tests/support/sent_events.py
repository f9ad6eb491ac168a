"""Deliveries as they came, byte by byte, and what a forger would make of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from standardwebhooks import Webhook

from tests.support.scripted_server import Asked

_SIGNED = ("content-type", "webhook-id", "webhook-timestamp", "webhook-signature")


@dataclass(frozen=True)
class SentEvent:
    """One delivery: the headers that a receiver goes by, and the body."""

    headers: dict[str, str]
    body: bytes

    @classmethod
    def of(cls, asked: Asked) -> SentEvent:
        """What a server was sent."""
        return cls({name: asked.headers[name] for name in _SIGNED}, asked.body)

    @property
    def id(self) -> str:
        """The event's id."""
        return self.headers["webhook-id"]

    def headed(self, **headers: str) -> SentEvent:
        """The same with other headers; underscores in their names become hyphens."""
        return replace(
            self, headers=self.headers | {name.replace("_", "-"): text for name, text in headers.items()}
        )

    def without(self, header: str) -> SentEvent:
        """The same without a header."""
        return replace(self, headers={name: text for name, text in self.headers.items() if name != header})

    def signed(self, secret: str, *, age: timedelta = timedelta(0)) -> SentEvent:
        """The same as if it had been sent so long ago, with a signature that is right under the secret."""
        sent_at = datetime.now(UTC) - age
        signature = Webhook(secret).sign(self.id, sent_at, self.body.decode())
        return self.headed(webhook_timestamp=str(int(sent_at.timestamp())), webhook_signature=signature)
