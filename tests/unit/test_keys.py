"""When an API key is valid, and when the operator is told of its end."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from domain.clients import Scope
from domain.keys import EXPIRY_NOTICE, ApiKey, KeyState

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
SOON, LATER, PAST = NOW + timedelta(days=1), NOW + EXPIRY_NOTICE, NOW - timedelta(days=1)


@pytest.mark.parametrize(
    ("revoked_at", "expires_at", "state", "is_told_of"),
    [
        (None, None, KeyState.VALID, False),
        (None, LATER, KeyState.VALID, False),
        (None, SOON, KeyState.VALID, True),
        # The end itself is the first moment at which it is not valid.
        (None, NOW, KeyState.EXPIRED, True),
        (None, PAST, KeyState.EXPIRED, True),
        (PAST, None, KeyState.REVOKED, False),
        (PAST, PAST, KeyState.REVOKED, False),
        (PAST, SOON, KeyState.REVOKED, False),
    ],
)
def test_state_of_a_key(
    revoked_at: datetime | None, expires_at: datetime | None, state: KeyState, is_told_of: bool
) -> None:
    key = ApiKey("abcdefgh", "desk", "digest", frozenset({Scope.READ}), None, PAST, revoked_at, expires_at)

    assert key.state_at(NOW) is state
    assert key.is_valid(NOW) is (state is KeyState.VALID)
    assert key.expires_soon(NOW) is is_told_of
