"""Pause, resume and cancel over REST without an open run."""

from __future__ import annotations

import pytest

from tests.support.numbers import fresh_number
from tests.support.open_runs import create_paused_run
from tests.support.stack import RunningStack


@pytest.mark.parametrize("action", ["pause", "resume", "cancel"])
async def test_an_action_without_an_open_run_is_refused_with_the_status(stack: RunningStack, action: str) -> None:
    number = fresh_number()
    unknown = await stack.post_action(number, action)
    assert (unknown.status_code, unknown.json()["code"]) == (404, "process_unknown")
    await stack.create_process(number, 1)
    await stack.request_download(number)
    await stack.wait_until_ended(number)
    refused = await stack.post_action(number, action)
    assert (refused.status_code, refused.json()["code"]) == (409, "no_open_run")
    assert "completed" in refused.json()["detail"]


async def test_a_terminated_run_is_not_open(stack: RunningStack) -> None:
    number = await create_paused_run(stack)
    await stack.temporal.get_workflow_handle(number).terminate("by hand")
    refused = await stack.post_action(number, "cancel")
    assert (refused.status_code, refused.json()["code"]) == (409, "no_open_run")
    assert "pending" in refused.json()["detail"]
