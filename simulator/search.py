"""The searches that find many processes: by a lawyer's registration, or by a party's tax number.

Whom the court knows, and in which processes, follows from the registration or number alone. Everybody is synthetic.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from hashlib import blake2b

from domain.process_number import ProcessNumber
from simulator import answers
from simulator.answers import PAGE, Answer
from simulator.case import last_movement
from simulator.court import Court
from simulator.listing import search_hit

BUSY_LAWYER = "PR12345"
"""A registration with many processes."""

_MANY = 988
_MOST_OF_A_LAWYER = 250
_MOST_OF_A_PARTY = 12
_LAWYER = re.compile(r"[A-Z]{2}[0-9]{1,6}[A-Z]?")
_PARTY = re.compile(r"[0-9]{11}|[0-9A-Z]{12}[0-9]{2}")
_CURSOR = re.compile(r"([0-9]{1,15}),([0-9]{20})")


def found(court: Court, query: Mapping[str, str]) -> Answer:
    """The page of a search, a hundred processes long, the ones where something happened last first."""
    ranked = sorted(
        (
            (last_movement(number, shape), number.digits, number)
            for number in _numbers(query)
            if (shape := court.shape(number)).exists
        ),
        reverse=True,
    )
    if (cursor := query.get("searchAfter")) is not None:
        match = _CURSOR.fullmatch(cursor)
        after = (int(match[1]), match[2]) if match else (0, "")
        page = [entry for entry in ranked if entry[:2] < after][:PAGE]
        if not page:
            return answers.no_records()
    else:
        page = ranked[:PAGE]
        if not page:
            return answers.no_hits()
    cases = [court.case(number) for _, _, number in page]
    return answers.search([search_hit(case) for case in cases if case], total=len(ranked), after=page[-1][:2])


def _numbers(query: Mapping[str, str]) -> tuple[ProcessNumber, ...]:
    lawyer = query.get("oabRepresentante", "").upper()
    party = re.sub(r"[./\-]", "", query.get("cpfCnpjParte", "")).upper()
    if _LAWYER.fullmatch(lawyer):
        return _made_of(lawyer, _MOST_OF_A_LAWYER)
    return _made_of(party, _MOST_OF_A_PARTY) if _PARTY.fullmatch(party) else ()


@lru_cache(maxsize=64)
def _made_of(person: str, most: int) -> tuple[ProcessNumber, ...]:
    draw = int.from_bytes(blake2b(person.encode(), digest_size=16).digest())
    count = _MANY if person == BUSY_LAWYER else draw % (most + 1)
    return tuple(_number(draw // 1_000 + place * 7_919) for place in range(count))


def _number(draw: int) -> ProcessNumber:
    """A process of a state's court; draws that differ by less than ten million give different ones."""
    stem = f"{draw % 10_000_000:07}"
    rest = f"{2015 + draw % 11}8{1 + draw % 27:02}{1 + draw % 200:04}"
    return ProcessNumber.parse(f"{stem}{98 - int(f'{stem}{rest}00') % 97:02}{rest}")
