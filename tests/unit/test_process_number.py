"""The CNJ number: its two forms, its check digits, its court."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import InvalidProcessNumber
from domain.process_number import ProcessNumber

VALID = (
    "1011745-77.2025.8.11.0041",
    "1000001-51.2026.8.11.0041",
    "1000002-36.2026.8.11.0041",
    "1000003-21.2026.8.11.0041",
    "1000004-06.2026.8.11.0041",
    "1000005-88.2026.8.11.0041",
    "1000006-73.2026.8.11.0041",
    "1000007-58.2026.8.11.0041",
    "1000008-43.2026.8.11.0041",
    "1000009-28.2026.8.11.0041",
    "1000010-13.2026.8.11.0041",
    "0000001-39.2024.8.26.0100",
    "0123456-69.2023.5.02.0011",
    "7654321-30.2020.4.01.3400",
    "9999999-59.2025.8.11.0041",
    "0000042-96.2019.1.00.0000",
    "0900123-69.2022.6.26.0001",
    "0000555-40.2021.9.13.0008",
)
WRONG_CHECK_DIGITS = {
    "1011745-78.2025.8.11.0041": "77",
    "1234567-89.2023.8.02.0001": "22",
    "0001234-56.2023.8.26.0000": "17",
    "0000000-00.0000.0.00.0000": "98",
}
OTHER_SHAPES = (
    "",
    "abc",
    "1011745-77.2025.8.11.004",
    "1011745-77.2025.8.11.00411",
    "101174577202581100411",
    "1011745772025811004",
    "1011745-77.2025.8.11.0041-0",
    "1011745-77.2025.8.11.O041",
    "1011745_77.2025.8.11.0041",
    "1011745-77.2025.8.11.0041\n1000001-51.2026.8.11.0041",
    "Processo 2: 1011745-77.2025.8.11.0041",
    "1011745-77 ---- 2025.8.11.0041",
    "1011745-77.2025.8.11.0041" + "." * 200,
    # Fourteen digits, as in a company's CNPJ: no court, no year.
    "11222333000181",
)
AS_PASTED = (
    "1011745\u201377.2025.8.11.0041",
    "1011745\u201177.2025.8.11.0041",
    "1011745\u221277.2025.8.11.0041",
    "1011745\u00ad77.2025.8.11.0041",
    "1011745-77.2025.8.11.0041\u200b",
    "\ufeff1011745-77.2025.8.11.0041",
    "\u200f1011745-77.2025.8.11.0041",
    "1011745-77\u00a0.2025.8.11.0041",
    '"1011745-77.2025.8.11.0041"',
    "'10117457720258110041'",
    "1011745-77.2025.8.11.0041.",
    "1011745-77 2025 8 11 0041",
    "1011745 77 2025 8 11 0041",
    "1011745-77.2025.8.110041",
    "Processo nº: 1011745-77.2025.8.11.0041 (TJMT)",
    "autos n. 1011745-77.2025.8.11.0041;",
)
LOST_ZEROS = {
    "1234566920235020011": "0123456-69.2023.5.02.0011",
    "123456-69.2023.5.02.0011": "0123456-69.2023.5.02.0011",
    "13920248260100": "0000001-39.2024.8.26.0100",
    "1-39.2024.8.26.0100": "0000001-39.2024.8.26.0100",
}


@st.composite
def numbers(draw: st.DrawFn) -> str:
    """Draw twenty digits with valid check digits."""
    digits = [draw(st.text("0123456789", min_size=size, max_size=size)) for size in (7, 4, 1, 2, 4)]
    check_digits = 98 - int("".join(digits) + "00") % 97
    return f"{digits[0]}{check_digits:02}{''.join(digits[1:])}"


@pytest.mark.parametrize("text", VALID)
def test_valid_number_parses_to_itself(text: str) -> None:
    assert ProcessNumber.parse(text).canonical == text


@given(numbers())
def test_both_forms_of_a_number_are_equivalent(digits: str) -> None:
    number = ProcessNumber.parse(digits)
    assert number.digits == digits
    assert ProcessNumber.parse(number.canonical) == number
    assert ProcessNumber.parse(number.digits) == number
    assert str(number) == number.canonical


@given(numbers(), st.text(" \t\r\n", max_size=4), st.text(" \t\r\n", max_size=4))
def test_blanks_around_a_number_are_ignored(digits: str, before: str, after: str) -> None:
    assert ProcessNumber.parse(before + digits + after).digits == digits


@pytest.mark.parametrize("text", AS_PASTED)
def test_pasted_number_is_parsed(text: str) -> None:
    assert ProcessNumber.parse(text).canonical == VALID[0]


@pytest.mark.parametrize(("text", "number"), LOST_ZEROS.items())
def test_zeros_lost_by_a_spreadsheet_are_restored(text: str, number: str) -> None:
    assert ProcessNumber.parse(text).canonical == number


@pytest.mark.parametrize(("text", "right"), WRONG_CHECK_DIGITS.items())
def test_wrong_check_digits_are_refused_with_the_right_ones(text: str, right: str) -> None:
    with pytest.raises(InvalidProcessNumber) as refused:
        ProcessNumber.parse(text)
    assert f"would be {right}" in str(refused.value)
    assert refused.value.suggestion is not None
    assert refused.value.suggestion[8:10] == right
    assert ProcessNumber.parse(refused.value.suggestion).check_digits == right


@given(numbers(), st.integers(0, 19), st.integers(1, 9))
def test_one_wrong_digit_is_detected(digits: str, place: int, shift: int) -> None:
    wrong = str((int(digits[place]) + shift) % 10)
    with pytest.raises(InvalidProcessNumber):
        ProcessNumber.parse(digits[:place] + wrong + digits[place + 1 :])


@given(numbers(), st.integers(0, 18))
def test_swapped_adjacent_digits_are_detected(digits: str, place: int) -> None:
    swapped = digits[:place] + digits[place + 1] + digits[place] + digits[place + 2 :]
    if swapped == digits:
        return
    with pytest.raises(InvalidProcessNumber):
        ProcessNumber.parse(swapped)


def test_every_wrong_digit_in_a_known_number_is_detected() -> None:
    digits = ProcessNumber.parse(VALID[0]).digits
    slips = {digits[:i] + d + digits[i + 1 :] for i in range(20) for d in "0123456789"} - {digits}
    swaps = {digits[:i] + digits[i + 1] + digits[i] + digits[i + 2 :] for i in range(19)} - {digits}
    assert (len(slips), len(swaps)) == (180, 15)
    for text in slips | swaps:
        with pytest.raises(InvalidProcessNumber):
            ProcessNumber.parse(text)


@pytest.mark.parametrize("text", OTHER_SHAPES)
def test_other_shapes_are_refused_without_a_suggestion(text: str) -> None:
    with pytest.raises(InvalidProcessNumber) as refused:
        ProcessNumber.parse(text)
    assert refused.value.suggestion is None
    assert refused.value.code == "invalid_process_number"
    assert refused.value.field == "number"


@pytest.mark.parametrize("zero", ["\u0660", "\u0966", "\uff10", "\U0001d7ce"])
def test_digits_of_other_scripts_are_refused(zero: str) -> None:
    text = "".join(chr(ord(zero) + int(c)) if c.isdigit() else c for c in VALID[0])
    assert text.translate({ord(zero) + n: str(n) for n in range(10)}) == VALID[0]
    with pytest.raises(InvalidProcessNumber):
        ProcessNumber.parse(text)


@given(st.text())
def test_any_text_is_a_number_or_refused(text: str) -> None:
    with suppress(InvalidProcessNumber):
        number = ProcessNumber.parse(text)
        assert "".join(character for character in text if character in "0123456789").zfill(20) == number.digits


@given(numbers(), numbers())
def test_numbers_compare_by_their_digits(one: str, other: str) -> None:
    assert (ProcessNumber.parse(one) == ProcessNumber.parse(other)) == (one == other)
