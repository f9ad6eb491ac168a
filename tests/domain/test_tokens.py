"""What a token says of itself, and how people bring one."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import InvalidInput
from domain.tokens import read_token, token_expiry


def jwt(claims: object) -> str:
    """A token with these claims and nobody's signature."""
    return f"e30.{urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b'=').decode()}.signature"


def test_the_end_of_a_jwt_is_read() -> None:
    assert token_expiry(jwt({"exp": 1_772_452_800})) == datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    "token", ["opaque", "a.b.c", jwt({}), jwt([]), jwt({"exp": "soon"}), jwt({"exp": 1e300}), jwt({"exp": True})]
)
def test_a_token_that_does_not_say_has_no_end(token: str) -> None:
    assert token_expiry(token) is None


@given(st.text() | st.builds(jwt, st.recursive(st.none() | st.floats() | st.text(), st.lists)))
def test_any_text_has_an_end_or_none(token: str) -> None:
    assert token_expiry(token) is None or token_expiry(token)


@pytest.mark.parametrize("brought", ["abc.def.ghi", "  abc.def.ghi\n", "Bearer abc.def.ghi", "bearer  abc.def.ghi"])
def test_a_token_is_taken_as_people_copy_it(brought: str) -> None:
    assert read_token(brought, field="token") == "abc.def.ghi"


@pytest.mark.parametrize("brought", ["", "  ", "Bearer ", "two tokens", "tökén", "a\nb", "a" * 20_000])
def test_what_can_be_no_token_is_refused_without_being_quoted(brought: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        read_token(brought, field="token")
    assert not brought.strip() or brought not in str(refused.value)
