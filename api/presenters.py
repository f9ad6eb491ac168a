"""Bodies of processes and documents: counts from the catalog, phases from Temporal, freshly signed links."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from api.pagination import POSITION_CURSOR, page_url
from api.problems.codes import ProblemCode
from api.problems.problem import Problem
from domain.accesses import AccessKind, Recipient
from domain.clients import Client, Scope
from domain.completeness import Decision, ProcessStatus, process_status
from domain.documents import Document, DocumentStatus, Link
from domain.open_runs import OpenRun
from domain.process_number import ProcessNumber
from domain.processes import Process, Run
from domain.secrecy import readable
from domain.serializers import (
    Json,
    counts_body,
    document_body,
    documents_body,
    failure_body,
    format_timestamp,
    run_body,
)

if TYPE_CHECKING:
    from adapters.database import Catalog
    from adapters.storage.link_issuer import LinkIssuer
    from adapters.temporal.run_client import RunClient

FIRST_PAGE_SIZE = 100


@dataclass(frozen=True, slots=True)
class ProcessPresenter:
    """Builds the bodies of answers.

    They are dictionaries, written by the same functions as the events of webhooks: a page of 100 documents is the
    hot path. A test compares their keys with the models in `api/schemas`.
    """

    catalog: Catalog
    links: LinkIssuer
    runs: RunClient
    # What keeps every open run from going on, for the bodies of processes with one.
    warnings: Callable[[], list[Json]] = list

    async def find_state(
        self, number: ProcessNumber, *, first_documents: int = 0
    ) -> tuple[Process, OpenRun | None] | None:
        """Return a process and its open run, consistent with each other. None if the process is unknown.

        Temporal is asked only if the catalog has no end of the latest run.

        Args:
            number: The process.
            first_documents: Also read its first documents, as many as this.
        """
        process = await self.catalog.processes.get(number.canonical, first_documents=first_documents)
        if process is None or process.latest_run is None or process.latest_run.outcome is not None:
            return None if process is None else (process, None)
        open_run = await self.runs.find_open(number)
        if open_run is None:
            # The run ended after the catalog was read, and wrote its end there first; or it was killed.
            process = await self.catalog.processes.get(number.canonical, first_documents=first_documents) or process
        return process, open_run

    async def get_state(self, number: ProcessNumber, *, first_documents: int = 0) -> tuple[Process, OpenRun | None]:
        """Return a process and its open run, as `find_state` does.

        Raises:
            Problem: 404, the process is unknown.
        """
        state = await self.find_state(number, first_documents=first_documents)
        if state is None:
            raise process_unknown(number)
        return state

    async def process_body(
        self, process: Process, open_run: OpenRun | None, recipient: Recipient, decision: Decision | None = None
    ) -> Json:
        """Return the body of a process with the first page of the documents that the recipient may read."""
        number = process.number
        limit = first_documents_for(recipient.client)
        documents: Sequence[Document] = ()
        if limit and process.first_documents is not None:
            documents = process.first_documents
        elif limit:
            documents = await self.catalog.documents.page(number, limit=limit)
        page, following = documents[:FIRST_PAGE_SIZE], documents[FIRST_PAGE_SIZE:]
        links = await self._issue_links(page, recipient, number)
        return {
            **self.head_body(process, open_run),
            "warnings": self._warnings_of(open_run),
            "decision": decision.value if decision else None,
            "links_expire_at": format_timestamp(min((link.expires_at for link in links.values()), default=None)),
            "documents": documents_body(page, links, recipient.client.scopes),
            "documents_next": _documents_url(number, page[-1].position) if following else None,
        }

    async def status_body(self, process: Process, open_run: OpenRun | None) -> Json:
        """Return the body of a process without its documents, but with its failures by code."""
        return {
            **self.head_body(process, open_run),
            "warnings": self._warnings_of(open_run),
            "failures_by_code": await self.catalog.processes.count_failures_by_code(process.number),
        }

    async def documents_body(
        self,
        number: ProcessNumber,
        recipient: Recipient,
        *,
        after: int,
        limit: int,
        status: DocumentStatus | None,
    ) -> Json:
        """Return the body of a page of documents, as far as the recipient may read them."""
        rows = await self.catalog.documents.page(number.canonical, after=after, limit=limit + 1, status=status)
        page = rows[:limit]
        links = await self._issue_links(page, recipient, number.canonical)
        last = page[-1].position if len(rows) > limit else None
        return {
            "process_number": number.canonical,
            "links_expire_at": format_timestamp(min((link.expires_at for link in links.values()), default=None)),
            "documents": documents_body(page, links, recipient.client.scopes),
            "next_cursor": POSITION_CURSOR.encode(last) if last is not None else None,
            "documents_next": _documents_url(number.canonical, last, limit=limit, status=status)
            if last is not None
            else None,
        }

    async def document_body(self, number: ProcessNumber, document: Document, recipient: Recipient) -> Json:
        """Return the body of one document, as far as the recipient may read it."""
        links = await self._issue_links([document], recipient, number.canonical)
        return document_body(document, links, recipient.client.scopes)

    async def _issue_links(
        self, documents: Sequence[Document], recipient: Recipient, number: str
    ) -> dict[str, Link]:
        contents = [content for one in readable(documents, recipient.client.scopes) for content in one.contents()]
        return await self.links.issue(contents, recipient, process_number=number, how=AccessKind.LINK)

    def _warnings_of(self, open_run: OpenRun | None) -> list[Json]:
        return [] if open_run is None else self.warnings()

    @staticmethod
    def head_body(process: Process, open_run: OpenRun | None) -> Json:
        """Return the fields that every body of a process has."""
        return {
            "process_number": process.number,
            "court": process.court,
            "status": status_of(process, open_run).value,
            "phase": open_run.phase.value if open_run else None,
            **counts_body(process.documents),
            "listed_at": format_timestamp(process.listed_at),
            "failure": failure_body(process.failure),
            "run": run_body(_displayed_run(process, open_run)),
        }


def first_documents_for(client: Client) -> int:
    """Return how many documents to read for the body of a process: one more than a page, or none at all."""
    # A key without the scope `read` learns how its downloads go, but nothing about the documents.
    return FIRST_PAGE_SIZE + 1 if client.may(Scope.READ) else 0


def status_of(process: Process, open_run: OpenRun | None) -> ProcessStatus:
    """Return the status of a process with its open run."""
    return process_status(
        process.documents,
        listed=process.listed_at is not None,
        process_failed=process.failure is not None,
        run_open=open_run is not None,
    )


def process_unknown(number: ProcessNumber) -> Problem:
    """Return the problem for an unknown process."""
    return Problem(
        ProblemCode.PROCESS_UNKNOWN,
        f"Nothing is known of {number}. Request it with auto_download=true to start a download.",
    )


def _displayed_run(process: Process, open_run: OpenRun | None) -> Run | None:
    latest = process.latest_run
    if open_run is None:
        return latest
    if latest is None or latest.outcome is not None or latest.id != open_run.id:
        # Started a moment ago or reset in Temporal: the catalog does not have it yet.
        latest = Run(id=open_run.id, client=open_run.client, started_at=open_run.started_at)
    # The open run may have been widened since the catalog's row was written.
    return replace(latest, chosen_documents=open_run.chosen_documents)


def _documents_url(
    number: str, position: int, *, limit: int | None = None, status: DocumentStatus | None = None
) -> str:
    parameters = {"cursor": POSITION_CURSOR.encode(position), "limit": limit, "status": status}
    return page_url(f"/processes/{number}/documents", parameters)
