"""The activities by which a run reads and writes the catalog."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import structlog
from temporalio import activity

from activities.errors import translating_infrastructure_errors
from activities.metrics import NO_METRICS, DownloadOutcome, WorkerMetrics
from domain.completeness import Completeness
from domain.run_messages import (
    ClosedRun,
    DocumentGivenUp,
    DocumentRef,
    PendingPage,
    PendingPageRequest,
    ProcessRef,
    RunClosing,
    RunOpening,
)

if TYPE_CHECKING:
    from adapters.database import Catalog

_log = structlog.get_logger()


class CatalogActivities:
    """The activities on the catalog. Each is idempotent."""

    def __init__(self, catalog: Catalog, metrics: WorkerMetrics = NO_METRICS) -> None:
        self._catalog = catalog
        self._metrics = metrics

    @activity.defn
    async def open_run(self, opening: RunOpening) -> None:
        """Record that the run has started, and reset the attempts of the process's documents."""
        with translating_infrastructure_errors():
            await self._catalog.runs.open(opening, execution=activity.info().workflow_run_id or "")
        _log.info("run opened", process=opening.process_number, run=opening.run_id)

    @activity.defn
    async def check_completeness(self, process: ProcessRef) -> Completeness:
        """Count the process's documents, or only those with the given ids. Empty means all documents."""
        with translating_infrastructure_errors():
            counts = await self._catalog.processes.count_documents(process.process_number, process.document_ids)
        _log.info(
            f"complete {counts.available}/{counts.total}" if counts.complete else "incomplete",
            process=process.process_number,
            available=counts.available,
            pending=counts.pending,
            failed=counts.failed,
            total=counts.total,
        )
        return counts

    @activity.defn
    async def next_pending(self, request: PendingPageRequest) -> PendingPage:
        """Return the next documents to download."""
        with translating_infrastructure_errors():
            pending = await self._catalog.documents.list_pending(
                request.process_number,
                after=request.after_position,
                limit=request.limit,
                document_ids=request.document_ids,
            )
        return PendingPage(
            tuple(DocumentRef(request.process_number, document_id, position) for document_id, position in pending)
        )

    @activity.defn
    async def give_up_document(self, given_up: DocumentGivenUp) -> None:
        """Mark a document as ``failed`` whose download activity has ended without recording anything."""
        document = given_up.document
        with translating_infrastructure_errors():
            await self._catalog.documents.record_failed_attempt(
                document.process_number,
                document.document_id,
                given_up.code,
                given_up.answer,
                allowed_attempts=1,
            )
        self._metrics.count_failed_document(given_up.code, DownloadOutcome.FAILED)
        _log.warning(
            "document failed", process=document.process_number, document=document.document_id, code=given_up.code
        )

    @activity.defn
    async def retry_failed_documents(self, process: ProcessRef) -> int:
        """Make failed documents pending again, whatever their failure. Returns how many."""
        with translating_infrastructure_errors():
            return await self._catalog.documents.retry_failed(process.process_number, process.document_ids)

    @activity.defn
    async def close_run(self, closing: RunClosing) -> ClosedRun:
        """Record how the run ended. Returns the next page of the webhook deliveries to start."""
        with translating_infrastructure_errors():
            closed = await self._catalog.runs.close(closing)
            if closed.documents.failed:
                failures = await self._catalog.processes.count_failures_by_code(closing.process_number)
                closed = replace(closed, failures=failures)
        if closing.after_delivery == 0:
            counts = closed.documents
            self._metrics.count_ended_run(closing.ending.outcome)
            _log.info(
                f"run {closing.ending.outcome} {counts.available}/{counts.total}",
                process=closing.process_number,
                run=closing.run_id,
                code=closing.ending.failure_code,
                failed=counts.failed,
                deliveries=len(closed.deliveries),
            )
        return closed
