"""The lists of processes and of failures."""

from __future__ import annotations

import pytest

from api.schemas.lists import FailuresBody, ProcessesBody
from api.schemas.processes import StatusBody
from tests.support.numbers import fresh_number
from tests.support.stack import RunningStack

OF_THE_STATUS_ALONE = ("failures_by_code", "warnings")


async def list_processes(stack: RunningStack, address: str) -> list[dict[str, object]]:
    """Return every process of a list, from all pages."""
    processes: list[dict[str, object]] = []
    next_page: str | None = address
    while next_page:
        page = (await stack.api.get(next_page)).json()
        ProcessesBody.model_validate(page)
        processes += page["processes"]
        next_page = page["processes_next"]
    return processes


async def list_failures(stack: RunningStack, address: str) -> list[dict[str, object]]:
    """Return every failure of a list, from all pages."""
    failures: list[dict[str, object]] = []
    next_page: str | None = address
    while next_page:
        page = (await stack.api.get(next_page)).json()
        FailuresBody.model_validate(page)
        failures += page["failures"]
        next_page = page["failures_next"]
    return failures


async def test_processes_and_failures_are_listed_newest_first_and_filtered(stack: RunningStack) -> None:
    complete, partial, missing, paused = (fresh_number() for _ in range(4))
    await stack.create_process(complete, 2)
    await stack.create_process(partial, 3)
    await stack.create_process(missing, 1, exists=False)
    await stack.inject_fault("sealed", partial, documents=[1])
    for number in (complete, partial, missing):
        await stack.request_download(number)
        await stack.wait_until_ended(number)
    await stack.create_process(paused, 3)
    # A paused run stays open, however slow the machine is. It is paused while it lists.
    await stack.set_latency(3)
    await stack.request_download(paused)
    (await stack.api.post(f"/processes/{paused}/pause")).raise_for_status()

    processes = await list_processes(stack, "/processes?court=TJMT&limit=2")
    # Processes of other tests are older, so they come later.
    assert [body["process_number"] for body in processes[:4]] == [paused, missing, partial, complete]
    assert [body["status"] for body in processes[:4]] == ["processing", "failed", "partial", "completed"]
    assert processes[0]["phase"] is not None
    assert len({body["process_number"] for body in processes}) == len(processes)
    status = await stack.get_status(partial)
    StatusBody.model_validate(status)
    assert {name: processes[2][name] for name in status if name not in OF_THE_STATUS_ALONE} == {
        name: value for name, value in status.items() if name not in OF_THE_STATUS_ALONE
    }

    for expected, number in (
        ("processing", paused),
        ("failed", missing),
        ("partial", partial),
        ("completed", complete),
    ):
        page = await list_processes(stack, f"/processes?status={expected}&limit=1")
        assert page[0]["process_number"] == number
        assert {body["status"] for body in page} == {expected}
    assert await list_processes(stack, "/processes?court=XYZ") == []
    assert await list_processes(stack, "/processes?court=tj%00mt") == []

    failures = await list_failures(stack, "/failures?limit=1")
    assert [body["process_number"] for body in failures[:2]] == [missing, partial]
    assert failures[0]["document"] is None
    document = failures[1]["document"]
    assert isinstance(document, dict)
    assert document == {
        name: (await stack.list_documents(partial))[1][name] for name in ("id", "name", "type", "filed_at")
    }
    sealed_failures = await list_failures(stack, "/failures?code=sealed&limit=1")
    assert sealed_failures[0] == failures[1]
    await stack.set_latency(0)
    (await stack.api.post(f"/processes/{paused}/resume")).raise_for_status()
    await stack.wait_until_ended(paused)


@pytest.mark.parametrize(
    ("address", "code"),
    [
        ("/processes?cursor=bm90aGluZw", "invalid_cursor"),
        ("/processes?cursor=", "invalid_cursor"),
        ("/failures?cursor=cDE3", "invalid_cursor"),
        ("/failures?cursor=%00%ff", "invalid_cursor"),
        ("/processes?status=done", "invalid_request"),
        ("/processes?limit=201", "invalid_request"),
        ("/failures?code=bad_luck", "invalid_request"),
        ("/failures?limit=0", "invalid_request"),
        ("/failures?court=TJMT", "invalid_request"),
    ],
)
async def test_an_invalid_query_of_a_list_is_refused(stack: RunningStack, address: str, code: str) -> None:
    answer = await stack.api.get(address)
    assert (answer.status_code, answer.json()["code"]) == (422, code)
