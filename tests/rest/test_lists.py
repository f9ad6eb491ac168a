"""What is there and what failed, over all processes, through the whole stack."""

from __future__ import annotations

import pytest

from api.lists import FailuresBody, ProcessesBody
from api.schemas import StatusBody
from tests.support.numbers import fresh_number
from tests.support.stack import RunningStack


async def listed(stack: RunningStack, address: str) -> list[dict[str, object]]:
    """Every process of a list, over all its pages."""
    found: list[dict[str, object]] = []
    following: str | None = address
    while following:
        page = (await stack.api.get(following)).json()
        ProcessesBody.model_validate(page)
        found += page["processes"]
        following = page["processes_next"]
    return found


async def failed(stack: RunningStack, address: str) -> list[dict[str, object]]:
    """Every failure of a list, over all its pages."""
    found: list[dict[str, object]] = []
    following: str | None = address
    while following:
        page = (await stack.api.get(following)).json()
        FailuresBody.model_validate(page)
        found += page["failures"]
        following = page["failures_next"]
    return found


async def test_what_is_there_and_what_failed_is_listed(stack: RunningStack) -> None:
    whole, some, missing, busy = (fresh_number() for _ in range(4))
    await stack.prepare(whole, 2)
    await stack.prepare(some, 3)
    await stack.prepare(missing, 1, exists=False)
    await stack.fault("sealed", some, documents=[1])
    for number in (whole, some, missing):
        await stack.request(number)
        await stack.ended(number)
    await stack.prepare(busy, 3)
    # However slow the machine is, its run lasts until it is let go on.
    await stack.latency(0.5)
    await stack.request(busy)
    (await stack.api.post(f"/processes/{busy}/pause")).raise_for_status()

    processes = await listed(stack, "/processes?court=TJMT&limit=2")
    # Whatever other tests have left there is older.
    assert [body["process_number"] for body in processes[:4]] == [busy, missing, some, whole]
    assert [body["status"] for body in processes[:4]] == ["processing", "failed", "partial", "completed"]
    assert processes[0]["phase"] is not None
    assert len({body["process_number"] for body in processes}) == len(processes)
    status = await stack.status(some)
    StatusBody.model_validate(status)
    assert {name: processes[2][name] for name in status if name != "failures_by_code"} == {
        name: value for name, value in status.items() if name != "failures_by_code"
    }

    for expected, number in (("processing", busy), ("failed", missing), ("partial", some), ("completed", whole)):
        page = await listed(stack, f"/processes?status={expected}&limit=1")
        assert page[0]["process_number"] == number
        assert {body["status"] for body in page} == {expected}
    assert await listed(stack, "/processes?court=XYZ") == []
    assert await listed(stack, "/processes?court=tj%00mt") == []

    failures = await failed(stack, "/failures?limit=1")
    assert [body["process_number"] for body in failures[:2]] == [missing, some]
    assert failures[0]["document"] is None
    document = failures[1]["document"]
    assert isinstance(document, dict)
    assert document == {name: (await stack.documents(some))[1][name] for name in ("id", "name", "type", "filed_at")}
    of_code = await failed(stack, "/failures?code=sealed&limit=1")
    assert of_code[0] == failures[1]
    await stack.latency(0)
    (await stack.api.post(f"/processes/{busy}/resume")).raise_for_status()
    await stack.ended(busy)


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
async def test_what_no_list_can_use_is_refused(stack: RunningStack, address: str, code: str) -> None:
    answer = await stack.api.get(address)
    assert (answer.status_code, answer.json()["code"]) == (422, code)
