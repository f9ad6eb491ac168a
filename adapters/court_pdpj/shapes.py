"""The shapes in which the court describes a process, brought into one. A shape that is not understood is refused.

A wrong shape must never be read as a process without documents, or with some of them: that would be `completed`
without being complete.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NoReturn

from adapters.court_pdpj.values import text
from domain.errors import FailureCode, ProcessFailure
from domain.process_number import ProcessNumber

_PROCESS_KEYS = frozenset({"numeroProcesso", "tramitacaoAtual", "tramitacoes", "documentos"})
_TOTALS = ("total", "totalElements")


@dataclass(frozen=True, slots=True)
class Stage:
    """One run of the case through a court degree, as the court writes it.

    Attributes:
        fields: Everything that is written of it.
        documents: The objects of its documents.
    """

    fields: dict[str, Any]
    documents: tuple[dict[str, Any], ...]


@dataclass(frozen=True, slots=True)
class Description:
    """A process as the court describes it.

    Attributes:
        roots: The objects that describe it. One, nearly always.
        stages: All their stages, the current one first; never empty.
    """

    roots: tuple[dict[str, Any], ...]
    stages: tuple[Stage, ...]


def read_description(payload: object, number: ProcessNumber) -> Description:
    """Bring the details of a process into one shape.

    Understood are: an object; an array of objects, one for each court that has the case; either of them wrapped in
    `{"content": …}`; `tramitacaoAtual` and `tramitacoes` each as an object or an array; `documentos` of a stage, or
    of the whole, as an array or as a page that holds all.

    Raises:
        ProcessFailure: `not_found` for an empty answer; `invalid_listing`, which names the shape, for one that is
            not understood or describes another process.
    """
    roots = tuple(_roots(payload))
    stages: list[Stage] = []
    for root in roots:
        if _PROCESS_KEYS.isdisjoint(root):
            _refuse("an object without any of the keys of a process")
        stated = "".join(filter(str.isdigit, text(root.get("numeroProcesso")) or ""))
        if stated and stated != number.digits:
            _refuse("the description of another process")
        stages += _stages(root)
    return Description(roots, tuple(stages))


def _roots(payload: object) -> Iterator[dict[str, Any]]:
    roots = [root for root in _unwrapped(payload, "the answer") if root is not None]
    if not roots:
        raise ProcessFailure(FailureCode.NOT_FOUND, "The court answered with an empty list.")
    yield from _objects(roots, "the answer")


def _unwrapped(payload: object, name: str) -> Iterator[object]:
    """Yield what an answer holds, out of its arrays and pages."""
    if isinstance(payload, list):
        for item in payload:
            if isinstance(item, list):
                _refuse(f"{name} with an array where an object belongs")
            yield from _unwrapped(item, name)
    elif isinstance(payload, dict) and "content" in payload and _PROCESS_KEYS.isdisjoint(payload):
        content = _whole_page(payload, name)
        yield from content if isinstance(content, list) else [content]
    else:
        yield payload


def _stages(root: dict[str, Any]) -> list[Stage]:
    written = [
        *_objects(root.get("tramitacaoAtual"), "tramitacaoAtual"),
        *_objects(root.get("tramitacoes"), "tramitacoes"),
    ]
    stages = [Stage(fields, tuple(_documents(fields))) for fields in written]
    of_the_whole = tuple(_documents(root))
    if not stages:
        return [Stage({}, of_the_whole)]
    return [Stage(stages[0].fields, stages[0].documents + of_the_whole), *stages[1:]]


def _documents(holder: dict[str, Any]) -> list[dict[str, Any]]:
    for key, value in holder.items():
        if key != "documentos" and key.lower().startswith("documento") and isinstance(value, list | dict) and value:
            _refuse("documents under another name than documentos")
    value = holder.get("documentos")
    if isinstance(value, dict):
        if "content" not in value:
            _refuse("documentos as an object that is no page")
        value = _whole_page(value, "documentos")
    if isinstance(value, dict):
        _refuse("documentos as an object")
    return list(_objects(value, "documentos"))


def _whole_page(page: dict[str, Any], name: str) -> object:
    """Return what a page holds, if there is nothing on a page behind it."""
    content = page["content"]
    held = len(content) if isinstance(content, list) else 1
    more = any(isinstance(page.get(key), int) and page[key] > held for key in _TOTALS)
    if more or page.get("last") is False:
        _refuse(f"{name} as one page of several")
    return content


def _objects(value: object, name: str) -> Iterator[dict[str, Any]]:
    """Yield the objects of an array, or the one object; missing and null are none."""
    if value is None:
        return
    items = value if isinstance(value, list) else [value]
    for item in items:
        if not isinstance(item, dict):
            _refuse(f"{name} with {_kind(item)} where an object belongs")
        yield item


def _kind(value: object) -> str:
    names = {bool: "true or false", int: "a number", float: "a number", str: "a text", list: "an array"}
    return names.get(type(value), "null")


def _refuse(shape: str) -> NoReturn:
    raise ProcessFailure(FailureCode.INVALID_LISTING, f"The court answered with {shape}.")
