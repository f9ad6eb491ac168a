"""Requests that a foreign web page causes, on a stack without keys."""

from __future__ import annotations

from tests.support.numbers import fresh_number
from tests.support.stack import RunningStack

NUMBER = "1011745-77.2025.8.11.0041"


async def count_runs(stack: RunningStack) -> int:
    """Return how many runs Temporal has. Its schedules start other workflows at any time."""
    return (await stack.temporal.count_workflows("WorkflowType = 'DownloadProcess'")).count


async def test_a_foreign_host_name_is_refused_without_keys(stack: RunningStack) -> None:
    answer = await stack.api.get(f"/processes/{NUMBER}", headers={"Host": "attacker.example"})
    assert (answer.status_code, answer.json()["code"]) == (403, "foreign_host")


async def test_a_cross_site_request_starts_no_run_without_keys(
    stack: RunningStack,
) -> None:
    number = fresh_number()
    before = await count_runs(stack)
    answer = await stack.api.get(
        f"/processes/{number}", params={"auto_download": "true"}, headers={"Sec-Fetch-Site": "cross-site"}
    )
    assert (answer.status_code, answer.json()["code"]) == (403, "foreign_host")
    assert await count_runs(stack) == before
