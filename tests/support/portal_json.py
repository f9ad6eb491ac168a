"""JSON as the court's portal sends it, with the keys that it really uses."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from hypothesis import strategies as st

NUMBER = "1000001-51.2026.8.11.0041"
Json = dict[str, Any]


def href_of(document_id: str, kind: str = "binario") -> str:
    """Return the portal's path of a document."""
    return f"/processos/{NUMBER}/documentos/{document_id}/{kind}"


def piece(document_id: str | None = None, **changes: Any) -> Json:
    """Return one item of ``documentos`` with changes; a change to `None` omits the key, as the portal does."""
    document_id = document_id or str(uuid4())
    item: Json = {
        "sequencia": 12,
        "dataHoraJuntada": "2026-03-02T10:00:00.57",
        "idCodex": 28800000063,
        "idOrigem": f"19{document_id}",
        "nome": "Petição Inicial.pdf",
        "nivelSigilo": "PUBLICO",
        "tipo": {"codigo": 58, "nome": "Petição Inicial", "idCodex": 1802351, "idOrigem": "64"},
        "hrefBinario": href_of(document_id),
        "hrefTexto": href_of(document_id, "texto"),
        "arquivo": {"tipo": "application/pdf", "quantidadePaginas": 3, "tamanho": 49197, "tamanhoTexto": 5738},
    }
    return {key: value for key, value in (item | changes).items() if value is not None}


def stage(*documents: Json, degree: int = 1, source: int = 45, **changes: Any) -> Json:
    """Return one instance of a process (*tramitação*); changes as in `piece`."""
    instance: Json = {
        "dataHoraAjuizamento": "2026-01-15T09:30:12.345",
        "instancia": ("PRIMEIRO_GRAU", "SEGUNDO_GRAU")[degree - 1],
        "grau": {"sigla": f"G{degree}", "nome": f"{degree}° Grau", "numero": degree},
        "valorAcao": 15000.0,
        "classe": [{"codigo": 7, "descricao": "Procedimento Comum Cível"}],
        "assunto": [{"codigo": 6233, "descricao": "Dano Moral", "hierarquia": "(6233) Dano Moral"}],
        "distribuicao": [{"orgaoJulgador": [{"id": 12345, "nome": "1ª VARA CÍVEL DE EXEMPLO"}]}],
        "partes": [{"polo": "ATIVO", "nome": "PARTE SINTÉTICA"}],
        "documentos": list(documents),
        "idFonteDadosCodex": source,
        "ativo": True,
    }
    return {key: value for key, value in (instance | changes).items() if value is not None}


def details(current: Json | None, *others: Json, **changes: object) -> list[Json]:
    """Return the answer of ``GET /processos/{n}``."""
    root: Json = {"nivelSigilo": 0, "siglaTribunal": "TJMT", "numeroProcesso": NUMBER, "tramitacaoAtual": current}
    if others:
        root["tramitacoes"] = list(others)
    return [{key: value for key, value in (root | changes).items() if value is not None}]


KEYS = (
    *("numeroProcesso", "nivelSigilo", "siglaTribunal", "tramitacaoAtual", "tramitacoes", "documentos", "content"),
    *("grau", "sigla", "nome", "instancia", "idFonteDadosCodex", "distribuicao", "distribuicoes", "orgaoJulgador"),
    *("classe", "codigo", "descricao", "assunto", "valorAcao", "dataHoraAjuizamento", "dataHoraJuntada", "tipo"),
    *("hrefBinario", "hrefTexto", "arquivo", "tamanho", "quantidadePaginas", "sequencia", "idOrigem", "idCodex"),
)
_scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(2**31 - 2, 2**31 + 2)
    | st.integers(2**63 - 2, 2**63 + 2)
    | st.floats()
    | st.text(st.characters(), max_size=40)
    | st.sampled_from(
        [
            *(NUMBER, "10000015120268110041", "PUBLICO", "application/pdf", "1e9999999", "NaN", "-1e15", "9" * 20),
            *("2026-03-02T10:00:00.57", "9999-12-31T23:59:59", "0001-01-01T00:00:00+14:00", "2026-02-30T00:00"),
            *(href_of("0f1e2d3c-4b5a-5678-9abc-def012345678"), "a\x00b", "a\ud800b", "x" * 100),
        ]
    )
)
_pieces = st.dictionaries(st.sampled_from(KEYS), _scalars, max_size=8)
_values = st.recursive(
    _scalars | _pieces,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=8),
    max_leaves=30,
)
_stages = st.dictionaries(st.sampled_from(KEYS), _values, max_size=8) | st.builds(
    lambda documents, extra: stage(*documents) | extra,
    st.lists(_pieces, max_size=4),
    st.dictionaries(st.sampled_from(KEYS), _values, max_size=3),
)
# Any JSON at all, and JSON that comes ever closer to what the portal sends.
payloads = (
    _values
    | st.builds(
        lambda current, others, extra: details(current, *others) and [details(current, *others)[0] | extra],
        _stages,
        st.lists(_stages, max_size=2),
        st.dictionaries(st.sampled_from(KEYS[1:]), _values, max_size=2),
    )
    | st.builds(lambda current: {"tramitacaoAtual": current}, _stages)
)
