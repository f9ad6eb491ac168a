"""Parsing of the portal's JSON into a `Listing`."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, example, given, settings

from adapters.court_pdpj.listing import parse_listing
from adapters.database import Catalog
from domain.errors import FailureCode, ProcessFailure
from domain.listings import DocumentOrigin, ListedDocument, Listing
from domain.process_number import ProcessNumber
from domain.secrecy import Secrecy
from tests.support.numbers import fresh_number
from tests.support.portal_json import NUMBER, details, href_of, payloads, piece, stage

NOW = datetime(2026, 3, 3, tzinfo=UTC)
ID = "0f1e2d3c-4b5a-5678-9abc-def012345678"


def parsed(payload: object, number: str = NUMBER) -> Listing:
    """Return the listing of a payload."""
    return parse_listing(payload, ProcessNumber.parse(number), NOW)


def only(payload: object) -> ListedDocument:
    """Return the only document of a payload."""
    [document] = parsed(payload).documents
    return document


def refusal_code(payload: object) -> FailureCode:
    """Return the failure code of a payload that is not a listing."""
    with pytest.raises(ProcessFailure) as refused:
        parsed(payload)
    return refused.value.code


def test_all_fields_of_a_document_are_parsed() -> None:
    assert only(details(stage(piece(ID, idOrigem="PG5RP_1")))) == ListedDocument(
        id=ID,
        instance_key="G1:45",
        name="Petição Inicial.pdf",
        sequence=12,
        type_code=58,
        type_name="Petição Inicial",
        filed_at=datetime(2026, 3, 2, 13, 0, 0, 570000, tzinfo=UTC),
        secrecy=Secrecy.PUBLIC,
        binary_href=href_of(ID),
        text_href=href_of(ID, "texto"),
        declared_media_type="application/pdf",
        declared_size_bytes=49197,
        pages=3,
        origin_id="PG5RP_1",
        sources=(
            DocumentOrigin(
                ID,
                45,
                28800000063,
                binary_href=href_of(ID),
                text_href=href_of(ID, "texto"),
                media_type="application/pdf",
                size_bytes=49197,
                filed_at=datetime(2026, 3, 2, 13, 0, 0, 570000, tzinfo=UTC),
            ),
        ),
    )


def test_all_fields_of_the_process_are_parsed() -> None:
    listing = parsed(details(stage(), nivelSigilo=1))
    assert (listing.process_number, listing.court, listing.listed_at) == (NUMBER, "TJMT", NOW)
    assert (listing.class_code, listing.class_name) == (7, "Procedimento Comum Cível")
    assert (listing.subjects, listing.secrecy) == (("Dano Moral",), Secrecy.JUSTICE_SECRET)
    assert (listing.value, listing.filed_at) == (
        Decimal("15000.00"),
        datetime(2026, 1, 15, 12, 30, 12, 345000, tzinfo=UTC),
    )
    [instance] = listing.instances
    assert (instance.degree, instance.name, instance.court_unit) == ("G1", "1° Grau", "1ª VARA CÍVEL DE EXEMPLO")
    assert instance.current


@pytest.mark.parametrize("number", [NUMBER, NUMBER.replace("-", "").replace(".", "")])
def test_both_forms_of_the_number_are_accepted(number: str) -> None:
    assert parsed(details(stage(piece()), numeroProcesso=number)).process_number == NUMBER


def test_an_object_instead_of_an_array_is_accepted() -> None:
    assert parsed(details(stage(piece(ID)))[0]) == parsed(details(stage(piece(ID))))


def test_documents_besides_the_current_stage_are_listed() -> None:
    beside = str(uuid4())
    both = parsed(details(stage(piece(ID)), documentos=[piece(beside)])).documents
    assert {document.id for document in both} == {ID, beside}
    assert len(parsed(details(None, documentos=[piece()])).documents) == 1


def test_a_second_degree_adds_its_documents_and_its_instance() -> None:
    listing = parsed(details(stage(piece(), degree=2), stage(piece(), distribuicao=None)))
    assert [instance.key for instance in listing.instances] == ["G2:45", "G1:45"]
    assert [instance.current for instance in listing.instances] == [True, False]
    assert {document.instance_key for document in listing.documents} == {"G1:45", "G2:45"}


def by_origin(listing: Listing) -> dict[str | None, list[list[tuple[str, int | None]]]]:
    """Return the sources of the documents, by the court's `idOrigem`."""
    found: dict[str | None, list[list[tuple[str, int | None]]]] = {}
    for document in listing.documents:
        found.setdefault(document.origin_id, []).append([(each.id, each.source) for each in document.sources])
    return found


