"""Process numbers in pasted text."""

from __future__ import annotations

import sys
from contextlib import suppress

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from domain.errors import InvalidProcessNumber
from domain.found_numbers import WrongNumber, find_numbers
from domain.process_number import ProcessNumber

FIRST, SECOND = "1011745-77.2025.8.11.0041", "0000001-68.2026.8.11.0041"
WRONG = "1011745-78.2025.8.11.0041"

words = st.text(st.characters(exclude_categories=("Nd", "Nl", "No", "Cs")), min_size=0, max_size=30)


@st.composite
def numbers(draw: st.DrawFn) -> ProcessNumber:
    """Draw a number with right check digits, of an existing court."""
    sequence, year, unit = (
        draw(st.integers(1, 9_999_999)),
        draw(st.integers(1990, 2030)),
        draw(st.integers(0, 9999)),
    )
    court = draw(st.sampled_from(["811", "826", "403", "521", "300"]))
    return ProcessNumber.of_digits(f"{sequence:07}00{year}{court}{unit:04}").corrected


def writings(number: ProcessNumber) -> tuple[str, ...]:
    """Return a number as people write it."""
    text = number.canonical
    return (text, number.digits, text.replace(".", " "), text.replace("-", "\u2013"), text.replace(".2", ".\n2"))


@pytest.mark.parametrize(
    ("text", "valid"),
    [
        ("", []),
        ("no number, only 12345 and 2025", []),
        (f"processos {FIRST} e {SECOND}.", [FIRST, SECOND]),
        (f"{FIRST}\n{SECOND}\n{FIRST}", [FIRST, SECOND]),
        (f"{FIRST};{SECOND}", [FIRST, SECOND]),
        (f"{FIRST}/{SECOND}", [FIRST, SECOND]),
        ("10117457720258110041 00000016820268110041", [FIRST, SECOND]),
        # A page number, a date or an amount right before or behind it.
        (f"5 {FIRST} 12", [FIRST]),
        (f"em 04.03.2025 {FIRST} R$ 1.000,00", [FIRST]),
        (f"fls. 12-{FIRST}-3", [FIRST]),
        # A spreadsheet has dropped the zeros.
        ("16820268110041", [SECOND]),
        ("1-68.2026.8.11.0041", [SECOND]),
        # Twenty digits and more are no number.
        ("110117457720258110041", []),
        # An account, a barcode, another authority's number.
        ("23069.000001/2020-11 CNPJ 12.345.678/0001-95", []),
    ],
)
def test_numbers_in_a_text(text: str, valid: list[str]) -> None:
    found = find_numbers(text)
    assert [number.canonical for number in found.valid] == valid
    assert found.wrong == ()


def test_wrong_check_digits_are_named_with_the_right_ones() -> None:
    found = find_numbers(f"{WRONG}, {SECOND} and {WRONG}")
    assert [number.canonical for number in found.valid] == [SECOND]
    assert found.wrong == (WrongNumber(WRONG, FIRST),)


def test_digits_of_no_court_are_not_taken_for_a_wrong_number() -> None:
    assert find_numbers("12345678901234567890 1011745-78.2025.8.99.0041 1011745-78.1025.8.11.0041").wrong == ()


@given(st.lists(st.tuples(words, numbers(), st.integers(0, 4)), max_size=6), words)
def test_every_number_between_words_is_found(parts: list[tuple[str, ProcessNumber, int]], end: str) -> None:
    text = "".join(f"{word} | {writings(number)[how]} | " for word, number, how in parts) + end
    assert find_numbers(text).valid == tuple(dict.fromkeys(number for _, number, _ in parts))
    assert find_numbers(text).wrong == ()


@given(st.text(st.sampled_from("0123456789 .-\u2013a\n"), max_size=60) | st.text(max_size=60))
@example("1-68.2026.8.11.0041")
@example(WRONG)
def test_what_is_one_number_alone_is_found_as_that(text: str) -> None:
    with suppress(InvalidProcessNumber):
        assert find_numbers(text).valid == (ProcessNumber.parse(text),)
    for number in find_numbers(text).valid:
        assert ProcessNumber.parse(number.canonical) == number


def count_calls(text: str) -> int:
    """Return how many functions are called to find the numbers in a text."""
    calls = 0

    def count(_frame: object, event: str, _argument: object) -> None:
        nonlocal calls
        calls += event.endswith("call")

    sys.setprofile(count)
    try:
        find_numbers(text)
    finally:
        sys.setprofile(None)
    return calls


@pytest.mark.parametrize("piece", ["1 " * 15, "1" * 30, "1-" * 15, f"{FIRST} ", f"{WRONG}."])
def test_the_work_for_a_hostile_text_grows_with_its_length_alone(piece: str) -> None:
    assert count_calls(piece * 200) <= 4.5 * count_calls(piece * 50)
