"""The activity that records the failure of builds that were terminated in Temporal."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import structlog
from temporalio import activity

from activities.errors import translating_infrastructure_errors
from activities.metrics import NO_METRICS, WorkerMetrics
from domain.bundles import INTERRUPTED, BundleState
from domain.delivery_messages import DeliveryRef
from domain.errors import ProcessErased
from domain.sweep_messages import KilledBuilds

if TYPE_CHECKING:
    from adapters.database import Catalog
    from adapters.temporal.bundle_client import BundleClient

# A bundle is in the catalog a moment before its build is in Temporal.
_MIN_AGE = timedelta(minutes=3)
# The others are soon overdue and found then.
_MOST_DELIVERIES = 500

_log = structlog.get_logger()


class KilledBuildActivities:
    """The activity that compares the catalog's builds with Temporal's.

    Args:
        builds: Finds builds in Temporal.
        metrics: Counts builds that have failed.
    """

    def __init__(self, catalog: Catalog, builds: BundleClient, metrics: WorkerMetrics = NO_METRICS) -> None:
        self._catalog = catalog
        self._builds = builds
        self._metrics = metrics

    @activity.defn
    async def close_killed_builds(self, after: str) -> KilledBuilds:
        """Close one page of bundles as not built: those without an end that nobody builds in Temporal.

        A terminated build cannot record its own end, and whoever requested it waits for it.

        Args:
            after: Where the page begins. Empty for the first one.
        """
        deliveries: list[DeliveryRef] = []
        with translating_infrastructure_errors():
            before = await self._catalog.bundle_builds.now() - _MIN_AGE
            page = await self._catalog.bundle_builds.list_requested(
                before=before, after=after, state=BundleState.BUILDING
            )
            for bundle in page.bundles:
                if not await self._builds.is_open(bundle.id):
                    deliveries += await self._close(bundle.id, bundle.process_number, before)
        return KilledBuilds(tuple(deliveries[:_MOST_DELIVERIES]), page.following)

    async def _close(self, bundle_id: str, number: str, before: datetime) -> tuple[DeliveryRef, ...]:
        bundles = self._catalog.bundles
        # An erasure ends builds, and takes their bundles away.
        with suppress(ProcessErased):
            if await bundles.record_failure(bundle_id, number, INTERRUPTED, requested_before=before):
                self._metrics.count_bundle(INTERRUPTED.code)
                _log.warning("build was killed", process=number, bundle=bundle_id)
                return await bundles.list_deliveries(bundle_id, after=0)
        return ()