@pytest.mark.parametrize("sources", [(45, 46), (45, None), (None, None)])
def test_copies_from_a_second_source_are_merged(sources: tuple[int | None, int | None]) -> None:
    ids, others = [[str(uuid4()) for _ in range(5)] for _ in range(2)]
    first = [piece(one, idOrigem=str(place)) for place, one in enumerate(ids)]
    copies = [piece(one, idOrigem=str(place), arquivo=None) for place, one in enumerate(others)]
    stages = [
        stage(*documents, idFonteDadosCodex=source)
        for documents, source in zip((first, copies), sources, strict=True)
    ]
    listing = parsed(details(*stages))
    assert {document.id: document.binary_href for document in listing.documents} == {
        one: href_of(one) for one in ids
    }
    assert by_origin(listing) == {
        str(place): [[(ids[place], sources[0]), (others[place], sources[1])]] for place in range(5)
    }


def test_every_source_of_a_document_is_kept() -> None:
    ids = [str(uuid4()) for _ in range(3)]
    stages = [stage(piece(one, idOrigem="1"), source=source) for one, source in zip(ids, (45, 46, 47), strict=True)]
    assert by_origin(parsed(details(*stages))) == {"1": [list(zip(ids, (45, 46, 47), strict=True))]}


def test_a_copy_is_merged_however_its_degree_is_stated() -> None:
    listing = parsed(details(stage(piece(idOrigem="1")), stage(piece(idOrigem="1"), source=46, grau=None)))
    assert [len(document.sources) for document in listing.documents] == [2]


def test_twins_and_their_copies_are_merged_in_pairs() -> None:
    ids = [str(uuid4()) for _ in range(5)]
    twins, copies = ids[:2], ids[2:]
    listing = parsed(
        details(
            stage(*(piece(one, idOrigem="1") for one in twins)),
            stage(*(piece(one, idOrigem="1") for one in copies), source=46),
        )
    )
    pairs = [[(twin, 45), (copy, 46)] for twin, copy in zip(twins, copies, strict=False)]
    assert sorted(by_origin(listing)["1"]) == sorted([*pairs, [(copies[2], 46)]])


def test_a_document_that_only_the_second_source_has_is_listed() -> None:
    listing = parsed(details(stage(piece(idOrigem="1")), stage(piece(idOrigem="2"), source=46)))
    assert len(listing.documents) == 2


def test_the_same_id_of_origin_in_two_degrees_is_two_documents() -> None:
    listing = parsed(details(stage(piece(idOrigem="1")), stage(piece(idOrigem="1"), degree=2)))
    assert len(listing.documents) == 2


def test_twins_of_one_stage_are_two_documents() -> None:
    assert len(parsed(details(stage(piece(idOrigem="1"), piece(idOrigem="1")))).documents) == 2


def test_the_same_document_listed_twice_is_one() -> None:
    assert len(parsed(details(stage(piece(ID), piece(ID)), stage(piece(ID), degree=2))).documents) == 1


def test_documents_are_in_filing_order() -> None:
    times = ["2026-03-02T10:00:00.6", "2026-03-02T10:00:00.57", "2026-03-02T10:00:00", "2025-12-31T23:59:59.999"]
    listing = parsed(details(stage(*(piece(dataHoraJuntada=time) for time in times), piece(dataHoraJuntada=None))))
    moments = [document.filed_at for document in listing.documents]
    assert moments[-1] is None
    assert moments[:-1] == sorted(moment for moment in moments if moment)


def test_a_document_with_text_only_has_the_id_of_its_text() -> None:
    document = only(details(stage(piece(ID, hrefBinario=None))))
    assert (document.id, document.binary_href, document.text_href) == (ID, None, href_of(ID, "texto"))


