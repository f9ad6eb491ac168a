"""Requests that carry bytes, without what botocore would do for each of them again.

It would hash the body a second time, and evaluate the rules that find the endpoint for every key: together a third
of its CPU time for a document of 200 kB.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

from botocore.auth import AUTH_TYPE_MAPS, S3SigV4Auth

if TYPE_CHECKING:
    from botocore.awsrequest import AWSRequest
    from types_aiobotocore_s3.client import S3Client

_CHECKSUM_HEADER = "x-amz-checksum-sha256"
_SIGNATURE = "s3v4"
_SIGNATURE_BY_CHECKSUM = "s3v4-autos-checksum"
# Their checksum is that of the body. The one of CompleteMultipartUpload is that of the object.
_OPERATIONS = ("PutObject", "UploadPart")


class ChecksumSigner(S3SigV4Auth):
    """Signature Version 4 over the SHA-256 that a request states as its checksum.

    The store compares both, the signed digest and the checksum, with the bytes that arrive. Without a checksum, the
    body is hashed.
    """

    def payload(self, request: AWSRequest) -> str:
        """Return the digest of the body, in hexadecimal."""
        checksum = request.headers.get(_CHECKSUM_HEADER)
        return super().payload(request) if checksum is None else base64.b64decode(checksum, validate=True).hex()


AUTH_TYPE_MAPS[_SIGNATURE_BY_CHECKSUM] = ChecksumSigner


def simplify_writes(client: S3Client) -> None:
    """Have a client sign the checksum of a write, and find the endpoint of all keys once."""
    for name in _OPERATIONS:
        # The stubs say that handlers return nothing. This event is answered.
        client.meta.events.register(f"choose-signer.s3.{name}", _choose_signer)  # type: ignore[arg-type]
        # The endpoint is cached by the parameters of its rules. No rule reads the key, which is one of them.
        parameters = client.meta.service_model.operation_model(name).context_parameters
        parameters[:] = [each for each in parameters if each.name != "Key"]


def _choose_signer(signature_version: object, **_: object) -> str | None:
    # Links are signed otherwise, and so are buckets with a signature of their own (S3 Express).
    return _SIGNATURE_BY_CHECKSUM if signature_version == _SIGNATURE else None
