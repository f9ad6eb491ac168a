"""Processes and their documents, in the blocking client."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from autos_client import downloads, flows, requests
from autos_client.blocking.connection import Connection
from autos_client.models import Document, FailureEntry, Process, ProcessSummary
from autos_client.patience import Patience, patience_of
from autos_client.reports import DownloadReport, Progress


class ProcessMethods(Connection):
    """Get, request, download and list processes and their documents."""

    def process(self, number: str) -> Process:
        """Get a process with the first page of its documents."""
        return self._call(requests.process(number))

    def request(
        self,
        number: str,
        *,
        webhook_url: str | None = None,
        max_age: int | None = None,
        document_ids: Sequence[str] | None = None,
        priority: int | None = None,
        notify: str | None = None,
    ) -> Process:
        """Request the download of a process. Idempotent; ``decision`` says what the request led to.

        Args:
            number: The process, with or without punctuation.
            webhook_url: Called when the run ends.
            max_age: How old the court's listing may be, in seconds. 0 asks the court again.
            document_ids: Only these documents, up to 200. ``None`` means all documents.
            priority: 1 (first) to 5.
            notify: ``on_end``, or ``always``: also if nothing needs to be downloaded.
        """
        return self._call(
            requests.request(
                number,
                webhook_url=webhook_url,
                max_age=max_age,
                document_ids=document_ids,
                priority=priority,
                notify=notify,
            )
        )

    def download(
        self,
        number: str,
        *,
        to: str | Path,
        wait: bool = True,
        overwrite: bool = False,
        timeout: float | None = None,
        webhook_url: str | None = None,
        max_age: int | None = None,
        priority: int | None = None,
        patience: float | Patience | None = None,
        start: bool = True,
        on_progress: Callable[[Progress], None] | None = None,
    ) -> DownloadReport:
        """Request a process, and save its documents as ``NNN - name.ext``, with a manifest ``autos.json``.

        Documents are saved as they become available, the manifest at the end of the run. Files are verified by size
        and SHA-256 before they get their names. Files that are already there are not downloaded again. Documents
        that cannot be downloaded are in the report.

        Args:
            number: The process.
            to: The folder, created if missing. Use one folder for each process.
            wait: Wait for the end of the run. If ``False``, save only what is available now.
            overwrite: Replace files that have a document's name but other content.
            timeout: Seconds to wait for the end of the run. ``None`` means no limit.
            webhook_url: As in ``request``, like ``max_age`` and ``priority``.
            patience: As for the client; ``None`` means the client's own. With 600, neither a restart of the API nor
                one of the store fails a document.
            start: Request the process first. If ``False``, follow a run that a former request has started.
            on_progress: Called with the progress, sometimes from another thread, never concurrently.

        Raises:
            TookTooLong: The run has not ended in ``timeout`` seconds.
            OSError: The folder cannot be used.
        """
        return self._run(
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

    def documents(self, number: str, *, status: str | None = None) -> Iterator[Document]:
        """Iterate over all documents of a process, in its order. Pages are fetched when needed."""
        return self._iterate_pages(lambda cursor: requests.documents(number, status, cursor))

    def document(self, number: str, document_id: str) -> Document:
        """Get one document, with a fresh link if it is available."""
        return self._call(requests.document(number, document_id))

    def content(self, number: str, document_id: str) -> bytes:
        """Return the bytes of a document. Use ``download`` for large documents: it writes to disk."""
        return self._run(flows.fetch_content(number, document_id, self._patience))

    def processes(self, *, status: str | None = None, court: str | None = None) -> Iterator[ProcessSummary]:
        """Iterate over all processes, the newest first."""
        return self._iterate_pages(lambda cursor: requests.processes(status, court, cursor))

    def failures(self, *, code: str | None = None) -> Iterator[FailureEntry]:
        """Iterate over everything that failed, the newest first."""
        return self._iterate_pages(lambda cursor: requests.failures(code, cursor))
