"""What a web page in the operator's browser, or another user of the machine, can do through the stack's ports."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
import stat
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, ExitStack
from dataclasses import dataclass
from pathlib import Path

import aioboto3
import httpx2
import psutil
import pytest
from temporalio.client import Client

from devstack.environment import Environment, OperatorSettings, Secrets
from devstack.ports import LOOPBACK, S3_INTERNAL, Ports
from devstack.services import describe_services
from devstack.supervisor import SupervisedService

FOREIGN = {"Origin": "http://evil.example", "Access-Control-Request-Method": "DELETE"}
KEY = "processes/sealed.pdf"
CONTENT = b"a sealed document"
# The beginning of HTTP/2 without TLS, as gRPC clients send it, with an empty SETTINGS frame.
HTTP2_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(3) + b"\x04" + bytes(5)
SETTINGS_FRAME = 0x04
# Requests to SeaweedFS's internal servers; `{bucket}` holds the document.
INTERNAL_REQUESTS = (
    ("GET", "/buckets/{bucket}/" + KEY),
    ("HEAD", "/buckets/{bucket}/" + KEY),
    ("GET", "/buckets/{bucket}/processes/?pretty=y"),
    ("PUT", "/buckets/{bucket}/processes/planted.pdf"),
    ("POST", "/buckets/{bucket}/processes/?op=append"),
    ("DELETE", "/buckets/{bucket}/" + KEY),
    ("DELETE", "/buckets/{bucket}?recursive=true"),
    ("POST", "/buckets/{bucket}/moved.pdf?mv.from=/buckets/{bucket}/" + KEY),
    ("OPTIONS", "/buckets/{bucket}/" + KEY),
    ("POST", "/.tus/planted"),
    ("GET", "/"),
    ("GET", "/status"),
    ("GET", "/ui/index.html"),
    ("GET", "/dir/assign"),
    ("GET", "/dir/status"),
    ("GET", "/dir/lookup?volumeId=1"),
    ("POST", "/submit"),
    ("GET", "/vol/grow?count=1"),
    ("GET", "/vol/vacuum?garbageThreshold=0.0001"),
    ("GET", "/vol/status"),
    ("POST", "/col/delete?collection={bucket}"),
    ("GET", "/cluster/status"),
    ("GET", "/1,01637037d6"),
    ("DELETE", "/1,01637037d6"),
    ("OPTIONS", "/1,01637037d6"),
)


@dataclass(frozen=True)
class StartedServices:
    """Temporal and S3, started as the stack starts them, with one document in the store."""

    environment: Environment
    temporal: SupervisedService
    s3: SupervisedService

    def list_ports(self, service: SupervisedService) -> set[int]:
        """Return every TCP port that a service listens on."""
        return {
            connection.laddr.port
            for connection in psutil.Process(service.pid).net_connections("tcp")
            if connection.status == psutil.CONN_LISTEN
        }

    async def read_document(self) -> bytes:
        """Read the document with a signed request, and check that the store has nothing else."""
        address = self.environment.own_storage
        async with aioboto3.Session().client(
            "s3",
            endpoint_url=address.endpoint_url,
            aws_access_key_id=address.access_key_id,
            aws_secret_access_key=address.secret_access_key,
            region_name=address.region,
        ) as s3:
            answer = await s3.get_object(Bucket=address.bucket, Key=KEY)
            content: bytes = await answer["Body"].read()
            listed = await s3.list_objects_v2(Bucket=address.bucket)
            assert [entry["Key"] for entry in listed["Contents"]] == [KEY]
            return content


@pytest.fixture(scope="module")
async def services(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[StartedServices]:
    folder = tmp_path_factory.mktemp("stack")
    (folder / "logs").mkdir()
    operator = OperatorSettings.load(folder)
    environment = Environment(folder, Ports.ephemeral(), operator, Secrets.collect(operator, {}, {}))
    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(httpx2.AsyncClient(trust_env=False, timeout=2))
        described = describe_services(environment, os.environ, http)
        temporal, s3 = (SupervisedService(each, os.getpgid(0)) for each in (described.temporal, described.s3))
        for service in (temporal, s3):
            stack.push_async_callback(service.stop)
        await asyncio.gather(temporal.start(), s3.start())
        address = environment.own_storage
        async with aioboto3.Session().client(
            "s3",
            endpoint_url=address.endpoint_url,
            aws_access_key_id=address.access_key_id,
            aws_secret_access_key=address.secret_access_key,
            region_name=address.region,
        ) as client:
            await client.put_object(Bucket=address.bucket, Key=KEY, Body=CONTENT)
        yield StartedServices(environment, temporal, s3)


def send_bytes(port: int, content: bytes, context: ssl.SSLContext | None = None) -> bytes:
    """Return a port's answer to these bytes, over TLS if there is a context. Empty if the connection is refused."""
    try:
        with ExitStack() as stack:
            connection = stack.enter_context(socket.create_connection((LOOPBACK, port), timeout=30))
            if context is not None:
                connection = stack.enter_context(context.wrap_socket(connection))
            connection.sendall(content)
            return connection.recv(1000)
    except (ssl.SSLError, ConnectionError):
        return b""


def without_certificate() -> ssl.SSLContext:
    """Return a TLS context that trusts every server and has no client certificate."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def with_certificate(folder: Path) -> ssl.SSLContext:
    """Return a TLS context with the store's own certificate as client certificate."""
    context = without_certificate()
    context.load_cert_chain(folder / "certificate.pem", folder / "key.pem")
    return context


