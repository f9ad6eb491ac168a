"""Reading the expiry of a token, and cleaning a pasted token."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import InvalidInput
from domain.tokens import read_token, token_expiry


def make_jwt(claims: object) -> str:
    """Return a token with these claims and without a valid signature."""
    return f"e30.{urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b'=').decode()}.signature"


def test_expiry_of_a_jwt_is_read() -> None:
    assert token_expiry(make_jwt({"exp": 1_772_452_800})) == datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    "token",
    [
        "opaque",
        "a.b.c",
        make_jwt({}),
        make_jwt([]),
        make_jwt({"exp": "soon"}),
        make_jwt({"exp": 1e300}),
        make_jwt({"exp": True}),
    ],
)
def test_token_without_expiry_has_none(token: str) -> None:
    assert token_expiry(token) is None


@given(st.text() | st.builds(make_jwt, st.recursive(st.none() | st.floats() | st.text(), st.lists)))
def test_any_text_has_an_expiry_or_none(token: str) -> None:
    assert token_expiry(token) is None or token_expiry(token)


def make_signed_token(algorithm: str, length: int) -> str:
    """Return a token with a header and a signature of this length."""
    header = urlsafe_b64encode(json.dumps({"alg": algorithm}).encode()).rstrip(b"=").decode()
    return f"{header}.{make_jwt({'exp': 1, 'filler': 'x' * 40}).split('.')[1]}.{'s' * length}"


WHOLE = make_signed_token("RS256", 342)


@pytest.mark.parametrize(
    "around",
    [
        *(
            "{}",
            "  {}\n",
            "Bearer {}",
            "bearer  {}",
            "BEARER\t{}",
            "Authorization: Bearer {}",
            "authorization:Bearer {}",
        ),
        *('"{}"', "'{}'", "\u201c{}\u201d", "\u2018{}\u2019", "`{}`", '"Bearer {}"', "'Authorization: Bearer {}'"),
        *("{},", "{};", '"{}",', "Bearer {};\r\n", "\ufeff{}", "\u200b{}\u200b", "\u00a0{}\u00a0", "Bearer: {}"),
        *("\u00ab{}\u00bb", "\u2066{}\u2069", "Authorization: {}", '-H "Authorization: Bearer {}"'[3:]),
    ],
)
@pytest.mark.parametrize("token", ["abc.def.ghi", "opaque-token_1=", WHOLE])
def test_copied_token_is_cleaned(around: str, token: str) -> None:
    assert read_token(around.format(token), field="token") == token


@given(st.integers(1, 80), st.sampled_from(["\n", "\r\n", "\n  ", "\u200b\n"]), st.sampled_from([342, 43, 17]))
def test_token_wrapped_by_a_terminal_is_joined(width: int, end: str, signature: int) -> None:
    token = make_signed_token("RS256", signature)
    wrapped = end.join(token[at : at + width] for at in range(0, len(token), width))
    assert read_token(f'"Bearer {wrapped}"', field="token") == token


@given(st.integers(1, 341))
def test_inner_blanks_are_removed_only_if_the_signature_length_fits(at: int) -> None:
    assert read_token(f"{WHOLE[:-at]} {WHOLE[-at:]}", field="token") == WHOLE


@pytest.mark.parametrize(
    "brought",
    [
        *(
            "",
            "  ",
            "Bearer ",
            "two tokens",
            "t\u00f6k\u00e9n",
            "a\nb",
            "a" * 20_000,
            "x" * 100_000,
            '""',
            "Authorization:",
        ),
        *(f"{WHOLE}\n{WHOLE}", f"{WHOLE} expires", f"{WHOLE}\nexpires", f"{WHOLE[:-9]} and more", 'a"b.c.d', "a,b"),
        *("abc.def\n.ghi", f"{WHOLE.split('.')[0]}\n{WHOLE.split('.')[1]}"),
    ],
)
def test_invalid_token_is_refused_and_not_quoted(brought: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        read_token(brought, field="token")
    assert len(brought.strip()) < 4 or brought.strip() not in str(refused.value)


@given(st.text() | st.text(st.sampled_from("\"'Bearer .eyJ\n,;\u200b")))
def test_accepted_token_is_valid_in_a_header(text: str) -> None:
    try:
        token = read_token(text, field="token")
    except InvalidInput:
        return
    assert token.isascii()
    assert token.isprintable()
    assert not set(token) & set(" \"',;")
    assert read_token(token, field="token") == token
