"""Searches with many results: by a lawyer's registration (OAB), or by a party's tax number (CPF or CNPJ).

The processes of a person are derived from the registration or number alone. All persons are synthetic.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from hashlib import blake2b

from domain.process_number import ProcessNumber
from simulator import responses
from simulator.case import last_movement
from simulator.court import Court
from simulator.listing import search_hit
from simulator.responses import PAGE_SIZE, CourtResponse

BUSY_LAWYER = "PR12345"
"""The registration of a lawyer with many processes."""

_BUSY_LAWYER_PROCESSES = 988
_MAX_PER_LAWYER = 250
_MAX_PER_PARTY = 12
_LAWYER = re.compile(r"[A-Z]{2}[0-9]{1,6}[A-Z]?")
_PARTY = re.compile(r"[0-9]{11}|[0-9A-Z]{12}[0-9]{2}")
_CURSOR = re.compile(r"([0-9]{1,15}),([0-9]{20})")


def search_by_person(court: Court, query: Mapping[str, str]) -> CourtResponse:
    """Return one page of a person's processes, newest movement first. Keyset pagination by ``searchAfter``."""
    ranked = sorted(
        (
            (last_movement(number, shape), number.digits, number)
            for number in _find_numbers(query)
            if (shape := court.get_shape(number)).exists
        ),
        reverse=True,
    )
    if (cursor := query.get("searchAfter")) is not None:
        match = _CURSOR.fullmatch(cursor)
        after = (int(match[1]), match[2]) if match else (0, "")
        page = [result for result in ranked if result[:2] < after][:PAGE_SIZE]
        if not page:
            return responses.no_records()
    else:
        page = ranked[:PAGE_SIZE]
        if not page:
            return responses.no_hits()
    cases = [court.find_case(number) for _, _, number in page]
    return responses.search([search_hit(case) for case in cases if case], total=len(ranked), after=page[-1][:2])


def _find_numbers(query: Mapping[str, str]) -> tuple[ProcessNumber, ...]:
    lawyer = query.get("oabRepresentante", "").upper()
    party = re.sub(r"[./\-]", "", query.get("cpfCnpjParte", "")).upper()
    if _LAWYER.fullmatch(lawyer):
        return _derive_numbers(lawyer, _MAX_PER_LAWYER)
    return _derive_numbers(party, _MAX_PER_PARTY) if _PARTY.fullmatch(party) else ()


@lru_cache(maxsize=64)
def _derive_numbers(person: str, maximum: int) -> tuple[ProcessNumber, ...]:
    draw = int.from_bytes(blake2b(person.encode(), digest_size=16).digest())
    count = _BUSY_LAWYER_PROCESSES if person == BUSY_LAWYER else draw % (maximum + 1)
    return tuple(_derive_number(draw // 1_000 + index * 7_919) for index in range(count))


def _derive_number(draw: int) -> ProcessNumber:
    """Return a number of a state court. Draws that differ by less than ten million yield different numbers."""
    stem = f"{draw % 10_000_000:07}"
    rest = f"{2015 + draw % 11}8{1 + draw % 27:02}{1 + draw % 200:04}"
    return ProcessNumber.parse(f"{stem}{98 - int(f'{stem}{rest}00') % 97:02}{rest}")
