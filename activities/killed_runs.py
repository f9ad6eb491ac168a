"""The activity that closes runs in the catalog after they were terminated in Temporal."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import structlog
from temporalio import activity

from activities.errors import translating_infrastructure_errors
from domain.delivery_messages import DeliveryRef
from domain.process_number import ProcessNumber
from domain.sweep_messages import KilledRuns, KilledRunsRequest

if TYPE_CHECKING:
    from adapters.database import Catalog
    from adapters.temporal.run_client import RunClient

# A run that has just started is open, so there is no need to ask Temporal.
_MIN_AGE = timedelta(minutes=3)

_log = structlog.get_logger()


class RunActivities:
    """The activities that compare the catalog's runs with Temporal's.

    Args:
        runs: Finds runs in Temporal.
    """

    def __init__(self, catalog: Catalog, runs: RunClient) -> None:
        self._catalog = catalog
        self._runs = runs

    @activity.defn
    async def close_killed_runs(self, request: KilledRunsRequest) -> KilledRuns:
        """Close one page of runs as cancelled: those without an end in the catalog that are not open in Temporal.

        A terminated run cannot record its own end, and its subscribers wait for it.
        """
        with translating_infrastructure_errors():
            page = await self._catalog.runs.list_unended(request.after, older_than=_MIN_AGE)
            deliveries: list[DeliveryRef] = []
            for run in page.runs:
                open_run = await self._runs.find_open(ProcessNumber.parse(run.process_number))
                if open_run is None or open_run.id != run.run_id:
                    deliveries += await self._catalog.runs.close_killed(run.run_id)
                    _log.warning("run was killed", process=run.process_number, run=run.run_id)
        return KilledRuns(tuple(deliveries[: request.most_deliveries]), page.following)
