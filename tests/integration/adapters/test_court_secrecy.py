"""Secrecy, from the court's JSON to what a reader may see: a document with an unrecognized level is withheld."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from adapters.court_pdpj.listing import parse_listing
from adapters.court_pdpj.secrecy import parse_secrecy
from adapters.database import Catalog
from domain.clients import Scope
from domain.documents import Document
from domain.listings import Listing
from domain.process_number import ProcessNumber
from domain.secrecy import Secrecy, is_withheld
from domain.serializers import document_body
from tests.support.court_secrecy import NOT_UNDERSTOOD, OPEN, PLACES, WORDS, anything, stated, states_openness
from tests.support.numbers import fresh_number
from tests.support.portal_json import NUMBER, Json, details, piece, stage

NOW = datetime(2026, 3, 3, tzinfo=UTC)
READER = frozenset({Scope.READ, Scope.DOWNLOAD, Scope.ADMIN})
KEPT = {"id", "instance", "secrecy", "withheld", "listed", "unlisted_at", "status"}


def parsed(payload: list[Json], number: str = NUMBER, *, hour: int = 0) -> Listing:
    """Return the listing of a payload, listed this many hours after the first."""
    root = {key: value for key, value in payload[0].items() if key != "numeroProcesso"}
    return parse_listing([root, *payload[1:]], ProcessNumber.parse(number), NOW + timedelta(hours=hour))


async def record(catalog: Catalog, *payloads: list[Json]) -> list[Document]:
    """Record these listings of a new process one after another, and return its documents."""
    number = fresh_number()
    for hour, payload in enumerate(payloads):
        await catalog.listings.record(parsed(payload, number, hour=hour))
    return await catalog.documents.page(number, limit=10)


async def only(catalog: Catalog, *payloads: list[Json]) -> Document:
    """Record these listings, and return the only document."""
    [document] = await record(catalog, *payloads)
    return document


@pytest.mark.parametrize(
    ("value", "level"),
    [
        (None, Secrecy.UNKNOWN),
        *zip(WORDS, [*list(Secrecy)[1:7]] * 2, strict=True),
        *enumerate(list(Secrecy)[1:7]),
        *((value, Secrecy.UNRECOGNIZED) for value in NOT_UNDERSTOOD),
    ],
)
def test_only_exact_words_and_digits_are_recognized(value: object, level: Secrecy) -> None:
    assert parse_secrecy(value) is level


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.dictionaries(st.sampled_from(PLACES), anything))
@example({})
@example({"process": 0, "instance": 5, "piece": "PUBLICO"})
@example({"instance of the second source": {"codigo": 5}})
async def test_a_level_that_is_not_known_to_be_public_withholds_the_document_wherever_it_is_stated(
    catalog: Catalog, values: dict[str, Any]
) -> None:
    document = await only(catalog, stated(values, ids=(str(uuid4()), str(uuid4()))))
    withheld = not all(states_openness(value) for value in values.values())
    assert is_withheld(document, READER) is withheld
    assert not is_withheld(document, {Scope.SEALED})
    if not any(value is not None for value in values.values()):
        assert document.secrecy is Secrecy.UNKNOWN


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("value", [*NOT_UNDERSTOOD, 1, "5", "SIGILO_MINIMO"], ids=repr)
def test_one_stated_level_is_enough(place: str, value: Any) -> None:
    values = dict.fromkeys(PLACES, 0) | {"piece": "PUBLICO", "second source": "PUBLICO", place: value}
    listing = parsed(stated(values, ids=(str(uuid4()), str(uuid4()))))
    [document] = listing.documents
    [instance] = [each for each in listing.instances if each.key == document.instance_key]
    levels = (listing.secrecy, instance.secrecy, document.secrecy)
    assert not all(level.is_open for level in levels)


@pytest.mark.parametrize("value", OPEN)
def test_levels_that_are_known_to_be_public_stay_open(value: Any) -> None:
    listing = parsed(stated(dict.fromkeys(PLACES, value), ids=(str(uuid4()), str(uuid4()))))
    assert listing.secrecy.is_open
    assert all(instance.secrecy.is_open for instance in listing.instances)
    assert all(document.secrecy.is_open for document in listing.documents)
    assert listing.unrecognized_levels == ()


def closed_ids(listing: Listing) -> set[str]:
    """Return the ids of documents whose own level, or whose instance's, is not open."""
    closed = {instance.key for instance in listing.instances if not instance.secrecy.is_open}
    return {
        document.id
        for document in listing.documents
        if document.instance_key in closed or not document.secrecy.is_open
    }


