"""`autos audit` over a running stack: what it finds is repaired, and the next request downloads it again."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from adapters.database import Catalog, Database
from adapters.storage import open_s3
from adapters.temporal.schedules import AUDIT_STORE
from autos_client_cli.errors import ExitCode
from domain.audit import FindingKind
from tests.support.buckets import open_bucket, storage_address
from tests.support.cli_commands import CommandResult, run_autos
from tests.support.conditions import eventually
from tests.support.numbers import fresh_number
from tests.support.stack import RunningStack

pytestmark = pytest.mark.thorough


def by_kind(result: CommandResult) -> dict[str, list[str]]:
    """Return the keys of the findings that were printed, by kind."""
    kinds: dict[str, list[str]] = {}
    for line in result.json_lines[:-1]:
        kinds.setdefault(line["kind"], []).append(line["key"])
    return kinds


def summary_of(result: CommandResult) -> dict[str, Any]:
    """Return the summary that was printed last."""
    summary: dict[str, Any] = result.json_lines[-1]["summary"]
    return summary


async def read_digests(stack: RunningStack, number: str) -> dict[str, str]:
    """Return the SHA-256 of the bytes that a client gets of each document."""
    digests = {}
    for document in await stack.list_documents(number):
        answer = await stack.api.get(
            f"/processes/{number}/documents/{document['id']}/content", follow_redirects=True
        )
        digests[document["id"]] = hashlib.sha256(answer.content).hexdigest()
    return digests


async def test_damage_is_found_repaired_and_downloaded_again(stack: RunningStack) -> None:
    number = await stack.create_ended_run(5)
    before = await read_digests(stack, number)
    async with open_bucket(stack) as bucket:
        deleted, flipped, truncated, *_ = await bucket.list_keys(number)
    address = storage_address(stack)
    async with open_s3(address) as s3:
        await s3.delete_object(Bucket=address.bucket, Key=deleted)
        for key, end in ((flipped, b"?"), (truncated, b"")):
            response = await s3.get_object(Bucket=address.bucket, Key=key)
            async with response["Body"] as stream:
                body = await stream.read()
            await s3.put_object(Bucket=address.bucket, Key=key, Body=body[:-1] + end)

    found = await run_autos(stack, "audit", number, "--json")

    assert found.exit_code == ExitCode.PARTIAL, found.stderr
    assert by_kind(found) == {"missing": [deleted], "wrong_hash": [flipped], "wrong_size": [truncated]}
    assert {line["state"] for line in found.json_lines[:-1]} == {"found"}
    assert summary_of(found)["found"] == {"missing": 1, "wrong_hash": 1, "wrong_size": 1}
    # Only looked at.
    assert (await stack.get_status(number))["status"] == "completed"

    repaired = await run_autos(stack, "audit", "--repair", number)

    assert repaired.exit_code == ExitCode.OK, repaired.stderr
    assert repaired.stdout.count("repaired") == 3
    assert f"autos get {number}" in repaired.stderr
    status = await stack.get_status(number)
    assert (status["status"], status["available_documents"]) == ("pending", 2)
    for document in await stack.list_documents(number):
        assert (document["download_url"] is None) == (document["status"] == "pending")
    assert (await run_autos(stack, "audit", number)).exit_code == ExitCode.OK

    await stack.request_download(number)
    assert (await stack.wait_until_ended(number))["status"] == "completed"
    assert await read_digests(stack, number) == before
    clean = await run_autos(stack, "audit", "--full", number, "--json")
    assert (clean.exit_code, summary_of(clean)["ok"], summary_of(clean)["objects_read"]) == (0, True, 5)


async def test_a_running_download_is_not_reported(stack: RunningStack) -> None:
    number = fresh_number()
    await stack.create_process(number, 40)
    await stack.set_latency(0.5)
    await stack.request_download(number)
    await stack.wait_until_available(number, 4)
    result = await run_autos(stack, "audit", number, "--json", "--full")
    assert (result.exit_code, by_kind(result)) == (0, {}), result.stderr
    assert (await stack.wait_until_ended(number))["status"] == "completed"


async def test_the_schedule_audits_the_bucket_and_the_metrics_say_what_it_found(
    stack: RunningStack, database: Database
) -> None:
    await stack.create_ended_run(2)
    audits = Catalog(database).audits
    await stack.temporal.get_schedule_handle(AUDIT_STORE.id).trigger()
    last = await eventually(audits.last, "the end of an audit", seconds=60)
    assert last.counts.contents >= 2
    assert last.counts.objects_read
    lines = (await stack.api.get("/metrics")).text.splitlines()
    for kind in FindingKind:
        assert f'autos_audit_findings{{kind="{kind}"}} {float(last.remaining.get(kind, 0))}' in lines
    assert "autos_audit_age_seconds NaN" not in lines


@pytest.mark.parametrize(
    ("arguments", "variables", "code", "says"),
    [
        (["audit", "1011745-77.2025.8.11.0042"], {}, ExitCode.USAGE, "digit"),
        (["audit", "--force"], {}, ExitCode.USAGE, "--repair"),
        (["audit"], {"AUTOS_S3_BUCKET": "there-is-none"}, ExitCode.UNAVAILABLE, "AUTOS_S3_BUCKET"),
        (["audit"], {"AUTOS_S3_ENDPOINT_URL": "http://127.0.0.1:9"}, ExitCode.UNAVAILABLE, "ended early"),
        (["audit"], {"AUTOS_DATABASE_URL": "sqlite:////nowhere/autos.db"}, ExitCode.UNAVAILABLE, "database"),
    ],
)
async def test_an_audit_that_cannot_be_done_says_why_and_finds_nothing(
    stack: RunningStack, arguments: list[str], variables: dict[str, str], code: ExitCode, says: str
) -> None:
    result = await run_autos(stack, *arguments, **variables)
    assert (result.exit_code, result.stdout) == (code, ""), result.stderr
    assert says in result.stderr


async def test_an_empty_bucket_is_not_repaired_without_force(stack: RunningStack, database: Database) -> None:
    await stack.create_ended_run(1)
    address = storage_address(stack)
    async with open_s3(address) as s3:
        await s3.create_bucket(Bucket="an-empty-one")
    result = await run_autos(stack, "audit", "--repair", "--json", AUTOS_S3_BUCKET="an-empty-one")
    assert result.exit_code == ExitCode.FATAL, result.stderr
    assert "is it the right bucket?" in result.stderr
    assert "right bucket" in summary_of(result)["refusal"]
    assert {line["state"] for line in result.json_lines[:-1]} <= {"kept"}
    # It says nothing about the stack's own bucket.
    last = await Catalog(database).audits.last()
    assert last is None or last.counts.objects
