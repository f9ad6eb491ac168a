"""A stack whose services are killed."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.support.secret_leaks import find_leaks
from tests.support.stack import RunningStack, running_stack

LIMIT_BYTES = 64 * 1024**2


@pytest.fixture(scope="session")
async def crash_stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RunningStack]:
    """A stack for these tests alone, with a size limit for documents."""
    folder = tmp_path_factory.mktemp("crash")
    async with running_stack(folder, AUTOS_MAX_DOCUMENT_BYTES=str(LIMIT_BYTES)) as stack:
        yield stack
        assert find_leaks(stack) == []
