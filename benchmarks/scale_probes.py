"""What is asked of a catalog of any size: requests to the API, and the queries of sweeps and schedules.

Every question finds as many rows in a small catalog as in a large one, so that only the size of the tables differs.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import httpx2

from adapters.database import Catalog
from benchmarks.catalog_rows import RARE_ACCESS, RARE_CODE, SPACING, MadeUpCatalog
from benchmarks.measurement import CannotMeasure
from domain.clients import Scope
from domain.document_search import DocumentFilters, DocumentOrder
from domain.history import HistoryKind, PruneRequest
from domain.keys import LOCAL
from domain.run_messages import RunOpening
from domain.sweep_messages import OverdueRequest

_SAMPLED = 50
_AGES = timedelta(minutes=5)
# A page of the oldest, however many there are.
_OLDEST = 60


@dataclass(frozen=True, slots=True)
class Subject:
    """A catalog that is asked, with an API of its own.

    Attributes:
        repositories: The same catalog, as the workers use it.
    """

    made_up: MadeUpCatalog
    repositories: Catalog
    api: httpx2.AsyncClient

    def number(self, turn: int) -> str:
        """Return another process at each turn, from all over the catalog."""
        sampled = self.made_up.sample(_SAMPLED)
        return self.made_up.number(sampled[turn % len(sampled)])

    async def get(self, path: str) -> None:
        """Send a GET to the API.

        Raises:
            CannotMeasure: It is not answered with 200.
        """
        response = await self.api.get(path)
        if response.status_code != 200:
            raise CannotMeasure(f"GET {path} returned {response.status_code}: {response.text[:300]}")


Probe = Callable[[Subject, int], Awaitable[Any]]


def _request(path: str) -> Probe:
    """Return a request. ``{number}`` and ``{batch}`` in the path are replaced at each turn."""

    async def send(subject: Subject, turn: int) -> None:
        batches = subject.made_up.processes // 5
        await subject.get(path.format(number=subject.number(turn), batch=f"{turn * 7919 % batches:032x}"))

    return send


def _prune(kind: HistoryKind) -> Probe:
    """Return the first part of a sweep of one kind of history of which nothing may go yet."""

    async def prune(subject: Subject, _: int) -> None:
        oldest = subject.made_up.created_at(subject.made_up.processes)
        await subject.repositories.history.prune(PruneRequest(kind), before=oldest)

    return prune


async def _search(subject: Subject, turn: int) -> None:
    await subject.repositories.document_search.find(
        subject.number(turn),
        DocumentFilters(text="sentença"),
        DocumentOrder.NEWEST,
        scopes=frozenset({Scope.READ}),
        limit=20,
    )


async def _expired(subject: Subject, _: int) -> None:
    before = subject.made_up.created_at(subject.made_up.processes - _OLDEST) + SPACING / 2
    await subject.repositories.erasures.list_expired(before=before, after=None, limit=_OLDEST)


async def _page_of_audit(subject: Subject, turn: int) -> None:
    await subject.repositories.audits.page(after=(subject.number(turn), ""), limit=200)


async def _open_run(subject: Subject, turn: int) -> None:
    number = subject.number(turn)
    await subject.repositories.runs.register(RunOpening(number, subject.made_up.run_id(0, 0), LOCAL))
    await subject.repositories.documents.list_pending(number, after=0, limit=100)


async def _review_alerts(subject: Subject, _: int) -> None:
    await subject.repositories.alerts.review(url=None, court_patience=_AGES)


PROBES: dict[str, Probe] = {
    "answer with links": _request("/processes/{number}"),
    "status": _request("/processes/{number}/status"),
    "page of documents": _request("/processes/{number}/documents?limit=20"),
    "page of failed documents": _request("/processes/{number}/documents?status=failed"),
    "search in a process": _search,
    "page for people": _request("/ui/processes/{number}"),
    "list of processes": _request("/processes?limit=50"),
    "list of a court's processes": _request("/processes?court=TJMT&limit=25"),
    "list of partial processes": _request("/processes?status=partial&limit=50"),
    "list of failures": _request("/failures?limit=50"),
    "list of failures, a common code": _request("/failures?code=sealed&limit=40"),
    "list of failures, a rare code": _request(f"/failures?code={RARE_CODE.value}&limit=50"),
    "list of batches": _request("/batches?limit=10"),
    "a batch": _request("/batches/{batch}"),
    "deliveries": _request("/webhooks/deliveries?limit=50"),
    "deliveries given up": _request("/webhooks/deliveries?status=failed&limit=40"),
    "deliveries of a process": _request("/webhooks/deliveries?process_number={number}"),
    "access trail": _request("/accesses?limit=50"),
    "access trail of a process": _request("/accesses?process={number}"),
    "access trail of a client": _request(f"/accesses?client={LOCAL}&limit=50"),
    "access trail, a rare kind": _request(f"/accesses?how={RARE_ACCESS}&limit=50"),
    "metrics": _request("/metrics"),
    "court and store": _request("/court/status"),
    "ready": _request("/health/ready"),
    "sweep: deliveries overdue": lambda subject, _: subject.repositories.deliveries.list_overdue(
        OverdueRequest(), by=_AGES
    ),
    "sweep: runs without an end": lambda subject, _: subject.repositories.runs.list_unended(None, older_than=_AGES),
    "sweep: batches": lambda subject, _: subject.repositories.batches.list_unended("", before=subject.made_up.now),
    "sweep: erasures": lambda subject, _: subject.repositories.erasures.list_running(
        after=0, before=subject.made_up.now
    ),
    **{f"pruning: {kind.value}": _prune(kind) for kind in HistoryKind},
    "retention": _expired,
    "alerts": _review_alerts,
    "a page of an audit": _page_of_audit,
    "a run begins": _open_run,
}


async def erase(subject: Subject, turn: int) -> None:
    """Delete all rows of a process. Each turn takes another one."""
    number = subject.made_up.number(subject.made_up.sample(_SAMPLED)[turn] + 1)
    if not await subject.repositories.erased_rows.erase_all(number):
        raise CannotMeasure(f"There were no rows of {number}.")
