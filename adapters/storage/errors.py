"""Classification of S3 errors, and advice for operators.

S3 defines the error codes, but stores differ in which one they use. So features that differ between stores are
detected by trying the alternative. The codes here only decide when that is worth trying.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from aiohttp import ClientPayloadError
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError

from adapters.logs import log_cause
from domain.errors import StorageFailure

# All exceptions that a request to the store can raise.
STORE_ERRORS = (BotoCoreError, ClientError, HTTPClientError, ClientPayloadError)

_NOT_ALLOWED = frozenset(
    {"AccessDenied", "AccessForbidden", "AllAccessDisabled", "AccountProblem", "UnauthorizedAccess", "403", "401"}
)
_NO_BUCKET = frozenset({"NoSuchBucket", "404"})
_UNKNOWN_KEY = frozenset({"InvalidAccessKeyId", "InvalidClientTokenId", "NotSignedUp", "InvalidSecurity"})
_EXPIRED_KEY = frozenset(
    {"ExpiredToken", "ExpiredTokenException", "InvalidToken", "TokenRefreshRequired", "KeysEnded"}
)
_OTHER_REGION = frozenset(
    {"AuthorizationHeaderMalformed", "PermanentRedirect", "TemporaryRedirect", "IncorrectEndpoint", "301", "307"}
)
_FULL = frozenset(
    {"QuotaExceeded", "QuotaExceededException", "BucketQuotaExceeded", "InsufficientCapacity", "StorageFull"}
    | {"InsufficientStorage", "XMinioStorageFull", "XMinioAdminBucketQuotaExceeded", "507"}
)
_UNREACHABLE = frozenset({"EndpointConnectionError", "ConnectTimeoutError", "SSLError", "InvalidEndpointError"})

# The body was damaged, truncated or late in transit: it is worth a retry.
_DAMAGED = frozenset(
    {"BadDigest", "XAmzContentSHA256Mismatch", "XAmzContentChecksumMismatch", "IncompleteBody", "RequestTimeout"}
)
# Errors that say nothing about the refused object itself.
_TRANSIENT = (
    _DAMAGED
    | _NO_BUCKET
    | _UNKNOWN_KEY
    | _EXPIRED_KEY
    | _OTHER_REGION
    | {"SignatureDoesNotMatch", "RequestTimeTooSkewed", "RequestExpired", "NoSuchUpload", "InvalidPart", "SlowDown"}
    | {"TooManyRequests", "Throttling", "ThrottlingException", "OperationAborted", "RequestLimitExceeded"}
)
_TRANSIENT_STATUSES = frozenset({408, 409, 412, 425, 429})
_NOT_SUPPORTED = frozenset({400, 405, 501})

_PATH_STYLE_CODES = frozenset({"SecondLevelDomainForbidden", "PathStyleDomainForbidden", "InvalidPathAccess"})
_NAMES_A_STYLE = re.compile(r"virtual.?host|path.?style", re.IGNORECASE)


class KeysEnded(BotoCoreError):
    """Temporary keys have expired, and renewing them returned the same keys."""

    fmt = "The temporary keys have expired."


@contextmanager
def translating_expired_keys() -> Iterator[None]:
    """Raise ``KeysEnded`` instead of botocore's plain ``RuntimeError`` for expired keys."""
    try:
        yield
    except RuntimeError as error:
        if "still expired" not in str(error):
            raise
        raise KeysEnded from None


def error_code(error: Exception) -> str:
    """Return the store's error code, or the class name of the exception if there was no response.

    Never the error's text: it may contain a URL with its signature.
    """
    if isinstance(error, ClientError):
        return str(error.response.get("Error", {}).get("Code", "unknown"))
    return type(error).__name__


def storage_failure(error: Exception, what: str, *, right: str, where: str) -> StorageFailure:
    """Return the ``StorageFailure`` for a failed request, with advice for the operator.

    Args:
        error: One of ``STORE_ERRORS``.
        what: What failed, as the beginning of a sentence.
        right: The S3 action that the request needs.
        where: The bucket or the objects that the action is needed for.
    """
    log_cause(error, "storage")
    code = error_code(error)
    advice = _advice(code, right=right, where=where)
    text = f"{what} ({code})." + (f" {advice}" if advice else "")
    return StorageFailure(text, permanent=_is_permanent(error), advice=advice)


def _advice(code: str, *, right: str, where: str) -> str | None:
    """Return what an operator has to do about an error. None if it may be temporary."""
    for codes, advice in (
        (_NOT_ALLOWED, f"The key has no permission for this: allow it {right} on {where}."),
        (_NO_BUCKET, "There is no such bucket: create it, or set AUTOS_S3_BUCKET."),
        (_UNKNOWN_KEY, "The store does not know the key: set AUTOS_S3_ACCESS_KEY_ID."),
        (_EXPIRED_KEY, "The temporary keys have expired: provide new ones."),
        (_OTHER_REGION, "The bucket is in another region: set AUTOS_S3_REGION, and its endpoint if there is one."),
        (_FULL, "The store is full: raise its quota, or free space."),
        (_UNREACHABLE, "The store cannot be reached: check AUTOS_S3_ENDPOINT_URL."),
        (_PATH_STYLE_CODES, "The store wants the bucket in its host name: set AUTOS_S3_ADDRESSING_STYLE=virtual."),
        (
            {"SignatureDoesNotMatch"},
            "The secret is not the key's, or the region differs: set AUTOS_S3_SECRET_ACCESS_KEY, AUTOS_S3_REGION.",
        ),
        ({"RequestTimeTooSkewed"}, "Set this machine's clock."),
        (
            {"NoCredentialsError", "PartialCredentialsError"},
            "There are no S3 keys: set AUTOS_S3_ACCESS_KEY_ID and AUTOS_S3_SECRET_ACCESS_KEY.",
        ),
    ):
        if code in codes:
            return advice
    return None


def is_refusal(error: Exception) -> bool:
    """Return whether the store does not support the request, or denies it to our key. A retry is useless."""
    return isinstance(error, ClientError) and (_status(error) in (405, 501) or error_code(error) in _NOT_ALLOWED)


def is_unsupported(error: Exception) -> bool:
    """Return whether the store does not know the request. A denial is something else."""
    return isinstance(error, ClientError) and (
        _status(error) in (405, 501) or error_code(error) == "NotImplemented"
    )


def may_refuse_checksums(error: ClientError) -> bool:
    """Return whether a write may have been refused because it has a checksum, not because the checksum differs."""
    return _status(error) in _NOT_SUPPORTED and error_code(error) not in _TRANSIENT


def may_refuse_path_style(error: ClientError) -> bool:
    """Return whether a request may have been refused because the bucket was in its path."""
    message = str(error.response.get("Error", {}).get("Message", ""))
    return error_code(error) in _PATH_STYLE_CODES | _OTHER_REGION or bool(_NAMES_A_STYLE.search(message))


def _is_permanent(error: Exception) -> bool:
    """Return whether the same request would be refused again, although the store accepts others."""
    if not isinstance(error, ClientError) or error_code(error) in _TRANSIENT:
        return False
    status = _status(error)
    refused = 400 <= status < 500 or status == 501
    return error_code(error) in _FULL or (refused and status not in _TRANSIENT_STATUSES)


def _status(error: ClientError) -> int:
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
