"""Control characters of the court's reach no answer: neither names, types, units and classes, nor what it said."""

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

from adapters.court_pdpj.answers import Subject, failure_of
from adapters.court_pdpj.listing import parse_listing
from adapters.database import Catalog
from domain.clients import ALL_SCOPES
from domain.errors import ProcessFailure
from domain.process_number import ProcessNumber
from domain.representation import documents_body
from tests.adapters.test_court_secrecy import NOW, parsed
from tests.support.numbers import fresh_number
from tests.support.portal_json import NUMBER, details, href_of, payloads, piece, stage

# C0 and C1, bidirectional overrides, isolates and marks, line separators, a byte order mark, half a surrogate pair.
HOSTILE = "a\x00\x07\x1b[31m\r\n\t\x7f\x85\x9b\u061c\u200e\u202e\u2066\u2069\u2028\u2029\ufeff\ud800b"
CONTROLS = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})

_hostile = st.text(st.characters(categories=("Cc", "Cf", "Cs", "Zl", "Zp", "Lu")), min_size=1, max_size=12)


def texts(value: object) -> Iterator[str]:
    """Every text inside a value, keys included."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from texts(key)
            yield from texts(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from texts(item)
    elif is_dataclass(value):
        for each in fields(value):
            yield from texts(getattr(value, each.name))


def controls(value: object) -> set[str]:
    """The control characters anywhere inside a value."""
    return {character for text in texts(value) for character in text if unicodedata.category(character) in CONTROLS}


def everywhere(word: str) -> list[dict[str, Any]]:
    """The details of a process in which the court writes a word wherever it can write one."""
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
    assert controls(parsed(everywhere(word))) == set()


@given(payloads)
def test_no_text_of_any_listing_holds_a_control_character(payload: Any) -> None:
    with suppress(ProcessFailure):
        assert controls(parse_listing(payload, ProcessNumber.parse(NUMBER), NOW)) == set()


@settings(max_examples=40, suppress_health_check=list(HealthCheck))
@given(_hostile)
@example(HOSTILE)
async def test_no_field_of_an_answer_holds_a_control_character(catalog: Catalog, word: str) -> None:
    number = fresh_number()
    await catalog.listings.record(parsed(everywhere(word), number))
    [document] = await catalog.documents.page(number, limit=10)
    message = json.dumps({"message": word})
    failure = failure_of(500, {}, message.encode(), Subject.DOCUMENT)
    await catalog.documents.record_failed_attempt(
        number, document.id, failure.code, failure.answer, allowed_attempts=1
    )
    page = await catalog.documents.page(number, limit=10)
    assert controls(documents_body(page, {}, ALL_SCOPES)) == set()
    source = await catalog.documents.source(number, document.id)
    assert controls(source) == set()
