"""Fixtures of the REST tests: a stored process, a second API, and the receivers of docs/webhooks.md."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta

import httpx2
import pytest
from fastapi import FastAPI

from api.app import create_app
from api.status_stream import StatusBroadcaster
from settings import load_settings
from tests.support.conditions import eventually
from tests.support.documented_receivers import DocumentedReceiver, node_receiver, openssl_receiver, python_receiver
from tests.support.open_runs import create_paused_run
from tests.support.scripted_server import always, answer, scripted
from tests.support.signed_deliveries import SignedDelivery
from tests.support.stack import RunningStack
from tests.support.threaded_server import serving_in_thread

RECEIVERS = {"python": python_receiver, "node": node_receiver, "openssl": openssl_receiver}


@dataclass(frozen=True)
class SecondApi:
    """Another API over the shared stack, inside the tests' own process."""

    client: httpx2.AsyncClient
    app: FastAPI

    @property
    def subscriptions(self) -> dict[str, int]:
        """How many clients of this API follow each process."""
        broadcaster: StatusBroadcaster = self.app.state.broadcaster
        return broadcaster.subscriber_counts


@pytest.fixture(scope="module")
async def second_api(shared_stack: RunningStack) -> AsyncIterator[SecondApi]:
    """Another API over the shared stack."""
    with pytest.MonkeyPatch.context() as variables:
        for name in [name for name in os.environ if name.startswith(("AUTOS_", "TEMPORAL_", "AWS_"))]:
            variables.delenv(name)
        variables.setenv("TEMPORAL_ADDRESS", shared_stack.addresses["temporal"])
        app = create_app(load_settings(data_dir=shared_stack.data_dir))
        with serving_in_thread(app, log_config=None, timeout_graceful_shutdown=5) as url:
            unlimited = httpx2.Limits(max_connections=None)
            async with httpx2.AsyncClient(base_url=url, timeout=60, limits=unlimited, trust_env=False) as client:
                (await client.get("/health/live")).raise_for_status()
                yield SecondApi(client, app)


@pytest.fixture(scope="module")
async def paused_number(shared_stack: RunningStack) -> str:
    """A process with a paused run that no test resumes."""
    return await create_paused_run(shared_stack)


@pytest.fixture(scope="session")
async def number(shared_stack: RunningStack) -> str:
    """A process whose documents are all stored."""
    return await shared_stack.create_ended_run(3, size_bytes=2_000)


@pytest.fixture(scope="session")
def sent_deliveries() -> list[SignedDelivery]:
    """The deliveries that the stack has sent for `delivery`, oldest first."""
    return []


@pytest.fixture
async def delivery(
    shared_stack: RunningStack, number: str, sent_deliveries: list[SignedDelivery]
) -> SignedDelivery:
    """A delivery as the stack has sent it, not long ago: receivers refuse it after five minutes."""
    if not sent_deliveries or sent_deliveries[-1].age > timedelta(minutes=1):
        sent_deliveries.append(await receive_delivery(shared_stack, number))
    return sent_deliveries[-1]


async def receive_delivery(stack: RunningStack, number: str) -> SignedDelivery:
    """Have the stack send a delivery, and return it."""
    async with scripted(always(answer(204))) as server:
        await request_event(stack, number, server.origin)

        async def received() -> bool:
            return bool(server.requests)

        await eventually(received, "the delivery")
        (request,) = server.requests
    return SignedDelivery.from_request(request)


@pytest.fixture(scope="session", params=RECEIVERS)
async def documented_receiver(
    request: pytest.FixtureRequest, shared_stack: RunningStack, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[DocumentedReceiver]:
    """A receiver of docs/webhooks.md that knows the stack's secret."""
    folder = tmp_path_factory.mktemp(request.param)
    async with RECEIVERS[request.param](folder, shared_stack.addresses["webhook_secret"]) as running:
        yield running


async def request_event(stack: RunningStack, number: str, url: str) -> None:
    """Request the event of a process's last run for an address."""
    subscription = {"webhook_url": url, "notify": "always"}
    (await stack.api.post(f"/processes/{number}/downloads", json=subscription)).raise_for_status()
