"""How many archives may be read at a time, and what is said beyond it."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

import pytest

from api.problems.problem import Problem
from api.services.archives import MAX_ARCHIVES, MAX_ARCHIVES_PER_CLIENT, ArchiveService
from domain.clients import ALL_SCOPES, Client


@pytest.fixture
def archives() -> ArchiveService:
    """A service that reads nothing: what is reserved is counted before anything is read."""
    nothing: Any = None
    return ArchiveService(nothing, nothing, nothing)


def refusal(archives: ArchiveService, name: str) -> Problem:
    """Return how one more archive of a client is refused."""
    with pytest.raises(Problem) as refused, archives.reserve(Client(name, ALL_SCOPES)):
        pass
    assert refused.value.headers == {"Retry-After": "30"}
    return refused.value


def test_the_limit_of_a_client_is_called_its_own(archives: ArchiveService) -> None:
    with ExitStack() as open_ones:
        for _ in range(MAX_ARCHIVES_PER_CLIENT):
            open_ones.enter_context(archives.reserve(Client("desk", ALL_SCOPES)))
        assert f"You may download {MAX_ARCHIVES_PER_CLIENT} archives" in str(refusal(archives, "desk").detail)
    with archives.reserve(Client("desk", ALL_SCOPES)):
        pass


def test_the_limit_of_all_clients_is_not_called_the_clients_own(archives: ArchiveService) -> None:
    with ExitStack() as open_ones:
        for number in range(MAX_ARCHIVES):
            open_ones.enter_context(archives.reserve(Client(f"client-{number}", ALL_SCOPES)))
        detail = str(refusal(archives, "desk").detail)
    assert detail.startswith(f"This API serves {MAX_ARCHIVES} archives at a time, to all clients together")
    assert "You may" not in detail
