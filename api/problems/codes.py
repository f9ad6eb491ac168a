"""The codes of all problems. Each has a status and a page in docs/problems."""

from __future__ import annotations

from enum import StrEnum


class ProblemCode(StrEnum):
    """What went wrong, for programs. The code is also the name of its page."""

    # The request is invalid (nothing was changed).
    INVALID_REQUEST = "invalid_request"
    INVALID_PROCESS_NUMBER = "invalid_process_number"
    INVALID_CURSOR = "invalid_cursor"
    INVALID_WEBHOOK_URL = "invalid_webhook_url"
    CREDENTIALS_EXPIRED = "credentials_expired"
    CREDENTIALS_REFUSED = "credentials_refused"
    NO_VALID_NUMBERS = "no_valid_numbers"
    # Authentication and authorization.
    UNAUTHORIZED = "unauthorized"
    FORBIDDEN = "forbidden"
    FOREIGN_HOST = "foreign_host"
    SEALED = "sealed"
    RATE_LIMITED = "rate_limited"
    # Not found.
    NOT_FOUND = "not_found"
    PROCESS_UNKNOWN = "process_unknown"
    DOCUMENT_UNKNOWN = "document_unknown"
    BATCH_UNKNOWN = "batch_unknown"
    BUNDLE_UNKNOWN = "bundle_unknown"
    DELIVERY_UNKNOWN = "delivery_unknown"
    ERASURE_UNKNOWN = "erasure_unknown"
    WATCH_UNKNOWN = "watch_unknown"
    # Gone for good.
    PROCESS_ERASED = "process_erased"
    # Conflict with the current state.
    DOCUMENT_NOT_AVAILABLE = "document_not_available"
    BUNDLE_NOT_READY = "bundle_not_ready"
    NOTHING_TO_BUNDLE = "nothing_to_bundle"
    NO_OPEN_RUN = "no_open_run"
    RUN_FINISHING = "run_finishing"
    NOTHING_TO_RETRY = "nothing_to_retry"
    DELIVERY_PENDING = "delivery_pending"
    PROCESS_HELD = "process_held"
    ERASURE_RUNNING = "erasure_running"
    SECRET_KEY_MISSING = "secret_key_missing"  # noqa: S105 - a problem code.
    # HTTP.
    METHOD_NOT_ALLOWED = "method_not_allowed"
    TOO_LARGE = "too_large"
    UNSUPPORTED_MEDIA_TYPE = "unsupported_media_type"
    # Failures of the service.
    INTERNAL_ERROR = "internal_error"
    NOT_READY = "not_ready"
    TEMPORAL_UNAVAILABLE = "temporal_unavailable"
    DATABASE_UNAVAILABLE = "database_unavailable"
    STORAGE_UNAVAILABLE = "storage_unavailable"

    @property
    def status(self) -> int:
        """The HTTP status of the problem."""
        return _STATUSES[self]


_STATUSES = {
    **dict.fromkeys(
        (
            ProblemCode.INVALID_REQUEST,
            ProblemCode.INVALID_PROCESS_NUMBER,
            ProblemCode.INVALID_CURSOR,
            ProblemCode.INVALID_WEBHOOK_URL,
            ProblemCode.CREDENTIALS_EXPIRED,
            ProblemCode.CREDENTIALS_REFUSED,
            ProblemCode.NO_VALID_NUMBERS,
        ),
        422,
    ),
    ProblemCode.UNAUTHORIZED: 401,
    **dict.fromkeys((ProblemCode.FORBIDDEN, ProblemCode.FOREIGN_HOST, ProblemCode.SEALED), 403),
    ProblemCode.RATE_LIMITED: 429,
    **dict.fromkeys(
        (
            ProblemCode.NOT_FOUND,
            ProblemCode.PROCESS_UNKNOWN,
            ProblemCode.DOCUMENT_UNKNOWN,
            ProblemCode.BATCH_UNKNOWN,
            ProblemCode.BUNDLE_UNKNOWN,
            ProblemCode.DELIVERY_UNKNOWN,
            ProblemCode.ERASURE_UNKNOWN,
            ProblemCode.WATCH_UNKNOWN,
        ),
        404,
    ),
    ProblemCode.PROCESS_ERASED: 410,
    **dict.fromkeys(
        (
            ProblemCode.DOCUMENT_NOT_AVAILABLE,
            ProblemCode.BUNDLE_NOT_READY,
            ProblemCode.NOTHING_TO_BUNDLE,
            ProblemCode.NO_OPEN_RUN,
            ProblemCode.RUN_FINISHING,
            ProblemCode.NOTHING_TO_RETRY,
            ProblemCode.DELIVERY_PENDING,
            ProblemCode.PROCESS_HELD,
            ProblemCode.ERASURE_RUNNING,
            ProblemCode.SECRET_KEY_MISSING,
        ),
        409,
    ),
    ProblemCode.METHOD_NOT_ALLOWED: 405,
    ProblemCode.TOO_LARGE: 413,
    ProblemCode.UNSUPPORTED_MEDIA_TYPE: 415,
    ProblemCode.INTERNAL_ERROR: 500,
    **dict.fromkeys(
        (
            ProblemCode.NOT_READY,
            ProblemCode.TEMPORAL_UNAVAILABLE,
            ProblemCode.DATABASE_UNAVAILABLE,
            ProblemCode.STORAGE_UNAVAILABLE,
        ),
        503,
    ),
}
