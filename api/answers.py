"""The bodies of answers: counts from the catalog, phases from Temporal, links signed at this moment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from api.parameters import encode_cursor
from api.problem_codes import ProblemCode
from api.problems import Problem
from api.runs import OpenRun, Runs
from domain.clients import Client, Scope
from domain.completeness import Decision, process_status
from domain.documents import Document, DocumentStatus
from domain.process_number import ProcessNumber
from domain.processes import Process, Run
from domain.representation import Json, counts_body, document_body, documents_body, failure_body, moment, run_body
from domain.secrecy import readable

if TYPE_CHECKING:
    from adapters.database import Catalog
    from adapters.storage.presigned_urls import LinkSigner

FIRST_PAGE = 100


@dataclass(frozen=True, slots=True)
class Answers:
    """Builds answers."""

    catalog: Catalog
    signer: LinkSigner
    runs: Runs

    async def current(self, number: ProcessNumber) -> tuple[Process, OpenRun | None] | None:
        """A process with its open run, as of one moment; none if nothing is known of it.

        Temporal is asked only if the catalog has not seen the last run end.
        """
        process = await self.catalog.processes.get(number.canonical)
        if process is None or process.latest_run is None or process.latest_run.outcome is not None:
            return None if process is None else (process, None)
        open_run = await self.runs.find_open(number)
        if open_run is None:
            # It has ended since the catalog was read, and has told the catalog before; or it was killed.
            process = await self.catalog.processes.get(number.canonical) or process
        return process, open_run

    async def known(self, number: ProcessNumber) -> tuple[Process, OpenRun | None]:
        """A process with its open run, as of one moment.

        Raises:
            Problem: 404, nothing is known of it.
        """
        found = await self.current(number)
        if found is None:
            raise process_unknown(number)
        return found

    async def process(
        self, process: Process, open_run: OpenRun | None, client: Client, decision: Decision | None = None
    ) -> Json:
        """A process with the first page of its documents, as far as they are the client's to read."""
        number = process.number
        # A key that may only start things is told how they go, and nothing of the documents.
        limit = FIRST_PAGE + 1 if client.may(Scope.READ) else 0
        documents = await self.catalog.documents.page(number, limit=limit) if limit else []
        page, following = documents[:FIRST_PAGE], documents[FIRST_PAGE:]
        links = await self.signer.sign_all(_contents(readable(page, client.scopes)))
        return {
            **self.head(process, open_run),
            "decision": decision.value if decision else None,
            "links_expire_at": moment(min((link.expires_at for link in links.values()), default=None)),
            "documents": documents_body(page, links, client.scopes),
            "documents_next": _page_url(number, page[-1].position) if following else None,
        }

    async def status(self, process: Process, open_run: OpenRun | None) -> Json:
        """A process without its documents, with its failures by code."""
        return {
            **self.head(process, open_run),
            "failures_by_code": await self.catalog.processes.failures_by_code(process.number),
        }

    async def documents(
        self, number: ProcessNumber, client: Client, *, after: int, limit: int, status: DocumentStatus | None
    ) -> Json:
        """A page of documents, as far as they are the client's to read."""
        found = await self.catalog.documents.page(number.canonical, after=after, limit=limit + 1, status=status)
        page = found[:limit]
        links = await self.signer.sign_all(_contents(readable(page, client.scopes)))
        last = page[-1].position if len(found) > limit else None
        return {
            "process_number": number.canonical,
            "links_expire_at": moment(min((link.expires_at for link in links.values()), default=None)),
            "documents": documents_body(page, links, client.scopes),
            "next_cursor": encode_cursor(last) if last is not None else None,
            "documents_next": _page_url(number.canonical, last, limit=limit, status=status)
            if last is not None
            else None,
        }

    async def document(self, document: Document, client: Client) -> Json:
        """One document, as far as it is the client's to read."""
        links = await self.signer.sign_all(_contents(readable([document], client.scopes)))
        return document_body(document, links, client.scopes)

    @staticmethod
    def head(process: Process, open_run: OpenRun | None) -> Json:
        """What every answer says of a process."""
        status = process_status(
            process.documents,
            listed=process.listed_at is not None,
            process_failed=process.failure is not None,
            run_open=open_run is not None,
        )
        return {
            "process_number": process.number,
            "court": process.court,
            "status": status.value,
            "phase": open_run.phase.value if open_run else None,
            **counts_body(process.documents),
            "listed_at": moment(process.listed_at),
            "failure": failure_body(process.failure),
            "run": run_body(_shown_run(process, open_run)),
        }


def _contents(documents: Sequence[Document]) -> list[Document]:
    return [content for document in documents for content in document.contents()]


def process_unknown(number: ProcessNumber) -> Problem:
    """That nothing is known of a process."""
    return Problem(
        ProblemCode.PROCESS_UNKNOWN,
        f"Nothing is known of {number}. Ask with auto_download=true to have it downloaded.",
    )


def _shown_run(process: Process, open_run: OpenRun | None) -> Run | None:
    latest = process.latest_run
    if open_run is None:
        return latest
    if latest is None or latest.outcome is not None or latest.id != open_run.id:
        # Started a moment ago, or reset in Temporal: the catalog has not heard of it yet.
        latest = Run(id=open_run.id, client=open_run.client, started_at=open_run.started_at)
    # It may have been asked for more since the catalog has heard of it.
    return replace(latest, chosen_documents=open_run.chosen_documents)


def _page_url(number: str, position: int, *, limit: int | None = None, status: DocumentStatus | None = None) -> str:
    query = {"cursor": encode_cursor(position), "limit": limit, "status": status}
    return f"/processes/{number}/documents?{urlencode({k: v for k, v in query.items() if v is not None})}"
