"""Queues, timeouts and retries, in one table."""

from __future__ import annotations

from datetime import timedelta
from typing import TypedDict

from temporalio.common import Priority, RetryPolicy
from temporalio.workflow import ActivityCancellationType

PROCESSES_QUEUE = "processes"
COURT_QUEUE = "court"
BUNDLES_QUEUE = "bundles"

# Concurrent downloads of one run. Twice the local stack's concurrency at the court, since a finished download frees
# its slot only after Temporal has recorded it. A larger window is slightly faster at zero latency, but downloads in
# progress continue even when a run is terminated. Changing it breaks the replay of open runs.
DOWNLOAD_WINDOW = 32
PENDING_PAGE = 200
# A run for more chosen documents than this becomes a run for all.
MAX_CHOSEN_DOCUMENTS = 2_000

# Priority of a run, inherited by its activities: 1 is served first, 5 last. Batches come after single requests.
DEFAULT_PRIORITY = 3
BATCH_PRIORITY = 4
# Looks at watched processes come after everything else.
WATCH_PRIORITY = 5

# How soon a killed worker is noticed. Activities send heartbeats far more often.
HEARTBEAT_TIMEOUT = timedelta(seconds=15)


class ActivityOptions(TypedDict, total=False):
    """The options of ``workflow.execute_activity`` that this table sets."""

    task_queue: str
    start_to_close_timeout: timedelta
    schedule_to_close_timeout: timedelta
    heartbeat_timeout: timedelta
    retry_policy: RetryPolicy
    cancellation_type: ActivityCancellationType
    priority: Priority


# Failures of the catalog are ours and temporary: retry without a limit.
_UNTIL_IT_WORKS = RetryPolicy(
    initial_interval=timedelta(milliseconds=500), backoff_coefficient=2, maximum_interval=timedelta(seconds=30)
)

CATALOG: ActivityOptions = {
    "task_queue": PROCESSES_QUEUE,
    "start_to_close_timeout": timedelta(seconds=60),
    "retry_policy": _UNTIL_IT_WORKS,
}

LISTING: ActivityOptions = {
    "task_queue": COURT_QUEUE,
    "start_to_close_timeout": timedelta(minutes=10),
    "heartbeat_timeout": HEARTBEAT_TIMEOUT,
    "retry_policy": _UNTIL_IT_WORKS,
    "cancellation_type": ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
}

# The activity counts a document's five attempts in the catalog: Temporal's counter would include attempts that a
# worker's shutdown or our own infrastructure cut short. There is no schedule-to-close timeout: it would include the
# time in the task queue while no worker is running. The activity counts the time at work.
DOWNLOAD: ActivityOptions = {
    "task_queue": COURT_QUEUE,
    "start_to_close_timeout": timedelta(hours=2),
    "heartbeat_timeout": HEARTBEAT_TIMEOUT,
    "retry_policy": RetryPolicy(
        initial_interval=timedelta(seconds=2), backoff_coefficient=2, maximum_interval=timedelta(seconds=60)
    ),
    "cancellation_type": ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
}

# Requests of the court monitor. They come before all downloads that are queued while the court is down.
MONITORING: ActivityOptions = {
    "task_queue": COURT_QUEUE,
    "start_to_close_timeout": timedelta(minutes=5),
    "heartbeat_timeout": HEARTBEAT_TIMEOUT,
    "retry_policy": _UNTIL_IT_WORKS,
    "priority": Priority(priority_key=1),
}

# A store may have to delete very many versions.
ERASING: ActivityOptions = {
    "task_queue": PROCESSES_QUEUE,
    "start_to_close_timeout": timedelta(hours=1),
    "heartbeat_timeout": HEARTBEAT_TIMEOUT,
    "retry_policy": RetryPolicy(
        initial_interval=timedelta(seconds=1), backoff_coefficient=2, maximum_interval=timedelta(minutes=5)
    ),
}

# Bundles take minutes, and the store may be down meanwhile. The activity counts the time at work.
BUILDING: ActivityOptions = {
    "task_queue": BUNDLES_QUEUE,
    "start_to_close_timeout": timedelta(hours=4),
    "heartbeat_timeout": HEARTBEAT_TIMEOUT,
    "retry_policy": RetryPolicy(
        initial_interval=timedelta(seconds=1), backoff_coefficient=2, maximum_interval=timedelta(seconds=60)
    ),
    "cancellation_type": ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
}

SENDING: ActivityOptions = {
    "task_queue": PROCESSES_QUEUE,
    "start_to_close_timeout": timedelta(seconds=60),
    "retry_policy": _UNTIL_IT_WORKS,
}
