"""The tree of exceptions, and the closed set of failure codes.

AutosError
├── InvalidInput                  the caller's input cannot be used; nothing was changed
│   └── InvalidProcessNumber
├── DependencyUnavailable         Temporal, the database or S3 does not answer
│   └── TransactionConflict       a transaction lost against another one; it can be retried
├── StorageFailure                the object store refused or lost a request
├── StoreUnavailable              the object store takes no writes; until it does, the court is not asked
├── ConfigurationError            a setting is missing or unusable
├── ProcessErased                 the process was erased or is being erased; nothing of it may be stored
├── ProcessHeld                   a legal hold prevents the erasure
├── BundleNotBuilt                the documents of a process could not be made into one file
├── BundleRefused                 a bundle cannot be built now; carries a BundleFailureCode
└── CourtError                    the court's answer was a failure; carries a FailureCode
    ├── DocumentFailure           the document's problem; the other documents go on
    ├── ProcessFailure            the process's problem; the run ends
    └── CourtFailure              the court's problem; no document fails for it, the run waits
        └── CourtKnownUnavailable     the circuit breaker is open; the court was not asked
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum


class FailureScope(StrEnum):
    """Whose problem a failure is."""

    DOCUMENT = "document"
    PROCESS = "process"
    COURT = "court"
    SERVICE = "service"


class FailureCode(StrEnum):
    """Every reason for a failure. The codes are the same in API, webhooks, CLI, logs and Temporal."""

    # Documents.
    SOURCE_UNAVAILABLE = "source_unavailable"
    SEALED = "sealed"
    DOCUMENT_NOT_FOUND = "document_not_found"
    TOO_LARGE = "too_large"
    PORTAL_PAGE = "portal_page"
    INVALID_CONTENT = "invalid_content"
    EMPTY_DOCUMENT = "empty_document"
    TRUNCATED = "truncated"
    CONNECTION_LOST = "connection_lost"
    FOREIGN_ADDRESS = "foreign_address"
    NO_CONTENT_ADDRESS = "no_content_address"
    TIMED_OUT = "timed_out"
    NOT_STORED = "not_stored"
    NO_CONTENT = "no_content"
    # Processes.
    NOT_FOUND = "not_found"
    NO_ACCESS = "no_access"
    INVALID_LISTING = "invalid_listing"
    LISTING_UNAVAILABLE = "listing_unavailable"
    # The court.
    CREDENTIALS_REJECTED = "credentials_rejected"
    COURT_BLOCKED = "court_blocked"
    COURT_THROTTLED = "court_throttled"
    COURT_UNAVAILABLE = "court_unavailable"
    # This service.
    STORE_UNAVAILABLE = "store_unavailable"
    INTERNAL_ERROR = "internal_error"

    @property
    def scope(self) -> FailureScope:
        """Whose problem a failure with this code is."""
        if self in _PROCESS_CODES:
            return FailureScope.PROCESS
        if self in _COURT_CODES:
            return FailureScope.COURT
        if self in _SERVICE_CODES:
            return FailureScope.SERVICE
        return FailureScope.DOCUMENT

    @property
    def retryable(self) -> bool:
        """Whether a later request to the court could succeed."""
        return self not in _PERMANENT_CODES


_PROCESS_CODES = frozenset(
    {
        FailureCode.NOT_FOUND,
        FailureCode.NO_ACCESS,
        FailureCode.INVALID_LISTING,
        FailureCode.LISTING_UNAVAILABLE,
    }
)
_COURT_CODES = frozenset(
    {
        FailureCode.CREDENTIALS_REJECTED,
        FailureCode.COURT_BLOCKED,
        FailureCode.COURT_THROTTLED,
        FailureCode.COURT_UNAVAILABLE,
    }
)
_SERVICE_CODES = frozenset({FailureCode.STORE_UNAVAILABLE, FailureCode.INTERNAL_ERROR})
_PERMANENT_CODES = frozenset(
    {
        FailureCode.SEALED,
        FailureCode.DOCUMENT_NOT_FOUND,
        FailureCode.TOO_LARGE,
        FailureCode.FOREIGN_ADDRESS,
        FailureCode.NO_CONTENT_ADDRESS,
        FailureCode.NO_CONTENT,
        FailureCode.NOT_FOUND,
        FailureCode.NO_ACCESS,
    }
)


class BundleFailureCode(StrEnum):
    """Every reason for which a bundle is not built.

    Attributes:
        SCRATCH_FULL: The scratch disk has no room for it.
        SOURCE_DAMAGED: The store has lost or changed a document since it was stored.
        NOT_BUILT: The documents could not be made into one file.
        NOT_STORED: The store takes writes, but refuses this file.
        CANCELLED: An operator has cancelled the build.
        INTERRUPTED: The build was ended from outside and could not say so. Derived when it is read, never stored.
        INTERNAL_ERROR: The service failed by itself.
    """

    SCRATCH_FULL = "scratch_full"
    SOURCE_DAMAGED = "source_damaged"
    NOT_BUILT = "not_built"
    NOT_STORED = "not_stored"
    CANCELLED = "cancelled"
    INTERRUPTED = "interrupted"
    INTERNAL_ERROR = "internal_error"


class AutosError(Exception):
    """Base class of all errors that this project raises. Its text says what to do and contains no secret."""


class InvalidInput(AutosError):
    """The caller's input cannot be used. Nothing was changed.

    Attributes:
        code: A stable code for programs.
        field: Name of the invalid parameter, if there is one.
    """

    code = "invalid_request"

    def __init__(self, message: str, *, code: str | None = None, field: str | None = None) -> None:
        super().__init__(message)
        self.code = code or type(self).code
        self.field = field


class InvalidProcessNumber(InvalidInput):
    """The text is not a CNJ process number, or its check digits are wrong.

    Attributes:
        suggestion: The canonical number with the right check digits, if only those were wrong.
    """

    code = "invalid_process_number"

    def __init__(self, message: str, *, suggestion: str | None = None) -> None:
        super().__init__(message, field="number")
        self.suggestion = suggestion


class DependencyUnavailable(AutosError):
    """A dependency of the service does not answer: ``temporal``, ``database`` or ``storage``.

    Attributes:
        dependency: Which one.
        place: A sentence that says where it is expected, for operators. Clients of the API are not told. May be
            empty.
    """

    def __init__(self, dependency: str, message: str) -> None:
        super().__init__(message)
        self.dependency = dependency
        self.place = ""


class TransactionConflict(DependencyUnavailable):
    """The database rolled a transaction back in favour of another one. It is safe to retry."""


class StorageFailure(AutosError):
    """The object store refused or lost a request. The service retries it; no document fails for it.

    Attributes:
        permanent: The store would refuse the same request again, even while it accepts others.
        advice: What an operator has to do, which is also the end of the text. None if waiting may help.
    """

    def __init__(self, message: str, *, permanent: bool = False, advice: str | None = None) -> None:
        super().__init__(message)
        self.permanent = permanent
        self.advice = advice


class ObjectDamaged(StorageFailure):
    """The object store has other bytes under a key than were written. They are the same at each further request."""

    def __init__(self, message: str) -> None:
        super().__init__(message, permanent=True)


class StoreUnavailable(AutosError):
    """The object store takes no writes. The court is not asked for bytes that could not be stored.

    Attributes:
        answer: The reason, short and free of secrets.
    """

    code = FailureCode.STORE_UNAVAILABLE

    def __init__(self, answer: str) -> None:
        super().__init__(f"{self.code}: {answer}")
        self.answer = answer


class ConfigurationError(AutosError):
    """A setting is missing or cannot be used. The text names it and says what to set."""


class ProcessErased(AutosError):
    """A process was erased, or is being erased. Nothing of it may be read or stored.

    Attributes:
        process_number: The process.
        running: Whether the erasure still runs.
        erased_at: When it was completed, or requested while it runs.
    """

    code = "process_erased"

    def __init__(self, process_number: str, *, running: bool, erased_at: datetime) -> None:
        what = "is being erased" if running else "was erased"
        super().__init__(f"The process {process_number} {what}. An administrator can allow it again.")
        self.process_number = process_number
        self.running = running
        self.erased_at = erased_at


class ProcessHeld(AutosError):
    """A legal hold prevents the erasure of a process. Nothing was changed."""


class BundleNotBuilt(AutosError):
    """The documents of a process could not be made into one file. No single document is known to be the cause.

    Attributes:
        retryable: Whether another attempt may succeed, with more memory, time or disk space.
    """

    def __init__(self, message: str, *, retryable: bool = True) -> None:
        super().__init__(message)
        self.retryable = retryable


class BundleRefused(AutosError):
    """A bundle cannot be built now. Requested again, it is tried again.

    Attributes:
        code: Why.
        answer: What happened and what to do, short and free of secrets.
    """

    def __init__(self, code: BundleFailureCode, answer: str) -> None:
        super().__init__(f"{code}: {answer}")
        self.code = code
        self.answer = answer


class CourtError(AutosError):
    """The court answered with a failure.

    Attributes:
        code: The failure code. Its scope says whose problem it is.
        answer: The court's answer, short and free of secrets, for people.
        status: HTTP status of that answer, if there was one.
        retry_after: Seconds that the court asked us to wait, if it did.
    """

    def __init__(
        self,
        code: FailureCode,
        answer: str,
        *,
        status: int | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(f"{code}: {answer}")
        self.code = code
        self.answer = answer
        self.status = status
        self.retry_after = retry_after


class DocumentFailure(CourtError):
    """One document cannot be downloaded, now or ever. The others go on."""


class ProcessFailure(CourtError):
    """The process itself fails: it does not exist, access is denied, or its listing is unreadable."""


class CourtFailure(CourtError):
    """The court is down, throttles, blocks, or refuses our token. No document's attempt is used up."""


class CourtKnownUnavailable(CourtFailure):
    """The circuit breaker of the deployment is open, so the court was not asked."""
