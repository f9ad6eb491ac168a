"""CPU time of a signed link, as a page of documents gets them."""

from __future__ import annotations

import gc
import time
from collections.abc import Sequence
from datetime import timedelta

from adapters.storage.presigned_urls import LinkSigner
from benchmarks.bench import Bench
from benchmarks.measurement import Figure, Round, log_round
from domain.documents import Document, DocumentStatus, StoredObject
from domain.listings import Instance
from domain.secrecy import Secrecy
from domain.storage import StorageAddress

LINKS = 1000
_ADDRESS = StorageAddress("autos", "http://127.0.0.1:8333", "us-east-1", "benchmark", "of-no-store")
_NAMES = ("Petição Inicial", "Despacho", "Certidão de publicação", "Documento de identificação", "Sentença")


async def link(bench: Bench) -> Sequence[Round]:
    """Sign a page of links in every round. No store is asked."""
    signer = await LinkSigner.open(_ADDRESS, timedelta(hours=1))
    # The first link also finds out the bucket's address.
    await signer.sign_all([_document(bench.effort.rounds * LINKS)])
    rounds: list[Round] = []
    for index in range(bench.effort.rounds):
        # A round's documents are its own, and each fifth has a name that no other has.
        page = [_document(index * LINKS + place) for place in range(LINKS)]
        # A collection of everything that this program has, in the middle of a round, costs more than the round.
        gc.collect()
        begun = time.thread_time()
        await signer.sign_all(page)
        microseconds = (time.thread_time() - begun) / LINKS * 1e6
        rounds.append(Round(Figure(microseconds, "µs")))
        log_round(bench.log, rounds, bench.effort.rounds)
    return rounds


def _document(number: int) -> Document:
    name = _NAMES[number % len(_NAMES)] if number % 5 else f"Anexo nº {number}.pdf"
    return Document(
        id=f"0f1e2d3c-4b5a-5678-9abc-{number:012d}",
        position=number + 1,
        status=DocumentStatus.AVAILABLE,
        name=name,
        type_name=None,
        filed_at=None,
        instance=Instance("G1:45"),
        secrecy=Secrecy.PUBLIC,
        pages=None,
        stored=StoredObject(f"processes/1/{number:012d}/1", 1, "0" * 64, "application/pdf"),
    )
