"""Retries of transactions that the database aborted in favour of another one."""

from __future__ import annotations

import asyncio
import inspect
import random
from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from domain.errors import TransactionConflict

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")

_MAX_ATTEMPTS = 5
_MAX_DELAY_SECONDS = 0.1


def retry_conflicts(repository: type) -> None:
    """Wrap every coroutine method of a repository so that it is retried after a deadlock or serialization failure.

    The database has rolled the transaction back, and each method is one transaction, so nothing is done twice.
    """
    for name, method in vars(repository).items():
        if inspect.iscoroutinefunction(method):
            setattr(repository, name, _retry_on_conflict(method))


def _retry_on_conflict(
    method: Callable[Arguments, Coroutine[Any, Any, Result]],
) -> Callable[Arguments, Coroutine[Any, Any, Result]]:
    @wraps(method)
    async def call_with_retries(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
        for _ in range(_MAX_ATTEMPTS - 1):
            try:
                return await method(*args, **kwargs)
            except TransactionConflict:
                # The transaction that won needs a moment. Jitter keeps two losers from colliding again.
                await asyncio.sleep(random.uniform(0, _MAX_DELAY_SECONDS))  # noqa: S311 - not for security.
        return await method(*args, **kwargs)

    return call_with_retries
