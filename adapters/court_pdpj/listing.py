"""From the portal's JSON to a listing in our words. Pure; missing and null are the same everywhere."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

from adapters.court_pdpj.matching import SameDocuments
from adapters.court_pdpj.secrecy_levels import SecrecyLevels
from adapters.court_pdpj.shapes import read_description
from adapters.court_pdpj.values import amount, first_mapping, integer, mapping, moment, text
from domain.documents import DocumentOrigin, Instance, ListedDocument, Listing
from domain.media_types import normalised_type
from domain.process_number import ProcessNumber
from domain.secrecy import Secrecy, strictest

_DOCUMENT_ID = re.compile(
    r"(?:^|/)documentos/([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})(?:/|$)", re.IGNORECASE
)
# Hrefs that begin so are relative to the API's base, with or without a slash before.
_RELATIVE = ("processos/", "api/")
# For stages that tell their degree in the longer form only.
_DEGREES = {"PRIMEIRO_GRAU": "G1", "SEGUNDO_GRAU": "G2"}
_LAST = datetime.max.replace(tzinfo=UTC)


def parse_listing(payload: object, number: ProcessNumber, listed_at: datetime) -> Listing:
    """Read the details of a process.

    Takes the documents of the current run through a degree and of all others, each with its instance. The same
    document fed by two sources is taken once, as the current source describes it, with all its sources noted and
    the strictest level of secrecy that any of them, or its instance, states. Documents come in filing order.

    Raises:
        ProcessFailure: The court knows no such process, or this is not the description of one; the text names the
            shape.
    """
    description = read_description(payload, number)
    instances: dict[str, Instance] = {}
    found = SameDocuments()
    levels = SecrecyLevels()
    for index, stage in enumerate(description.stages):
        secrecy = levels.read(stage.fields.get("nivelSigilo"))
        instance = _instance(stage.fields, secrecy, current=index == 0)
        known = instances.setdefault(instance.key, instance)
        instances[instance.key] = replace(known, secrecy=strictest([known.secrecy, secrecy]))
        source = integer(stage.fields.get("idFonteDadosCodex"))
        for document in _documents(stage.documents, number, instance, source, levels):
            # Without a source's number, each stage counts as a source of its own.
            found.add(document, instance.degree, f"stage {index}" if source is None else source)
    root, head = description.roots[0], description.stages[0].fields
    return Listing(
        process_number=number.canonical,
        court=(text(root.get("siglaTribunal")) or number.court)[:16],
        listed_at=listed_at,
        instances=tuple(instances.values()),
        documents=tuple(sorted(found.documents(), key=_filing_order)),
        secrecy=levels.read(*(each.get("nivelSigilo") for each in description.roots)),
        class_code=integer(first_mapping(head.get("classe")).get("codigo"), below=2**31),
        class_name=text(first_mapping(head.get("classe")).get("descricao")),
        subjects=tuple(_subjects(head)),
        filed_at=moment(head.get("dataHoraAjuizamento")),
        value=amount(head.get("valorAcao")),
        unrecognized_levels=tuple(levels.unrecognized),
    )


def _instance(stage: dict[str, Any], secrecy: Secrecy, *, current: bool) -> Instance:
    grade = mapping(stage.get("grau"))
    named = text(stage.get("instancia"))
    degree = text(grade.get("sigla")) or _DEGREES.get(named or "", named)
    source = integer(stage.get("idFonteDadosCodex"))
    distribution = first_mapping(stage.get("distribuicao")) or first_mapping(stage.get("distribuicoes"))
    unit = first_mapping(distribution.get("orgaoJulgador")) or mapping(stage.get("orgaoJulgador"))
    return Instance(
        key=f"{(degree or '')[:32]}:{'' if source is None else source}",
        degree=degree and degree[:16],
        name=text(grade.get("nome")),
        court_unit=text(unit.get("nome")),
        filed_at=moment(stage.get("dataHoraAjuizamento")),
        current=current,
        secrecy=secrecy,
    )


def _documents(
    items: tuple[dict[str, Any], ...],
    number: ProcessNumber,
    instance: Instance,
    source: int | None,
    levels: SecrecyLevels,
) -> Iterator[ListedDocument]:
    for place, item in enumerate(items):
        kind, file = mapping(item.get("tipo")), mapping(item.get("arquivo"))
        binary, text_href = (_href(item.get(key) or file.get(key)) for key in ("hrefBinario", "hrefTexto"))
        document_id = _document_id(binary, text_href) or _stated_id(item, file)
        if document_id is not None and binary is None and text_href is None:
            # The data lake gives ids in the place of addresses.
            base = f"/processos/{number.canonical}/documentos/{document_id}"
            binary, text_href = f"{base}/binario", f"{base}/texto"
        document_id = document_id or _derived_id(number, instance.key, item, place)
        size = integer(file.get("tamanho"))
        size = size if size is not None and size > 0 else None
        media_type = normalised_type(text(file.get("tipo")))
        filed_at = moment(item.get("dataHoraJuntada"))
        origin = DocumentOrigin(
            document_id,
            source,
            integer(item.get("idCodex")),
            binary_href=binary,
            text_href=text_href,
            media_type=media_type,
            size_bytes=size,
            filed_at=filed_at,
        )
        yield ListedDocument(
            id=document_id,
            instance_key=instance.key,
            name=text(item.get("nome")),
            sequence=integer(item.get("sequencia"), below=2**31),
            type_code=integer(kind.get("codigo"), below=2**31),
            type_name=text(kind.get("nome")),
            filed_at=filed_at,
            secrecy=strictest([levels.read(item.get("nivelSigilo")), instance.secrecy]),
            binary_href=binary,
            text_href=text_href,
            declared_media_type=media_type,
            declared_size_bytes=size,
            pages=integer(file.get("quantidadePaginas"), below=2**31),
            origin_id=text(item.get("idOrigem")),
            sources=(origin,),
        )


def _href(value: object) -> str | None:
    href = text(value)
    return f"/{href}" if href and href.startswith(_RELATIVE) else href


def _document_id(*hrefs: str | None) -> str | None:
    for href in hrefs:
        match = _DOCUMENT_ID.search(href or "")
        if match:
            return match.group(1).lower()
    return None


def _stated_id(item: dict[str, Any], file: dict[str, Any]) -> str | None:
    for value in (item.get("id"), file.get("id")):
        try:
            return str(UUID(str(value)))
        except ValueError:
            continue
    return None


def _derived_id(number: ProcessNumber, instance_key: str, item: dict[str, Any], place: int) -> str:
    # A piece without an address is still a piece: it is listed, and fails by name.
    own = next(
        (f"{key}={value}" for key in ("idCodex", "idOrigem", "sequencia") if (value := text(item.get(key)))),
        f"place={place}",
    )
    return str(uuid5(NAMESPACE_URL, f"{number.canonical}/{instance_key}/{own}"))


def _filing_order(document: ListedDocument) -> tuple[datetime, int, str]:
    return document.filed_at or _LAST, document.sequence or 0, document.id


def _subjects(stage: dict[str, Any]) -> Iterator[str]:
    subjects = stage.get("assunto")
    for item in subjects if isinstance(subjects, list) else []:
        description = text(mapping(item).get("descricao"))
        if description:
            yield description
