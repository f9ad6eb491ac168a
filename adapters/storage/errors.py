"""What a store's refusals mean, and what to do about them.

S3 fixes the codes of errors, but stores differ in which one they choose. What differs between stores is therefore
found out by trying the other way; the codes here only say when that is worth trying.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from aiohttp import ClientPayloadError
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError

from domain.errors import StorageFailure

# Whatever a request to the store can end with.
STORE_ERRORS = (BotoCoreError, ClientError, HTTPClientError, ClientPayloadError)

_NOT_ALLOWED = frozenset(
    {"AccessDenied", "AccessForbidden", "AllAccessDisabled", "AccountProblem", "UnauthorizedAccess", "403", "401"}
)
_NO_BUCKET = frozenset({"NoSuchBucket", "404"})
_UNKNOWN_KEY = frozenset({"InvalidAccessKeyId", "InvalidClientTokenId", "NotSignedUp", "InvalidSecurity"})
_ENDED_KEY = frozenset(
    {"ExpiredToken", "ExpiredTokenException", "InvalidToken", "TokenRefreshRequired", "KeysEnded"}
)
_OTHER_REGION = frozenset(
    {"AuthorizationHeaderMalformed", "PermanentRedirect", "TemporaryRedirect", "IncorrectEndpoint", "301", "307"}
)
_FULL = frozenset(
    {"QuotaExceeded", "QuotaExceededException", "BucketQuotaExceeded", "InsufficientCapacity", "StorageFull"}
    | {"InsufficientStorage", "XMinioStorageFull", "XMinioAdminBucketQuotaExceeded", "507"}
)
_NOT_REACHED = frozenset({"EndpointConnectionError", "ConnectTimeoutError", "SSLError", "InvalidEndpointError"})

# The body was damaged, cut short or late on its way: it is worth sending again.
_DAMAGED = frozenset(
    {"BadDigest", "XAmzContentSHA256Mismatch", "XAmzContentChecksumMismatch", "IncompleteBody", "RequestTimeout"}
)
# They say nothing about the object that was refused.
_PASSING = (
    _DAMAGED
    | _NO_BUCKET
    | _UNKNOWN_KEY
    | _ENDED_KEY
    | _OTHER_REGION
    | {"SignatureDoesNotMatch", "RequestTimeTooSkewed", "RequestExpired", "NoSuchUpload", "InvalidPart", "SlowDown"}
    | {"TooManyRequests", "Throttling", "ThrottlingException", "OperationAborted", "RequestLimitExceeded"}
)
_PASSING_STATUSES = frozenset({408, 409, 412, 425, 429})
_NOT_SUPPORTED = frozenset({400, 405, 501})

_PATH_STYLE_CODES = frozenset({"SecondLevelDomainForbidden", "PathStyleDomainForbidden", "InvalidPathAccess"})
_NAMES_A_STYLE = re.compile(r"virtual.?host|path.?style", re.IGNORECASE)


class KeysEnded(BotoCoreError):
    """Temporary keys have ended, and what renews them gives no others."""

    fmt = "The temporary keys have ended."


@contextmanager
def naming_ended_keys() -> Iterator[None]:
    """Raise `KeysEnded` where botocore has nothing better than a `RuntimeError`."""
    try:
        yield
    except RuntimeError as error:
        if "still expired" not in str(error):
            raise
        raise KeysEnded from None


def code_of(error: Exception) -> str:
    """Return the store's own code, or the kind of error if there was no answer.

    Never the error's text: it may hold the address with its signature.
    """
    if isinstance(error, ClientError):
        return str(error.response.get("Error", {}).get("Code", "unknown"))
    return type(error).__name__


def failure_of(error: Exception, what: str, *, right: str, where: str) -> StorageFailure:
    """Return the failure to report for a request that ended with an error.

    Args:
        error: One of `STORE_ERRORS`.
        what: What failed, as the beginning of a sentence.
        right: The S3 action that the request needs.
        where: The bucket, or the objects in it, that the action is needed for.
    """
    code = code_of(error)
    advice = _advice(code, right=right, where=where)
    text = f"{what} ({code})." + (f" {advice}" if advice else "")
    return StorageFailure(text, permanent=_is_permanent(error))


def _advice(code: str, *, right: str, where: str) -> str | None:
    """Say what a person has to do about an error that does not pass by itself. None if it may."""
    for codes, advice in (
        (_NOT_ALLOWED, f"The key may not do this: allow it {right} on {where}."),
        (_NO_BUCKET, "There is no such bucket: create it, or set AUTOS_S3_BUCKET."),
        (_UNKNOWN_KEY, "The store does not know the key: set AUTOS_S3_ACCESS_KEY_ID."),
        (_ENDED_KEY, "The temporary keys have ended: bring new ones."),
        (_OTHER_REGION, "The bucket is in another region: set AUTOS_S3_REGION, and its endpoint if there is one."),
        (_FULL, "The store is full: raise its quota, or free space."),
        (_NOT_REACHED, "The store is not reached: look at AUTOS_S3_ENDPOINT_URL."),
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
    """Whether the store does not know the request, or does not allow it to our key: asking again is of no use."""
    return isinstance(error, ClientError) and (_status(error) in (405, 501) or code_of(error) in _NOT_ALLOWED)


def may_refuse_checksums(error: ClientError) -> bool:
    """Whether a write may have been refused for having a checksum, and not for one that differs."""
    return _status(error) in _NOT_SUPPORTED and code_of(error) not in _PASSING


def may_refuse_path_style(error: ClientError) -> bool:
    """Whether a request may have been refused because the bucket stood in its path."""
    message = str(error.response.get("Error", {}).get("Message", ""))
    return code_of(error) in _PATH_STYLE_CODES | _OTHER_REGION or bool(_NAMES_A_STYLE.search(message))


def _is_permanent(error: Exception) -> bool:
    """Whether the same request would be refused again, as long as the store takes others."""
    if not isinstance(error, ClientError) or code_of(error) in _PASSING:
        return False
    status = _status(error)
    refused = 400 <= status < 500 or status == 501
    return code_of(error) in _FULL or (refused and status not in _PASSING_STATUSES)


def _status(error: ClientError) -> int:
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
