"""From the portal's JSON to a listing in our words. Pure; missing and null are the same everywhere."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import NAMESPACE_URL, uuid5
from zoneinfo import ZoneInfo

from adapters.court_pdpj.secrecy_levels import SecrecyLevels
from domain.documents import DocumentOrigin, Instance, ListedDocument, Listing
from domain.errors import FailureCode, ProcessFailure
from domain.process_number import ProcessNumber
from domain.secrecy import Secrecy, strictest
from domain.text import printable

# The portal writes local times without a zone.
_COURT_ZONE = ZoneInfo("America/Sao_Paulo")
_DOCUMENT_ID = re.compile(
    r"/documentos/([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})(?:/|$)", re.IGNORECASE
)
# For stages that tell their degree in the longer form only.
_DEGREES = {"PRIMEIRO_GRAU": "G1", "SEGUNDO_GRAU": "G2"}
_LAST = datetime.max.replace(tzinfo=UTC)
_BIGINT = 2**63


def parse_listing(payload: object, number: ProcessNumber, listed_at: datetime) -> Listing:
    """Read the details of a process.

    Takes the documents of the current run through a degree and of all others, each with its instance. The same
    document fed by two sources (same degree and ``idOrigem``, other UUID) is taken once, as the source that is
    current describes it, with all its sources noted and the strictest level of secrecy that any of them, or its
    instance, states. Documents come in filing order.

    Raises:
        ProcessFailure: the court knows no such process, or this is not the description of one.
    """
    root = payload[0] if isinstance(payload, list) and payload else payload
    if payload == [] or root is None or (isinstance(root, dict) and "content" in root and not root["content"]):
        raise ProcessFailure(FailureCode.NOT_FOUND, "The court answered with an empty list.")
    if not isinstance(root, dict) or not any(
        key in root for key in ("numeroProcesso", "tramitacaoAtual", "tramitacoes", "documentos")
    ):
        raise ProcessFailure(FailureCode.INVALID_LISTING, "The court's answer does not describe a process.")
    stated = "".join(character for character in _text(root.get("numeroProcesso")) or "" if character.isdigit())
    if stated and stated != number.digits:
        raise ProcessFailure(FailureCode.INVALID_LISTING, "The court's answer describes another process.")
    current = _object(root.get("tramitacaoAtual"))
    others = [_object(item) for item in _list(root.get("tramitacoes"))]
    stages = [current or {}, *others] if current or not others else others
    instances: dict[str, Instance] = {}
    found = _Found()
    levels = SecrecyLevels()
    for index, stage in enumerate(stages):
        secrecy = levels.read(stage.get("nivelSigilo"))
        instance = _instance(stage, secrecy, current=index == 0)
        known = instances.setdefault(instance.key, instance)
        instances[instance.key] = replace(known, secrecy=strictest([known.secrecy, secrecy]))
        source = _integer(stage.get("idFonteDadosCodex"))
        items = _list(stage.get("documentos"))
        if index == 0:
            items = [*items, *_list(root.get("documentos"))]
        for document in _documents(items, number, instance, source, levels):
            # Without a source's number, each stage counts as a source of its own.
            found.add(document, instance.degree, f"stage {index}" if source is None else source)
    head = stages[0]
    return Listing(
        process_number=number.canonical,
        court=(_text(root.get("siglaTribunal")) or number.court)[:16],
        listed_at=listed_at,
        instances=tuple(instances.values()),
        documents=tuple(sorted(found.documents(), key=_filing_order)),
        # An answer should hold one object. What further ones say of secrecy is not ignored.
        secrecy=levels.read(*(_object(each).get("nivelSigilo") for each in _list(payload) or [root])),
        class_code=_integer(_first(head.get("classe")).get("codigo"), below=2**31),
        class_name=_text(_first(head.get("classe")).get("descricao")),
        subjects=tuple(_subjects(head)),
        filed_at=_moment(head.get("dataHoraAjuizamento")),
        value=_amount(head.get("valorAcao")),
        unrecognized_levels=tuple(levels.unrecognized),
    )


class _Found:
    """The documents found so far; what another source feeds again is joined to what it is a copy of."""

    def __init__(self) -> None:
        self._originals: dict[str, ListedDocument] = {}
        self._origins: dict[str, list[DocumentOrigin]] = {}
        self._levels: dict[str, Secrecy] = {}
        self._original_ids: dict[str, str] = {}
        self._namesakes: dict[tuple[str | None, str], list[str]] = {}
        self._fed: Counter[tuple[str | None, str, object]] = Counter()

    def add(self, document: ListedDocument, degree: str | None, source: object) -> None:
        """Take a document, unless it was taken before under this id or from another source.

        Its level of secrecy is taken in any case.
        """
        self._levels[document.id] = strictest([document.secrecy, self._levels.get(document.id, document.secrecy)])
        if document.id in self._original_ids:
            return
        original = document.id
        if document.origin_id is not None:
            namesakes = self._namesakes.setdefault((degree, document.origin_id), [])
            # A source may have twins of one origin: each is a document, and a copy of one is no copy of both.
            place = self._fed[degree, document.origin_id, source]
            self._fed[degree, document.origin_id, source] += 1
            if place == len(namesakes):
                namesakes.append(document.id)
            original = namesakes[place]
        self._original_ids[document.id] = original
        self._originals.setdefault(original, document)
        self._origins.setdefault(original, []).extend(document.sources)

    def documents(self) -> Iterator[ListedDocument]:
        """Each document once, with all its sources and the strictest level that one of them states."""
        for document_id, document in self._originals.items():
            origins = self._origins[document_id]
            levels = [self._levels[origin.id] for origin in origins]
            if len(origins) > 1:
                origins = [replace(origin, secrecy=level) for origin, level in zip(origins, levels, strict=True)]
            yield replace(document, secrecy=strictest(levels), sources=tuple(origins))


def _instance(stage: dict[str, Any], secrecy: Secrecy, *, current: bool) -> Instance:
    grade = _object(stage.get("grau"))
    named = _text(stage.get("instancia"))
    degree = _text(grade.get("sigla")) or _DEGREES.get(named or "", named)
    source = _integer(stage.get("idFonteDadosCodex"))
    distribution = _first(stage.get("distribuicao")) or _first(stage.get("distribuicoes"))
    unit = _first(distribution.get("orgaoJulgador")) or _object(stage.get("orgaoJulgador"))
    return Instance(
        key=f"{(degree or '')[:32]}:{'' if source is None else source}",
        degree=degree and degree[:16],
        name=_text(grade.get("nome")),
        court_unit=_text(unit.get("nome")),
        filed_at=_moment(stage.get("dataHoraAjuizamento")),
        current=current,
        secrecy=secrecy,
    )


def _documents(
    items: list[Any], number: ProcessNumber, instance: Instance, source: int | None, levels: SecrecyLevels
) -> Iterator[ListedDocument]:
    for place, item in enumerate(items):
        if not isinstance(item, dict):
            continue
        binary, text = _text(item.get("hrefBinario")), _text(item.get("hrefTexto"))
        kind, file = _object(item.get("tipo")), _object(item.get("arquivo"))
        size = _integer(file.get("tamanho"))
        document_id = _document_id(binary, text) or _derived_id(number, instance.key, item, place)
        yield ListedDocument(
            id=document_id,
            instance_key=instance.key,
            name=_text(item.get("nome")),
            sequence=_integer(item.get("sequencia"), below=2**31),
            type_code=_integer(kind.get("codigo"), below=2**31),
            type_name=_text(kind.get("nome")),
            filed_at=_moment(item.get("dataHoraJuntada")),
            secrecy=strictest([levels.read(item.get("nivelSigilo")), instance.secrecy]),
            binary_href=binary,
            text_href=text,
            declared_media_type=_text(file.get("tipo")),
            declared_size_bytes=size if size is not None and size > 0 else None,
            pages=_integer(file.get("quantidadePaginas"), below=2**31),
            origin_id=_text(item.get("idOrigem")),
            sources=(DocumentOrigin(document_id, source, _integer(item.get("idCodex"))),),
        )


def _document_id(*hrefs: str | None) -> str | None:
    for href in hrefs:
        match = _DOCUMENT_ID.search(href or "")
        if match:
            return match.group(1).lower()
    return None


def _derived_id(number: ProcessNumber, instance_key: str, item: dict[str, Any], place: int) -> str:
    # A piece without an address is still a piece: it is listed, and fails by name.
    own = next(
        (f"{key}={text}" for key in ("idCodex", "idOrigem", "sequencia") if (text := _text(item.get(key)))),
        f"place={place}",
    )
    return str(uuid5(NAMESPACE_URL, f"{number.canonical}/{instance_key}/{own}"))


def _filing_order(document: ListedDocument) -> tuple[datetime, int, str]:
    return document.filed_at or _LAST, document.sequence or 0, document.id


def _subjects(stage: dict[str, Any]) -> Iterator[str]:
    for item in _list(stage.get("assunto")):
        description = _text(_object(item).get("descricao"))
        if description:
            yield description


def _moment(value: object) -> datetime | None:
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value)
        return (moment if moment.tzinfo else moment.replace(tzinfo=_COURT_ZONE)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _amount(value: object) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        amount = round(Decimal(str(value)), 2)
        return amount if amount.is_finite() and abs(amount) < 10**16 else None
    except (ArithmeticError, ValueError):
        return None


def _integer(value: object, *, below: int = _BIGINT) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if -below <= value < below else None


def _text(value: object) -> str | None:
    """Return a value of the court's as text that can be stored and shown, or None."""
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str):
        return None
    return printable(value) or None


def _object(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _first(value: object) -> dict[str, Any]:
    if isinstance(value, dict):
        return value
    return _object(_list(value)[0]) if _list(value) else {}
