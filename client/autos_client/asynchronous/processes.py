"""Processes and their documents, in the client for asyncio."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

from autos_client import downloads, flows, requests
from autos_client.asynchronous.connection import Connection
from autos_client.models import Document, FailureEntry, Process, ProcessSummary
from autos_client.patience import Patience, patience_of
from autos_client.reports import DownloadReport, Progress


class ProcessMethods(Connection):
    """Get, request, download and list processes and their documents."""

    async def process(self, number: str) -> Process:
        """See ``Autos.process``."""
        return await self._call(requests.process(number))

    async def request(
        self,
        number: str,
        *,
        webhook_url: str | None = None,
        max_age: int | None = None,
        document_ids: Sequence[str] | None = None,
        priority: int | None = None,
        notify: str | None = None,
    ) -> Process:
        """See ``Autos.request``."""
        return await self._call(
            requests.request(
                number,
                webhook_url=webhook_url,
                max_age=max_age,
                document_ids=document_ids,
                priority=priority,
                notify=notify,
            )
        )

    async def download(
        self,
        number: str,
        *,
        to: str | Path,
        wait: bool = True,
        overwrite: bool = False,
        timeout: float | None = None,  # noqa: ASYNC109 - It limits the run, not this call.
        webhook_url: str | None = None,
        max_age: int | None = None,
        priority: int | None = None,
        patience: float | Patience | None = None,
        start: bool = True,
        on_progress: Callable[[Progress], None] | None = None,
    ) -> DownloadReport:
        """See ``Autos.download``."""
        return await self._run(
            downloads.download_process(
                requests.request(number, webhook_url=webhook_url, max_age=max_age, priority=priority)
                if start
                else None,
                number,
                Path(to),
                patience=patience_of(patience, self._patience),
                wait=wait,
                overwrite=overwrite,
                timeout=timeout,
                on_progress=on_progress,
            )
        )

    def documents(self, number: str, *, status: str | None = None) -> AsyncIterator[Document]:
        """See ``Autos.documents``."""
        return self._iterate_pages(lambda cursor: requests.documents(number, status, cursor))

    async def document(self, number: str, document_id: str) -> Document:
        """See ``Autos.document``."""
        return await self._call(requests.document(number, document_id))

    async def content(self, number: str, document_id: str) -> bytes:
        """See ``Autos.content``."""
        return await self._run(flows.fetch_content(number, document_id, self._patience))

    def processes(self, *, status: str | None = None, court: str | None = None) -> AsyncIterator[ProcessSummary]:
        """See ``Autos.processes``."""
        return self._iterate_pages(lambda cursor: requests.processes(status, court, cursor))

    def failures(self, *, code: str | None = None) -> AsyncIterator[FailureEntry]:
        """See ``Autos.failures``."""
        return self._iterate_pages(lambda cursor: requests.failures(code, cursor))
