"""Parse the portal's JSON into a `Listing`. Pure. Everywhere, a missing key and null mean the same."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

from adapters.court_pdpj.merging import DocumentMerger
from adapters.court_pdpj.movements import MovementMerger
from adapters.court_pdpj.parties import MAX_RELATED, PartyMerger, parse_related
from adapters.court_pdpj.secrecy import SecrecyParser
from adapters.court_pdpj.shapes import read_description
from adapters.court_pdpj.values import (
    as_object,
    first_object,
    parse_amount,
    parse_datetime,
    parse_integer,
    parse_text,
)
from domain.listings import DocumentOrigin, Instance, ListedDocument, Listing, RelatedProcess
from domain.media_types import normalize_media_type
from domain.process_number import ProcessNumber
from domain.secrecy import Secrecy, strictest

_DOCUMENT_ID = re.compile(
    r"(?:^|/)documentos/([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})(?:/|$)", re.IGNORECASE
)
# Hrefs that begin like this are relative to the API's base, with or without a leading slash.
_RELATIVE_PREFIXES = ("processos/", "api/")
# For stages that state their degree only in the long form.
_DEGREES = {"PRIMEIRO_GRAU": "G1", "SEGUNDO_GRAU": "G2"}
_END_OF_TIME = datetime.max.replace(tzinfo=UTC)


def parse_listing(payload: object, number: ProcessNumber, listed_at: datetime) -> Listing:
    """Parse the details of a process.

    The listing contains the documents of the current stage and of all others, each with its instance. A document
    that two sources feed is listed once, as the current source describes it, with all its sources and the strictest
    secrecy level that any of them, or its instance, states. Documents are in filing order.

    Raises:
        ProcessFailure: The court has no such process, or the payload does not describe one. Its text names the
            shape.
    """
    description = read_description(payload, number)
    instances: dict[str, Instance] = {}
    merger = DocumentMerger()
    secrecy_parser = SecrecyParser()
    movements, parties = MovementMerger(secrecy_parser), PartyMerger(secrecy_parser)
    related: dict[tuple[str, str | None], RelatedProcess] = {}
    for index, stage in enumerate(description.stages):
        secrecy = secrecy_parser.parse_strictest(stage.fields.get("nivelSigilo"))
        instance = _parse_instance(stage.fields, secrecy, current=index == 0)
        earlier = instances.setdefault(instance.key, instance)
        instances[instance.key] = replace(earlier, secrecy=strictest([earlier.secrecy, secrecy]))
        source = parse_integer(stage.fields.get("idFonteDadosCodex"))
        # A stage without a source number counts as a source of its own.
        system = f"stage {index}" if source is None else source
        for document in _parse_documents(stage.documents, number, instance, source, secrecy_parser):
            merger.add(document, instance.degree, system)
        movements.add(stage.fields, instance, system)
        parties.add(stage.fields, instance)
        for other in parse_related(stage.fields, instance):
            related.setdefault((other.number, other.relation), other)
    root, head = description.roots[0], description.stages[0].fields
    return Listing(
        process_number=number.canonical,
        court=(parse_text(root.get("siglaTribunal")) or number.court)[:16],
        listed_at=listed_at,
        instances=tuple(instances.values()),
        documents=tuple(sorted(merger.merged_documents(), key=_filing_order_key)),
        secrecy=secrecy_parser.parse_strictest(*(each.get("nivelSigilo") for each in description.roots)),
        class_code=parse_integer(first_object(head.get("classe")).get("codigo"), below=2**31),
        class_name=parse_text(first_object(head.get("classe")).get("descricao")),
        subjects=tuple(_parse_subjects(head)),
        filed_at=parse_datetime(head.get("dataHoraAjuizamento")),
        value=parse_amount(head.get("valorAcao")),
        movements=tuple(movements.merged_movements()),
        movements_stated=movements.is_stated,
        parties=tuple(parties.merged_parties()),
        related=tuple(related.values())[:MAX_RELATED],
        unrecognized_levels=tuple(secrecy_parser.unrecognized),
    )


def _parse_instance(stage: dict[str, Any], secrecy: Secrecy, *, current: bool) -> Instance:
    grade = as_object(stage.get("grau"))
    long_degree = parse_text(stage.get("instancia"))
    degree = parse_text(grade.get("sigla")) or _DEGREES.get(long_degree or "", long_degree)
    source = parse_integer(stage.get("idFonteDadosCodex"))
    distribution = first_object(stage.get("distribuicao")) or first_object(stage.get("distribuicoes"))
    unit = first_object(distribution.get("orgaoJulgador")) or as_object(stage.get("orgaoJulgador"))
    return Instance(
        key=f"{(degree or '')[:32]}:{'' if source is None else source}",
        degree=degree and degree[:16],
        name=parse_text(grade.get("nome")),
        court_unit=parse_text(unit.get("nome")),
        filed_at=parse_datetime(stage.get("dataHoraAjuizamento")),
        current=current,
        secrecy=secrecy,
        class_code=parse_integer(first_object(stage.get("classe")).get("codigo"), below=2**31),
        class_name=parse_text(first_object(stage.get("classe")).get("descricao")),
        subjects=tuple(_parse_subjects(stage)),
        value=parse_amount(stage.get("valorAcao")),
    )


def _parse_documents(
    items: tuple[dict[str, Any], ...],
    number: ProcessNumber,
    instance: Instance,
    source: int | None,
    secrecy_parser: SecrecyParser,
) -> Iterator[ListedDocument]:
    for position, item in enumerate(items):
        document_type, file = as_object(item.get("tipo")), as_object(item.get("arquivo"))
        binary, text_href = (
            _normalize_href(item.get(key) or file.get(key)) for key in ("hrefBinario", "hrefTexto")
        )
        document_id = _id_from_hrefs(binary, text_href) or _parse_stated_id(item, file)
        if document_id is not None and binary is None and text_href is None:
            # The data lake sends ids instead of hrefs.
            base = f"/processos/{number.canonical}/documentos/{document_id}"
            binary, text_href = f"{base}/binario", f"{base}/texto"
        document_id = document_id or _derive_id(number, instance.key, item, position)
        size = parse_integer(file.get("tamanho"))
        size = size if size is not None and size > 0 else None
        media_type = normalize_media_type(parse_text(file.get("tipo")))
        filed_at = parse_datetime(item.get("dataHoraJuntada"))
        origin = DocumentOrigin(
            document_id,
            source,
            parse_integer(item.get("idCodex")),
            binary_href=binary,
            text_href=text_href,
            media_type=media_type,
            size_bytes=size,
            filed_at=filed_at,
        )
        yield ListedDocument(
            id=document_id,
            instance_key=instance.key,
            name=parse_text(item.get("nome")),
            sequence=parse_integer(item.get("sequencia"), below=2**31),
            type_code=parse_integer(document_type.get("codigo"), below=2**31),
            type_name=parse_text(document_type.get("nome")),
            filed_at=filed_at,
            secrecy=strictest([secrecy_parser.parse_strictest(item.get("nivelSigilo")), instance.secrecy]),
            binary_href=binary,
            text_href=text_href,
            declared_media_type=media_type,
            declared_size_bytes=size,
            pages=parse_integer(file.get("quantidadePaginas"), below=2**31),
            origin_id=parse_text(item.get("idOrigem")),
            sources=(origin,),
        )


def _normalize_href(value: object) -> str | None:
    href = parse_text(value)
    return f"/{href}" if href and href.startswith(_RELATIVE_PREFIXES) else href


def _id_from_hrefs(*hrefs: str | None) -> str | None:
    for href in hrefs:
        match = _DOCUMENT_ID.search(href or "")
        if match:
            return match.group(1).lower()
    return None


def _parse_stated_id(item: dict[str, Any], file: dict[str, Any]) -> str | None:
    for value in (item.get("id"), file.get("id")):
        try:
            return str(UUID(str(value)))
        except ValueError:
            continue
    return None


def _derive_id(number: ProcessNumber, instance_key: str, item: dict[str, Any], position: int) -> str:
    # A document without an href is still a document: it is listed, and its download fails with a code. Its id is
    # stored, so what it is derived from must not change.
    identity = next(
        (f"{key}={value}" for key in ("idCodex", "idOrigem", "sequencia") if (value := parse_text(item.get(key)))),
        f"place={position}",
    )
    return str(uuid5(NAMESPACE_URL, f"{number.canonical}/{instance_key}/{identity}"))


def _filing_order_key(document: ListedDocument) -> tuple[datetime, int, str]:
    return document.filed_at or _END_OF_TIME, document.sequence or 0, document.id


def _parse_subjects(stage: dict[str, Any]) -> Iterator[str]:
    subjects = stage.get("assunto")
    for item in subjects if isinstance(subjects, list) else []:
        description = parse_text(as_object(item).get("descricao"))
        if description:
            yield description
