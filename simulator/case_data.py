"""The movements, parties and related processes of a simulated process. All persons are synthetic."""

from __future__ import annotations

from typing import Any

from domain.process_number import ProcessNumber
from simulator.case import Case, Instance

Json = dict[str, Any]
_SYNTHETIC_CPF = "00000000000"


def movements_of(case: Case, instance: Instance) -> list[Json]:
    """Return the movements, newest first. A document that the court omits, a gap in the sequence, still has one."""
    movements: list[Json] = [{"dataHora": case.opened_at, "descricao": "Distribuído por sorteio"}]
    expected = 1
    for document in instance.all_documents:
        if document.sequence != expected:
            movements.append({"dataHora": document.filed_at, "descricao": "Juntada de Sob sigilo"})
        movements.append(
            {
                "dataHora": document.filed_at,
                "descricao": f"Juntada de {document.type.name}",
                "tipo": {"codigo": 581, "nome": "Documento"},
                "idDocumento": document.id,
            }
        )
        expected = document.sequence + 1
    for extra in case.shape.history.movements:
        if extra.degree == instance.degree:
            level = {"nivelSigilo": extra.secrecy} if extra.secrecy else {}
            movements.append({"dataHora": extra.at, "descricao": extra.text, **level})
    shortage = case.shape.history.shortage
    if shortage is not None and shortage.movements is not None:
        movements = movements[: shortage.movements]
    return movements[::-1]


def parties_of(case: Case) -> list[Json]:
    """Return the parties: the two sides with their numbers of taxpayers, and a party that is sealed."""
    state = case.number.court[-2:] if case.number.segment == "8" else "DF"
    lawyer = {
        "tipoRepresentacao": "ADVOGADO",
        "nome": "ADVOGADA SINTÉTICA",
        "cadastroReceitaFederal": [{"numero": 0, "tipo": "CPF"}],
        "oab": [{"numero": str(10_000 + int(case.number.sequence) % 90_000), "uf": state}],
    }
    document = {"numero": _SYNTHETIC_CPF, "tipo": "CPF"}
    return [
        {
            "polo": "ATIVO",
            "nome": "AUTORA SINTÉTICA",
            "documentosPrincipais": [document],
            "sigilosa": False,
            "representantes": [lawyer],
        },
        {"polo": "PASSIVO", "nome": "RÉ SINTÉTICA LTDA", "sigilosa": False},
        {
            "polo": "TERCEIRO",
            "nome": "TERCEIRA SIGILOSA SINTÉTICA",
            "documentosPrincipais": [document],
            "sigilosa": True,
            "representantes": [lawyer | {"nome": "ADVOGADO DE PARTE SIGILOSA"}],
        },
    ]


def related_of(case: Case) -> list[Json]:
    """Return the related processes: for every second process, one."""
    sequence = int(case.number.sequence)
    if sequence % 2:
        return []
    digits = case.number.digits
    stem, rest = f"{(sequence + 1) % 10_000_000:07}", digits[9:]
    related = ProcessNumber.parse(f"{stem}{98 - int(f'{stem}{rest}00') % 97:02}{rest}")
    return [
        {
            "numeroProcesso": related.canonical,
            "href": f"/processos/{related.digits}",
            "tipoRelacao": "CONEXAO",
            "classe": {"id": 7, "descricao": "Procedimento Comum Cível"},
            "ativo": True,
        }
    ]
