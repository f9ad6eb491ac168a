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

from domain.documents import DocumentOrigin, Instance, ListedDocument, Listing, Secrecy
from domain.errors import FailureCode, ProcessFailure
from domain.process_number import ProcessNumber

# The portal writes local times without a zone.
_COURT_ZONE = ZoneInfo("America/Sao_Paulo")
_DOCUMENT_ID = re.compile(
    r"/documentos/([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})(?:/|$)", re.IGNORECASE
)
_SECRECY_BY_WORD = {
    "PUBLICO": Secrecy.PUBLIC,
    "SEGREDO_JUSTICA": Secrecy.JUSTICE_SECRET,
    "SIGILO_MINIMO": Secrecy.MINIMUM,
    "SIGILO_MEDIO": Secrecy.MEDIUM,
    "SIGILO_INTENSO": Secrecy.INTENSE,
    "SIGILO_ABSOLUTO": Secrecy.ABSOLUTE,
}
_SECRECY_BY_LEVEL = dict(enumerate(_SECRECY_BY_WORD.values()))
# For stages that tell their degree in the longer form only.
_DEGREES = {"PRIMEIRO_GRAU": "G1", "SEGUNDO_GRAU": "G2"}
_LAST = datetime.max.replace(tzinfo=UTC)
_BIGINT = 2**63


def parse_listing(payload: object, number: ProcessNumber, listed_at: datetime) -> Listing:
    """Read the details of a process.

    Takes the documents of the current run through a degree and of all others, each with its instance. The same
    document fed by two sources (same degree and ``idOrigem``, other UUID) is taken once, as the source that is
    current describes it, with all its sources noted. Documents come in filing order.

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
    for index, stage in enumerate(stages):
        instance = _instance(stage, current=index == 0)
        instances.setdefault(instance.key, instance)
        source = _integer(stage.get("idFonteDadosCodex"))
        items = _list(stage.get("documentos"))
        if index == 0:
            items = [*items, *_list(root.get("documentos"))]
        for document in _documents(items, number, instance.key, source):
            # Without a source's number, each stage counts as a source of its own.
            found.add(document, instance.degree, f"stage {index}" if source is None else source)
    head = stages[0]
    return Listing(
        process_number=number.canonical,
        court=(_text(root.get("siglaTribunal")) or number.court)[:16],
        listed_at=listed_at,
        instances=tuple(instances.values()),
        documents=tuple(sorted(found.documents(), key=_filing_order)),
        secrecy=_secrecy(root.get("nivelSigilo")),
        class_code=_integer(_first(head.get("classe")).get("codigo"), below=2**31),
        class_name=_text(_first(head.get("classe")).get("descricao")),
        subjects=tuple(_subjects(head)),
        filed_at=_moment(head.get("dataHoraAjuizamento")),
        value=_amount(head.get("valorAcao")),
    )


class _Found:
    """The documents found so far; what another source feeds again is joined to what it is a copy of."""

    def __init__(self) -> None:
        self._originals: dict[str, ListedDocument] = {}
        self._origins: dict[str, list[DocumentOrigin]] = {}
        self._seen: set[str] = set()
        self._namesakes: dict[tuple[str | None, str], list[str]] = {}
        self._fed: Counter[tuple[str | None, str, object]] = Counter()

    def add(self, document: ListedDocument, degree: str | None, source: object) -> None:
        """Take a document, unless it was taken before under this id or from another source."""
        if document.id in self._seen:
            return
        self._seen.add(document.id)
        original = document.id
        if document.origin_id is not None:
            namesakes = self._namesakes.setdefault((degree, document.origin_id), [])
            # A source may have twins of one origin: each is a document, and a copy of one is no copy of both.
            place = self._fed[degree, document.origin_id, source]
            self._fed[degree, document.origin_id, source] += 1
            if place == len(namesakes):
                namesakes.append(document.id)
            original = namesakes[place]
        self._originals.setdefault(original, document)
        self._origins.setdefault(original, []).extend(document.sources)

    def documents(self) -> Iterator[ListedDocument]:
        """Each document once, with all its sources."""
        for document_id, document in self._originals.items():
            yield replace(document, sources=tuple(self._origins[document_id]))


def _instance(stage: dict[str, Any], *, current: bool) -> Instance:
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
    )


def _documents(
    items: list[Any], number: ProcessNumber, instance_key: str, source: int | None
) -> Iterator[ListedDocument]:
    for place, item in enumerate(items):
        if not isinstance(item, dict):
            continue
        binary, text = _text(item.get("hrefBinario")), _text(item.get("hrefTexto"))
        kind, file = _object(item.get("tipo")), _object(item.get("arquivo"))
        size = _integer(file.get("tamanho"))
        document_id = _document_id(binary, text) or _derived_id(number, instance_key, item, place)
        yield ListedDocument(
            id=document_id,
            instance_key=instance_key,
            name=_text(item.get("nome")),
            sequence=_integer(item.get("sequencia"), below=2**31),
            type_code=_integer(kind.get("codigo"), below=2**31),
            type_name=_text(kind.get("nome")),
            filed_at=_moment(item.get("dataHoraJuntada")),
            secrecy=_secrecy(item.get("nivelSigilo")),
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


def _secrecy(value: object) -> Secrecy:
    # A word at documents, a level at processes.
    if isinstance(value, str):
        return _SECRECY_BY_WORD.get(value.upper(), Secrecy.UNKNOWN)
    level = _integer(value)
    return Secrecy.UNKNOWN if level is None else _SECRECY_BY_LEVEL.get(level, Secrecy.UNKNOWN)


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
    # Postgres stores no NUL and no lone surrogate; the portal has been seen to send the former.
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str):
        return None
    return value.replace("\0", "").encode(errors="replace").decode().strip() or None


def _object(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _first(value: object) -> dict[str, Any]:
    if isinstance(value, dict):
        return value
    return _object(_list(value)[0]) if _list(value) else {}
