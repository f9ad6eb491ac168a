"""Records the histories anew: ``make histories``. Only for a change to a workflow that is meant to break them."""

from __future__ import annotations

import asyncio
import json
import socket
import tempfile
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

from temporalio.client import ScheduleActionExecutionStartWorkflow, WorkflowFailureError, WorkflowHandle

from adapters.storage import open_s3
from adapters.temporal.schedules import AUDIT_STORE, SWEEP_BUNDLES, SWEEP_HISTORY, WorkflowSchedule
from domain.storage import object_prefix
from tests.support.buckets import open_bucket, storage_address
from tests.support.conditions import eventually
from tests.support.numbers import fresh_number
from tests.support.receiver import Receiver, running_receiver
from tests.support.stack import RunningStack, running_stack
from workflows.download_process import DownloadProcess

FOLDER = Path(__file__).parent
# Who ran it and where is nobody's business, and would change with every recording.
_IDENTITY = "recorded"

Scenario = Callable[[RunningStack, Receiver, str], Awaitable[None]]


async def completed(stack: RunningStack, receiver: Receiver, number: str) -> None:
    """A fresh process with two subscribers, one of whom joins later and is away at first."""
    await stack.create_process(number, 5)
    await stack.set_latency(0.3)
    receiver.planned_failures[f"/{number}/second"] = [503]
    await stack.request_download(number, webhook_url=f"{receiver.url}/{number}/first")
    await stack.request_download(number, webhook_url=f"{receiver.url}/{number}/second")
    await stack.wait_until_ended(number)

    async def both() -> bool:
        return bool(receiver.events_at(f"/{number}/first") and receiver.events_at(f"/{number}/second"))

    await eventually(both, "both events")


async def partial(stack: RunningStack, receiver: Receiver, number: str) -> None:
    """Two pieces are sealed, one needs a second attempt."""
    await stack.create_process(number, 6)
    await stack.inject_fault("sealed", number, documents=[0, 3])
    await stack.inject_fault("codex_error", number, documents=[1], times=1)
    await stack.request_download(number)
    await stack.wait_until_ended(number)


async def not_found(stack: RunningStack, receiver: Receiver, number: str) -> None:
    """The court does not know the process."""
    await stack.create_process(number, 1, exists=False)
    await stack.request_download(number)
    await stack.wait_until_ended(number)


async def throttled(stack: RunningStack, receiver: Receiver, number: str) -> None:
    """The court asks for patience."""
    await stack.create_process(number, 8)
    await stack.inject_fault("throttled", number, documents=1.0, times=1, retry_after=1)
    await stack.request_download(number)
    await stack.wait_until_ended(number)


async def refused(stack: RunningStack, receiver: Receiver, number: str) -> None:
    """The court refuses the token, and the watch renews it."""
    granted = await stack.create_court_token()
    credentials = {"token": "no-token-of-the-courts", "refresh_token": granted["refresh_token"]}
    await stack.put_credentials(**credentials)
    await stack.create_process(number, 3)
    await stack.request_download(number)
    await stack.wait_until_ended(number)


async def paused(stack: RunningStack, receiver: Receiver, number: str) -> None:
    """An operator pauses and resumes, and asks for what failed."""
    await stack.create_process(number, 80)
    await stack.set_latency(0.3)
    await stack.request_download(number)
    await stack.wait_until_available(number, 5)
    run = stack.temporal.get_workflow_handle(number)
    await run.execute_update(DownloadProcess.pause)
    await run.execute_update(DownloadProcess.retry_failed)
    await run.execute_update(DownloadProcess.resume)
    await stack.wait_until_ended(number)


async def cancelled(stack: RunningStack, receiver: Receiver, number: str) -> None:
    """An operator cancels; a subscriber is told."""
    await stack.create_process(number, 80)
    await stack.set_latency(0.3)
    await stack.request_download(number, webhook_url=f"{receiver.url}/{number}")
    await stack.wait_until_available(number, 5)
    await stack.temporal.get_workflow_handle(number).cancel()
    await stack.wait_until_ended(number)


async def batch(stack: RunningStack, receiver: Receiver, number: str) -> str:
    """A batch that is answered for one process, joins the run of another, and starts those of the rest.

    One of them is killed. Gives the batch's id.
    """
    whole, joined, killed = fresh_number(), fresh_number(), number
    others = [fresh_number() for _ in range(20)]
    for each in (whole, *others):
        await stack.create_process(each, 1)
    await stack.request_download(whole)
    await stack.wait_until_ended(whole)
    for each in (joined, killed):
        await stack.create_process(each, 40)
    await stack.set_latency(0.3)
    await stack.request_download(joined)
    await stack.wait_until_available(joined, 1)
    asked = {"process_numbers": [whole, joined, killed, *others], "webhook_url": f"{receiver.url}/{number}"}
    taken = (await stack.api.post("/batches", json=asked)).raise_for_status().json()
    await eventually(lambda: stack.list_run_ids(killed), "the run that is to be killed")
    await stack.temporal.get_workflow_handle(killed).terminate()
    await stack.temporal.get_workflow_handle(f"batch-{taken['id']}").result()
    return str(taken["id"])


async def batch_cancelled(stack: RunningStack, receiver: Receiver, number: str) -> str:
    """An operator cancels a batch whose runs are open. Gives the batch's id."""
    await stack.create_process(number, 40)
    await stack.set_latency(0.3)
    taken = (await stack.api.post("/batches", json={"process_numbers": [number]})).raise_for_status().json()
    await eventually(lambda: stack.list_run_ids(number), "the run of the batch")
    await stack.temporal.get_workflow_handle(f"batch-{taken['id']}").cancel()
    await stack.wait_until_ended(number)
    return str(taken["id"])


