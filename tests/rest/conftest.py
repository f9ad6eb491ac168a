"""A process that is stored, a delivery about it as it came, and the receivers of the page."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.support.conditions import eventually
from tests.support.copied_receivers import CopiedReceiver, node_receiver, openssl_receiver, python_receiver
from tests.support.numbers import fresh_number
from tests.support.scripted_server import always, answer, scripted
from tests.support.sent_events import SentEvent
from tests.support.stack import RunningStack

RECEIVERS = {"python": python_receiver, "node": node_receiver, "openssl": openssl_receiver}


@pytest.fixture(scope="session")
async def number(shared_stack: RunningStack) -> str:
    """A process of which everything is stored."""
    number = fresh_number()
    await shared_stack.prepare(number, 3, size_bytes=2_000)
    await shared_stack.request(number)
    await shared_stack.ended(number)
    return number


@pytest.fixture(scope="session")
async def sent(shared_stack: RunningStack, number: str) -> SentEvent:
    """A delivery as the stack has sent it."""
    async with scripted(always(answer(204))) as server:
        await announce(shared_stack, number, server.origin)

        async def came() -> bool:
            return bool(server.requests)

        await eventually(came, "the delivery")
        (asked,) = server.requests
    return SentEvent.of(asked)


@pytest.fixture(scope="session", params=RECEIVERS)
async def copy(
    request: pytest.FixtureRequest, shared_stack: RunningStack, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[CopiedReceiver]:
    """A receiver of the page that knows the stack's secret."""
    folder = tmp_path_factory.mktemp(request.param)
    async with RECEIVERS[request.param](folder, shared_stack.addresses["webhook_secret"]) as running:
        yield running


async def announce(stack: RunningStack, number: str, url: str) -> None:
    """Have an address told of the end of a process's run."""
    wanted = {"webhook_url": url, "notify": "always"}
    (await stack.api.post(f"/processes/{number}/downloads", json=wanted)).raise_for_status()