def test_the_level_of_an_instance_applies_to_its_documents_only() -> None:
    first, second = str(uuid4()), str(uuid4())
    payload = details(stage(piece(first), nivelSigilo=0), stage(piece(second), degree=2, nivelSigilo=5))
    assert closed_ids(parsed(payload)) == {second}


@pytest.mark.parametrize("levels", [(0, 5), (5, 0)])
def test_an_instance_that_is_listed_twice_has_the_stricter_level(levels: tuple[int, int]) -> None:
    first, second = str(uuid4()), str(uuid4())
    payload = details(
        *(stage(piece(each), nivelSigilo=level) for each, level in zip((first, second), levels, strict=True))
    )
    assert closed_ids(parsed(payload)) == {first, second}


@pytest.mark.parametrize("levels", [("PUBLICO", "SIGILO_MEDIO"), ("SIGILO_MEDIO", "PUBLICO")])
def test_a_document_that_is_listed_twice_has_the_stricter_level(levels: tuple[str, str]) -> None:
    twice = [piece(document_id := str(uuid4()), nivelSigilo=level) for level in levels[:1]]
    twice.append(piece(document_id, nivelSigilo=levels[1]))
    assert closed_ids(parsed(details(stage(*twice)))) == {document_id}
    assert closed_ids(parsed(details(stage(twice[0]), stage(twice[1], degree=2)))) == {document_id}


def test_a_second_object_in_the_response_counts_too() -> None:
    assert (
        parsed([*details(stage(piece())), {"numeroProcesso": NUMBER, "nivelSigilo": 5}]).secrecy is Secrecy.ABSOLUTE
    )


def from_sources(*sources: tuple[str, int, object]) -> list[Json]:
    """Return a payload with one document from these sources, each an id, a source number, and a stated level."""
    stages = [
        stage(piece(document_id, idOrigem="1", nivelSigilo=level), source=number)
        for document_id, number, level in sources
    ]
    return details(stages[0], *stages[1:])


async def test_a_level_is_kept_when_its_source_disappears(catalog: Catalog) -> None:
    a, b = str(uuid4()), str(uuid4())
    closed, opened = from_sources((a, 45, "SIGILO_MEDIO")), from_sources((b, 46, "PUBLICO"))
    for payloads in (
        [closed, opened],
        [closed, opened, opened],
        [from_sources((a, 45, "SIGILO_MEDIO"), (b, 46, "PUBLICO")), opened, opened],
        [from_sources((b, 46, "PUBLICO"), (a, 45, "SIGILO_MEDIO")), opened, opened],
    ):
        document = await only(catalog, *payloads)
        assert document.secrecy is Secrecy.MEDIUM
        assert [origin.id for origin in document.sources] == [b]


async def test_a_source_that_comes_back_may_lower_its_level(catalog: Catalog) -> None:
    a, b = str(uuid4()), str(uuid4())
    closed, elsewhere = from_sources((a, 45, "SIGILO_MEDIO")), from_sources((b, 46, "PUBLICO"))
    for last in (from_sources((a, 45, "PUBLICO")), from_sources((b, 46, "PUBLICO"), (a, 45, None))):
        assert (await only(catalog, closed, elsewhere, last)).secrecy is Secrecy.PUBLIC


async def test_a_source_that_never_stated_secrecy_does_not_keep_a_document_closed(catalog: Catalog) -> None:
    a, b = str(uuid4()), str(uuid4())
    both = from_sources((a, 45, "PUBLICO"), (b, 46, "SIGILO_MEDIO"))
    assert (await only(catalog, both, from_sources((b, 46, "PUBLICO")))).secrecy is Secrecy.PUBLIC


async def test_a_withheld_document_reveals_nothing_about_itself(catalog: Catalog) -> None:
    document = await only(catalog, details(stage(piece(), nivelSigilo=3)))
    body = document_body(document, {}, READER)
    assert (body["withheld"], body["secrecy"], body["listed"]) == (True, "medium", True)
    assert {key for key, value in body.items() if value not in (None, [])} == KEPT - {"unlisted_at"}
    assert document_body(document, {}, {Scope.SEALED})["pages"] == 3


@given(st.lists(anything, min_size=1, max_size=40))
def test_unrecognized_levels_are_collected_once_in_a_few_printable_characters(values: list[Any]) -> None:
    pieces = [piece(nivelSigilo=value) for value in values]
    unrecognized = parsed(details(stage(*pieces))).unrecognized_levels
    assert bool(unrecognized) is any(parse_secrecy(value) is Secrecy.UNRECOGNIZED for value in values)
    assert len(set(unrecognized)) == len(unrecognized) <= 20
    assert all(each.isprintable() and len(each) <= 60 for each in unrecognized)
