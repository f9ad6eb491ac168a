"""One stack and one subscriber for all scenarios that break nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from tests.support.leaks import leaks_of
from tests.support.receiver import Receiver, receiving
from tests.support.stack import RunningStack, running_stack


@pytest.fixture(scope="session")
async def shared_stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RunningStack]:
    """A local stack that lasts for the whole session."""
    async with running_stack(tmp_path_factory.mktemp("stack")) as stack:
        yield stack
        assert leaks_of(stack) == []


@pytest.fixture
async def stack(shared_stack: RunningStack) -> AsyncIterator[RunningStack]:
    """The stack, with a court that is well and has counted nothing yet."""
    await shared_stack.forget_requests()
    yield shared_stack
    await shared_stack.latency(0)
    (await shared_stack.simulator.delete("/_simulator/faults")).raise_for_status()
    await shared_stack.recovered()


@pytest.fixture(scope="session")
def receiver(shared_stack: RunningStack) -> Iterator[Receiver]:
    """A subscriber that knows the stack's secret."""
    with receiving(shared_stack.addresses["webhook_secret"]) as listening:
        yield listening
