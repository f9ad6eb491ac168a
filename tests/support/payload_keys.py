"""Keys of Temporal's payloads."""

from __future__ import annotations

import base64
import os


def new_payload_key() -> str:
    """Return a new key, as AUTOS_PAYLOAD_KEY has it."""
    return base64.urlsafe_b64encode(os.urandom(32)).decode()
