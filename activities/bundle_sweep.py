"""The activity that deletes bundles whose retention is over, and compares the others with the bucket."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import structlog
from temporalio import activity

from activities.errors import translating_infrastructure_errors
from activities.heartbeats import heartbeating
from domain.audit import is_old
from domain.bundle_messages import BundleSweepProgress, SweptBundles
from domain.storage import BUNDLES_PREFIX, bundle_prefix, bundles_prefix, process_of_bundle_key

if TYPE_CHECKING:
    from adapters.database import Catalog
    from adapters.storage import ObjectStore
    from adapters.storage.bucket_listing import BucketListing

_OBJECTS_PER_PAGE = 1000

_log = structlog.get_logger()


class BundleSweepActivities:
    """The activity on old bundles, and on those that have lost their file.

    Args:
        store: Deletes files.
        bucket: Lists them.
        retention: How long a bundle is kept after it was last requested. None means for ever.
        clock: This machine's time.
    """

    def __init__(
        self,
        catalog: Catalog,
        store: ObjectStore,
        bucket: BucketListing,
        *,
        retention: timedelta | None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._catalog = catalog
        self._store = store
        self._bucket = bucket
        self._retention = retention
        self._clock = clock

    @activity.defn
    async def sweep_bundles(self, progress: BundleSweepProgress) -> SweptBundles:
        """Do one page of one step of a sweep. Idempotent."""
        steps: dict[str, Callable[[str], Awaitable[SweptBundles]]] = {
            "expire": self._expire,
            "verify": self._verify,
            "orphans": self._delete_orphans,
        }
        with translating_infrastructure_errors():
            async with heartbeating():
                return await steps[progress.step](progress.after)

    async def _expire(self, after: str) -> SweptBundles:
        """Delete bundles that nobody has requested for long, with their files."""
        if self._retention is None:
            return SweptBundles()
        # The earlier of two clocks: one that is years ahead would delete everything.
        before = min(self._clock(), await self._catalog.bundle_builds.now()) - self._retention
        page = await self._catalog.bundle_builds.list_requested(before=before, after=after)
        for bundle in page.bundles:
            # The row first: nobody is handed a link to a file that is about to go.
            await self._catalog.bundles.delete(bundle.id)
            if await self._catalog.bundle_builds.has_any(bundle.process_number):
                await self._store.erase(bundle_prefix(bundle.process_number, bundle.id))
            else:
                # What was converted goes with the last bundle of a process.
                await self._store.erase(bundles_prefix(bundle.process_number))
        if page.bundles:
            _log.info("bundles pruned", bundles=len(page.bundles))
        return SweptBundles(len(page.bundles), page.following)

    async def _verify(self, after: str) -> SweptBundles:
        """Delete the rows of bundles whose file is gone, so that the next request builds them again."""
        page = await self._catalog.bundle_builds.list_requested(after=after)
        lost = 0
        for bundle in page.bundles:
            if bundle.object_key is None:
                continue
            listed = await self._bucket.find(bundle.object_key)
            if listed is None or listed.size_bytes != bundle.size_bytes:
                lost += 1
                await self._catalog.bundles.delete(bundle.id)
                _log.warning("bundle lost", process=bundle.process_number, bundle=bundle.id)
        return SweptBundles(lost, page.following)

    async def _delete_orphans(self, after: str) -> SweptBundles:
        """Delete files that belong to no bundle and are older than a day."""
        amount, deleted, last = 0, 0, None
        async for listed in self._bucket.list_objects(BUNDLES_PREFIX, after=after):
            amount, last = amount + 1, listed.key
            if is_old(listed, now=self._bucket.now) and not await self._is_needed(listed.key):
                await self._bucket.delete(listed.key)
                _log.warning("orphan deleted", key=listed.key, bytes=listed.size_bytes)
                deleted += 1
            if amount == _OBJECTS_PER_PAGE:
                return SweptBundles(deleted, last)
        return SweptBundles(deleted)

    async def _is_needed(self, key: str) -> bool:
        number, is_converted = process_of_bundle_key(key)
        if number is not None and is_converted:
            return await self._catalog.bundle_builds.has_any(number)
        return await self._catalog.bundle_builds.has_file(key)
