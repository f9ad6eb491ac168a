"""Encrypted payloads on a real stack: what Temporal stores, and keys that come, go and are missing."""

from __future__ import annotations

import asyncio
import base64
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import expect
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.exceptions import ApplicationError

from adapters.security.encryption import PayloadEncryptor
from adapters.temporal.payload_codec import EncryptingCodec, create_data_converter
from tests.support.api_service import running_api_beside
from tests.support.browser import chromium, visiting
from tests.support.conditions import eventually
from tests.support.numbers import fresh_number
from tests.support.open_runs import slow_down
from tests.support.paths import CLI
from tests.support.payload_keys import new_payload_key
from tests.support.receiver import running_receiver
from tests.support.stack import RunningStack, clean_environment, running_stack
from workflows.download_process import DownloadProcess

OLD, NEW = new_payload_key(), new_payload_key()
# Temporal indexes these, so they stay in the clear.
_INDEXED = "indexedFields"
_SHOWN_MILLISECONDS = 30_000


@asynccontextmanager
async def stack_with_keys(folder: Path, *keys: str) -> AsyncIterator[tuple[RunningStack, Client]]:
    """Start a stack with these keys in a folder, which may have been that of a stack with others.

    Yields the stack, whose client of Temporal has the keys too, and a client without any.
    """
    variables = {"AUTOS_PAYLOAD_KEY": ",".join(keys)} if keys else {}
    async with running_stack(folder, **variables) as stack:
        plain = stack.temporal
        if keys:
            converter = create_data_converter(PayloadEncryptor(list(keys)))
            stack.temporal = await Client.connect(stack.addresses["temporal"], data_converter=converter)
        yield stack, plain


