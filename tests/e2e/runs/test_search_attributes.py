"""What Temporal's UI shows of runs: search attributes, summaries and current details."""

from __future__ import annotations

import importlib
import pkgutil

from temporalio.api.sdk.v1 import WorkflowMetadata
from temporalio.client import WorkflowExecutionStatus

import workflows
from devstack.temporal_views import HOUSEKEEPING, PROBLEMS, RUNS, TemporalView
from domain.court import MONITOR_ID
from tests.support.conditions import eventually
from tests.support.numbers import fresh_number
from tests.support.stack import RunningStack
from workflows.search_attributes import COURT, DOCUMENTS_TOTAL, OUTCOME, PHASE


async def test_runs_can_be_searched_by_court_outcome_and_count(stack: RunningStack) -> None:
    number = await stack.create_ended_run(2)

    async def is_listed() -> bool:
        query = f"WorkflowId = '{number}' AND Court = 'TJMT' AND Outcome = 'completed' AND DocumentsTotal = 2"
        return [run async for run in stack.temporal.list_workflows(query)] != []

    await eventually(is_listed, "the run by its search attributes")
    description = await stack.temporal.get_workflow_handle(number).describe()
    attributes = description.typed_search_attributes
    assert (attributes[COURT], attributes[OUTCOME], attributes[DOCUMENTS_TOTAL]) == ("TJMT", "completed", 2)
    # A phase is what an open run does.
    assert attributes.get(PHASE) is None
    assert await description.static_summary() == f"TJMT · {number}"


async def test_the_outcome_can_be_searched_before_the_deliveries_are_started(stack: RunningStack) -> None:
    number = await stack.create_ended_run(1)
    changes = [
        {name: payload.data for name, payload in attributes.search_attributes.indexed_fields.items()}
        for event in (await stack.temporal.get_workflow_handle(number).fetch_history()).events
        if (attributes := event.upsert_workflow_search_attributes_event_attributes).ListFields()
    ]
    assert [change.get("Outcome") for change in changes if change.get("Phase") == b'"finishing"'] == [
        b'"completed"'
    ]


async def test_the_current_details_of_a_run_say_how_it_ended(stack: RunningStack) -> None:
    number = fresh_number()
    await stack.create_process(number, 3)
    await stack.inject_fault("sealed", number, documents=[0])
    await stack.request_download(number)
    await stack.wait_until_ended(number)
    details = await read_current_details(stack, number)
    assert details.startswith("**Ended: partial.** 2 of 3 documents are available, 1 failed.")
    assert "| 1 | failed with `sealed` |" in details


async def test_the_current_details_of_a_cancelled_run_say_so(stack: RunningStack) -> None:
    number = fresh_number()
    await stack.create_process(number, 3)
    await stack.inject_fault("slow", number, delay_seconds=30)
    await stack.request_download(number)
    await stack.temporal.get_workflow_handle(number).cancel()
    await stack.wait_until_ended(number)
    assert (await read_current_details(stack, number)).startswith("**Ended: cancelled.** ")


async def test_the_views_tell_runs_with_problems_and_housekeeping_apart(stack: RunningStack) -> None:
    good, bad = await stack.create_ended_run(1), fresh_number()
    await stack.inject_fault("not_found", bad)
    await stack.request_download(bad)
    await stack.wait_until_ended(bad)

    async def list_ids(view: TemporalView) -> set[str]:
        return {run.id async for run in stack.temporal.list_workflows(view.query)}

    async def is_listed() -> bool:
        return {good, bad} <= await list_ids(RUNS) and bad in await list_ids(PROBLEMS)

    await eventually(is_listed, "both runs by the views' queries")
    assert good not in await list_ids(PROBLEMS)
    housekeeping = await list_ids(HOUSEKEEPING)
    assert MONITOR_ID in housekeeping
    assert not housekeeping & await list_ids(RUNS)
    assert not any(workflow_id.startswith("batch-") for workflow_id in housekeeping)


def test_housekeeping_has_every_workflow_but_runs_batches_and_bundles() -> None:
    names = {name for module in pkgutil.iter_modules(workflows.__path__) for name in find_workflows(module.name)}
    others = {name for name in names if f'"{name}"' not in HOUSEKEEPING.query}
    assert others == {"DownloadProcess", "DownloadBatch", "BuildBundle"}


def find_workflows(module: str) -> set[str]:
    """Return the names of the workflows that a module of `workflows` defines."""
    members = vars(importlib.import_module(f"workflows.{module}"))
    return {name for name, member in members.items() if hasattr(member, "__temporal_workflow_definition")}


async def read_current_details(stack: RunningStack, workflow_id: str) -> str:
    """Return what the UI shows as the current details of a workflow, once it is closed."""
    handle = stack.temporal.get_workflow_handle(workflow_id)

    async def is_closed() -> bool:
        return (await handle.describe()).status is not WorkflowExecutionStatus.RUNNING

    await eventually(is_closed, "the end of the workflow")
    metadata: WorkflowMetadata = await handle.query("__temporal_workflow_metadata", result_type=WorkflowMetadata)
    return metadata.current_details
