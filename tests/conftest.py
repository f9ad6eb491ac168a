"""Settings for every test, and the stack and the receiver that all scenarios share which break nothing."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import structlog
from hypothesis import HealthCheck, settings
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from tests.support.api_service import ApiService, running_lone_api
from tests.support.receiver import Receiver, running_receiver
from tests.support.secret_leaks import find_leaks
from tests.support.stack import RunningStack, running_stack

# Few examples and no deadlines: the tests share two cores with real servers.
settings.register_profile(
    "autos", deadline=None, max_examples=100, database=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("autos")


TESTS = Path(__file__).parent
# Folders and files that `make test` leaves to `make test-thorough`, so that it stays under five minutes.
THOROUGH = (
    "e2e/access/",
    "e2e/bundles/",
    "e2e/crashes/",
    "e2e/devstack/",
    "e2e/doctor/test_broken_set_ups.py",
    "e2e/doctor/test_states.py",
    "e2e/erasure/",
    "e2e/failures/",
    "e2e/monitoring/",
    "e2e/pages/",
    "e2e/upgrade/",
    "e2e/rest/test_access_trail.py",
    "e2e/rest/test_cli_get.py",
    "e2e/rest/test_cli_operations.py",
    "e2e/rest/test_schemathesis.py",
    "e2e/runs/test_batch_interruption.py",
    "e2e/runs/test_batch_window.py",
    "e2e/runs/test_cancel.py",
    "e2e/runs/test_continue_as_new.py",
    "e2e/runs/test_document_and_process_failures.py",
    "e2e/runs/test_download_links.py",
    "e2e/runs/test_payload_encryption.py",
    "e2e/runs/test_redelivery.py",
    "e2e/runs/test_reset.py",
    "e2e/runs/test_watches.py",
    "integration/adapters/test_audit_size.py",
    "integration/adapters/test_audit_workflow.py",
    "integration/adapters/test_bucket_inspection.py",
    "integration/adapters/test_bundle_",
    "integration/adapters/test_court_rate_limiter.py",
    "integration/adapters/test_database_inspection.py",
    "integration/adapters/test_document_search.py",
    "integration/adapters/test_idle_connections.py",
    "integration/adapters/test_own_ports.py",
    "integration/adapters/test_sandbox.py",
    "integration/adapters/test_store_kinds.py",
    "integration/api/test_page_withholding.py",
    "unit/cases/",
    "unit/test_compose.py",
    "unit/test_image.py",
)
SLOW_FIRST = ("runs", "failures", "rest", "crashes", "access", "pages", "adapters", "devstack")
# Their files share a service of their own, which is expensive to start.
KEPT_TOGETHER = ("access", "bundles", "crashes", "erasure", "pages")


class ByFile(LoadScopeScheduling):  # type: ignore[misc]  # Publishes no types.
    """Run each file's tests in one xdist worker, and some folders' tests too: they share servers."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.split("::", 1)[0]
        folder = file.rpartition("/")[0]
        return folder if folder.rpartition("/")[2] in KEPT_TOGETHER else file


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what `make test-thorough` runs. Run the slowest folders first, so that none runs alone at the end."""
    for item in items:
        path = item.path.relative_to(TESTS).as_posix()
        if path.startswith(THOROUGH):
            item.add_marker(pytest.mark.thorough)
    order = {name: place for place, name in enumerate(SLOW_FIRST)}
    items.sort(key=lambda item: order.get(item.path.parent.name, len(SLOW_FIRST)))


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> ByFile:
    """Distribute the tests by file."""
    return ByFile(config, log)


@pytest.fixture(scope="session")
async def shared_stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RunningStack]:
    """A local stack for the whole session. At its end, none of its files may hold a secret."""
    async with running_stack(tmp_path_factory.mktemp("stack")) as stack:
        yield stack
        assert find_leaks(stack) == []


@pytest.fixture
async def stack(shared_stack: RunningStack) -> AsyncIterator[RunningStack]:
    """The shared stack. Its court has no faults and no latency afterwards, and its counters start from zero."""
    await shared_stack.reset_court_stats()
    yield shared_stack
    await shared_stack.set_latency(0)
    await shared_stack.end_all_faults()
    await shared_stack.recover_court()


@pytest.fixture(scope="session")
def receiver(shared_stack: RunningStack) -> Iterator[Receiver]:
    """A webhook receiver that knows the shared stack's secret."""
    with running_receiver(shared_stack.addresses["webhook_secret"]) as running:
        yield running


@pytest.fixture(scope="module")
async def lone_api(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ApiService]:
    """An API with no other service behind it."""
    async with running_lone_api(tmp_path_factory.mktemp("api")) as running:
        yield running


@pytest.fixture
def restored_logging() -> Iterator[None]:
    """Restore the logging configuration after a test that changes it."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()