async def test_the_store_listens_only_on_ports_that_it_was_given(services: StartedServices) -> None:
    ports = services.environment.ports

    assert services.list_ports(services.s3) == {ports.s3, *ports.s3_internal}


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_internal_ports_of_the_store_serve_nothing_without_its_certificate(
    services: StartedServices, scheme: str
) -> None:
    bucket = services.environment.own_storage.bucket
    async with httpx2.AsyncClient(trust_env=False, verify=False, timeout=5) as page:
        for port in services.environment.ports.s3_internal:
            for method, path in INTERNAL_REQUESTS:
                url = f"{scheme}://{LOOPBACK}:{port}{path.format(bucket=bucket)}"
                try:
                    answer = await page.request(method, url, headers=FOREIGN, content=b"planted")
                except (httpx2.TransportError, ssl.SSLError):  # "certificate required"
                    continue
                # This is all that Go's server answers to plain HTTP on a TLS port.
                assert (answer.status_code, answer.text) in {
                    (400, "Client sent an HTTP request to an HTTPS server.\n"),
                    (400, ""),
                }, url
                assert not [name for name in answer.headers if name.startswith("access-control")], url

    assert await services.read_document() == CONTENT


def test_internal_ports_of_the_store_speak_no_grpc_without_its_certificate(services: StartedServices) -> None:
    flags = dict(zip(S3_INTERNAL, services.environment.ports.s3_internal, strict=True))
    own = with_certificate(services.environment.folder / "s3-tls")
    own.set_alpn_protocols(["h2"])
    anonymous = without_certificate()
    anonymous.set_alpn_protocols(["h2"])
    for flag, port in flags.items():
        assert send_bytes(port, HTTP2_PREFACE)[3:4] != bytes([SETTINGS_FRAME]), flag
        assert send_bytes(port, HTTP2_PREFACE, anonymous) == b"", flag
        if flag.endswith("grpc"):
            # With the certificate, the port does speak gRPC, so the checks above were refusals.
            assert send_bytes(port, HTTP2_PREFACE, own)[3:4] == bytes([SETTINGS_FRAME]), flag


def test_only_the_owner_can_read_the_stores_certificate(services: StartedServices) -> None:
    folder = services.environment.folder / "s3-tls"

    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {
        "certificate.pem": 0o600,
        "key.pem": 0o600,
    }


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/"),
        ("GET", "/{bucket}"),
        ("GET", "/{bucket}/" + KEY),
        ("HEAD", "/{bucket}/" + KEY),
        ("PUT", "/{bucket}/planted"),
        ("POST", "/{bucket}"),
        ("POST", "/{bucket}?delete"),
        ("DELETE", "/{bucket}/" + KEY),
        ("DELETE", "/{bucket}"),
        ("OPTIONS", "/{bucket}/" + KEY),
        ("PUT", "/planted-bucket"),
        ("POST", "/?Action=CreateUser&UserName=planted"),
        ("POST", "/?Action=AssumeRoleWithWebIdentity"),
    ],
)
async def test_s3_requires_signatures_and_lets_no_foreign_page_read(
    services: StartedServices, method: str, path: str
) -> None:
    url = services.environment.s3_url + path.format(bucket=services.environment.own_storage.bucket)
    async with httpx2.AsyncClient(trust_env=False, timeout=60) as page:
        answer = await page.request(method, url, headers=FOREIGN, content=b"planted")

    assert answer.status_code in {400, 401, 403, 405, 501}, answer.text
    assert answer.headers.get("access-control-allow-origin", "*") == "*"
    assert CONTENT not in answer.content
    assert await services.read_document() == CONTENT


async def test_temporals_http_api_refuses_foreign_pages(services: StartedServices) -> None:
    ports = services.environment.ports
    order = {"workflowType": {"name": "DownloadProcess"}, "taskQueue": {"name": "planted"}}
    path = "/api/v1/namespaces/default/workflows"
    hosts = (f"{LOOPBACK}:{ports.temporal_http}", "localhost", "evil.example", "temporal")
    async with httpx2.AsyncClient(
        base_url=f"http://{LOOPBACK}:{ports.temporal_http}", trust_env=False, timeout=60
    ) as page:
        for host in hosts:
            headers = {"Host": host, "Content-Type": "text/plain", **FOREIGN}
            assert (await page.post(f"{path}/planted", json=order, headers=headers)).status_code == 403
            assert (await page.get(path, headers=headers)).status_code == 403
    async with httpx2.AsyncClient(
        base_url=services.environment.temporal_ui_url, trust_env=False, timeout=60
    ) as page:
        # The UI forwards requests to the server, but changes need a CSRF token that only its own pages can read.
        assert (await page.get(path)).status_code == 200
        refused = await page.post(f"{path}/planted", json=order, headers=FOREIGN)
        assert "csrf" in refused.text
        for answer in (refused, await page.get(path, headers=FOREIGN)):
            assert not [name for name in answer.headers if name.startswith("access-control-allow-origin")]

    client = await Client.connect(services.environment.temporal_address)
    assert [run.id async for run in client.list_workflows("WorkflowId = 'planted'")] == []


async def test_no_port_of_temporal_lets_a_foreign_page_read(services: StartedServices) -> None:
    async with httpx2.AsyncClient(trust_env=False, timeout=5) as page:
        for port in services.list_ports(services.temporal):
            for method in ("GET", "OPTIONS"):
                try:
                    answer = await page.request(method, f"http://{LOOPBACK}:{port}/metrics", headers=FOREIGN)
                except httpx2.TransportError:
                    continue  # A gRPC port, which no web page can use.
                assert not [name for name in answer.headers if name.startswith("access-control-allow-origin")]
