"""What an operator does to a run: pause, resume, retry, cancel."""

from __future__ import annotations

from temporalio.client import WorkflowExecutionStatus

from tests.support.conditions import eventually
from tests.support.numbers import fresh_number
from tests.support.receiver import Receiver
from tests.support.stack import RunningStack
from workflows.download_process import DownloadProcess
from workflows.search_attributes import COURT, DOCUMENTS_TOTAL, OUTCOME, PHASE


async def test_a_paused_run_takes_no_further_document_until_it_is_resumed(stack: RunningStack) -> None:
    number = fresh_number()
    await stack.prepare(number, 80)
    await stack.latency(0.3)
    await stack.request(number)
    await stack.reaches(number, 5)
    run = stack.temporal.get_workflow_handle(number)

    assert await run.execute_update(DownloadProcess.pause) == "paused"
    assert await run.execute_update(DownloadProcess.pause) == "paused"

    async def still() -> dict[str, object] | None:
        before = await stack.status(number)
        requests = (await stack.court())["requests"]
        await stack.latency(0)
        after = await stack.status(number)
        same = before["available_documents"] == after["available_documents"]
        return after if same and requests == (await stack.court())["requests"] else None

    held = await eventually(still, "the end of what was on its way")
    assert (held["status"], held["phase"]) == ("processing", "paused")
    assert int(str(held["available_documents"])) < 80

    assert await run.execute_update(DownloadProcess.resume) == "downloading"
    assert (await stack.ended(number))["status"] == "completed"


async def test_a_cancelled_run_says_so_and_tells_its_subscribers(stack: RunningStack, receiver: Receiver) -> None:
    number = fresh_number()
    await stack.prepare(number, 80)
    await stack.latency(0.3)
    started = await stack.request(number, webhook_url=f"{receiver.url}/{number}")
    await stack.reaches(number, 5)
    first = stack.temporal.get_workflow_handle(number, run_id=started.json()["run"]["id"])

    await first.cancel()

    status = await stack.ended(number)
    assert (status["status"], status["run"]["outcome"]) == ("pending", "cancelled")

    async def told() -> bool:
        return bool(receiver.at(f"/{number}"))

    await eventually(told, "the webhook")
    assert receiver.at(f"/{number}")[0].event["type"] == "process.cancelled"
    # Although the run may not have been closed yet, it is not the one that takes the next request.
    assert (await stack.request(number)).json()["decision"] == "started"
    assert (await first.describe()).status is WorkflowExecutionStatus.CANCELED
    assert (await stack.ended(number))["status"] == "completed"


async def test_an_operator_can_search_runs_by_court_and_outcome(stack: RunningStack) -> None:
    number = fresh_number()
    await stack.prepare(number, 2)
    await stack.request(number)
    await stack.ended(number)

    async def found() -> bool:
        query = f"WorkflowId = '{number}' AND Court = 'TJMT' AND Outcome = 'completed' AND DocumentsTotal = 2"
        return [run async for run in stack.temporal.list_workflows(query)] != []

    await eventually(found, "the run by its search attributes")
    description = await stack.temporal.get_workflow_handle(number).describe()
    attributes = description.typed_search_attributes
    assert (attributes[COURT], attributes[OUTCOME], attributes[DOCUMENTS_TOTAL]) == ("TJMT", "completed", 2)
    assert attributes[PHASE] == "finishing"
    assert await description.static_summary() == f"TJMT · {number}"
