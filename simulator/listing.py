"""The portal's JSON about a process: details with the documents, and search results.

Like the portal, it omits keys without a value and never writes null.
"""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any

from simulator.case import Case, Document, Instance
from simulator.case_data import Json, movements_of, parties_of, related_of

_SEGMENTS = {
    "1": "SUPREMO_TRIBUNAL_FEDERAL",
    "2": "CONSELHO_NACIONAL_JUSTICA",
    "3": "SUPERIOR_TRIBUNAL_JUSTICA",
    "4": "JUSTICA_FEDERAL",
    "5": "JUSTICA_TRABALHO",
    "6": "JUSTICA_ELEITORAL",
    "7": "JUSTICA_MILITAR_UNIAO",
    "8": "JUSTICA_ESTADUAL",
    "9": "JUSTICA_MILITAR_ESTADUAL",
}
_CLASSES = {1: (7, "Procedimento Comum Cível"), 2: (198, "Apelação Cível")}
_SECRECY = (
    "PUBLICO",
    "SEGREDO_JUSTICA",
    "SIGILO_MINIMO",
    "SIGILO_MEDIO",
    "SIGILO_INTENSO",
    "SIGILO_ABSOLUTO",
)
_FIRST_SOURCE = 45


@lru_cache(maxsize=1024)
def details(case: Case) -> bytes:
    """Return the body of ``GET /processos/{n}``: an array of one."""
    current, *others = case.instances
    process: Json = {
        "nivelSigilo": case.secrecy,
        "siglaTribunal": case.number.court,
        "numeroProcesso": case.number.canonical,
        "tramitacaoAtual": _current_instance(case, current),
    }
    if others:
        process["tramitacoes"] = [_other_instance(case, instance) for instance in others]
    return to_json([process])


@lru_cache(maxsize=2048)
def search_hit(case: Case) -> bytes:
    """Return a search result about a process: every instance, no documents."""
    hit = {
        "numeroProcesso": case.number.digits,
        "nivelSigilo": case.secrecy,
        "idCodexTribunal": 100 + int(case.number.court_code),
        "siglaTribunal": case.number.court,
        "tramitacoes": [_search_instance(case, instance) for instance in case.instances],
    }
    return to_json(hit)


def to_json(value: Any) -> bytes:
    """Serialise as the court does: compact, not escaped to ASCII."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def _current_instance(case: Case, instance: Instance) -> Json:
    distribution = {
        "dataHora": case.opened_at,
        "orgaoJulgador": [judging_body_of(case, instance)],
        "orgaoJulgadorLocal": {"id": 777, "idOrigem": "12", "nome": "1ª VARA"},
    }
    level = case.instance_secrecy(instance)
    secrecy = {"nivelSigilo": level} if level else {}
    related = related_of(case)
    return {
        "idOrigem": str(4_000_000 + int(case.number.sequence)),
        **common_keys(case, instance),
        **secrecy,
        "distribuicao": [distribution],
        "tribunal": court_of(case),
        "documentos": _documents(case, instance),
        **({"processosRelacionados": related} if related else {}),
        "permitePeticionar": True,
        "ativo": True,
    }


def _other_instance(case: Case, instance: Instance) -> Json:
    """Return an instance that is not current: with ``distribuicoes`` in the plural, and always with its secrecy."""
    return {
        "idCodex": 0 if instance.source else 3_000_000 + int(case.number.sequence),
        **common_keys(case, instance),
        "tribunal": court_of(case),
        "liminar": False,
        "justicaGratuita": False,
        "nivelSigilo": case.instance_secrecy(instance),
        "distribuicoes": [{"dataHora": case.opened_at, "orgaoJulgador": [judging_body_of(case, instance)]}],
        "documentos": _documents(case, instance),
        "permitePeticionar": False,
        "ativo": True,
    }


def _search_instance(case: Case, instance: Instance) -> Json:
    movements = movements_of(case, instance)
    return {
        "idCodex": 3_000_000 + int(case.number.sequence),
        **common_keys(case, instance),
        "tribunal": court_of(case),
        "liminar": False,
        "nivelSigilo": case.instance_secrecy(instance),
        "dataHoraUltimaDistribuicao": case.opened_at,
        "ultimoMovimento": movements[0],
        "orgaoJulgador": {"id": 12345, "nome": judging_body_of(case, instance)["nome"]},
        "ativo": True,
        "permitePeticionar": False,
    }


def common_keys(case: Case, instance: Instance) -> Json:
    """Return the keys of an instance that all of the court's systems share."""
    code, name = _CLASSES[instance.degree]
    common: Json = {
        "dataHoraAjuizamento": case.opened_at,
        "instancia": ("PRIMEIRO_GRAU", "SEGUNDO_GRAU")[instance.degree - 1],
        "grau": {
            "sigla": f"G{instance.degree}",
            "nome": f"{instance.degree}° Grau",
            "numero": instance.degree,
        },
        "classe": [{"codigo": code, "descricao": name}],
        "movimentos": movements_of(case, instance),
        "partes": parties_of(case),
        "idFonteDadosCodex": _FIRST_SOURCE + instance.source,
    }
    sequence = int(case.number.sequence)
    if sequence % 4:
        common["valorAcao"] = 1_000.0 + sequence % 90_000
    if sequence % 3:
        common["assunto"] = [
            {
                "codigo": 10433,
                "descricao": "Indenização por Dano Moral",
                "hierarquia": "(10433) Indenização por Dano Moral | (899) DIREITO CIVIL",
            }
        ]
    return common


def judging_body_of(case: Case, instance: Instance) -> Json:
    """Return the judges of the instance (*órgão julgador*)."""
    name = ("1ª VARA CÍVEL DE EXEMPLO", "1ª CÂMARA DE DIREITO PRIVADO DE EXEMPLO")[instance.degree - 1]
    return {"tribunal": court_of(case), "id": 12345, "nome": name}


def court_of(case: Case) -> Json:
    """Return the court of the process."""
    number = case.number
    court: Json = {
        "sigla": number.court,
        "nome": f"TRIBUNAL {number.court}",
        "jtr": number.segment + number.court_code,
    }
    if segment := _SEGMENTS.get(number.segment):
        court["segmento"] = segment
    return court


def _documents(case: Case, instance: Instance) -> list[Json]:
    return [document_item(case, document) for document in reversed(instance.documents)]


def document_item(case: Case, document: Document) -> Json:
    """Return one item of ``documentos``."""
    type_: Json = {
        "codigo": document.type.code,
        "nome": document.type.name,
        "idCodex": 1_800_000 + document.type.code,
        "idOrigem": str(document.type.code),
    }
    if not document.coded:
        del type_["codigo"]
    href = f"/processos/{case.number.canonical}/documentos/{document.id}"
    item: Json = {
        "sequencia": document.sequence,
        "dataHoraJuntada": document.filed_at,
        "idCodex": document.codex,
        "nome": document.name,
        "nivelSigilo": _SECRECY[document.secrecy],
        "tipo": type_,
        "hrefBinario": f"{href}/binario",
        "hrefTexto": f"{href}/texto",
    }
    if document.origin is not None:
        item["idOrigem"] = document.origin
    if not document.has_binary:
        del item["hrefBinario"]
    if document.described:
        item["arquivo"] = {
            "tipo": document.media_type,
            "quantidadePaginas": document.pages,
            "quantidadeImagens": 0,
            "tamanho": document.size,
            "tamanhoTexto": len(document.text()),
        }
    return item
