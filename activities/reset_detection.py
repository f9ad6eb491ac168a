"""An interceptor that reopens runs in the catalog after an operator has reset them in Temporal."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Any

import structlog
from temporalio import activity
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

from activities.errors import translating_infrastructure_errors
from domain.process_number import ProcessNumber

if TYPE_CHECKING:
    from adapters.database import Catalog
    from adapters.temporal.run_client import RunClient

# These activities record the execution themselves.
_RECORDING_ACTIVITIES = frozenset({"open_run", "close_run"})
_MAX_REMEMBERED_EXECUTIONS = 10_000

_log = structlog.get_logger()


class ResetDetectionInterceptor(Interceptor):
    """Activity interceptor that detects when an operator has reset an ended run in Temporal.

    A reset creates a new execution of the same run. It continues wherever the operator chose, so its first activity
    may be any. Before the first activity of each execution that this worker sees, the interceptor checks whether
    the catalog has recorded the run's end, and removes that end. Then the status reads the run from Temporal again.

    Args:
        runs: Finds runs in Temporal.
    """

    def __init__(self, catalog: Catalog, runs: RunClient) -> None:
        self._catalog = catalog
        self._runs = runs
        self._seen: OrderedDict[str, None] = OrderedDict()

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:  # noqa: A002
        """Check for a reset before every activity."""
        return _ResetCheck(next, self)

    async def reopen_if_reset(self) -> None:
        """Reopen the current activity's run if the catalog has it as ended. Cached for each execution."""
        info = activity.info()
        execution, number = info.workflow_run_id, info.workflow_id
        if (
            info.workflow_type != "DownloadProcess"
            or info.activity_type in _RECORDING_ACTIVITIES
            or not execution
            or not number
        ):
            return
        if execution in self._seen:
            return
        with translating_infrastructure_errors():
            if await self._catalog.runs.has_latest_ended(number):
                run_id = await self._runs.find_run_id(ProcessNumber.parse(number), execution)
                if run_id is not None and await self._catalog.runs.reopen(run_id, execution=execution):
                    _log.warning("run reset in Temporal", process=number, run=run_id, execution=execution)
        self._seen[execution] = None
        if len(self._seen) > _MAX_REMEMBERED_EXECUTIONS:
            self._seen.popitem(last=False)


class _ResetCheck(ActivityInboundInterceptor):
    def __init__(self, next_interceptor: ActivityInboundInterceptor, detection: ResetDetectionInterceptor) -> None:
        super().__init__(next_interceptor)
        self._detection = detection

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:  # noqa: A002
        await self._detection.reopen_if_reset()
        return await super().execute_activity(input)