async def erased(stack: RunningStack, receiver: Receiver, number: str) -> None:
    """A process is erased while it is downloaded."""
    await stack.create_process(number, 40)
    await stack.set_latency(0.3)
    await stack.request_download(number, webhook_url=f"{receiver.url}/{number}")
    await stack.wait_until_available(number, 5)
    (await stack.api.delete(f"/processes/{number}")).raise_for_status()
    await stack.temporal.get_workflow_handle(f"erase-{number}").result()


async def damage(stack: RunningStack) -> None:
    """A document whose object is missing, which an audit repairs, and an orphan that is too young to delete."""
    number = await stack.create_ended_run(2)
    address = storage_address(stack)
    async with open_bucket(stack) as bucket, open_s3(address) as s3:
        [first, _] = await bucket.list_keys(number)
        await s3.delete_object(Bucket=address.bucket, Key=first)
        orphan = f"{object_prefix(fresh_number(), str(uuid4()))}.pdf"
        await s3.put_object(Bucket=address.bucket, Key=orphan, Body=b"bytes")


async def _record_bundles(stack: RunningStack, receiver: Receiver) -> None:
    """A PDF whose subscriber is told, and one whose build is cancelled while it converts."""
    number = await stack.create_ended_run(6)
    for name, is_cancelled in (("bundle-ready", False), ("bundle-cancelled", True)):
        options = {"format": "pdf", "order": "listed" if is_cancelled else "filed"}
        body = {**options, "webhook_url": f"{receiver.url}/{number}/{name}"}
        answer = await stack.api.post(f"/processes/{number}/bundles", json=body)
        build: WorkflowHandle[object, object] = stack.temporal.get_workflow_handle(f"bundle-{answer.json()['id']}")
        if is_cancelled:
            await build.cancel()
        with suppress(WorkflowFailureError):
            await build.result()
        await _write(build, name)


async def _record_schedules(stack: RunningStack) -> None:
    await damage(stack)
    await _write(await _run_now(stack, AUDIT_STORE), "audit-repaired")
    await _write(await _run_now(stack, SWEEP_HISTORY), "sweep-history")
    await _write(await _run_now(stack, SWEEP_BUNDLES), "sweep-bundles")


async def _run_now(stack: RunningStack, schedule: WorkflowSchedule) -> WorkflowHandle[object, object]:
    handle = stack.temporal.get_schedule_handle(schedule.id)
    await handle.trigger()

    async def started() -> ScheduleActionExecutionStartWorkflow | None:
        actions = (await handle.describe()).info.recent_actions
        action = actions[-1].action if actions else None
        return action if isinstance(action, ScheduleActionExecutionStartWorkflow) else None

    action = await eventually(started, f"the start of {schedule.id}")
    run: WorkflowHandle[object, object] = stack.temporal.get_workflow_handle(
        action.workflow_id, run_id=action.first_execution_run_id
    )
    await run.result()
    return run


async def _record() -> None:
    with tempfile.TemporaryDirectory() as folder:
        async with running_stack(Path(folder), AUTOS_AUDIT_REPAIR="true") as stack:
            with running_receiver(stack.addresses["webhook_secret"]) as receiver:
                for scenario in (completed, partial, not_found, throttled, refused, paused, cancelled):
                    number = fresh_number()
                    await scenario(stack, receiver, number)
                    await stack.set_latency(0)
                    await stack.end_all_faults()
                    await _write(stack.temporal.get_workflow_handle(number), f"download-{scenario.__name__}")
                    await stack.recover_court()
                for of_batch in (batch, batch_cancelled):
                    batch_id = await of_batch(stack, receiver, fresh_number())
                    await stack.set_latency(0)
                    name = of_batch.__name__.replace("_", "-")
                    await _write(stack.temporal.get_workflow_handle(f"batch-{batch_id}"), name)
                number = fresh_number()
                await erased(stack, receiver, number)
                await stack.set_latency(0)
                await _write(stack.temporal.get_workflow_handle(f"erase-{number}"), "erase-running-download")
                await _record_bundles(stack, receiver)
                await _record_schedules(stack)
                await _write(stack.temporal.get_workflow_handle("court"), "monitor-throttled-and-refused")
                async for delivery in stack.temporal.list_workflows("WorkflowType = 'DeliverWebhook'"):
                    history = await stack.temporal.get_workflow_handle(delivery.id).fetch_history()
                    # The one that needed a second attempt is the one worth keeping.
                    if len(history.events) > 12:
                        await _write(stack.temporal.get_workflow_handle(delivery.id), "deliver-second-attempt")
                        break


async def _write(handle: WorkflowHandle[object, object], name: str) -> None:
    history = await handle.fetch_history()
    recorded = _scrubbed(json.loads(history.to_json()))
    text = json.dumps({"workflow_id": history.workflow_id, "history": recorded}, indent=1, ensure_ascii=False)
    (FOLDER / f"{name}.json").write_text(text + "\n")


def _scrubbed(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _scrubbed(inner) for key, inner in value.items() if key != "stackTrace"}
    if isinstance(value, list):
        return [_scrubbed(inner) for inner in value]
    return _IDENTITY if isinstance(value, str) and socket.gethostname() in value else value


if __name__ == "__main__":
    asyncio.run(_record())
