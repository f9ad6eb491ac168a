"""Writes are signed by the checksum that they state, and what changes on its way is refused as before."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from hashlib import sha256
from io import BytesIO
from typing import TYPE_CHECKING

import aioboto3
import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSPreparedRequest, AWSRequest
from botocore.credentials import Credentials
from botocore.loaders import Loader

from adapters.storage import PART_BYTES, ObjectStore, open_s3
from adapters.storage.write_requests import ChecksumSigner
from domain.errors import StorageFailure
from domain.storage import StorageAddress
from tests.support.contents import content_of, pdf_of
from tests.support.store_kinds import STORE_KINDS, stand_in

if TYPE_CHECKING:
    from types_aiobotocore_s3.client import S3Client

SMALL = pdf_of(50_000)
LARGE = pdf_of(PART_BYTES + 12_345)
BODIES = pytest.mark.parametrize("body", [SMALL, LARGE], ids=["small", "large"])


def detect_pdf(_: bytes) -> str:
    """Return the media type of all test documents."""
    return "application/pdf"


def flip_a_bit(request: AWSPreparedRequest, **_: object) -> None:
    """Change the body of a request that is signed already."""
    body: object = request.body
    if isinstance(body, BytesIO):
        sent = bytearray(body.getvalue())
        sent[len(sent) // 2] ^= 1
        request.body = BytesIO(bytes(sent))


@pytest.fixture(params=["plain", "refuses-checksums"])
async def damaging_client(
    request: pytest.FixtureRequest, s3: StorageAddress
) -> AsyncIterator[tuple[S3Client, StorageAddress]]:
    """A client whose bodies change after they were signed, of a store with checksums and of one without."""
    with stand_in(STORE_KINDS[request.param], s3) as (_, address):
        async with open_s3(address) as client:
            for operation in ("PutObject", "UploadPart"):
                client.meta.events.register(f"before-send.s3.{operation}", flip_a_bit)
            yield client, address


@BODIES
async def test_a_flipped_bit_is_refused_and_not_kept(
    damaging_client: tuple[S3Client, StorageAddress], s3_client: S3Client, prefix: str, body: bytes
) -> None:
    client, address = damaging_client
    with pytest.raises(StorageFailure, match=r"BadDigest|other bytes than were written") as failed:
        await ObjectStore(client, address).store(prefix, "a", content_of(body), detect_pdf)
    assert not failed.value.permanent
    listed = await s3_client.list_objects_v2(Bucket=address.bucket, Prefix=prefix)
    uploads = await s3_client.list_multipart_uploads(Bucket=address.bucket, Prefix=prefix)
    assert "Contents" not in listed
    assert "Uploads" not in uploads


@BODIES
async def test_the_digest_that_is_signed_is_that_of_the_checksum(
    s3: StorageAddress, prefix: str, body: bytes
) -> None:
    parts = [body[start : start + PART_BYTES] for start in range(0, len(body), PART_BYTES)]
    with stand_in(STORE_KINDS["plain"], s3) as (proxy, address):
        async with open_s3(address) as client:
            await ObjectStore(client, address).store(prefix, "a", content_of(body), detect_pdf)
        signed = [
            request.headers["x-amz-content-sha256"] for request, _ in proxy.requests if request.method == "PUT"
        ]
    assert signed == [sha256(part).hexdigest() for part in parts]


class UnreadBody(BytesIO):
    """A body that must not be read."""

    def read(self, size: int | None = -1, /) -> bytes:
        """Raise."""
        raise AssertionError("the body was hashed again")


def sign(signer: type[S3SigV4Auth], headers: dict[str, str], body: BytesIO) -> dict[str, str]:
    """Return the headers of a signed PUT."""
    request = AWSRequest("PUT", "http://store.test/autos/a.pdf", data=body, headers=headers)
    signer(Credentials("key", "secret", "token"), "s3", "sa-east-1").add_auth(request)
    return dict(request.headers.items())


def test_the_signature_is_botocores_without_reading_the_body(monkeypatch: pytest.MonkeyPatch) -> None:
    moment = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    monkeypatch.setattr("botocore.auth.get_current_datetime", lambda: moment)
    stated = {"x-amz-checksum-sha256": "n4bQgYhMfWWaL+qgxVrQFaO/TxsrC4Is0V1sFbDwCgg=", "content-type": "text/plain"}
    ours = sign(ChecksumSigner, stated, UnreadBody(b"test"))
    assert ours == sign(S3SigV4Auth, stated, BytesIO(b"test"))
    assert ours["X-Amz-Content-SHA256"] == sha256(b"test").hexdigest()


def test_a_body_without_a_checksum_is_hashed(monkeypatch: pytest.MonkeyPatch) -> None:
    moment = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    monkeypatch.setattr("botocore.auth.get_current_datetime", lambda: moment)
    ours = sign(ChecksumSigner, {}, BytesIO(b"test"))
    assert ours == sign(S3SigV4Auth, {}, BytesIO(b"test"))
    assert ours["X-Amz-Content-SHA256"] == sha256(b"test").hexdigest()


async def test_no_rule_of_an_endpoint_reads_the_key_and_other_clients_are_as_they_were(s3: StorageAddress) -> None:
    rules = json.dumps(Loader().load_service_model("s3", "endpoint-rule-set-1")["rules"])
    assert '"Bucket"' in rules
    assert '"Key"' not in rules
    assert "{Key" not in rules

    def parameters(client: S3Client) -> set[str]:
        return {each.name for each in client.meta.service_model.operation_model("PutObject").context_parameters}

    async with open_s3(s3) as ours, aioboto3.Session().client("s3", region_name="sa-east-1") as another:
        assert parameters(ours) == {"Bucket"}
        assert parameters(another) == {"Bucket", "Key"}
