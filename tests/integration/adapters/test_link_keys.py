"""Links use the host of their region, and expire with the keys that sign them."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx2
import pytest

from adapters.storage import ObjectStore
from adapters.storage.presigned_urls import LinkSigner
from domain.documents import Document, DocumentStatus, Link, StoredObject
from domain.errors import DependencyUnavailable, StorageFailure
from domain.listings import Instance
from domain.secrecy import Secrecy
from domain.storage import AddressingStyle, StorageAddress

TTL = timedelta(hours=1)
DOCUMENT = Document(
    id="a",
    position=1,
    status=DocumentStatus.AVAILABLE,
    name="a.pdf",
    type_name=None,
    filed_at=None,
    instance=Instance("G1:45"),
    secrecy=Secrecy.PUBLIC,
    pages=None,
    stored=StoredObject("processes/1/a.pdf", 1, "0" * 64, "application/pdf"),
)
AT_AWS = StorageAddress("autos-of-a-firm", None, "sa-east-1")


@dataclass
class KeyServer:
    """A server that issues temporary keys to a container.

    Attributes:
        lifetime: The lifetime of the keys that are issued next.
        issued: How often keys were issued.
        expiries: The expiry of the keys of each issue.
    """

    lifetime: timedelta
    issued: int = 0
    url: str = ""
    expiries: list[datetime] = field(default_factory=list)

    def issue_keys(self) -> bytes:
        """Return new keys as AWS issues them to containers."""
        self.issued += 1
        self.expiries.append((datetime.now(UTC) + self.lifetime).replace(microsecond=0))
        keys = {
            "AccessKeyId": f"SYNTHETIC{self.issued}",
            "SecretAccessKey": "synthetic",
            "Token": "synthetic-token",
            "Expiration": self.expiries[-1].strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
        return json.dumps(keys).encode()


@contextmanager
def serve_keys(lifetime: timedelta, monkeypatch: pytest.MonkeyPatch) -> Iterator[KeyServer]:
    """Serve temporary keys as a container of ECS or EKS gets them, and make botocore find them."""
    key_server = KeyServer(lifetime)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = key_server.issue_keys()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the library's.
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"http://127.0.0.1:{server.server_port}/keys")
    try:
        yield key_server
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


async def sign_link(signer: LinkSigner) -> Link:
    """Return a link to the document."""
    link = await signer.sign(DOCUMENT)
    assert link is not None
    return link


def read_signed_expiry(link: Link) -> datetime:
    """Return the expiry that the signature states."""
    query = httpx2.URL(link.url).params
    signed_at = datetime.strptime(query["X-Amz-Date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    return signed_at + timedelta(seconds=int(query["X-Amz-Expires"]))


async def test_link_expires_with_temporary_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    with serve_keys(timedelta(minutes=20), monkeypatch) as keys:
        link = await sign_link(await LinkSigner.open(AT_AWS, TTL))
    assert link.expires_at == keys.expiries[-1]
    assert read_signed_expiry(link) - link.expires_at < timedelta(seconds=2)


async def test_link_has_its_full_lifetime_if_the_keys_live_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    with serve_keys(timedelta(hours=6), monkeypatch) as keys:
        signer = await LinkSigner.open(AT_AWS, TTL)
        link = await sign_link(signer)
        await sign_link(signer)
    assert abs(link.expires_at - datetime.now(UTC) - TTL) < timedelta(seconds=5)
    assert keys.issued == 1


async def test_expiring_keys_are_renewed_at_most_once_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    with serve_keys(timedelta(minutes=20), monkeypatch) as keys:
        signer = await LinkSigner.open(AT_AWS, TTL)
        keys.lifetime = timedelta(hours=6)
        assert abs((await sign_link(signer)).expires_at - datetime.now(UTC) - TTL) < timedelta(seconds=5)
        assert keys.issued == 2
    with serve_keys(timedelta(minutes=20), monkeypatch) as keys:
        signer = await LinkSigner.open(AT_AWS, TTL)
        for _ in range(5):
            await sign_link(signer)
        assert keys.issued == 2


async def test_expired_keys_sign_no_link(monkeypatch: pytest.MonkeyPatch) -> None:
    with serve_keys(timedelta(minutes=20), monkeypatch) as keys:
        signer = await LinkSigner.open(AT_AWS, TTL)
        keys.lifetime = timedelta(seconds=-1)
        with pytest.raises(DependencyUnavailable, match="temporary S3 keys"):
            await sign_link(signer)


async def test_store_reports_expired_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    with serve_keys(timedelta(seconds=-1), monkeypatch):
        async with AsyncExitStack() as stack:
            store = await ObjectStore.open(stack, AT_AWS)
            with pytest.raises(StorageFailure, match="temporary keys have expired"):
                await store.check_write()
            with pytest.raises(DependencyUnavailable, match="temporary keys have expired"):
                await store.check()


async def test_expiry_of_a_session_token_is_read_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    ends_at = (datetime.now(UTC) + timedelta(minutes=30)).replace(microsecond=0)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "SYNTHETIC")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "synthetic")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "synthetic-token")
    monkeypatch.setenv("AWS_CREDENTIAL_EXPIRATION", ends_at.isoformat())
    assert (await sign_link(await LinkSigner.open(AT_AWS, TTL))).expires_at == ends_at


@pytest.mark.parametrize(
    ("bucket", "region", "style", "address"),
    [
        ("autos", "eu-central-1", "auto", "https://autos.s3.eu-central-1.amazonaws.com/processes/1/a.pdf"),
        ("autos", "sa-east-1", "auto", "https://autos.s3.sa-east-1.amazonaws.com/processes/1/a.pdf"),
        ("autos", "us-east-1", "auto", "https://autos.s3.us-east-1.amazonaws.com/processes/1/a.pdf"),
        ("autos", "cn-north-1", "auto", "https://autos.s3.cn-north-1.amazonaws.com.cn/processes/1/a.pdf"),
        ("autos", "eu-central-1", "path", "https://s3.eu-central-1.amazonaws.com/autos/processes/1/a.pdf"),
        # The wildcard certificate of *.s3.… does not cover a name with dots.
        ("au.tos", "eu-central-1", "auto", "https://s3.eu-central-1.amazonaws.com/au.tos/processes/1/a.pdf"),
    ],
)
async def test_links_use_the_host_of_the_region(bucket: str, region: str, style: str, address: str) -> None:
    place = StorageAddress(bucket, None, region, "SYNTHETIC", "synthetic", AddressingStyle(style))
    link = await sign_link(await LinkSigner.open(place, TTL))
    assert link.url.partition("?")[0] == address
    assert f"%2F{region}%2Fs3%2F" in link.url


@pytest.mark.parametrize(
    ("style", "address"),
    [
        ("auto", "https://s3.example.org:9000/autos/processes/1/a.pdf"),
        ("path", "https://s3.example.org:9000/autos/processes/1/a.pdf"),
        ("virtual", "https://autos.s3.example.org:9000/processes/1/a.pdf"),
    ],
)
async def test_links_to_a_custom_endpoint_use_the_configured_style(style: str, address: str) -> None:
    endpoint = "https://s3.example.org:9000"
    place = StorageAddress("autos", endpoint, "us-east-1", "SYNTHETIC", "synthetic", AddressingStyle(style))
    assert (await sign_link(await LinkSigner.open(place, TTL))).url.partition("?")[0] == address
