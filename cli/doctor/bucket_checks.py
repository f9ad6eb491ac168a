"""Checks of the bucket, and of the links to it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from adapters.storage.inspection import BucketInspector, ProbeObject
from cli.doctor.findings import Fault, Finding, failed, ok, warning
from cli.doctor.parts import Parts
from domain.errors import ConfigurationError, StorageFailure
from domain.loopback import is_loopback
from domain.text import counted

if TYPE_CHECKING:
    from adapters.storage.inspection import LinkAnswer

_DELETE_SECONDS = 10.0
_SET_PUBLIC = "Set AUTOS_S3_PUBLIC_ENDPOINT_URL to the address at which clients reach the store"


async def check_bucket(parts: Parts) -> Finding:
    """Check that the bucket answers and is ours to read."""
    settings = parts.settings
    try:
        parts.bucket = bucket = await BucketInspector.open(
            parts.stack, settings.storage_address, settings.public_storage_address
        )
    except ConfigurationError:
        return failed(
            "There are no keys for the store.",
            "Set AUTOS_S3_ACCESS_KEY_ID and AUTOS_S3_SECRET_ACCESS_KEY, or AWS's own variables.",
            Fault.SETTING,
        )
    await bucket.check()
    return ok(f"The bucket {settings.s3_bucket} answers at {settings.storage_address.endpoint_url or 'AWS'}.")


async def check_bucket_round_trip(parts: Parts) -> Finding:
    """Write, read, sign, open and delete one small object. What opening its link gave is judged later."""
    bucket = _bucket(parts)
    probe = await bucket.write_probe()
    deleted: Finding | None = None
    try:
        await bucket.read_probe(probe)
        parts.link_answer = await bucket.open_link(probe, origin=_api_origin(parts))
    finally:
        # Also when the time is over: nothing may stay behind.
        deleted = await _delete(bucket, probe)
    return deleted or ok(f"{counted(len(probe.body), 'byte')} written, read back and deleted.")


async def _delete(bucket: BucketInspector, probe: ProbeObject) -> Finding | None:
    """Delete the probe object, and return what stays behind. The service itself needs no such right."""
    try:
        async with asyncio.timeout(_DELETE_SECONDS):
            gone = await bucket.delete_probe(probe)
    except (StorageFailure, TimeoutError):
        return warning(
            f"Written and read back, and not deleted: the object {probe.stored.key} stays.",
            "Delete it; allow the key s3:DeleteObject if this check should do so.",
        )
    if not gone:
        return warning(
            f"Written, read back and deleted, but the bucket keeps a version of {probe.stored.key}.",
            "Allow the key s3:DeleteObjectVersion if this check should leave none.",
        )
    return None


async def check_bucket_link(parts: Parts) -> Finding:
    """Judge what a client got from the link to the object."""
    answer = _link_answer(parts)
    public = f"{answer.host}, where links lead"
    on_loopback = is_loopback(urlsplit(f"//{answer.host}").hostname or "")
    if answer.is_whole:
        if on_loopback and parts.settings.is_exposed:
            return warning(
                f"A link works on this machine only: it leads to {answer.host}, and the API is open to others.",
                f"{_SET_PUBLIC}.",
            )
        return ok(f"A link returned the object from {answer.host}.")
    if answer.status is None:
        found = f"Nothing answers at {public} ({answer.reason})."
        if on_loopback and not _store_is_on_loopback(parts):
            # A container's own loopback is not that of the machine whose users open the links.
            return warning(
                f"{found} It is the loopback address: links may work on the machine itself, for nobody else.",
                f"{_SET_PUBLIC}, unless only this machine's users open links.",
            )
        return failed(found, f"{_SET_PUBLIC}, and see that this machine reaches it too.")
    said = f"HTTP {answer.status}" + (f" {answer.reason}" if answer.reason else "")
    if answer.reason == "SignatureDoesNotMatch":
        return failed(
            f"{public}, refuses the link's signature ({said}).",
            "Let the proxy in front of the store pass on the Host header, the path and the query unchanged; or "
            "correct AUTOS_S3_PUBLIC_ENDPOINT_URL or AUTOS_S3_REGION.",
        )
    return failed(f"{public}, does not return the object ({said}): it is not this store.", f"{_SET_PUBLIC}.")


async def check_bucket_cors(parts: Parts) -> Finding:
    """Say whether pages may read the store's answers. Ours need not: they link to it, and read only the API."""
    allowed = _link_answer(parts).allowed_origin
    origin = _api_origin(parts)
    if allowed in ("*", origin):
        return ok(
            f"Pages of {'any origin' if allowed == '*' else origin} may read what links return. Ours need no CORS."
        )
    return ok(f"No page of {origin} may read what links return, and none of ours needs it.")


def _bucket(parts: Parts) -> BucketInspector:
    assert parts.bucket is not None  # noqa: S101 - these checks need the one that sets it.
    return parts.bucket


def _link_answer(parts: Parts) -> LinkAnswer:
    assert parts.link_answer is not None  # noqa: S101 - as above.
    return parts.link_answer


def _api_origin(parts: Parts) -> str:
    address = urlsplit(parts.settings.effective_public_url)
    return f"{address.scheme}://{address.netloc}"


def _store_is_on_loopback(parts: Parts) -> bool:
    endpoint = parts.settings.s3_endpoint_url
    return endpoint is not None and is_loopback((endpoint.host or "").strip("[]"))
