"""Runs that Temporal has begun again without the catalog being told."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Any

import structlog
from temporalio import activity
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

from activities.failures import own_failures

if TYPE_CHECKING:
    from adapters.database import Catalog
    from adapters.open_runs import OpenRuns

# These say themselves which execution works.
_TELLING = frozenset({"open_run", "close_run"})
_REMEMBERED_EXECUTIONS = 10_000

_log = structlog.get_logger()


class ReopenResetRuns(Interceptor):
    """Notices that a run which has ended works again, because an operator has reset it in Temporal.

    A reset makes a new execution of the same run, which goes on wherever the operator chose: its first activity may
    be any. So the first one of each execution that a worker sees asks whether the catalog calls the run over; then
    its end is taken back, and the status asks Temporal again.

    Args:
        open_runs: Temporal's runs.
    """

    def __init__(self, catalog: Catalog, open_runs: OpenRuns) -> None:
        self._catalog = catalog
        self._open_runs = open_runs
        self._seen: OrderedDict[str, None] = OrderedDict()

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:  # noqa: A002
        """Put the look before every activity."""
        return _LookFirst(next, self)

    async def look(self) -> None:
        """Reopen the run of the present activity, if it is over for the catalog. Cheap from the second time on."""
        info = activity.info()
        execution, number = info.workflow_run_id, info.workflow_id
        if info.workflow_type != "DownloadProcess" or info.activity_type in _TELLING or not execution or not number:
            return
        if execution in self._seen:
            return
        with own_failures():
            if await self._catalog.runs.is_latest_over(number):
                run_id = await self._open_runs.run_of(number, execution)
                if run_id is not None and await self._catalog.runs.reopen(run_id, execution=execution):
                    _log.warning("run reset in Temporal", process=number, run=run_id, execution=execution)
        self._seen[execution] = None
        if len(self._seen) > _REMEMBERED_EXECUTIONS:
            self._seen.popitem(last=False)


class _LookFirst(ActivityInboundInterceptor):
    def __init__(self, following: ActivityInboundInterceptor, runs: ReopenResetRuns) -> None:
        super().__init__(following)
        self._runs = runs

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:  # noqa: A002
        await self._runs.look()
        return await super().execute_activity(input)
