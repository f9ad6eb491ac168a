"""Normalize the shapes in which the court describes a process. An unknown shape raises an error.

An unknown shape must never be parsed as a process without documents, or with only some of them: it would be
reported as `completed` without being complete.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NoReturn

from adapters.court_pdpj.values import parse_text
from domain.errors import FailureCode, ProcessFailure
from domain.process_number import ProcessNumber

_PROCESS_KEYS = frozenset({"numeroProcesso", "tramitacaoAtual", "tramitacoes", "documentos"})
_TOTALS = ("total", "totalElements")


@dataclass(frozen=True, slots=True)
class Stage:
    """A `tramitação`: one run of the case through a court degree, in the court's own JSON.

    Attributes:
        fields: Its JSON object.
        documents: The JSON objects of its documents.
    """

    fields: dict[str, Any]
    documents: tuple[dict[str, Any], ...]


@dataclass(frozen=True, slots=True)
class Description:
    """A process in the court's own JSON.

    Attributes:
        roots: The JSON objects that describe it, nearly always one.
        stages: All their stages, the current one first. Never empty.
    """

    roots: tuple[dict[str, Any], ...]
    stages: tuple[Stage, ...]


def read_description(payload: object, number: ProcessNumber) -> Description:
    """Normalize the details of a process.

    Known shapes: an object; an array of objects, one for each court that has the case; either of them wrapped in
    `{"content": …}`; `tramitacaoAtual` and `tramitacoes` each as an object or an array; `documentos` of a stage, or
    of the whole process, as an array or as a page that contains all of them.

    Raises:
        ProcessFailure: `not_found` for an empty response. `invalid_listing`, with the shape in its text, for an
            unknown shape or for the details of another process.
    """
    roots = tuple(_roots(payload))
    stages: list[Stage] = []
    for root in roots:
        if _PROCESS_KEYS.isdisjoint(root):
            _raise_unknown_shape("an object without any of the keys of a process")
        stated_digits = "".join(filter(str.isdigit, parse_text(root.get("numeroProcesso")) or ""))
        if stated_digits and stated_digits != number.digits:
            _raise_unknown_shape("the description of another process")
        stages += _stages(root)
    return Description(roots, tuple(stages))


def _roots(payload: object) -> Iterator[dict[str, Any]]:
    roots = [root for root in _unwrap(payload, "the answer") if root is not None]
    if not roots:
        raise ProcessFailure(FailureCode.NOT_FOUND, "The court answered with an empty list.")
    yield from _objects(roots, "the answer")


def _unwrap(payload: object, name: str) -> Iterator[object]:
    """Yield the items of a response, out of its arrays and pages."""
    if isinstance(payload, list):
        for item in payload:
            if isinstance(item, list):
                _raise_unknown_shape(f"{name} with an array where an object belongs")
            yield from _unwrap(item, name)
    elif isinstance(payload, dict) and "content" in payload and _PROCESS_KEYS.isdisjoint(payload):
        content = _complete_page(payload, name)
        yield from content if isinstance(content, list) else [content]
    else:
        yield payload


def _stages(root: dict[str, Any]) -> list[Stage]:
    objects = [
        *_objects(root.get("tramitacaoAtual"), "tramitacaoAtual"),
        *_objects(root.get("tramitacoes"), "tramitacoes"),
    ]
    stages = [Stage(fields, tuple(_documents(fields))) for fields in objects]
    process_documents = tuple(_documents(root))
    if not stages:
        return [Stage({}, process_documents)]
    return [Stage(stages[0].fields, stages[0].documents + process_documents), *stages[1:]]


def _documents(holder: dict[str, Any]) -> list[dict[str, Any]]:
    for key, value in holder.items():
        if key != "documentos" and key.lower().startswith("documento") and isinstance(value, list | dict) and value:
            _raise_unknown_shape("documents under another name than documentos")
    value = holder.get("documentos")
    if isinstance(value, dict):
        if "content" not in value:
            _raise_unknown_shape("documentos as an object that is no page")
        value = _complete_page(value, "documentos")
    if isinstance(value, dict):
        _raise_unknown_shape("documentos as an object")
    return list(_objects(value, "documentos"))


def _complete_page(page: dict[str, Any], name: str) -> object:
    """Return the content of a page. Raises if there are further pages."""
    content = page["content"]
    count = len(content) if isinstance(content, list) else 1
    has_more = any(isinstance(page.get(key), int) and page[key] > count for key in _TOTALS)
    if has_more or page.get("last") is False:
        _raise_unknown_shape(f"{name} as one page of several")
    return content


def _objects(value: object, name: str) -> Iterator[dict[str, Any]]:
    """Yield the objects of an array, or the single object. Missing and null yield nothing."""
    if value is None:
        return
    items = value if isinstance(value, list) else [value]
    for item in items:
        if not isinstance(item, dict):
            _raise_unknown_shape(f"{name} with {_describe_type(item)} where an object belongs")
        yield item


def _describe_type(value: object) -> str:
    names = {bool: "true or false", int: "a number", float: "a number", str: "a text", list: "an array"}
    return names.get(type(value), "null")


def _raise_unknown_shape(shape: str) -> NoReturn:
    raise ProcessFailure(FailureCode.INVALID_LISTING, f"The court answered with {shape}.")
