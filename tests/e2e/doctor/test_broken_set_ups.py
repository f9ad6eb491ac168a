"""`autos doctor` on real parts: each broken set-up is named, with its remedy, and nothing else is."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import create_async_engine
from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from adapters.temporal.connection import register_search_attributes
from adapters.temporal.worker_counts import WorkerCountClient
from cli.doctor.findings import CheckName, Fault, State
from domain.storage import PROBE_PREFIX, StorageAddress
from tests.e2e.doctor.conftest import NOBODY, Deployment, check_fault, create_namespace
from tests.support.conditions import eventually
from tests.support.migrations import create_schema
from tests.support.otlp_collector import running_collector
from tests.support.stack import RunningStack
from tests.support.store_proxy import StoreProxy, refuses_writes, store_proxy
from workflows.options import BUNDLES_QUEUE, COURT_QUEUE, PROCESSES_QUEUE
from workflows.search_attributes import SEARCH_ATTRIBUTES


async def test_database_away(deployment: Deployment) -> None:
    findings = await deployment.examine(database_url=f"postgresql://autos:a-secret-word@{NOBODY}/catalog")
    check_fault(findings, CheckName.DATABASE, f"catalog at {NOBODY}", "AUTOS_DATABASE_URL")
    assert "a-secret-word" not in str(findings)
    assert findings[CheckName.COURT].state is State.SKIPPED


async def test_schema_behind(deployment: Deployment, tmp_path: Path) -> None:
    file = tmp_path / "behind.db"
    engine = create_async_engine(f"sqlite+aiosqlite:///{file}")
    async with engine.begin() as connection:
        await connection.run_sync(create_schema, "0013")
    await engine.dispose()
    findings = await deployment.examine(database_url=f"sqlite:///{file}")
    check_fault(findings, CheckName.SCHEMA, "The schema is 0013", "autos migrate")


@pytest.mark.parametrize(
    ("statement", "found", "remedy"),
    [
        ("UPDATE alembic_version SET version_num = '9999'", "newer version", "newer version"),
        ("UPDATE alembic_version SET version_num = 'ae1027a6acf'", "another application", "AUTOS_DATABASE_URL"),
    ],
    ids=["newer", "foreign"],
)
async def test_schema_not_of_this_version(
    deployment: Deployment, tmp_path: Path, statement: str, found: str, remedy: str
) -> None:
    with sqlite3.connect(tmp_path / "autos.db") as database:
        database.execute(statement)
    check_fault(await deployment.examine(), CheckName.SCHEMA, found, remedy, Fault.SETTING)


async def test_temporal_away(deployment: Deployment) -> None:
    deployment.variables.setenv("TEMPORAL_ADDRESS", NOBODY)
    findings = await deployment.examine()
    check_fault(findings, CheckName.TEMPORAL, NOBODY, "TEMPORAL_ADDRESS")
    assert findings[CheckName.COURT].state is State.OK


async def test_namespace_missing(deployment: Deployment) -> None:
    deployment.variables.setenv("TEMPORAL_NAMESPACE", "nowhere")
    check_fault(
        await deployment.examine(), CheckName.NAMESPACE, "no namespace nowhere", "TEMPORAL_NAMESPACE", Fault.SETTING
    )


async def test_search_attributes_missing(deployment: Deployment) -> None:
    client = await create_namespace(deployment)
    async with idle_workers(client):
        check_fault(await deployment.examine(), CheckName.SEARCH_ATTRIBUTES, "lacks", "autos migrate")


async def test_no_worker(deployment: Deployment) -> None:
    await register_search_attributes(await create_namespace(deployment), SEARCH_ATTRIBUTES)
    check_fault(await deployment.examine(), CheckName.WORKERS, "processes and court", "autos worker")


async def test_bucket_missing(deployment: Deployment) -> None:
    findings = await deployment.examine(s3_bucket="no-such-bucket")
    check_fault(findings, CheckName.BUCKET, "NoSuchBucket", "AUTOS_S3_BUCKET", Fault.SETTING)


@pytest.mark.parametrize(
    ("keys", "found", "remedy"),
    [
        ({"s3_access_key_id": "nobody"}, "InvalidAccessKeyId", "AUTOS_S3_ACCESS_KEY_ID"),
        ({"s3_secret_access_key": "a-wrong-secret"}, "SignatureDoesNotMatch", "AUTOS_S3_SECRET_ACCESS_KEY"),
    ],
    ids=["key", "secret"],
)
async def test_wrong_s3_keys(deployment: Deployment, keys: dict[str, str], found: str, remedy: str) -> None:
    findings = await deployment.examine(**keys)
    check_fault(findings, CheckName.BUCKET, found, remedy, Fault.SETTING)
    assert "a-wrong-secret" not in str(findings)


async def test_store_is_read_only(deployment: Deployment) -> None:
    with proxied_store(deployment.stack) as proxy:
        proxy.rule = refuses_writes
        findings = await deployment.examine(s3_endpoint_url=proxy.url)
    check_fault(findings, CheckName.BUCKET_ROUND_TRIP, "AccessDenied", "s3:PutObject")


@pytest.mark.parametrize("place", [NOBODY, "simulator"], ids=["nobody", "another"])
async def test_links_lead_elsewhere(deployment: Deployment, place: str) -> None:
    url = deployment.stack.addresses["simulator"] if place == "simulator" else f"http://{place}"
    with proxied_store(deployment.stack) as proxy:
        findings = await deployment.examine(s3_endpoint_url=proxy.url, s3_public_endpoint_url=url)
        written = [request for request, _ in proxy.requests if request.method == "PUT"]
        deleted = [request.path for request, status in proxy.requests if request.method == "DELETE"]
    check_fault(findings, CheckName.BUCKET_LINK, url.removeprefix("http://"), "AUTOS_S3_PUBLIC_ENDPOINT_URL")
    # What was written is gone, although the check did not come to its end.
    assert [request.path for request in written] == deleted
    assert PROBE_PREFIX in deleted[0]


async def test_court_away(deployment: Deployment) -> None:
    findings = await deployment.examine(court_base_url=f"http://{NOBODY}")
    check_fault(findings, CheckName.COURT, "court_unavailable", "AUTOS_COURT_BASE_URL")
    assert "has not said" in findings[CheckName.COURT_TOKEN].found


async def test_court_without_token(deployment: Deployment) -> None:
    findings = await deployment.examine(court_token=None)
    check_fault(findings, CheckName.COURT_TOKEN, "no token", "autos court login", Fault.SETTING)


@pytest.mark.parametrize("expires_in", [0, None], ids=["expired", "rejected"])
async def test_token_not_accepted(deployment: Deployment, expires_in: int | None) -> None:
    if expires_in is None:
        token = "a-token-of-nobody"
    else:
        issued = await deployment.stack.create_court_token(expires_in=expires_in, revoke_others=False)
        token = issued["token"]
    findings = await deployment.examine(court_token=token)
    found = "rejects the token" if expires_in is None else "expired at"
    check_fault(findings, CheckName.COURT_TOKEN, found, "autos court login", Fault.SETTING)
    assert token not in str(findings)


@pytest.mark.parametrize(
    ("changes", "url"),
    [
        ({}, "https://10.0.0.1/hook"),
        ({"alert_webhook_url": "https://[::1]/hook"}, None),
    ],
    ids=["given", "alerts"],
)
async def test_webhooks_to_a_private_address(
    deployment: Deployment, changes: dict[str, str], url: str | None
) -> None:
    findings = await deployment.examine(url, webhook_allow_private=False, **changes)
    check_fault(findings, CheckName.WEBHOOKS, "not a public one", "", Fault.SETTING)


async def test_webhooks_to_nobody(deployment: Deployment) -> None:
    check_fault(await deployment.examine(f"http://{NOBODY}/"), CheckName.WEBHOOKS, "ConnectError", "firewall")


async def test_clock_skewed(deployment: Deployment) -> None:
    with proxied_store(deployment.stack) as proxy:
        proxy.clock_offset = timedelta(minutes=-7)
        findings = await deployment.examine(s3_endpoint_url=proxy.url)
    check_fault(findings, CheckName.CLOCK, "the store is 7 minutes behind", "store")


async def test_disk_full(deployment: Deployment) -> None:
    full = SimpleNamespace(f_bavail=10, f_frsize=4096, f_blocks=10**6, f_bfree=10, f_favail=1, f_files=1, f_ffree=1)
    deployment.variables.setattr(os, "statvfs", lambda _: full)
    check_fault(await deployment.examine(), CheckName.DISK, "0 MiB for the data folder", "AUTOS_DATA_DIR")


async def test_api_open_to_others_without_a_key(deployment: Deployment) -> None:
    findings = await deployment.examine(api_host="0.0.0.0", webhook_allow_private=False)
    assert findings[CheckName.BUCKET_LINK].state is State.WARNING
    assert "this machine only" in findings[CheckName.BUCKET_LINK].found
    del findings[CheckName.BUCKET_LINK]
    check_fault(findings, CheckName.ACCESS, "Other machines", "autos key new", Fault.SETTING)


@contextmanager
def proxied_store(stack: RunningStack) -> Iterator[StoreProxy]:
    """Run a proxy in front of the stack's store."""
    with store_proxy(StorageAddress("autos", stack.addresses["s3"], "us-east-1")) as proxy:
        yield proxy


