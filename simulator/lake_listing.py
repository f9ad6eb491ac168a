"""What the data lake says about a process: all instances alike, ids for addresses, and null for what is unknown."""

from __future__ import annotations

from functools import lru_cache

from simulator.case import Case, Instance
from simulator.listing import Json, bench_of, common_keys, court_of, document_item, to_json

_UNKNOWN = dict.fromkeys(("dataBaixa", "competencia", "tipoPrioridade", "intervencaoMP", "valorAcao", "assunto"))
_FILE_TYPES = {
    "application/pdf": "APPLICATION_PDF",
    "text/html": "TEXT_HTML",
    "text/richtext": "TEXT_RICHTEXT",
    "text/plain": "TEXT_PLAIN",
}


@lru_cache(maxsize=256)
def lake_details(case: Case) -> bytes:
    """The body of ``GET /processos/{n}``: an array of one, which has no current instance."""
    instances = [{**_instance(case, each), "documentos": _documents(case, each)} for each in case.instances]
    return to_json([{**_header(case), "tramitacoes": instances}])


@lru_cache(maxsize=256)
def lake_documents(case: Case) -> bytes:
    """The body of ``GET /processos/{n}/documentos``: the documents of all instances."""
    documents = [document for instance in case.instances for document in _documents(case, instance)]
    return to_json({**_header(case), "documentos": documents})


@lru_cache(maxsize=256)
def lake_hit(case: Case) -> bytes:
    """What a search says of a process."""
    return to_json({**_header(case), "tramitacoes": [_instance(case, each) for each in case.instances]})


def _header(case: Case) -> Json:
    court = court_of(case)
    return {
        "id": case.number.digits,
        "versao": "1.0.9",
        "numeroProcesso": case.number.canonical,
        "numeroProcessoSintetico": None,
        "nivelSigilo": case.shape.secrecy,
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
        "nivelSigilo": case.shape.secrecy,
        "distribuicao": [{"dataHora": case.opened_at, "orgaoJulgador": [bench_of(case, instance)]}],
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
