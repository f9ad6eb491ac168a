"""A stack whose parts are killed."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.support.leaks import leaks_of
from tests.support.stack import RunningStack, running_stack

LIMIT_BYTES = 64 * 1024**2


@pytest.fixture(scope="session")
async def mortal_stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RunningStack]:
    """A stack of its own, which takes no document above the limit."""
    folder = tmp_path_factory.mktemp("mortal")
    async with running_stack(folder, AUTOS_MAX_DOCUMENT_BYTES=str(LIMIT_BYTES)) as stack:
        yield stack
        assert leaks_of(stack) == []
