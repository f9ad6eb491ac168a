"""The client's commands parse process numbers as the service does."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autos_client_cli.errors import CommandError, ExitCode
from autos_client_cli.process_numbers import canonical_number
from domain.errors import InvalidProcessNumber
from domain.process_number import ProcessNumber


def parse_with_service(text: str) -> tuple[str, bool]:
    """Return the canonical number and `True`, or the error message and `False`."""
    try:
        return ProcessNumber.parse(text).canonical, True
    except InvalidProcessNumber as error:
        return str(error), False


def parse_with_client(text: str) -> tuple[str, bool]:
    """Return the same as `parse_with_service`, for the commands of the client."""
    try:
        return canonical_number(text), True
    except CommandError as error:
        return str(error), error.exit_code is not ExitCode.USAGE


def make_valid_number(sequence: int, year: int, segment: int, court: int, unit: int) -> str:
    """Return a valid number without its leading zeros, which spreadsheets drop."""
    tail = f"{year:04}{segment}{court:02}{unit:04}"
    return f"{sequence}{98 - int(f'{sequence}{tail}00') % 97:02}{tail}"


@pytest.mark.parametrize(
    "text",
    [
        "1011745-77.2025.8.11.0041",
        "10117457720258110041",
        "\ufeffProcesso n\xba 1011745\u201177.2025.8.11.0041,",
        "1011745-78.2025.8.11.0041",
        "1011745-77.2025.8.11.0041 1011745-77.2025.8.11.0041",
        "",
        "42",
        "1011745-77.2025.8.11.0041" + " " * 200,
        "\u0661011745-77.2025.8.11.0041",
    ],
)
def test_examples_are_parsed_alike(text: str) -> None:
    assert parse_with_client(text) == parse_with_service(text)


@pytest.mark.parametrize("segment", range(10))
def test_every_court_is_parsed_alike(segment: int) -> None:
    for court in range(100):
        text = make_valid_number(555, 2021, segment, court, 1)
        assert parse_with_client(text) == parse_with_service(text)


@given(
    st.text()
    | st.text("0123456789-. \u200b", max_size=30)
    | st.builds(
        make_valid_number,
        st.integers(1, 9_999_999),
        st.integers(1800, 2200),
        st.integers(0, 9),
        st.integers(0, 99),
        st.integers(0, 9999),
    )
)
def test_any_text_is_parsed_alike(text: str) -> None:
    assert parse_with_client(text) == parse_with_service(text)