def find_payloads(content: object, place: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Find every payload in a history, with its place. Search attributes are left out."""
    if isinstance(content, list):
        for item in content:
            yield from find_payloads(item, place)
    elif isinstance(content, dict) and "encoding" in content.get("metadata", {}):
        yield place, content
    elif isinstance(content, dict):
        for name, value in content.items():
            if name != _INDEXED:
                yield from find_payloads(value, f"{place}.{name}")


def find_failures(content: object) -> Iterator[dict[str, Any]]:
    """Find every failure in a history, causes included."""
    if isinstance(content, list):
        for item in content:
            yield from find_failures(item)
    elif isinstance(content, dict):
        if "message" in content and any(name.endswith("FailureInfo") for name in content):
            yield content
        for value in content.values():
            yield from find_failures(value)


def encoding_of(payload: dict[str, Any]) -> str:
    """Return the encoding in a payload's metadata."""
    return base64.b64decode(payload["metadata"]["encoding"]).decode()


def assert_is_encrypted(history: dict[str, Any]) -> None:
    """Assert that a history has payloads, and all of them are encrypted."""
    found = list(find_payloads(history))
    assert found
    assert [place for place, payload in found if encoding_of(payload) != "binary/encrypted"] == []


async def fetch_history(client: Client, workflow_id: str) -> dict[str, Any]:
    """Return the history of a workflow's last run."""
    return (await client.get_workflow_handle(workflow_id).fetch_history()).to_json_dict()


async def create_paused_run(stack: RunningStack) -> str:
    """Create a process whose run has downloaded something and is paused. Returns its number."""
    number = fresh_number()
    await stack.create_process(number, 120)
    slow = await slow_down(stack, number, 120)
    await stack.request_download(number)
    await stack.wait_until_available(number, 2)
    assert (await stack.post_action(number, "pause")).is_success
    await stack.end_fault(slow)
    return number


async def test_every_payload_and_failure_is_stored_encrypted(tmp_path: Path) -> None:
    async with stack_with_keys(tmp_path, NEW) as (stack, plain):
        number = fresh_number()
        await stack.create_process(number, 3)
        await stack.inject_fault("sealed", number, documents=[1])
        with running_receiver(stack.addresses["webhook_secret"]) as receiver:
            await stack.request_download(number, webhook_url=f"{receiver.url}/{number}")
            status = await stack.wait_until_ended(number)
            [received] = await receiver.wait_for_events(f"/{number}")
        assert (status["available_documents"], status["failed_documents"]) == (2, 1)

        delivery = f"webhook-{received.event_id}"
        run, sent = await fetch_history(plain, number), await fetch_history(plain, delivery)
        for history in (run, sent):
            assert_is_encrypted(history)
        failures = list(find_failures(run))
        assert failures
        assert {(failure["message"], failure.get("stackTrace", "")) for failure in failures} == {
            ("Encoded failure", "")
        }
        # Ids of documents, of the client's request and of the event, and texts for people, appear nowhere.
        texts = [*(document["id"] for document in await stack.list_documents(number)), "Downloads every"]
        assert [text for text in texts if text in str(run)] == []
        assert received.event_id not in str([payload for _, payload in find_payloads(sent)])

        # With the key, all of it is there.
        keyed = EncryptingCodec(PayloadEncryptor([NEW]))
        events = (await stack.temporal.get_workflow_handle(number).fetch_history()).events
        [failed] = [event for event in events if event.HasField("activity_task_failed_event_attributes")]
        failure = failed.activity_task_failed_event_attributes.failure
        await keyed.decode_failure(failure)
        error = create_data_converter(None).failure_converter.from_failure(
            failure, create_data_converter(None).payload_converter
        )
        assert isinstance(error, ApplicationError)
        assert error.message not in ("", "Encoded failure")
        assert error.message not in str(run)
        described = await stack.temporal.get_workflow_handle(number).describe()
        assert number in str(await described.static_summary())
        assert "request_id" in await described.memo()
        raw = await plain.get_workflow_handle(number).describe()
        assert {value.metadata["encoding"] for value in raw.raw_info.memo.fields.values()} == {b"binary/encrypted"}

        # The logs of the services name the key by its id, and nothing has the key.
        assert PayloadEncryptor([NEW]).key_id in stack.stderr.read_text()
        assert NEW not in stack.stderr.read_text()
        assert not any(NEW.encode() in path.read_bytes() for path in stack.data_dir.glob("temporal.db*"))


async def test_open_runs_outlive_that_encryption_is_switched_on_its_key_rotated_and_forgotten(
    tmp_path: Path,
) -> None:
    async with stack_with_keys(tmp_path) as (stack, _):
        from_before = await create_paused_run(stack)

    async with stack_with_keys(tmp_path, OLD) as (stack, plain):
        await stack.create_process(from_before, 120)
        assert (await stack.post_action(from_before, "resume")).is_success
        assert (await stack.wait_until_ended(from_before))["status"] == "completed"
        encodings = [encoding_of(payload) for _, payload in find_payloads(await fetch_history(plain, from_before))]
        assert encodings[0] != "binary/encrypted"
        assert encodings[-1] == "binary/encrypted"
        under_old_key = await create_paused_run(stack)

    async with stack_with_keys(tmp_path) as (stack, _):
        # The run cannot go on, and says why. Nothing of it is lost.
        answer = await stack.post_action(under_old_key, "resume")
        assert (answer.status_code, answer.json()["code"]) == (503, "not_ready")

        async def said() -> bool:
            lines = [line for line in stack.stderr.read_text().splitlines() if '"payload unreadable"' in line]
            return any("AUTOS_PAYLOAD_KEY is not set" in line for line in lines)

        await eventually(said, "what is missing is logged")
        run = await stack.temporal.get_workflow_handle(under_old_key).describe()
        assert run.status is WorkflowExecutionStatus.RUNNING

    async with stack_with_keys(tmp_path, NEW, OLD) as (stack, plain):
        await stack.create_process(under_old_key, 120)
        await stack.temporal.get_workflow_handle(under_old_key).execute_update(DownloadProcess.resume)
        assert (await stack.wait_until_ended(under_old_key))["status"] == "completed"
        history = await fetch_history(plain, under_old_key)
        assert_is_encrypted(history)
        used = {
            base64.b64decode(payload["metadata"]["encryption-key-id"]).decode()
            for _, payload in find_payloads(history)
        }
        assert used == {PayloadEncryptor([OLD]).key_id, PayloadEncryptor([NEW]).key_id}


@pytest.mark.parametrize("service", ["api", "worker"])
def test_a_key_that_cannot_be_used_is_one_sentence(service: str, tmp_path: Path) -> None:
    answer = subprocess.run(
        [sys.executable, str(CLI), service],
        cwd=tmp_path,
        env=clean_environment(AUTOS_PAYLOAD_KEY="not a key", AUTOS_WEBHOOK_SECRET="whsec_" + "A" * 43 + "="),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert answer.returncode == 2
    assert "AUTOS_PAYLOAD_KEY must be the URL-safe base64 of 32 bytes" in answer.stderr
    assert "Traceback" not in answer.stderr
    assert "not a key" not in answer.stderr


async def test_temporals_ui_and_command_show_what_the_codec_decrypts(tmp_path: Path) -> None:
    key = "the operators own key"
    async with stack_with_keys(tmp_path, NEW) as (stack, _), chromium() as browser:
        number = await stack.create_ended_run(2)
        ui = stack.addresses["temporal_ui"]
        async with (
            running_api_beside(stack, AUTOS_API_KEY=key, AUTOS_PAYLOAD_KEY=NEW, AUTOS_CODEC_ORIGINS=ui) as api,
            visiting(browser, ui) as visitor,
        ):
            page = visitor.page
            # The UI keeps its user's codec in the browser.
            await visitor.open("/")
            await page.evaluate(
                "values => Object.entries(values).forEach(([name, value]) => localStorage.setItem(name, value))",
                {"endpoint": f'"{api.url}/codec"', "includeCredentials": "true"}
                | {"passAccessToken": "false", "overrideRemoteCodecConfiguration": "true"},
            )
            await visitor.open(f"/namespaces/default/workflows/{number}")
            refused = page.locator("#content").get_by_text("Codec Server could not connect")
            await expect(refused).to_be_visible(timeout=_SHOWN_MILLISECONDS)
            await expect(page.get_by_text('"available_documents"')).to_have_count(0)

            await page.goto(f"{api.url}/")
            await page.locator("#key").fill(key)
            await page.keyboard.press("Enter")
            await expect(page.get_by_role("button", name="Sign out")).to_be_visible(timeout=_SHOWN_MILLISECONDS)
            await visitor.open(f"/namespaces/default/workflows/{number}")
            await expect(page.get_by_text('"available_documents"').first).to_be_visible(timeout=_SHOWN_MILLISECONDS)
            await expect(page.get_by_text("document 1 of 2").first).to_be_visible(timeout=_SHOWN_MILLISECONDS)
            await expect(refused).to_have_count(0)

        async with running_api_beside(stack, AUTOS_PAYLOAD_KEY=NEW, AUTOS_CODEC_ORIGINS=ui) as api:
            command = await asyncio.create_subprocess_exec(
                *(
                    Path(sys.executable).with_name("temporal"),
                    "workflow",
                    "result",
                    "--workflow-id",
                    number,
                    "--output",
                    "json",
                ),
                *("--address", stack.addresses["temporal"], "--codec-endpoint", f"{api.url}/codec"),
                stdout=asyncio.subprocess.PIPE,
                env=clean_environment(),
            )
            printed, _ = await asyncio.wait_for(command.communicate(), 60)
        assert json.loads(printed)["result"]["available_documents"] == 2
