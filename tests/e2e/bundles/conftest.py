"""A stack whose bundles are built, killed, cancelled and deleted."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx2
import pytest
from temporalio.client import WorkflowFailureError

from tests.support.buckets import Bucket, open_bucket
from tests.support.conditions import eventually
from tests.support.secret_leaks import find_leaks
from tests.support.stack import RunningStack, running_stack

Json = dict[str, Any]


@pytest.fixture(scope="session")
async def bundle_stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RunningStack]:
    """A stack for these tests alone."""
    async with running_stack(tmp_path_factory.mktemp("bundles")) as stack:
        yield stack
        assert find_leaks(stack) == []


@pytest.fixture
async def bucket(bundle_stack: RunningStack) -> AsyncIterator[Bucket]:
    """The stack's bucket."""
    async with open_bucket(bundle_stack) as bucket:
        yield bucket


def scratch_folders(stack: RunningStack) -> list[Path]:
    """Return the folders on the stack's scratch disk."""
    return sorted((stack.data_dir / "scratch").glob("bundle-*"))


async def request_bundle(stack: RunningStack, number: str, **body: Any) -> httpx2.Response:
    """Request a bundle, as a PDF unless the body says otherwise."""
    return await stack.api.post(f"/processes/{number}/bundles", json={"format": "pdf", **body})


async def get_bundle(stack: RunningStack, number: str, bundle_id: str) -> Json:
    """Return a bundle."""
    body: Json = (await stack.api.get(f"/processes/{number}/bundles/{bundle_id}")).raise_for_status().json()
    return body


async def wait_until_built(stack: RunningStack, bundle: Json, *, seconds: float = 90.0) -> Json:
    """Wait until a bundle is ready or has failed, and return it."""

    async def built() -> Json | None:
        current = await get_bundle(stack, bundle["process_number"], bundle["id"])
        return current if current["state"] != "building" else None

    return await eventually(built, f"the end of the build of {bundle['id']}", seconds=seconds)


async def wait_until_tidied(stack: RunningStack, bundle_id: str) -> None:
    """Wait until the execution that builds a bundle has ended. It tidies up after the bundle is ready."""
    with suppress(WorkflowFailureError):
        async with asyncio.timeout(60):
            await stack.temporal.get_workflow_handle(f"bundle-{bundle_id}").result()


async def create_bundle(stack: RunningStack, number: str, **body: Any) -> Json:
    """Request a bundle, and return it when it is ready."""
    answer = await request_bundle(stack, number, **body)
    assert answer.status_code in (200, 202), answer.text
    bundle = await wait_until_built(stack, answer.json())
    assert bundle["state"] == "ready", bundle
    return bundle


async def download(bundle: Json) -> bytes:
    """Return the bytes behind a bundle's link."""
    async with httpx2.AsyncClient(timeout=60) as client:
        return (await client.get(bundle["download_url"])).raise_for_status().content


async def list_builds(stack: RunningStack, bundle_id: str) -> list[str]:
    """Return the ids of all executions that have built a bundle."""
    query = f"WorkflowId = 'bundle-{bundle_id}'"
    return [run.run_id async for run in stack.temporal.list_workflows(query)]