@workflow.defn
class Idle:
    """A workflow that nobody starts."""

    @workflow.run
    async def run(self) -> None:
        """Do nothing."""


@activity.defn
async def idle() -> None:
    """Do nothing."""


@asynccontextmanager
async def idle_workers(client: Client) -> AsyncIterator[None]:
    """Poll all task queues, for as long as the block lasts."""
    options: dict[str, Any] = {"activities": [idle], "workflow_runner": UnsandboxedWorkflowRunner()}
    async with (
        Worker(client, task_queue=PROCESSES_QUEUE, workflows=[Idle], **options),
        Worker(client, task_queue=COURT_QUEUE, **options),
        Worker(client, task_queue=BUNDLES_QUEUE, workflows=[Idle], **options),
    ):

        async def polled() -> bool:
            return all((await WorkerCountClient(client).count()).values())

        await eventually(polled, "all task queues are polled")
        yield


async def test_collector_away(deployment: Deployment) -> None:
    findings = await deployment.examine(otlp_endpoint=f"http://{NOBODY}", otlp_headers="x-key=a-secret-word")
    check_fault(findings, CheckName.TRACES, f"http://{NOBODY}/v1/traces", "AUTOS_OTLP_ENDPOINT")
    assert "a-secret-word" not in str(findings)


@pytest.mark.parametrize(
    ("status", "remedy", "fault"),
    [(401, "AUTOS_OTLP_HEADERS", Fault.SETTING), (404, "AUTOS_OTLP_ENDPOINT", Fault.PART)],
    ids=["wrong-key", "no-collector"],
)
async def test_collector_refusing(deployment: Deployment, status: int, remedy: str, fault: Fault) -> None:
    with running_collector() as collector:
        collector.status = status
        findings = await deployment.examine(otlp_endpoint=collector.url)
    check_fault(findings, CheckName.TRACES, f"HTTP {status}", remedy, fault)
