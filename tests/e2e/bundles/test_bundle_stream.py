"""The progress of a build as server-sent events."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from autos_client import ApiProblem, AsyncAutos
from tests.e2e.bundles.conftest import create_bundle, request_bundle, wait_until_built
from tests.support.frozen_services import frozen_service
from tests.support.sse import open_stream_at
from tests.support.stack import RunningStack

DOCUMENTS = 12
SIZE_BYTES = 60_000


async def test_a_build_is_followed_to_its_end(bundle_stack: RunningStack) -> None:
    stack = bundle_stack
    number = await stack.create_ended_run(DOCUMENTS, size_bytes=SIZE_BYTES)
    with ExitStack() as freezing:
        freezing.enter_context(frozen_service(stack, "worker"))
        requested = (await request_bundle(stack, number)).json()
        path = f"/processes/{number}/bundles/{requested['id']}"
        async with open_stream_at(stack.api, f"{path}/events") as stream:
            assert stream.answer.headers["content-type"].startswith("text/event-stream")
            events = [await anext(stream)]
            freezing.close()
            events += [event async for event in stream]

    assert [event.kind for event in events] == ["progress"] * (len(events) - 1) + ["ended"]
    assert len(events) > 1
    assert {event.status["state"] for event in events[:-1]} == {"building"}
    for unit in ("documents", "pages", "bytes"):
        counts = [event.status["progress"][unit] for event in events]
        assert counts == sorted(counts)
    last = events[-1].status
    assert last["progress"]["documents"] == DOCUMENTS
    bundle = (await stack.api.get(path)).json()
    assert last == bundle | {"download_url": None, "download_url_expires_at": None}
    assert bundle["state"] == "ready"
    assert bundle["download_url"]

    async with open_stream_at(stack.api, f"{path}/events", events[-1].id) as again:
        assert again.answer.status_code == 204
    async with open_stream_at(stack.api, f"{path}/events", events[0].id) as resumed:
        assert [event.status async for event in resumed] == [last]
    head = await stack.api.head(f"{path}/events")
    assert (head.status_code, head.content) == (200, b"")


async def test_a_stream_of_a_build_that_is_ended_from_outside_ends_too(bundle_stack: RunningStack) -> None:
    stack = bundle_stack
    number = await stack.create_ended_run(DOCUMENTS, size_bytes=SIZE_BYTES)

    with frozen_service(stack, "worker"):
        requested = (await request_bundle(stack, number)).json()
        path = f"/processes/{number}/bundles/{requested['id']}/events"
        async with open_stream_at(stack.api, path) as stream:
            assert (await anext(stream)).kind == "progress"
            await stack.temporal.get_workflow_handle(f"bundle-{requested['id']}").terminate()
            *_, last = [event async for event in stream]

    assert (last.kind, last.status["state"], last.status["failure"]["code"]) == ("ended", "failed", "interrupted")


async def test_a_bundle_that_is_not_there_has_no_stream(bundle_stack: RunningStack) -> None:
    stack = bundle_stack
    number = await stack.create_ended_run(1)
    for path in (f"/processes/{number}/bundles/{'0' * 64}/events", f"/processes/{number}/bundles/nonsense/events"):
        answer = await stack.api.get(path)
        assert answer.status_code in (404, 422), answer.text
        assert answer.headers["content-type"] == "application/problem+json"


async def test_the_client_follows_a_build(bundle_stack: RunningStack) -> None:
    stack = bundle_stack
    number = await stack.create_ended_run(DOCUMENTS, size_bytes=SIZE_BYTES)
    async with AsyncAutos(stack.addresses["api"]) as autos:
        requested = await autos.request_bundle(number)
        states = [each.state async for each in autos.watch_bundle(requested)]
        assert states[-1] == "ready"
        assert set(states[:-1]) <= {"building"}

        other = await create_bundle(stack, await stack.create_ended_run(1))
        ready = await autos.bundle(other["process_number"], other["id"])
        assert [each.state async for each in autos.watch_bundle(ready)] == ["ready"]
        unknown = ready.model_copy(update={"id": "0" * 64})
        with pytest.raises(ApiProblem) as refused:
            [each async for each in autos.watch_bundle(unknown)]
        assert refused.value.code == "bundle_unknown"
    await wait_until_built(stack, other)
