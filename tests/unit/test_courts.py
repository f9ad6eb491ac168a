"""The court of a number, from its segment and court code."""

from __future__ import annotations

import pytest

from domain.process_number import ProcessNumber

STATES = (
    *("AC", "AL", "AP", "AM", "BA", "CE", "DF", "ES", "GO", "MA", "MT", "MS", "MG", "PA"),
    *("PB", "PR", "PE", "PI", "RJ", "RN", "RS", "RO", "RR", "SC", "SE", "SP", "TO"),
)
STATE_CODES = [(f"{code:02}", state) for code, state in enumerate(STATES, start=1)]
SUPERIOR = {
    "1.00": "STF",
    "2.00": "CNJ",
    "3.00": "STJ",
    "4.90": "CJF",
    "5.00": "TST",
    "5.90": "CSJT",
    "6.00": "TSE",
    "7.00": "STM",
}
MILITARY_OF_STATES = {"9.13": "TJMMG", "9.21": "TJMRS", "9.26": "TJMSP"}


def get_court(code: str) -> str:
    """Return the acronym of the court of a number with this ``J.TR``."""
    payload = f"00000012026{code.replace('.', '')}0001"
    check_digits = 98 - int(payload + "00") % 97
    return ProcessNumber.parse(f"0000001-{check_digits:02}.2026.{code}.0001").court


@pytest.mark.parametrize(("code", "court"), [*SUPERIOR.items(), *MILITARY_OF_STATES.items()])
def test_courts_with_their_own_code(code: str, court: str) -> None:
    assert get_court(code) == court


@pytest.mark.parametrize("region", range(1, 7))
def test_federal_courts_have_six_regions(region: int) -> None:
    assert get_court(f"4.{region:02}") == f"TRF{region}"


@pytest.mark.parametrize("region", range(1, 25))
def test_labour_courts_have_twenty_four_regions(region: int) -> None:
    assert get_court(f"5.{region:02}") == f"TRT{region}"


@pytest.mark.parametrize("district", range(1, 13))
def test_military_justice_has_twelve_districts(district: int) -> None:
    assert get_court(f"7.{district:02}") == f"CJM{district}"


@pytest.mark.parametrize(("code", "state"), STATE_CODES)
def test_every_state_has_an_electoral_court(code: str, state: str) -> None:
    assert get_court(f"6.{code}") == f"TRE-{state}"


@pytest.mark.parametrize(("code", "state"), STATE_CODES)
def test_every_state_has_a_court_of_justice(code: str, state: str) -> None:
    assert get_court(f"8.{code}") == ("TJDFT" if state == "DF" else f"TJ{state}")


@pytest.mark.parametrize("code", ["4.07", "8.28", "9.01", "0.00", "5.25"])
def test_unknown_court_is_named_by_its_code(code: str) -> None:
    assert get_court(code) == code
