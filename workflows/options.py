"""Queues, timeouts and retries, in one table."""

from __future__ import annotations

from datetime import timedelta
from typing import TypedDict

from temporalio.common import Priority, RetryPolicy
from temporalio.workflow import ActivityCancellationType

PROCESSES_QUEUE = "processes"
COURT_QUEUE = "court"

# Documents of one process on their way at once. Twice what the local stack asks the court for at once: a finished
# download gives its place free only when Temporal has heard of it. More would be a little faster without a court's
# latency, but those on their way are finished even when a run is terminated. Changing it breaks the replay of runs
# that are open.
DOWNLOAD_WINDOW = 32
PENDING_PAGE = 200
# A run that is asked for more documents than this, by whomever, takes all.
MOST_CHOSEN = 2_000

# Of runs, and so of all that they have done: 1 is served first, 5 last. Batches come behind single requests.
DEFAULT_PRIORITY = 3
BATCH_PRIORITY = 4

# How soon a killed worker is noticed. Activities beat far more often.
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


# Trouble with the catalog is ours and passes: it is tried until it has.
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

# The five attempts that a document has are counted in the catalog, by the activity: Temporal would also count those
# that a worker's shutdown or trouble with our own parts has cut short. There is no time limit over all attempts: it
# would also count the time in the task queue, while no worker is there. The activity counts the time at work.
DOWNLOAD: ActivityOptions = {
    "task_queue": COURT_QUEUE,
    "start_to_close_timeout": timedelta(hours=2),
    "heartbeat_timeout": HEARTBEAT_TIMEOUT,
    "retry_policy": RetryPolicy(
        initial_interval=timedelta(seconds=2), backoff_coefficient=2, maximum_interval=timedelta(seconds=60)
    ),
    "cancellation_type": ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
}

# The watch's own requests. They go ahead of all documents that queue for a court which does not answer.
COURT_ERRAND: ActivityOptions = {
    "task_queue": COURT_QUEUE,
    "start_to_close_timeout": timedelta(minutes=5),
    "heartbeat_timeout": HEARTBEAT_TIMEOUT,
    "retry_policy": _UNTIL_IT_WORKS,
    "priority": Priority(priority_key=1),
}

SENDING: ActivityOptions = {
    "task_queue": PROCESSES_QUEUE,
    "start_to_close_timeout": timedelta(seconds=60),
    "retry_policy": _UNTIL_IT_WORKS,
}