def test_a_document_without_an_href_has_a_stable_id() -> None:
    payload = details(stage(piece(hrefBinario=None, hrefTexto=None, idCodex=7)))
    assert only(payload) == only(payload)
    assert only(payload).binary_href is None


@pytest.mark.parametrize("key", sorted(piece().keys() - {"hrefBinario"}))
def test_no_key_but_an_href_is_needed(key: str) -> None:
    assert only(details(stage(piece(ID, **{key: None})))).id == ID


@pytest.mark.parametrize("key", sorted(stage().keys() - {"documentos"}))
def test_no_key_of_a_stage_is_needed(key: str) -> None:
    sparse = {name: value for name, value in stage(piece(ID)).items() if name != key}
    assert only(details(sparse)).id == ID


def test_null_is_the_same_as_missing() -> None:
    nulls = dict.fromkeys(piece().keys() - {"hrefBinario"})
    sparse = {"hrefBinario": href_of(ID)}
    assert only(details(stage(sparse | nulls))) == only(details(stage(sparse)))


@pytest.mark.parametrize("payload", [[], [None], None, {"content": []}, [{"content": []}], {"content": None}])
def test_an_empty_response_means_not_found(payload: object) -> None:
    assert refusal_code(payload) is FailureCode.NOT_FOUND


@pytest.mark.parametrize("payload", [{}, [{}], [[]], "x", 1, True, {"status": "MANUTENCAO"}, {"content": [{}]}])
def test_a_payload_that_is_not_a_process_is_refused(payload: object) -> None:
    assert refusal_code(payload) is FailureCode.INVALID_LISTING


def test_the_description_of_another_process_is_refused() -> None:
    assert refusal_code(details(stage(), numeroProcesso="1000002-36.2026.8.11.0041")) is FailureCode.INVALID_LISTING


def test_a_process_without_documents_is_an_empty_listing() -> None:
    assert parsed(details(stage(documentos=None))).documents == ()


@given(payloads)
@example(details(stage(valorAcao="1e9999999")))
@example(details(stage(piece(hrefBinario=None, hrefTexto=None, idCodex=None, idOrigem="\ud800"))))
def test_any_json_is_a_listing_or_a_failure_of_the_process(payload: Any) -> None:
    try:
        listing = parsed(payload)
    except ProcessFailure as refused:
        assert refused.code in (FailureCode.NOT_FOUND, FailureCode.INVALID_LISTING)  # noqa: PT017 - one of two valid outcomes.
    else:
        keys = {instance.key for instance in listing.instances}
        assert {document.instance_key for document in listing.documents} <= keys
        ids = [origin.id for document in listing.documents for origin in document.sources]
        assert len(set(ids)) == len(ids)
        assert all(document.sources[0].id == document.id for document in listing.documents)


@settings(max_examples=60, suppress_health_check=list(HealthCheck))
@given(payloads)
@example(details(stage(classe=[{"codigo": 2**31}]), siglaTribunal="T" * 40))
@example(details(stage(valorAcao="9999999999999999.999")))
@example(details(stage(piece(nome="a\x00b\ud800c", tipo={"nome": "\x00"}))))
@example(details(stage(piece(), grau={"sigla": "G" * 40, "nome": "n" * 400}, idFonteDadosCodex=2**63)))
async def test_any_listing_can_be_recorded(catalog: Catalog, payload: Any) -> None:
    number = fresh_number()
    root = payload[0] if isinstance(payload, list) and payload else payload
    if isinstance(root, dict):
        payload = {key: value for key, value in root.items() if key != "numeroProcesso"}
    try:
        listing = parsed(payload, number)
    except ProcessFailure:
        return
    summary = await catalog.listings.record(listing)
    assert summary.new_documents == len(listing.documents)
    page = await catalog.documents.page(number, limit=1000)
    assert [document.id for document in page] == [document.id for document in listing.documents]


def test_ids_do_not_depend_on_upper_case() -> None:
    document_id = str(uuid4())
    assert only(details(stage(piece(hrefBinario=href_of(document_id.upper()))))).id == document_id
