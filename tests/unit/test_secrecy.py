"""Which scopes may read which secrecy levels."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.clients import Scope
from domain.secrecy import Secrecy, is_withheld, readable, strictest
from domain.text import printable

OPEN = {Secrecy.UNKNOWN, Secrecy.PUBLIC}
SCOPES = [frozenset(some) for size in range(len(Scope) + 1) for some in combinations(Scope, size)]


@dataclass(frozen=True)
class Piece:
    """A document or process that may be withheld."""

    secrecy: Secrecy
    listed: bool = True


@pytest.mark.parametrize("scopes", SCOPES)
@pytest.mark.parametrize("listed", [True, False])
@pytest.mark.parametrize("secrecy", list(Secrecy))
def test_only_sealed_scope_reads_secret_or_unlisted_documents(
    secrecy: Secrecy, listed: bool, scopes: frozenset[Scope]
) -> None:
    piece = Piece(secrecy, listed)
    withheld = Scope.SEALED not in scopes and (secrecy not in OPEN or not listed)
    assert is_withheld(piece, scopes) is withheld
    assert list(readable([piece], scopes)) == ([] if withheld else [piece])


@given(st.lists(st.sampled_from(Secrecy)))
def test_strictest_level_is_public_only_if_all_are(levels: list[Secrecy]) -> None:
    found = strictest(levels)
    assert found.is_open is (set(levels) <= OPEN)
    assert found in levels or (found is Secrecy.UNKNOWN and not levels)
    assert strictest(reversed(levels)) is found


def test_unknown_level_is_the_strictest_and_missing_level_the_weakest() -> None:
    assert strictest(Secrecy) is Secrecy.UNRECOGNIZED
    assert strictest([Secrecy.UNKNOWN, Secrecy.PUBLIC]) is Secrecy.PUBLIC


@given(st.text(st.characters(), max_size=60))
def test_printable_text_has_no_control_characters(text: str) -> None:
    shown = printable(text)
    assert shown.isprintable()
    shown.encode()
    assert shown == shown.strip()
    assert printable(shown) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Petição Inicial.pdf", "Petição Inicial.pdf"),
        ("a\x00b\x1b[31m\x9bc", "ab[31mc"),
        ("Conta\r\nnova\tpagina\u2028fim", "Conta  nova pagina fim"),
        ("gpj.\u202eexe\u2066\u200f", "gpj.exe"),
        ("\ud800x\ufeff", "x"),
        ("\x85\u00a0", ""),
    ],
)
def test_control_characters_are_removed_or_become_spaces(text: str, shown: str) -> None:
    assert printable(text) == shown
