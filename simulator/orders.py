"""Orders of the control API: what happens to a process, so that its next listing differs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from domain.process_number import ProcessNumber
from simulator.case import HIGHEST_SECRECY, Case, Shape, build_case, wire_time
from simulator.control_requests import MAX_DOCUMENTS, Body, InvalidControlRequest
from simulator.court import Court
from simulator.history import ExtraMovement, Filing, History, Reindexing, Shortage

Order = Callable[[Court, ProcessNumber], Case]
_MAX_TIMES = 1_000
_MAX_DAYS = 10_000
_MAX_TEXT = 10_000


def read_order(raw: bytes) -> Order:
    """Parse an order. Its ``kind`` decides which other keys it may have.

    Returns:
        A function that carries it out and returns the process.
    """
    kind = Body(raw, *_ALL_KEYS).value("kind")
    if not isinstance(kind, str) or kind not in _ORDERS:
        raise InvalidControlRequest(f"kind must be one of {', '.join(_ORDERS)}.")
    read, keys = _ORDERS[kind]
    return read(Body(raw, "kind", *keys))


def _read_filing(body: Body) -> Order:
    count = body.integer("documents", 1, _MAX_TIMES) or 1
    degree, secrecy = body.integer("degree", 1, 2) or 1, body.integer("secrecy", 0, HIGHEST_SECRECY) or 0
    return _changing(
        lambda shape: replace(
            shape.history, filings=(*shape.history.filings, *[Filing(degree, shape.history.days, secrecy)] * count)
        )
    )


def _read_movement(body: Body) -> Order:
    degree, secrecy = body.integer("degree", 1, 2) or 1, body.integer("secrecy", 0, HIGHEST_SECRECY) or 0
    text: Any = body.value("text")
    if text is None:
        text = "Juntada de Sob sigilo" if secrecy else "Conclusos para despacho"
    if not isinstance(text, str) or not 0 < len(text) <= _MAX_TEXT:
        raise InvalidControlRequest(f"text must have 1 to {_MAX_TEXT} characters.")

    def add(court: Court, number: ProcessNumber) -> Case:
        shape = court.get_shape(number)
        new = ExtraMovement(degree, _next_moment(build_case(number, shape), degree), text, secrecy)
        history = replace(shape.history, movements=(*shape.history.movements, new))
        return court.change_history(number, lambda _: history)

    return add


def _next_moment(case: Case, degree: int) -> str:
    """Return the time of a new movement: after all documents of its degree, and on the present day."""
    history = case.shape.history
    filed = [document.filed_at for document in case.documents if document.degree == degree]
    filings = history.filings_of(degree)
    days = history.days - (filings[-1].days if filings else 0)
    moment = datetime.fromisoformat(max(filed, default=case.opened_at))
    return wire_time(moment + timedelta(days=days, minutes=1 + len(history.movements)))


def _read_reindexing(body: Body) -> Order:
    keeps_origins = body.flag("origins", default=True)
    return _changing(
        lambda shape: replace(
            shape.history,
            reindexings=(
                *shape.history.reindexings,
                Reindexing((shape.count(1), shape.count(2)), keeps_origins),
            ),
        )
    )


def _read_short_listings(body: Body) -> Order:
    listings = body.integer("listings", 1, _MAX_TIMES) or 1
    documents = body.integer("documents", 0, MAX_DOCUMENTS) or 0
    shortage = Shortage(documents, body.integer("movements", 0, MAX_DOCUMENTS))

    def shorten(court: Court, number: ProcessNumber) -> Case:
        court.shorten(number, shortage, listings)
        return court.change_history(number, lambda shape: shape.history)

    return shorten


def _read_secrecy(body: Body) -> Order:
    level = body.integer("level", 0, HIGHEST_SECRECY)
    degree, document = body.integer("degree", 1, 2), body.integer("document", 0, MAX_DOCUMENTS)
    if level is None or (degree is not None and document is not None):
        raise InvalidControlRequest("secrecy needs a level, and a degree or a document, not both.")

    def change(shape: Shape) -> History:
        history = shape.history
        if document is not None:
            return replace(history, document_secrecy=(*history.document_secrecy, (document, level)))
        if degree is not None:
            return replace(history, instance_secrecy=(*history.instance_secrecy, (degree, level)))
        return replace(history, process_secrecy=level)

    return _changing(change)


def _read_days(body: Body) -> Order:
    days = body.integer("days", 1, _MAX_DAYS) or 1
    return _changing(lambda shape: replace(shape.history, days=shape.history.days + days))


def _changing(change: Callable[[Shape], History]) -> Order:
    return lambda court, number: court.change_history(number, change)


_ORDERS: dict[str, tuple[Callable[[Body], Order], tuple[str, ...]]] = {
    "filing": (_read_filing, ("documents", "degree", "secrecy")),
    "movement": (_read_movement, ("text", "degree", "secrecy")),
    "reindex": (_read_reindexing, ("origins",)),
    "short_listings": (_read_short_listings, ("listings", "documents", "movements")),
    "secrecy": (_read_secrecy, ("level", "degree", "document")),
    "days": (_read_days, ("days",)),
}
_ALL_KEYS = ("kind", *(key for _, keys in _ORDERS.values() for key in keys))
