"""AWS Signature Version 4 in the query of a URL, for objects that are read from S3."""

from __future__ import annotations

import hmac
from datetime import datetime
from hashlib import sha256
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

if TYPE_CHECKING:
    from botocore.credentials import ReadOnlyCredentials

_ALGORITHM = "AWS4-HMAC-SHA256"
_DEFAULT_PORTS = {"http": 80, "https": 443}
# Everything else is percent-encoded, in names and values of parameters. A key also keeps its slashes.
_UNRESERVED = "-_.~"
# HMAC (RFC 2104): the key fills a block of SHA-256, and is combined with these bytes.
_BLOCK_BYTES = 64
_INNER_PAD, _OUTER_PAD = (bytes(byte ^ pad for byte in range(256)) for pad in (0x36, 0x5C))


class QuerySigner:
    """Signs URLs that read objects of one bucket, all from one moment on and for the same time.

    What they have in common is computed once: a link costs three short hashes. The URLs are equal to those of
    botocore's ``S3SigV4QueryAuth``, except for the order of parameters where a session token is one of them.

    Args:
        keys: The keys to sign with.
        region: The region of the bucket.
        base_url: URL of the bucket's objects, with a slash at the end.
        signed_at: The moment from which the URLs are valid, in whole seconds.
        seconds: How long they are valid.
    """

    def __init__(
        self, keys: ReadOnlyCredentials, region: str, base_url: str, signed_at: datetime, seconds: int
    ) -> None:
        parts = urlsplit(base_url)
        timestamp = signed_at.strftime("%Y%m%dT%H%M%SZ")
        date = timestamp[:8]
        scope = f"{date}/{region}/s3/aws4_request"
        parameters = {
            "X-Amz-Algorithm": _ALGORITHM,
            "X-Amz-Credential": f"{keys.access_key}/{scope}",
            "X-Amz-Date": timestamp,
            "X-Amz-Expires": str(seconds),
            **({"X-Amz-Security-Token": keys.token} if keys.token is not None else {}),
            "X-Amz-SignedHeaders": "host",
        }
        # In alphabetical order, as the signature needs them.
        self._parameters = "&".join(
            f"{name}={quote(value, safe=_UNRESERVED)}" for name, value in parameters.items()
        )
        self._origin = f"{parts.scheme}://{parts.netloc}"
        self._path = parts.path
        self._canonical_end = f"\nhost:{_host_header(base_url)}\n\nhost\nUNSIGNED-PAYLOAD"
        to_sign = f"{_ALGORITHM}\n{timestamp}\n{scope}\n"
        signing_key = f"AWS4{keys.secret_key}".encode()
        for part in (date, region, "s3", "aws4_request"):
            signing_key = hmac.digest(signing_key, part.encode(), "sha256")
        # Both hashes of the HMAC, with what all links have in common: to copy them takes a third of an HMAC.
        block = signing_key.ljust(_BLOCK_BYTES, b"\0")
        self._inner_hash = sha256(block.translate(_INNER_PAD) + to_sign.encode())
        self._outer_hash = sha256(block.translate(_OUTER_PAD))

    def sign(self, key: str, response: str) -> str:
        """Return a URL that reads the object.

        Args:
            key: The object's key.
            response: The headers that the store is to answer with, from ``response_parameters``.
        """
        path = self._path + quote(key, safe=f"/{_UNRESERVED}")
        canonical = f"GET\n{path}\n{self._parameters}&{response}{self._canonical_end}"
        inner, outer = self._inner_hash.copy(), self._outer_hash.copy()
        inner.update(sha256(canonical.encode()).hexdigest().encode())
        outer.update(inner.digest())
        return f"{self._origin}{path}?{response}&{self._parameters}&X-Amz-Signature={outer.hexdigest()}"


def response_parameters(*, content_disposition: str, content_type: str) -> str:
    """Return the parameters that make the store answer with these headers, as they stand in a URL."""
    # In alphabetical order, as the signature needs them.
    return (
        f"response-content-disposition={quote(content_disposition, safe=_UNRESERVED)}"
        f"&response-content-type={quote(content_type, safe=_UNRESERVED)}"
    )


def _host_header(url: str) -> str:
    """Return the header ``Host`` that clients send for a URL: without the scheme's own port."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if ":" in host:
        host = f"[{host}]"
    default = parts.port is None or parts.port == _DEFAULT_PORTS.get(parts.scheme)
    return host if default else f"{host}:{parts.port}"
