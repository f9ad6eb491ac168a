"""The commands of operators: status, pause, resume, cancel, failures, retry, deliveries."""

from __future__ import annotations

from tests.support.cli_commands import run_autos
from tests.support.conditions import eventually
from tests.support.numbers import fresh_number
from tests.support.open_runs import slow_down, wait_until_idle
from tests.support.scripted_server import always, answer, scripted
from tests.support.stack import RunningStack


async def test_status_prints_text_or_json(stack: RunningStack) -> None:
    number = fresh_number()
    await stack.create_process(number, 4)
    await stack.set_latency(0.2)
    await stack.request_download(number)

    waited = await run_autos(stack, "status", number, "--wait", "60", "--json")
    shown = await run_autos(stack, "status", number)
    unknown = await run_autos(stack, "status", fresh_number())

    assert [each["status"] for each in waited.json_lines] == ["completed"]
    assert (shown.exit_code, shown.stderr) == (0, "")
    assert "4 of 4 documents available" in shown.stdout
    assert (unknown.exit_code, unknown.stdout) == (3, "")
    assert "process_unknown" in unknown.stderr


async def test_pause_resume_and_cancel_print_the_status(stack: RunningStack) -> None:
    number = fresh_number()
    await stack.create_process(number, 250)
    slow = await slow_down(stack, number, 250)
    await stack.request_download(number)
    await stack.wait_until_available(number, 1)

    results = [await run_autos(stack, act, number, "--json") for act in ("pause", "resume")]
    # A cancelled run first finishes its downloads under way, and the command waits two seconds at most.
    (await stack.post_action(number, "pause")).raise_for_status()
    await stack.end_fault(slow)
    await wait_until_idle(stack, number)
    results.append(await run_autos(stack, "cancel", number, "--json"))
    refused = await run_autos(stack, "pause", number)

    assert [each.exit_code for each in results] == [0, 0, 0]
    assert [each.json_lines[0]["phase"] for each in results[:2]] == ["paused", "downloading"]
    assert results[2].json_lines[0]["run"]["outcome"] == "cancelled"
    assert (refused.exit_code, refused.stdout) == (7, "")
    assert "(HTTP 409, no_open_run, request " in refused.stderr


async def test_failures_are_listed_and_retried(stack: RunningStack) -> None:
    number = fresh_number()
    await stack.create_process(number, 2)
    sealed = await stack.inject_fault("sealed", number, documents=[1])
    await stack.request_download(number)
    await stack.wait_until_ended(number)

    listed = await run_autos(stack, "failures", "--code", "sealed", "--json")
    shown = await run_autos(stack, "failures")
    await stack.end_fault(sealed)
    retried = await run_autos(stack, "retry", number, "--json")
    await stack.wait_until_ended(number)
    refused = await run_autos(stack, "retry", number)

    mine = [each for each in listed.json_lines if each["process_number"] == number]
    assert [(each["failure"]["code"], each["failure"]["retryable"]) for each in mine] == [("sealed", False)]
    assert shown.stdout.startswith("PROCESS")
    assert number in shown.stdout
    assert (retried.exit_code, retried.json_lines[0]["retried_documents"]) == (0, 1)
    assert (refused.exit_code, refused.stdout) == (7, "")
    assert "nothing_to_retry" in refused.stderr


async def test_deliveries_are_listed_redelivered_and_their_endpoints_enabled(stack: RunningStack) -> None:
    async with scripted(always(answer(410))) as gone:
        (sent,) = (await run_autos(stack, "deliveries", "test", gone.origin, "--json")).json_lines
        assert (sent["event_type"], sent["url"]) == ("webhook.test", gone.origin)

        async def has_failed() -> bool:
            listed = (await run_autos(stack, "deliveries", "--status", "failed", "--json")).json_lines
            return sent["id"] in {each["id"] for each in listed}

        async def list_endpoint_ids() -> dict[str, str]:
            return {
                each["url"]: each["id"]
                for each in (await run_autos(stack, "deliveries", "endpoints", "--json")).json_lines
            }

        await eventually(has_failed, "the end of it")
        assert gone.origin in (await run_autos(stack, "deliveries")).stdout
        endpoint = (await list_endpoint_ids())[gone.origin]
        enabled = await run_autos(stack, "deliveries", "enable", endpoint)
        assert (enabled.exit_code, enabled.stdout) == (0, f"Events go to {gone.origin} again.\n")
        assert gone.origin not in await list_endpoint_ids()

        again = await run_autos(stack, "deliveries", "redeliver", "--failed-since", sent["created_at"])
        assert (again.exit_code, again.stdout) == (0, "1 are sent once more.\n")
        await eventually(has_failed, "the end of it, again")
        once_more = await run_autos(stack, "deliveries", "redeliver", sent["id"])
        assert (once_more.exit_code, once_more.stdout) == (0, f"webhook.test is sent to {gone.origin} once more.\n")
        await eventually(has_failed, "the end of it, once more")
        assert {request.headers["webhook-id"] for request in gone.requests} == {sent["id"]}
        assert len(gone.requests) == 3
    for wrong in ((), (sent["id"], "--failed-since", "2026-01-01"), ("--failed-since", "yesterday")):
        refused = await run_autos(stack, "deliveries", "redeliver", *wrong)
        assert (refused.exit_code, refused.stdout, refused.stderr.count("\n")) == (2, "", 1)


async def test_refused_key_is_followed_by_where_it_is_read_from(stack: RunningStack) -> None:
    problem = b'{"code": "unauthorized", "detail": "Send a valid API key.", "status": 401}'
    async with scripted(always(answer(401, problem, content_type="application/problem+json"))) as server:
        refused = await run_autos(stack, "status", fresh_number(), AUTOS_PUBLIC_URL=server.origin)
    assert refused.exit_code == 7
    assert refused.stderr.endswith(" The key is read from AUTOS_API_KEY.\n")
