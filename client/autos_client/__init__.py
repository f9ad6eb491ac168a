"""The Python client of Autos.

    from autos_client import Autos

    with Autos("https://autos.example", api_key="…") as autos:
        report = autos.download("1011745-77.2025.8.11.0041", to="autos/1011745-77.2025.8.11.0041")

The modules: ``requests`` describes each request and parses its answer; ``flows``, ``saving`` and ``downloads`` are
operations of several steps, without I/O; ``patience`` and ``waits`` decide how long to try again; ``blocking`` and
``asynchronous`` have the I/O and the methods, a module for each resource. ``files`` is about files, ``streams``
about streams of events that outlive their connections, ``sse`` about their format, ``webhooks`` about events that
come in, ``wording`` about numbers in sentences. The command line is the package ``autos_client_cli``.
"""

from __future__ import annotations

from autos_client.async_client import AsyncAutos
from autos_client.batch_models import Batch, BatchItem, BatchSummary
from autos_client.bundle_models import Bundle, BundleFailure, BundleProgress, Omission
from autos_client.bundles import BundleFailed, BundleState
from autos_client.case_models import (
    Case,
    CaseDocument,
    CaseInstance,
    CaseParty,
    Change,
    Lawyer,
    Movement,
    RelatedProcess,
    TimelineEntry,
)
from autos_client.client import Autos
from autos_client.erasure_models import Author, Erasure, ErasureCounts, Hold
from autos_client.errors import (
    ApiProblem,
    AutosError,
    Conflict,
    Forbidden,
    Invalid,
    NoAnswer,
    NotFound,
    RateLimited,
    TookTooLong,
    Unauthorized,
    Unavailable,
    UnexpectedAnswer,
    WebhookRefused,
)
from autos_client.models import (
    CourtStatus,
    Delivery,
    Document,
    Endpoint,
    Failure,
    FailureEntry,
    Process,
    ProcessEnd,
    ProcessSummary,
    Redelivered,
    Status,
    WebhookEvent,
)
from autos_client.patience import Outage, Party, Patience, Wait
from autos_client.reports import DownloadFailed, DownloadReport, FailedFile, Progress, SavedFile
from autos_client.trail_models import Access
from autos_client.watch_models import Event, EventList, Watch, WatchedProcesses, WatchItem
from autos_client.webhooks import verify_webhook

# The client's version is written here alone; its pyproject.toml reads it.
__version__ = "0.1.0"

__all__ = [
    "Access",
    "ApiProblem",
    "AsyncAutos",
    "Author",
    "Autos",
    "AutosError",
    "Batch",
    "BatchItem",
    "BatchSummary",
    "Bundle",
    "BundleFailed",
    "BundleFailure",
    "BundleProgress",
    "BundleState",
    "Case",
    "CaseDocument",
    "CaseInstance",
    "CaseParty",
    "Change",
    "Conflict",
    "CourtStatus",
    "Delivery",
    "Document",
    "DownloadFailed",
    "DownloadReport",
    "Endpoint",
    "Erasure",
    "ErasureCounts",
    "Event",
    "EventList",
    "FailedFile",
    "Failure",
    "FailureEntry",
    "Forbidden",
    "Hold",
    "Invalid",
    "Lawyer",
    "Movement",
    "NoAnswer",
    "NotFound",
    "Omission",
    "Outage",
    "Party",
    "Patience",
    "Process",
    "ProcessEnd",
    "ProcessSummary",
    "Progress",
    "RateLimited",
    "Redelivered",
    "RelatedProcess",
    "SavedFile",
    "Status",
    "TimelineEntry",
    "TookTooLong",
    "Unauthorized",
    "Unavailable",
    "UnexpectedAnswer",
    "Wait",
    "Watch",
    "WatchItem",
    "WatchedProcesses",
    "WebhookEvent",
    "WebhookRefused",
    "verify_webhook",
]
