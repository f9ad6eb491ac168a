"""The examples of the API's description: one for each body, and one for each problem that a route answers with."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, Final

from api.problems.codes import ProblemCode
from api.schemas.bundle_examples import OPEN_BUNDLE, READY_BUNDLE
from api.schemas.case_examples import CASE_BODIES

_NUMBER: Final = "1011745-77.2025.8.11.0041"
_DOCUMENT_ID: Final = "aa88bc62-81fc-5523-877c-7b10bd8b9530"
_SHA256: Final = "9732e0b3099c48777127d4c00dd595eb362d3e4592091ae79892fa0f4efbd48c"
_BATCH_ID: Final = "eb49d5dc7f8044329ae18700c5abbe29"
_DELIVERY_ID: Final = "evt_5a1f0d3c9b7e4f6a8c2d1e0f9a8b7c6d"
_REQUEST_ID: Final = "0d97bbea1e334dcc95ea865e518f471e"
_MOMENT: Final = "2026-01-31T12:00:00Z"
_LATER: Final = "2026-01-31T13:00:00Z"
_CURSOR: Final = "cDEwMA"

_FAILURE: Final = {
    "code": "sealed",
    "scope": "document",
    "retryable": False,
    "attempts": 1,
    "answer": "Acesso negado",
    "failed_at": _MOMENT,
}
_RUN: Final = {
    "id": "01a22a48-80e4-7dd8-8ba0-3f85f359c20a",
    "client": "office",
    "started_at": _MOMENT,
    "ended_at": "2026-01-31T12:00:09Z",
    "outcome": "completed",
    "failure_code": None,
    "chosen_documents": None,
}
_DOCUMENT: Final = {
    "id": _DOCUMENT_ID,
    "name": "Petição Inicial.pdf",
    "type": "Petição Inicial",
    "filed_at": "2025-03-17T16:21:47.698000Z",
    "instance": {
        "degree": "G1",
        "name": "1° Grau",
        "court_unit": "1ª VARA CÍVEL",
        "filed_at": "2025-03-17T12:25:00Z",
        "current": True,
    },
    "secrecy": "public",
    "withheld": False,
    "listed": True,
    "unlisted_at": None,
    "status": "available",
    "size_bytes": 230969,
    "media_type": "application/pdf",
    "pages": 4,
    "sources": [{"id": _DOCUMENT_ID, "source": 45}],
    "sha256": _SHA256,
    "download_url": f"https://store.example/autos/processes/{_NUMBER}/{_DOCUMENT_ID}.pdf?X-Amz-Signature=…",
    "download_url_expires_at": _LATER,
    "failure": None,
    "version": 1,
    "versions": [],
}
_HEAD: Final = {
    "process_number": _NUMBER,
    "court": "TJMT",
    "status": "completed",
    "phase": None,
    "total_documents": 1,
    "available_documents": 1,
    "pending_documents": 0,
    "failed_documents": 0,
    "no_content_documents": 0,
    "progress_percentage": 100.0,
    "available_bytes": 230969,
    "listed_at": _MOMENT,
    "failure": None,
    "run": _RUN,
}
_OPEN_HEAD: Final = {
    **_HEAD,
    "status": "processing",
    "phase": "listing",
    "total_documents": 0,
    "available_documents": 0,
    "progress_percentage": 0.0,
    "available_bytes": 0,
    "listed_at": None,
    "run": {**_RUN, "ended_at": None, "outcome": None},
}
_BATCH: Final = {
    "id": _BATCH_ID,
    "client": "office",
    "created_at": _MOMENT,
    "ended_at": None,
    "priority": 4,
    "webhook_url": None,
    "counts": {
        "queued": 0,
        "processing": 1,
        "completed": 0,
        "partial": 0,
        "failed": 0,
        "cancelled": 0,
        "invalid": 1,
        "erased": 0,
        "duplicates": 0,
    },
}
_ITEMS: Final = [
    {
        "position": 1,
        "given": _NUMBER,
        "process_number": _NUMBER,
        "state": "processing",
        "decision": "started",
        "run_id": _RUN["id"],
        "problem": None,
    },
    {
        "position": 2,
        "given": "not a number",
        "process_number": None,
        "state": "invalid",
        "decision": None,
        "run_id": None,
        "problem": {"code": "invalid_process_number", "detail": "A process number has 20 digits."},
    },
]
_DELIVERY: Final = {
    "id": _DELIVERY_ID,
    "event_type": "process.completed",
    "process_number": _NUMBER,
    "run_id": _RUN["id"],
    "client": "office",
    "url": "https://example.org/hook",
    "status": "delivered",
    "created_at": _MOMENT,
    "delivered_at": "2026-01-31T12:00:01Z",
    "given_up_at": None,
    "next_attempt_at": None,
    "attempts": [
        {
            "number": 1,
            "sent_at": _MOMENT,
            "status_code": 204,
            "latency_ms": 41,
            "excerpt": "",
            "error": None,
        }
    ],
}
_ENDPOINT: Final = {
    "id": "ep_5a1f0d3c9b7e4f6a8c2d1e0f9a8b7c6d",
    "client": "office",
    "url": "https://example.org/hook",
    "failing_since": _MOMENT,
    "switched_off_at": None,
}

# By the name of the body's schema.
_ERASURE: Final = {
    "process_number": _NUMBER,
    "state": "completed",
    "kind": "request",
    "requested_at": _MOMENT,
    "completed_at": _LATER,
    "requested_by": {"client": "office", "key_id": "k3x9p2ab"},
    "reason": "the mandate has ended",
    "blocking": True,
    "allowed_again_at": None,
    "allowed_again_by": None,
    "counts": {
        "documents": 31,
        "versions": 1,
        "objects": 32,
        "bytes": 18432211,
        "runs": 2,
        "deliveries": 1,
        "accesses": 64,
        "workflows": 3,
    },
}
BODIES: Final[dict[str, dict[str, Any]]] = {
    **CASE_BODIES,
    "ProcessBody": {
        **_HEAD,
        "decision": "complete",
        "links_expire_at": _LATER,
        "documents": [_DOCUMENT],
        "documents_next": None,
        "warnings": [],
    },
    "DocumentsBody": {
        "process_number": _NUMBER,
        "links_expire_at": _LATER,
        "documents": [_DOCUMENT],
        "next_cursor": _CURSOR,
        "documents_next": f"/processes/{_NUMBER}/documents?cursor={_CURSOR}&limit=1",
    },
    "DocumentBody": _DOCUMENT,
    "StatusBody": {**_HEAD, "failures_by_code": {}, "warnings": []},
    "RetriedBody": {**_OPEN_HEAD, "failures_by_code": {}, "warnings": [], "retried_documents": 1},
    "ProcessesBody": {
        "processes": [{**_HEAD, "created_at": _MOMENT}],
        "next_cursor": None,
        "processes_next": None,
    },
    "FailuresBody": {
        "failures": [
            {
                "process_number": _NUMBER,
                "court": "TJMT",
                "document": {
                    "id": _DOCUMENT_ID,
                    "name": "Petição Inicial.pdf",
                    "type": "Petição Inicial",
                    "filed_at": _MOMENT,
                },
                "failure": _FAILURE,
            }
        ],
        "next_cursor": None,
        "failures_next": None,
    },
    "BundleBody": READY_BUNDLE,
    "BatchBody": {**_BATCH, "items": _ITEMS, "warnings": []},
    "AccessesBody": {
        "accesses": [
            {
                "at": _MOMENT,
                "client": "desk",
                "key_id": "k3v9x2ab",
                "how": "link",
                "process_number": _NUMBER,
                "document_ids": [_DOCUMENT_ID],
                "request_id": _REQUEST_ID,
                "event_id": None,
                "purpose": "due diligence, matter 2026-014",
            }
        ],
        "next_cursor": None,
        "accesses_next": None,
    },
    "BatchesBody": {"batches": [_BATCH], "next_cursor": None, "batches_next": None},
    "DeliveryBody": _DELIVERY,
    "DeliveriesBody": {"deliveries": [_DELIVERY], "next_cursor": None, "deliveries_next": None},
    "RedeliveredBody": {"redelivered": 3, "more": False},
    "EndpointsBody": {"endpoints": [_ENDPOINT]},
    "EndpointBody": _ENDPOINT,
    "ErasureBody": _ERASURE,
    "HoldBody": {
        "process_number": _NUMBER,
        "held": True,
        "placed_at": _MOMENT,
        "placed_by": {"client": "office", "key_id": "k3x9p2ab"},
        "reason": "evidence in another case",
    },
    "CourtStatusBody": {
        "status": "answering",
        "since": None,
        "failure": None,
        "probes": 0,
        "next_probe_at": None,
        "credentials": {
            "source": "stored",
            "expires_at": _LATER,
            "renewable": True,
            "rejected": False,
            "candidate": None,
        },
    },
    "HealthBody": {"status": "ok", "version": "1.0.0"},
    "LiveBody": {"status": "ok"},
    "ReadyBody": {
        "status": "ok",
        "parts": {"database": "ok", "storage": "ok", "temporal": "ok"},
        "workers": {"processes": 1, "court": 1, "bundles": 1},
        "advice": None,
    },
    "ProblemPageBody": {
        "code": "not_found",
        "status": 404,
        "what_it_means": "There is nothing at this address.",
        "why_it_happens": "- The address is misspelt.",
        "what_to_do": "Compare it with `/docs`.",
    },
}
# 202: a run is open, or an erasure runs.
OPEN_BODIES: Final[dict[str, dict[str, Any]]] = {
    "ProcessBody": {
        **_OPEN_HEAD,
        "decision": "started",
        "links_expire_at": None,
        "documents": [],
        "documents_next": None,
        "warnings": [],
    },
    "StatusBody": {**_OPEN_HEAD, "phase": "finishing", "failures_by_code": {}, "warnings": []},
    "ErasureBody": {**_ERASURE, "state": "running", "completed_at": None},
    "BundleBody": OPEN_BUNDLE,
}
_EVENT: Final = "event: progress\nid: 1764525291000-0d97bbea1f0c4d7e9a5b6c2d8e3f4a10\ndata: {data}\n\n"
STATUS_STREAM: Final = _EVENT.replace("{data}", '{"status": "processing", …}')
BUNDLE_STREAM: Final = _EVENT.replace("{data}", '{"state": "building", …}')
METRICS: Final = "autos_court_answering 1.0\n"

_DETAILS: Final = {
    ProblemCode.UNAUTHORIZED: "Send a valid API key: Authorization: Bearer <key>.",
    ProblemCode.FORBIDDEN: "This key lacks the scope download. Ask the operator for a key that has it.",
    ProblemCode.NOT_FOUND: "There is nothing at this address. The API is described at /docs; "
    "its addresses do not end in a slash.",
    ProblemCode.PROCESS_UNKNOWN: f"Nothing is known of {_NUMBER}. Request it with auto_download=true to start a "
    "download.",
    ProblemCode.DOCUMENT_UNKNOWN: f"Process {_NUMBER} has no document with this id.",
    ProblemCode.BUNDLE_UNKNOWN: f"Process {_NUMBER} has no bundle with this id.",
    ProblemCode.BUNDLE_NOT_READY: "The bundle is being built. Wait until its state is ready.",
    ProblemCode.NOTHING_TO_BUNDLE: "No document is stored that was asked for. Request a download first.",
    ProblemCode.BATCH_UNKNOWN: "There is no batch with this id.",
    ProblemCode.DELIVERY_UNKNOWN: "There is no delivery with this id.",
    ProblemCode.WATCH_UNKNOWN: f"You do not watch {_NUMBER}.",
    ProblemCode.ERASURE_UNKNOWN: f"{_NUMBER} was never erased.",
    ProblemCode.PROCESS_ERASED: f"The process {_NUMBER} was erased. An administrator can allow it again.",
    ProblemCode.PROCESS_HELD: f"A legal hold is on {_NUMBER}. It is erased only after the hold is released.",
    ProblemCode.ERASURE_RUNNING: f"{_NUMBER} is being erased. Read its receipt until it is completed.",
    ProblemCode.DOCUMENT_NOT_AVAILABLE: "The document is pending. Request a download first.",
    ProblemCode.NO_OPEN_RUN: f"No run is open for {_NUMBER}. It is completed. Ask for a download to start one.",
    ProblemCode.DELIVERY_PENDING: "This delivery is still being attempted.",
    ProblemCode.SECRET_KEY_MISSING: "AUTOS_SECRET_KEY is not set: without it, credentials are not stored.",
    ProblemCode.TOO_LARGE: "The body of a request may have at most 65536 bytes.",
    ProblemCode.UNSUPPORTED_MEDIA_TYPE: "The body has to be JSON in UTF-8. Send it with Content-Type: "
    "application/json.",
    ProblemCode.INVALID_REQUEST: "The request is not valid. limit: must be at most 200",
    ProblemCode.RATE_LIMITED: "This key allows 60 requests a minute. Try again in 7 s.",
    ProblemCode.INTERNAL_ERROR: "An unexpected error happened in the service. Report the request_id.",
    ProblemCode.DATABASE_UNAVAILABLE: "The database does not answer. Nothing is lost; send the request again.",
    ProblemCode.NOT_READY: "A part that the service depends on does not answer.",
}
_CODES_BY_STATUS: Final = {
    401: ProblemCode.UNAUTHORIZED,
    403: ProblemCode.FORBIDDEN,
    410: ProblemCode.PROCESS_ERASED,
    413: ProblemCode.TOO_LARGE,
    415: ProblemCode.UNSUPPORTED_MEDIA_TYPE,
    422: ProblemCode.INVALID_REQUEST,
    429: ProblemCode.RATE_LIMITED,
    500: ProblemCode.INTERNAL_ERROR,
    503: ProblemCode.DATABASE_UNAVAILABLE,
}
# The first of these whose word is in the path.
_UNKNOWN: Final = {
    "{bundle_id}": ProblemCode.BUNDLE_UNKNOWN,
    "{document_id}": ProblemCode.DOCUMENT_UNKNOWN,
    "/erasure": ProblemCode.ERASURE_UNKNOWN,
    "/watch": ProblemCode.WATCH_UNKNOWN,
    "{number}": ProblemCode.PROCESS_UNKNOWN,
    "/batches": ProblemCode.BATCH_UNKNOWN,
    "/webhooks": ProblemCode.DELIVERY_UNKNOWN,
    "": ProblemCode.NOT_FOUND,
}
_CONFLICTS: Final = {
    "{bundle_id}": ProblemCode.BUNDLE_NOT_READY,
    "/bundles": ProblemCode.NOTHING_TO_BUNDLE,
    "/content": ProblemCode.DOCUMENT_NOT_AVAILABLE,
    "/webhooks": ProblemCode.DELIVERY_PENDING,
    "/court": ProblemCode.SECRET_KEY_MISSING,
    "/hold": ProblemCode.ERASURE_RUNNING,
    "/erasure": ProblemCode.ERASURE_RUNNING,
    **dict.fromkeys(("/retry", "/pause", "/resume", "/cancel"), ProblemCode.NO_OPEN_RUN),
    "": ProblemCode.PROCESS_HELD,
}


def problem_example(status: int, path: str) -> dict[str, Any]:
    """Return an example of a problem that a route may answer with."""
    if status in (404, 409):
        codes = _UNKNOWN if status == 404 else _CONFLICTS
        code = next(code for word, code in codes.items() if word in path)
    elif path == "/health/ready" and status == 503:
        code = ProblemCode.NOT_READY
    else:
        code = _CODES_BY_STATUS[status]
    example: dict[str, Any] = {
        "type": f"/problems/{code}",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": _DETAILS[code],
        "code": code.value,
        "request_id": _REQUEST_ID,
    }
    if code is ProblemCode.INVALID_REQUEST:
        example["errors"] = [{"parameter": "limit", "detail": "must be at most 200"}]
    return example
