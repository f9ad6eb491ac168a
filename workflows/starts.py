"""How each workflow is started: the same id, queue, priority, memo and texts, whoever starts it.

Clients pass these options to ``Client.start_workflow``, workflows to ``start_child_workflow``. What differs
between the two (conflict policies, the parent close policy) is set where the workflow is started.
"""

from __future__ import annotations

from typing import Any, TypedDict

from temporalio.common import Priority, SearchAttributePair, TypedSearchAttributes

from domain.batch_messages import BatchRequest
from domain.bundle_messages import BundleRequest
from domain.court import MONITOR_ID
from domain.delivery_messages import DeliveryRef, DeliveryRequest
from domain.erasure_messages import ErasureRequest
from domain.process_number import ProcessNumber
from domain.run_messages import DownloadRequest, count_chosen
from workflows.options import BUNDLES_QUEUE, PROCESSES_QUEUE
from workflows.search_attributes import CHOSEN_DOCUMENTS, CLIENT, COURT

# Begins the summary of every workflow that downloads nothing.
HOUSEKEEPING = "housekeeping"


class StartOptions(TypedDict, total=False):
    """The options that a client's start and a child workflow's start have in common."""

    id: str
    task_queue: str
    search_attributes: TypedSearchAttributes
    memo: dict[str, Any]
    static_summary: str
    static_details: str
    priority: Priority


def download_process_options(request: DownloadRequest, priority: int) -> StartOptions:
    """Return how ``DownloadProcess`` is started. Its id is the process number, so a second run cannot start.

    Args:
        request: The run's argument.
        priority: 1 is served first, 5 last. Runs of equal priority share the workers fairly between clients.
    """
    number = ProcessNumber.parse(request.process_number)
    options = StartOptions(
        id=number.canonical,
        task_queue=PROCESSES_QUEUE,
        search_attributes=TypedSearchAttributes(
            [SearchAttributePair(COURT, number.court), SearchAttributePair(CLIENT, request.client)]
        ),
        static_summary=f"{number.court} · {number}",
        static_details="Downloads every document of this process that is not stored yet.",
        priority=Priority(priority_key=priority, fairness_key=request.client),
    )
    if request.document_ids:
        options["memo"] = {CHOSEN_DOCUMENTS: count_chosen(request.document_ids)}
    return options


def deliver_webhook_options(delivery_id: str, subject: str = "") -> StartOptions:
    """Return how ``DeliverWebhook`` is started for a delivery.

    Args:
        delivery_id: The id of the delivery.
        subject: What the event is about, for people. Empty says nothing.
    """
    options = StartOptions(id=f"webhook-{delivery_id}", task_queue=PROCESSES_QUEUE)
    if subject:
        options["static_summary"] = f"{HOUSEKEEPING} · webhook for {subject}"
    return options


def delivery_request(delivery: DeliveryRef) -> DeliveryRequest:
    """Return the argument of ``DeliverWebhook`` for a delivery."""
    return DeliveryRequest(delivery.id, delivery.first_attempt)


def download_batch_options(request: BatchRequest) -> StartOptions:
    """Return how ``DownloadBatch`` is started."""
    return StartOptions(
        id=f"batch-{request.batch_id}",
        task_queue=PROCESSES_QUEUE,
        search_attributes=TypedSearchAttributes([SearchAttributePair(CLIENT, request.client)]),
        static_summary=f"a batch of {request.client}",
        static_details="Starts a run for each process of the batch that needs one, a few at a time.",
        priority=Priority(priority_key=request.priority, fairness_key=request.client),
    )


def build_bundle_options(request: BundleRequest, client: str) -> StartOptions:
    """Return how ``BuildBundle`` is started. Its id has that of the bundle, so a second one cannot exist.

    Args:
        request: The workflow's argument.
        client: Who asks first. Builds share the workers fairly between clients.
    """
    return StartOptions(
        id=bundle_workflow_id(request.bundle_id),
        task_queue=BUNDLES_QUEUE,
        static_summary=f"bundle of {request.process_number}",
        static_details="Makes one file of the stored documents of this process.",
        priority=Priority(fairness_key=client),
    )


def bundle_workflow_id(bundle_id: str) -> str:
    """Return the id of the workflow that builds a bundle."""
    return f"bundle-{bundle_id}"


def erase_process_options(request: ErasureRequest) -> StartOptions:
    """Return how ``EraseProcess`` is started. Its id has the process number, so a second one cannot exist."""
    return StartOptions(
        id=f"erase-{request.process_number}",
        task_queue=PROCESSES_QUEUE,
        static_summary=f"{HOUSEKEEPING} · erases {request.process_number}",
        static_details="Erases everything of this process: objects, rows, deliveries and executions.",
        priority=Priority(priority_key=1),
    )


def monitor_court_options() -> StartOptions:
    """Return how ``MonitorCourt`` is started: once for the whole deployment."""
    return StartOptions(
        id=MONITOR_ID,
        task_queue=PROCESSES_QUEUE,
        static_summary=f"{HOUSEKEEPING} · monitors the court",
        static_details="Probes the court while it does not answer, and keeps its token alive. It never ends.",
    )
