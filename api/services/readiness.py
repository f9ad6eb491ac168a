"""Readiness checks of the parts that the API depends on."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, TypeAlias

from domain.errors import AutosError

if TYPE_CHECKING:
    from adapters.storage import ObjectStore

# Raises if the part does not work.
Check: TypeAlias = Callable[[], Awaitable[None]]

_TIMEOUT_SECONDS = 3.0
# A versioned bucket keeps a version for each write, so a store that took one is not written to again soon.
_WRITE_INTERVAL_SECONDS = 30.0


class StoreReadiness:
    """Checks that the bucket exists and takes writes."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store
        self._written_at: float | None = None

    async def check(self) -> None:
        """Read from the bucket, and write to it every half minute.

        Raises:
            DependencyUnavailable: The store does not answer, or the bucket does not exist or is not ours.
            StorageFailure: The store refuses the write.
        """
        await self._store.check()
        if self._written_at is None or time.monotonic() - self._written_at > _WRITE_INTERVAL_SECONDS:
            await self._store.check_write()
            self._written_at = time.monotonic()


async def check_parts(checks: Mapping[str, Check]) -> dict[str, str]:
    """Run all checks at the same time, each for at most three seconds.

    Returns:
        ``ok`` or what is wrong, by the name of the part.
    """
    results = await asyncio.gather(*(_run_check(check) for check in checks.values()))
    return dict(zip(checks, results, strict=True))


async def _run_check(check: Check) -> str:
    try:
        async with asyncio.timeout(_TIMEOUT_SECONDS):
            await check()
    except AutosError as error:
        return str(error)
    except TimeoutError:
        return f"No answer within {_TIMEOUT_SECONDS:.0f} seconds."
    return "ok"
