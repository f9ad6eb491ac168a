"""A scratch disk without room ends a build with its code, and with nothing left behind."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from simulator.case import Document, Shape
from tests.e2e.bundles.conftest import create_bundle, request_bundle, wait_until_built
from tests.support.buckets import open_bucket
from tests.support.conditions import eventually
from tests.support.frozen_services import frozen_service
from tests.support.numbers import number_of_case
from tests.support.receiver import Receiver, running_receiver
from tests.support.stack import RunningStack, running_stack

DISK_BYTES = 40 * 1024**2
# Three times four of these files, and sixteen megabytes, are less than the disk; three times eight are more.
FITTING = {"documents": 4, "size_bytes": 1_500_000}
TOO_LARGE = {"documents": 16, "size_bytes": 1_500_000}


@pytest.fixture(scope="module")
def small_disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A disk of forty megabytes."""
    folder = tmp_path_factory.mktemp("small-disk")
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", str(folder)], check=False
    )
    if mounted.returncode:
        pytest.skip("no right to mount a small disk")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.fixture(scope="module")
async def small_stack(tmp_path_factory: pytest.TempPathFactory, small_disk: Path) -> AsyncIterator[RunningStack]:
    """A stack whose bundles are built on the small disk."""
    async with running_stack(tmp_path_factory.mktemp("small"), AUTOS_SCRATCH_DIR=str(small_disk)) as stack:
        yield stack


def list_folders(disk: Path) -> list[Path]:
    """Return the folders of builds on a disk."""
    return list(disk.glob("bundle-*"))


def fill(disk: Path) -> Path:
    """Fill a disk, and return the file that does."""
    filler = disk / "filler"
    with suppress(OSError):
        filler.write_bytes(bytes(shutil.disk_usage(disk).free))
    return filler


def is_pdf(document: Document) -> bool:
    """Whether a document of the simulated court is a PDF."""
    return document.media_type == "application/pdf"


async def only_pdfs(stack: RunningStack, number: str) -> list[str]:
    """Return the ids of a process's PDFs, which are not converted."""
    documents = await stack.list_documents(number)
    return [each["id"] for each in documents if each["media_type"] == "application/pdf"]


async def test_a_bundle_that_does_not_fit_is_refused_at_once(small_stack: RunningStack, small_disk: Path) -> None:
    stack = small_stack
    # What kinds of documents a process has depends on its number.
    shape = Shape(documents=TOO_LARGE["documents"], size_bytes=TOO_LARGE["size_bytes"])
    number = number_of_case(shape, lambda case: sum(map(is_pdf, case.documents)) >= 8)
    await stack.create_process(number, **TOO_LARGE)
    await stack.request_download(number)
    await stack.wait_until_ended(number)
    ids = (await only_pdfs(stack, number))[:8]
    assert len(ids) == 8
    requested = await request_bundle(stack, number, document_ids=ids)
    bundle = await wait_until_built(stack, requested.json())
    assert (bundle["state"], bundle["failure"]["code"]) == ("failed", "scratch_full")
    assert "AUTOS_SCRATCH_DIR" in bundle["failure"]["answer"]
    assert list_folders(small_disk) == []
    # A ZIP needs a third of it.
    assert (await create_bundle(stack, number, format="zip", document_ids=ids))["state"] == "ready"


@pytest.fixture
def receiver(small_stack: RunningStack) -> Iterator[Receiver]:
    """A webhook receiver that knows the stack's secret."""
    with running_receiver(small_stack.addresses["webhook_secret"]) as running:
        yield running


async def test_a_disk_that_fills_up_meanwhile_ends_the_build_and_that_is_told(
    small_stack: RunningStack, small_disk: Path, receiver: Receiver
) -> None:
    stack = small_stack
    number = await stack.create_ended_run(**FITTING)
    ids = await only_pdfs(stack, number)
    # The build has its folder, but reads no document before the disk is full.
    with frozen_service(stack, "s3"):
        wanted = {"document_ids": ids, "webhook_url": f"{receiver.url}/{number}"}
        requested = (await request_bundle(stack, number, **wanted)).json()

        async def begun() -> bool:
            return bool(list_folders(small_disk))

        await eventually(begun, "the folder of the build")
        filler = fill(small_disk)

    bundle = await wait_until_built(stack, requested)

    assert (bundle["state"], bundle["failure"]["code"]) == ("failed", "scratch_full")
    assert list_folders(small_disk) == []
    async with open_bucket(stack) as bucket:
        assert await bucket.list_uploads_under(f"bundles/{number}/") == []
    [failed] = await receiver.wait_for_events(f"/{number}")
    assert (failed.event["type"], failed.event["data"]["bundle"]) == ("bundle.failed", bundle)

    filler.unlink()
    assert (await create_bundle(stack, number, document_ids=ids))["id"] == bundle["id"]
    [_, ready] = await receiver.wait_for_events(f"/{number}", 2)
    assert (ready.event["type"], ready.event["data"]["bundle"]["state"]) == ("bundle.ready", "ready")
