"""Which signs of life make a worker count, and which no longer do."""

from __future__ import annotations

import pytest
from temporalio.api.enums.v1 import TaskQueueType, WorkerStatus
from temporalio.api.taskqueue.v1 import PollerInfo
from temporalio.api.worker.v1 import WorkerHeartbeat, WorkerSlotsInfo

from adapters.temporal.worker_counts import count_living, is_taking_tasks

NOW = 1_800_000_000
SINCE = NOW - 75
RUNNING, STOPPING, STOPPED = (
    WorkerStatus.WORKER_STATUS_RUNNING,
    WorkerStatus.WORKER_STATUS_SHUTTING_DOWN,
    WorkerStatus.WORKER_STATUS_SHUTDOWN,
)


def poll(age: int, identity: str = "one") -> PollerInfo:
    """A poller that Temporal has seen so many seconds ago."""
    info = PollerInfo(identity=identity)
    info.last_access_time.FromSeconds(NOW - age)
    return info


def beat(age: int, status: WorkerStatus.ValueType = RUNNING, identity: str = "one") -> WorkerHeartbeat:
    """A heartbeat from so many seconds ago."""
    heartbeat = WorkerHeartbeat(worker_identity=identity, status=status)
    heartbeat.heartbeat_time.FromSeconds(NOW - age)
    return heartbeat


@pytest.mark.parametrize(
    ("heartbeats", "pollers", "count"),
    [
        pytest.param([], [[], []], 0, id="nobody"),
        pytest.param([], [[poll(3)], [poll(60)]], 1, id="just started, or heartbeats are not known"),
        pytest.param([], [[poll(3)], [poll(76)]], 0, id="no activities any more"),
        pytest.param([beat(61)], [[poll(900)], []], 1, id="every slot is taken"),
        pytest.param([beat(76)], [[poll(76)], [poll(80)]], 0, id="killed"),
        pytest.param([beat(2, STOPPING)], [[poll(1)], [poll(2)]], 1, id="polled after it said that it stops"),
        pytest.param([beat(2, STOPPING)], [[poll(3)], [poll(4)]], 0, id="stopping"),
        pytest.param([beat(2, STOPPED)], [[poll(3)], [poll(4)]], 0, id="stopped"),
        pytest.param([beat(1), beat(9, STOPPED)], [[poll(10)], [poll(10)]], 1, id="same identity, restarted"),
        pytest.param([beat(9), beat(1, STOPPED)], [[poll(10)], [poll(10)]], 0, id="same identity, stopped again"),
        pytest.param(
            [beat(9, STOPPED), beat(5, identity="two")],
            [[poll(10), poll(1, "three")], [poll(10), poll(1, "three")]],
            2,
            id="one of three stopped",
        ),
    ],
)
def test_only_recent_signs_of_life_count(
    heartbeats: list[WorkerHeartbeat], pollers: list[list[PollerInfo]], count: int
) -> None:
    assert count_living(heartbeats, pollers, since=SINCE) == count


def full(age: int, *, free_slots: int = 0, status: WorkerStatus.ValueType = RUNNING) -> WorkerHeartbeat:
    """A heartbeat that says how many slots for activities are free."""
    heartbeat = beat(age, status)
    heartbeat.activity_task_slots_info.CopyFrom(WorkerSlotsInfo(current_available_slots=free_slots))
    return heartbeat


@pytest.mark.parametrize(
    ("heartbeats", "workflows", "activities", "expected"),
    [
        pytest.param([], 3, 60, True, id="polls; heartbeats are not known"),
        pytest.param([full(61)], 3, 900, True, id="every slot is taken"),
        pytest.param([full(61, free_slots=1)], 3, 900, False, id="hangs with a free slot"),
        pytest.param([beat(5)], 3, 900, False, id="a heartbeat that does not tell its slots"),
        pytest.param([full(76)], 3, 900, False, id="was full, and is gone"),
        pytest.param([full(5, status=STOPPING)], 3, 900, False, id="is stopping"),
        pytest.param([full(5)], 900, 3, False, id="no workflows any more"),
    ],
)
def test_a_worker_without_a_free_slot_need_not_poll_for_activities(
    heartbeats: list[WorkerHeartbeat], workflows: int, activities: int, expected: bool
) -> None:
    pollers = {
        TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW: [poll(workflows)],
        TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY: [poll(activities)],
    }
    assert is_taking_tasks(heartbeats, pollers, since=SINCE) is expected
