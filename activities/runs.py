"""Runs that Temporal has ended without the catalog being told."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import structlog
from temporalio import activity

from activities.failures import own_failures
from domain.messages import DeliveryRef, KilledRuns, KilledRunsRequest

if TYPE_CHECKING:
    from adapters.database import Catalog
    from adapters.open_runs import OpenRuns

# A run that has just been started is open: there is no need to ask.
_YOUNG = timedelta(minutes=3)

_log = structlog.get_logger()


class RunActivities:
    """The activities that compare the catalog's runs with Temporal's.

    Args:
        open_runs: Temporal's runs.
    """

    def __init__(self, catalog: Catalog, open_runs: OpenRuns) -> None:
        self._catalog = catalog
        self._open_runs = open_runs

    @activity.defn
    async def close_killed_runs(self, request: KilledRunsRequest) -> KilledRuns:
        """Close the runs as cancelled that have no end although Temporal does not have them open; a page of them.

        A run that was terminated cannot say so itself, and its subscribers wait.
        """
        with own_failures():
            page = await self._catalog.runs.unended(request.after, older_than=_YOUNG)
            deliveries: list[DeliveryRef] = []
            for run in page.runs:
                found = await self._open_runs.find(run.process_number)
                if found is None or found.id != run.run_id:
                    deliveries += await self._catalog.runs.close_killed(run.run_id)
                    _log.warning("run was killed", process=run.process_number, run=run.run_id)
        return KilledRuns(tuple(deliveries[: request.most_deliveries]), page.following)
