"""The words of a report, in the languages of the README."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

_DECIMAL_COMMA = str.maketrans(",.", ".,")


@dataclass(frozen=True, slots=True)
class Words:
    """The words of one language.

    Attributes:
        rows: What is measured and against what, by the row's name. Rows that are missing keep their own words.
        others: Units, and names of parts.
        has_decimal_comma: Whether ``1.234,5`` is how the language writes numbers.
    """

    headings: tuple[str, ...]
    part_headings: tuple[str, ...]
    met: str
    missed: str
    not_measured: str
    footer: str
    quick: str
    rows: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    others: Mapping[str, str] = field(default_factory=dict)
    has_decimal_comma: bool = False

    def row(self, name: str, what: str) -> str:
        """Return what a row measures."""
        return self.rows.get(name, (what, ""))[0]

    def against(self, name: str, against: str) -> str:
        """Return what the baseline of a row is."""
        return self.rows.get(name, ("", against))[1]

    def parts(self, text: str) -> str:
        """Return what the parts of a row are."""
        return self.others.get(text, text)

    def part(self, name: str) -> str:
        """Return the name of a part."""
        return self.others.get(name, name)

    def unit(self, unit: str) -> str:
        """Return a unit."""
        return self.others.get(unit, unit)

    def number(self, text: str) -> str:
        """Return a text with its numbers as the language writes them."""
        return text.translate(_DECIMAL_COMMA) if self.has_decimal_comma else text


ENGLISH = Words(
    headings=("what", "measured", "baseline", "ratio", "lowest – highest", "budget", "holds"),
    part_headings=("part", "measured", "baseline", "ratio", "lowest – highest"),
    met="yes",
    missed="NO",
    not_measured="not measured here",
    footer=(
        "Each row is the round with the median ratio, of {rounds}: the service and its baseline, one right after "
        "the other. {machine}."
    ),
    quick="A quick look, with fewer documents and a single round: the rows vary more than in `make bench`.",
)

_RUN = "300 documentos de 200 kB"
_LOOP = "laço asyncio simples, 16 tarefas"
_SCALE = "listas, busca, status, respostas e varreduras com 100.000 processos"

PORTUGUESE = Words(
    headings=("o que", "medido", "referência", "razão", "menor – maior", "meta", "cumpre"),
    part_headings=("parte", "medido", "referência", "razão", "menor – maior"),
    met="sim",
    missed="NÃO",
    not_measured="não medido aqui",
    footer=(
        "Cada linha é a rodada com a razão mediana, de {rounds}: o serviço e a sua referência, um logo após o "
        "outro. {machine}."
    ),
    quick="Uma olhada rápida, com menos documentos e uma só rodada: as linhas variam mais do que em `make bench`.",
    rows={
        "throughput": (f"{_RUN}, latência do tribunal de 300 ms", _LOOP),
        "cpu": (f"{_RUN}, sem latência", _LOOP),
        "cpu-postgres": (f"{_RUN}, sem latência, catálogo no Postgres", _LOOP),
        "sequential": (f"{_RUN}, latência do tribunal de 300 ms", "um documento após o outro"),
        "answer": (
            "resposta de um processo completo, 31 links assinados, p50",
            "as mesmas linhas em JSON, sem assinar",
        ),
        "link": ("CPU de um link assinado, em uma página de 1.000", ""),
        "memory": ("pico de memória acima do ocioso, um documento de 1.024 MiB", ""),
        "memory-at-once": ("pico de memória acima do ocioso, 4 documentos de 256 MiB de uma vez", ""),
        "bundle": ("um PDF de 300 PDFs, 3.000 páginas, 590 MB", "só a união dos mesmos arquivos pelo qpdf"),
        "bundle-memory": ("pico de memória acima do ocioso, montando esse PDF", ""),
        "large-process": ("CPU de um documento, de 10.000 em um processo", "de 500"),
        "history": ("maior histórico de uma execução com 10.000 documentos", ""),
        "watchers": ("memória da API acima do ocioso, 1.000 clientes acompanham uma execução", ""),
        "scale-sqlite": (f"{_SCALE}, em SQLite: a mais lenta", "o mesmo com 100"),
        "scale-postgres": (f"{_SCALE}, em Postgres: a mais lenta", "o mesmo com 100"),
    },
    others={
        "documents/s": "documentos/s",
        "ms of CPU": "ms de CPU",
        "events": "eventos",
        "CPU time of a document": "tempo de CPU de um documento",
        "time of each request or query": "tempo de cada requisição ou consulta",
        "Temporal's server": "servidor do Temporal",
        "S3's server": "servidor do S3",
        "simulated court": "tribunal simulado",
    },
    has_decimal_comma=True,
)
