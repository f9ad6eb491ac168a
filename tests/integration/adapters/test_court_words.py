"""Control characters in the court's names, types, units, classes and error messages never reach a client."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import fields, is_dataclass
from typing import Any
from uuid import uuid4

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from adapters.court_pdpj.error_mapping import Resource, map_error_response
from adapters.court_pdpj.listing import parse_listing
from adapters.database import Catalog
from domain.clients import ALL_SCOPES
from domain.errors import ProcessFailure
from domain.process_number import ProcessNumber
from domain.serializers import documents_body
from tests.integration.adapters.test_court_secrecy import NOW, parsed
from tests.support.numbers import fresh_number
from tests.support.portal_json import NUMBER, details, href_of, payloads, piece, stage

# C0 and C1, bidirectional overrides, isolates and marks, line separators, a byte order mark, half a surrogate pair.
HOSTILE = "a\x00\x07\x1b[31m\r\n\t\x7f\x85\x9b\u061c\u200e\u202e\u2066\u2069\u2028\u2029\ufeff\ud800b"
CONTROLS = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})

_hostile = st.text(st.characters(categories=("Cc", "Cf", "Cs", "Zl", "Zp", "Lu")), min_size=1, max_size=12)


def iter_texts(value: object) -> Iterator[str]:
    """Yield every text inside a value, keys included."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from iter_texts(key)
            yield from iter_texts(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from iter_texts(item)
    elif is_dataclass(value):
        for each in fields(value):
            yield from iter_texts(getattr(value, each.name))


def find_control_characters(value: object) -> set[str]:
    """Return the control characters anywhere inside a value."""
    return {
        character for text in iter_texts(value) for character in text if unicodedata.category(character) in CONTROLS
    }


def details_with_word_everywhere(word: str) -> list[dict[str, Any]]:
    """Return the details of a process with this word in every text field."""
    document_id = str(uuid4())
    document = piece(
        document_id,
        nome=word,
        tipo={"codigo": 58, "nome": word},
        idOrigem=word,
        nivelSigilo=word,
        hrefBinario=href_of(document_id) + word,
        arquivo={"tipo": word},
    )
    unit = {"orgaoJulgador": [{"nome": word}]}
    return details(
        stage(
            document,
            grau={"sigla": word, "nome": word},
            instancia=word,
            distribuicao=[unit],
            classe=[{"codigo": 7, "descricao": word}],
            assunto=[{"descricao": word}],
        ),
        siglaTribunal=word,
    )


@given(_hostile | st.just(HOSTILE))
def test_no_text_of_a_listing_holds_a_control_character(word: str) -> None:
    assert find_control_characters(parsed(details_with_word_everywhere(word))) == set()


@given(payloads)
def test_no_text_of_any_listing_holds_a_control_character(payload: Any) -> None:
    with suppress(ProcessFailure):
        assert find_control_characters(parse_listing(payload, ProcessNumber.parse(NUMBER), NOW)) == set()


@settings(max_examples=40, suppress_health_check=list(HealthCheck))
@given(_hostile)
@example(HOSTILE)
async def test_no_field_of_an_answer_holds_a_control_character(catalog: Catalog, word: str) -> None:
    number = fresh_number()
    await catalog.listings.record(parsed(details_with_word_everywhere(word), number))
    [document] = await catalog.documents.page(number, limit=10)
    message = json.dumps({"message": word})
    failure = map_error_response(500, {}, message.encode(), Resource.DOCUMENT)
    await catalog.documents.record_failed_attempt(
        number, document.id, failure.code, failure.answer, allowed_attempts=1
    )
    page = await catalog.documents.page(number, limit=10)
    assert find_control_characters(documents_body(page, {}, ALL_SCOPES)) == set()
    source = await catalog.documents.get_source(number, document.id)
    assert find_control_characters(source) == set()
