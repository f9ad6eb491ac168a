"""Search attributes of runs in Temporal."""

from __future__ import annotations

from tests.support.conditions import eventually
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
    assert attributes[PHASE] == "finishing"
    assert await description.static_summary() == f"TJMT · {number}"
