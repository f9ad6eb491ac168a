"""The data lake's JSON about a process: all instances in one form, ids instead of URLs, null for unknown values."""

from __future__ import annotations

from functools import lru_cache

from simulator.case import Case, Instance
from simulator.case_data import Json
from simulator.listing import common_keys, court_of, document_item, judging_body_of, to_json

_UNKNOWN = dict.fromkeys(("dataBaixa", "competencia", "tipoPrioridade", "intervencaoMP", "valorAcao", "assunto"))
_FILE_TYPES = {
    "application/pdf": "APPLICATION_PDF",
    "text/html": "TEXT_HTML",
    "text/richtext": "TEXT_RICHTEXT",
    "text/plain": "TEXT_PLAIN",
}


@lru_cache(maxsize=256)
def lake_details(case: Case) -> bytes:
    """Return the body of ``GET /processos/{n}``: an array of one, without a current instance."""
    instances = [
        {**_instance(case, instance), "documentos": _documents(case, instance)} for instance in case.instances
    ]
    return to_json([{**_header(case), "tramitacoes": instances}])


@lru_cache(maxsize=256)
def lake_documents(case: Case) -> bytes:
    """Return the body of ``GET /processos/{n}/documentos``: the documents of all instances."""
    documents = [document for instance in case.instances for document in _documents(case, instance)]
    return to_json({**_header(case), "documentos": documents})


@lru_cache(maxsize=256)
def lake_hit(case: Case) -> bytes:
    """Return a search result about a process."""
    return to_json({**_header(case), "tramitacoes": [_instance(case, instance) for instance in case.instances]})


def _header(case: Case) -> Json:
    court = court_of(case)
    return {
        "id": case.number.digits,
        "versao": "1.0.9",
        "numeroProcesso": case.number.canonical,
        "numeroProcessoSintetico": None,
        "nivelSigilo": case.secrecy,
        "idCodexTribunal": 100 + int(case.number.court_code),
        "siglaTribunal": case.number.court,
        "segmentoJustica": court.get("segmento"),
        "dataHoraPrimeiroAjuizamento": case.opened_at,
        "dataHoraUltimoAjuizamento": case.opened_at,
    }


def _instance(case: Case, instance: Instance) -> Json:
    return {
        **_UNKNOWN,
        **common_keys(case, instance),
        "tribunal": court_of(case),
        "nivelSigilo": case.instance_secrecy(instance),
        "distribuicao": [{"dataHora": case.opened_at, "orgaoJulgador": [judging_body_of(case, instance)]}],
        "ativo": True,
    }


def _documents(case: Case, instance: Instance) -> list[Json]:
    items = []
    for document in reversed(instance.documents):
        item = {"id": document.id, "arquivo": None, **document_item(case, document), "signatarios": None}
        item.pop("hrefBinario", None)
        del item["hrefTexto"]
        item["tipo"] = {"codigo": None, **item["tipo"]}
        if item["arquivo"]:
            item["arquivo"] |= {"id": document.codex, "tipo": _FILE_TYPES[document.media_type]}
        items.append(item)
    return items
