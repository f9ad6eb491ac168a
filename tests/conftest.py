"""What holds for every test, and one stack and one subscriber for all scenarios that break nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
from hypothesis import HealthCheck, settings
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from tests.support.leaks import leaks_of
from tests.support.receiver import Receiver, receiving
from tests.support.stack import RunningStack, running_stack

# Examples are kept small in number and free of deadlines: the tests share two cores with real servers.
settings.register_profile(
    "autos", deadline=None, max_examples=100, database=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("autos")


SLOW_FIRST = ("scenarios", "trouble", "rest", "crashes", "access", "pages", "adapters", "local")


class ByFolder(LoadScopeScheduling):  # type: ignore[misc]  # Publishes no types.
    """Keep each folder's tests in one process: they share servers that are started once."""

    def _split_scope(self, nodeid: str) -> str:
        return nodeid.split("::", 1)[0].rpartition("/")[0]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the folders that take longest, so that none of them is left over for the end."""
    folder = {name: place for place, name in enumerate(SLOW_FIRST)}
    items.sort(key=lambda item: folder.get(item.path.parent.name, len(SLOW_FIRST)))


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> ByFolder:
    """Share the tests out; most of their time is spent waiting for real parts."""
    return ByFolder(config, log)


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
