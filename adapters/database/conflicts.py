"""Trying a transaction again that the database aborted in favour of another one."""

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

_TRIES = 5
_LONGEST_PAUSE_SECONDS = 0.1


def retry_conflicts(repository: type) -> None:
    """Have every coroutine method of a repository tried again after a deadlock or a serialization failure.

    The database has rolled the transaction back, and each method is one transaction, so nothing is done twice.
    """
    for name, method in vars(repository).items():
        if inspect.iscoroutinefunction(method):
            setattr(repository, name, _retrying(method))


def _retrying(
    method: Callable[Arguments, Coroutine[Any, Any, Result]],
) -> Callable[Arguments, Coroutine[Any, Any, Result]]:
    @wraps(method)
    async def attempt(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
        for _ in range(_TRIES - 1):
            try:
                return await method(*args, **kwargs)
            except TransactionConflict:
                # The one that won needs a moment, and two that lost should not meet again.
                await asyncio.sleep(random.uniform(0, _LONGEST_PAUSE_SECONDS))  # noqa: S311 - guards nothing.
        return await method(*args, **kwargs)

    return attempt
