"""Movements, parties, related processes and basic data, out of what the court really sends."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.court_pdpj.listing import parse_listing
from adapters.court_pdpj.movements import MAX_TEXT_CHARACTERS
from adapters.court_pdpj.parties import MAX_LAWYERS, MAX_PARTIES
from domain.listings import Lawyer, ListedMovement, Listing, RelatedProcess
from domain.process_number import ProcessNumber
from domain.secrecy import Secrecy
from tests.support.portal_json import NUMBER, details, piece, stage

NOW = datetime(2026, 3, 2, 15, tzinfo=UTC)
DOCUMENT = "0f1e2d3c-4b5a-5678-9abc-def012345678"
_LEVELS: tuple[object, ...] = (1, 5, 6, "SIGILO_MINIMO", "x", False, 0.0, [])
_MARKS: tuple[object, ...] = (True, "false", "PUBLICO", 0, 1, "N", [], {})
SEALING_MARKS = [
    *[("nivelSigilo", level) for level in _LEVELS],
    *[(key, mark) for key in ("sigilosa", "Sigilo") for mark in _MARKS],
]
CPF, CNPJ = "123.456.789-09", "12.345.678/0001-95"


def parsed(payload: object) -> Listing:
    """Parse the details of the process."""
    return parse_listing(payload, ProcessNumber.parse(NUMBER), NOW)


def movement(moment: object = "2026-03-02T10:00:00.1", **fields: Any) -> dict[str, Any]:
    """Return a movement of the court."""
    return {"dataHora": moment, "descricao": "Juntada de petição", **fields}


def movements_of(*stages: dict[str, Any]) -> tuple[ListedMovement, ...]:
    """Return the movements of a process with these instances."""
    return parsed(details(*stages)).movements


def test_a_movement_is_parsed_with_its_code_level_and_document() -> None:
    [found] = movements_of(
        stage(movimentos=[movement(tipo={"codigo": 581, "nome": "Documento"}, idDocumento=DOCUMENT.upper())])
    )
    assert (found.instance_key, found.code, found.text) == ("G1:45", 581, "Juntada de petição")
    assert (found.occurred_at, found.document_id) == (datetime(2026, 3, 2, 13, 0, 0, 100_000, UTC), DOCUMENT)
    assert found.secrecy is Secrecy.UNKNOWN


@pytest.mark.parametrize(
    ("written", "utc"),
    [
        # A day without a time is midnight in Brasília, not in Greenwich.
        ("2026-03-02", "2026-03-02T03:00:00"),
        ("02/03/2026", "2026-03-02T03:00:00"),
        ("2026-03-02T23:59:59.999", "2026-03-03T02:59:59.999000"),
        ("2026-12-31T23:30:00", "2027-01-01T02:30:00"),
        # In summer time, and in the hour that it skipped: 4 November 2018 had no midnight.
        ("2018-12-01T00:00:00", "2018-12-01T02:00:00"),
        ("2018-11-04", "2018-11-04T03:00:00"),
        # The hour that came twice.
        ("2018-02-17T23:30:00", "2018-02-18T01:30:00"),
        ("2026-03-02T10:00:00Z", "2026-03-02T10:00:00"),
    ],
)
def test_times_are_those_of_sao_paulo(written: str, utc: str) -> None:
    [found] = movements_of(stage(movimentos=[movement(written)]))
    assert found.occurred_at == datetime.fromisoformat(utc).replace(tzinfo=UTC)


def test_equal_movements_are_told_apart_by_their_number_in_any_order() -> None:
    items = [movement(), movement(), movement(descricao="Conclusos"), movement("2026-03-01T10:00:00")]
    keys = [each.key for each in movements_of(stage(movimentos=items))]
    assert len(set(keys)) == 4
    assert {each.key for each in movements_of(stage(movimentos=items[::-1]))} == set(keys)
    # The same ones tomorrow, with another precision of the time.
    later = [movement("2026-03-02T10:00:00.123"), *items[1:]]
    assert {each.key for each in movements_of(stage(movimentos=later))} == set(keys)


def test_two_systems_list_the_same_movements_and_each_is_kept_once() -> None:
    items = [movement(), movement(), movement(descricao="Conclusos")]
    alone = movements_of(stage(movimentos=items))
    first, second = stage(movimentos=items), stage(source=46, movimentos=items[:2], nivelSigilo=2)
    both = movements_of(first, second)
    assert [each.key for each in both] == [each.key for each in alone]
    # The key stays when the other system becomes the current one.
    assert {each.key for each in movements_of(second, first)} == {each.key for each in alone}
    assert {each.text: each.secrecy for each in both} == {
        "Juntada de petição": Secrecy.MINIMUM,
        "Conclusos": Secrecy.UNKNOWN,
    }
    assert len({each.key for each in movements_of(first, stage(degree=2, movimentos=items))}) == 6


@pytest.mark.parametrize(
    ("marks", "level"),
    [
        ({}, Secrecy.UNKNOWN),
        ({"sigiloso": False}, Secrecy.UNKNOWN),
        ({"sigiloso": None}, Secrecy.UNKNOWN),
        ({"sigiloso": True}, Secrecy.JUSTICE_SECRET),
        ({"sigiloso": "false"}, Secrecy.UNRECOGNIZED),
        ({"segredoJustica": 0}, Secrecy.UNRECOGNIZED),
        ({"nivelSigilo": 3}, Secrecy.MEDIUM),
        ({"nivelSigilo": "SECRETO"}, Secrecy.UNRECOGNIZED),
        ({"nivelSigilo": "PUBLICO", "sigiloso": True}, Secrecy.JUSTICE_SECRET),
    ],
)
def test_a_sealed_movement_has_a_level(marks: dict[str, Any], level: Secrecy) -> None:
    assert [each.secrecy for each in movements_of(stage(movimentos=[movement(**marks)]))] == [level]


def test_a_movement_has_the_level_of_its_instance_at_least() -> None:
    [found] = movements_of(stage(movimentos=[movement()], nivelSigilo=1))
    assert found.secrecy is Secrecy.JUSTICE_SECRET


def test_odd_movements_cost_no_more_than_themselves() -> None:
    odd: list[Any] = [None, 3, "x", [], {}, movement("ontem"), movement(descricao=["x"]), movement(idDocumento="7")]
    found = movements_of(stage(movimentos=[*odd, movement(descricao="y" * 10_000)]))
    assert len(found) == 5
    assert max(len(each.text or "") for each in found) == MAX_TEXT_CHARACTERS
    assert len({each.key for each in found}) == 5
    assert len(parsed(details(stage(piece(), movimentos="nada"))).documents) == 1
    assert not parsed(details(stage(movimentos=None))).movements_stated
    assert parsed(details(stage(movimentos=[]))).movements_stated


def test_parties_are_kept_with_their_lawyers_and_without_their_numbers() -> None:
    partes = [
        {
            "polo": "ATIVO",
            "nome": "PARTE SINTÉTICA",
            "documentosPrincipais": [{"numero": "12345678909", "tipo": "CPF"}],
            "sigilosa": False,
            "representantes": [
                {
                    "tipoRepresentacao": "ADVOGADO",
                    "nome": "ADVOGADA SINTÉTICA",
                    "cadastroReceitaFederal": [{"numero": 12345678909, "tipo": "CPF"}],
                    "oab": [{"numero": 12345, "uf": "MT"}],
                }
            ],
        },
        {"polo": "PASSIVO", "nome": "JOÃO SINTÉTICO 12345678909"},
        {"nome": f"SINTÉTICA LTDA - CNPJ: {CNPJ}"},
        {"nome": f"MARIA SINTÉTICA (CPF {CPF})"},
        {"nome": "12.345.678 JOSÉ SINTÉTICO"},
    ]
    listing = parsed(details(stage(partes=partes)))
    assert [party.name for party in listing.parties] == [
        "PARTE SINTÉTICA",
        "JOÃO SINTÉTICO",
        "SINTÉTICA LTDA",
        "MARIA SINTÉTICA",
        "JOSÉ SINTÉTICO",
    ]
    assert listing.parties[0].lawyers == (Lawyer("ADVOGADA SINTÉTICA", "ADVOGADO", "MT12345"),)
    text = repr(listing)
    assert not any(number in text for number in ("12345678909", "123.456.789", "12.345.678", CPF, CNPJ))


def test_numbers_of_taxpayers_leave_the_texts_of_movements() -> None:
    text = f"Intimação de PARTE SINTÉTICA, CPF {CPF}, e de {CNPJ}, no processo {NUMBER}, id 28800000063"
    [found] = movements_of(stage(movimentos=[movement(descricao=text)]))
    assert found.text == f"Intimação de PARTE SINTÉTICA, CPF , e de , no processo {NUMBER}, id 28800000063"


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("Citado FULANO, CPF 12345678909, em audiência", "Citado FULANO, CPF , em audiência"),
        ("inscrita no CPF/MF sob o nº 123456789-09.", "inscrita no CPF/MF sob o nº ."),
        ("EMPRESA (CNPJ: 12345678000195)", "EMPRESA (CNPJ: )"),
        ("cnpj nº 12.345.678/0001-95", "cnpj nº"),
        (f"CPF{CPF}", "CPF"),
        ("CPF:12345678909", "CPF:"),
        ("Penhora via CPF, protocolo 20260012345678", "Penhora via CPF, protocolo 20260012345678"),
        ("Guia 12345678909 paga", "Guia 12345678909 paga"),
    ],
)
def test_a_number_that_is_said_to_be_a_taxpayers_leaves_a_text_in_any_form(text: str, kept: str) -> None:
    [found] = movements_of(stage(movimentos=[movement(descricao=text)]))
    assert found.text == kept


@pytest.mark.parametrize("name", ["FULANO CPF12345678909", f"FULANO CPF{CPF}", f"FULANO (CNPJ{CNPJ})"])
def test_a_number_that_touches_its_label_leaves_a_name(name: str) -> None:
    [party] = parsed(details(stage(partes=[{"nome": name}]))).parties
    assert party.name == "FULANO"


@pytest.mark.parametrize(("key", "mark"), SEALING_MARKS)
def test_a_sealed_party_is_not_kept_on_any_way(key: str, mark: object) -> None:
    sealed = {
        "polo": "ATIVO",
        "nome": "MENOR SINTÉTICO",
        key: mark,
        "representantes": [{"nome": "ADVOGADA DO MENOR"}],
    }
    other = {"polo": "PASSIVO", "nome": "OUTRA SINTÉTICA", "representantes": [{"nome": "Menor Sintetico"}]}
    # Another system lists the same party without the mark.
    unmarked = {"polo": "ATIVO", "nome": "Menor Sintético"}
    listing = parsed(details(stage(partes=[sealed, other]), stage(source=46, partes=[unmarked])))
    assert [party.name for party in listing.parties] == ["OUTRA SINTÉTICA"]
    assert listing.parties[0].lawyers == ()
    assert "MENOR" not in repr(listing).upper()


@pytest.mark.parametrize(
    ("sealed", "unmarked"),
    [
        ({"nome": "MARIA SINTÉTICA"}, {"nome": "Maria Sintetica"}),
        ({"oab": "SP123456"}, {"nome": "MARIA SINTÉTICA", "oab": "OAB/SP 123.456-A"}),
        ({"oab": "SP123456"}, {"nome": "MARIA SINTÉTICA", "oab": "SP0123456"}),
        ({"oab": ["SP123456", "RJ654321"]}, {"nome": "MARIA SINTÉTICA", "oab": "RJ654321"}),
        ({"oab": "SP123456"}, {"nome": "MARIA SINTÉTICA", "oab": ["RJ654321", "SP123456"]}),
    ],
)
def test_a_lawyer_whom_one_party_seals_is_kept_under_none(sealed: dict[str, Any], unmarked: dict[str, Any]) -> None:
    other = {"nome": "JOSÉ SINTÉTICO", "oab": "SP654321"}
    many = [{"nome": f"ADVOGADO {place}"} for place in range(MAX_LAWYERS)]
    partes = [
        # Another spelling is known by what it shares with the one before.
        {
            "nome": "TERCEIRA SINTÉTICA",
            "representantes": [{"nome": "Maria Sintética", "oab": "MT99"}, {"oab": "MT99"}],
        },
        {"nome": "UMA SINTÉTICA", "representantes": [unmarked, other]},
        {"nome": "OUTRA SINTÉTICA", "representantes": [*many, {**sealed, "sigilosa": True}]},
    ]
    third, one, _ = parsed(details(stage(partes=partes))).parties
    assert (third.lawyers, [lawyer.oab for lawyer in one.lawyers]) == ((), ["SP654321"])


def test_lawyers_without_end_who_lead_to_each_other_are_not_kept_if_one_is_sealed() -> None:
    chain = [{"nome": f"ELO {place}", "oab": f"SP{place + 1}"} for place in range(MAX_LAWYERS)]
    linked = [{"nome": f"ELO {place}", "oab": f"SP{place + 2}"} for place in range(MAX_LAWYERS)]
    partes = [
        {"nome": "UMA SINTÉTICA", "representantes": list(reversed(chain))},
        {"nome": "OUTRA SINTÉTICA", "representantes": list(reversed(linked))},
        {"nome": "TERCEIRA SINTÉTICA", "representantes": [{"oab": "SP1", "sigilosa": True}]},
    ]
    assert [party.lawyers for party in parsed(details(stage(partes=partes))).parties] == [(), (), ()]


def test_a_party_of_two_systems_is_kept_once_and_as_closed_as_the_stricter() -> None:
    party = {"polo": "ATIVO", "nome": "PARTE SINTÉTICA"}
    both = parsed(details(stage(partes=[party]), stage(source=46, nivelSigilo=2, partes=[party])))
    assert [each.instance_key for each in both.parties] == ["G1:46"]
    assert len(parsed(details(stage(partes=[party]), stage(degree=2, partes=[party]))).parties) == 2


@pytest.mark.parametrize(
    ("fields", "oab"),
    [
        ({"oab": "SP123456"}, "SP123456"),
        ({"oab": "OAB/SP 123.456"}, "SP123456"),
        ({"oab": "123456/SP"}, "SP123456"),
        ({"oab": "MT 12345-A"}, "MT12345"),
        ({"oab": {"numero": "12345", "uf": "mt"}}, "MT12345"),
        ({"oab": [{"numero": 12345, "uf": {"sigla": "MT"}}]}, "MT12345"),
        ({"numeroOab": "12345", "ufOab": "MT"}, "MT12345"),
        ({"oab": "12345"}, None),
        # Not a registration, but the number of a taxpayer.
        ({"oab": "12345678909", "uf": "MT"}, None),
        ({"oab": "SP12345678909"}, None),
        ({"oab": CPF}, None),
        ({"oab": True}, None),
    ],
)
def test_registrations_with_the_bar_are_read_in_their_forms(fields: dict[str, Any], oab: str | None) -> None:
    partes = [{"nome": "PARTE SINTÉTICA", "representantes": [{"nome": "ADVOGADA", **fields}]}]
    [party] = parsed(details(stage(partes=partes))).parties
    assert [lawyer.oab for lawyer in party.lawyers] == [oab]


def test_numbers_of_parties_and_lawyers_are_limited() -> None:
    lawyers = [{"nome": f"ADVOGADA {place}"} for place in range(MAX_LAWYERS + 5)]
    partes = [{"nome": f"PARTE {place}", "representantes": lawyers[: 3 + place]} for place in range(200)]
    [*_, last] = parsed(details(stage(partes=partes))).parties
    assert len(last.lawyers) == MAX_LAWYERS
    many = [{"nome": f"P{place}"} for place in range(MAX_PARTIES)]
    assert len(parsed(details(stage(partes=[*many, {"nome": "mais uma"}]))).parties) == MAX_PARTIES


def test_related_processes_are_kept_in_canonical_form() -> None:
    related = [
        {
            "numeroProcesso": "10000023620268110041",
            "tipoRelacao": "CONEXAO",
            "classe": {"id": 7, "descricao": "Procedimento Comum Cível"},
            "ativo": True,
        },
        {"numeroProcesso": "1000002-36.2026.8.11.0041", "tipoRelacao": "CONEXAO"},
        {"numeroProcesso": "antigo 7/99", "ativo": "sim"},
        {"tipoRelacao": "CONEXAO"},
        "x",
    ]
    assert parsed(details(stage(processosRelacionados=related))).related == (
        RelatedProcess("G1:45", "1000002-36.2026.8.11.0041", "CONEXAO", 7, "Procedimento Comum Cível", active=True),
        RelatedProcess("G1:45", "antigo 7/99"),
    )


def test_each_instance_has_its_basic_data() -> None:
    appeal = stage(degree=2, classe={"codigo": "198", "descricao": "Apelação Cível"}, valorAcao="20000.5")
    first, second = parsed(details(appeal, stage(distribuicoes={"orgaoJulgador": {"nome": "2ª VARA"}}))).instances
    assert (first.class_code, first.class_name, first.value) == (198, "Apelação Cível", Decimal("20000.50"))
    assert (second.class_code, second.subjects, second.value) == (7, ("Dano Moral",), Decimal(15000))


_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["nome", "polo", "sigilosa", "representantes", "oab", "uf", "numero", "dataHora", "tipo"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(_values, _values, _values)
def test_no_value_sinks_a_listing(movimentos: object, partes: object, related: object) -> None:
    listing = parsed(
        details(stage(piece(), movimentos=movimentos, partes=partes, processosRelacionados=related, nivelSigilo=0))
    )
    assert len(listing.documents) == 1
    keys = [each.key for each in listing.movements]
    assert len(keys) == len(set(keys))
