"""The routes of watches and of events, and their commands."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from tests.support.cli_commands import run_autos
from tests.support.numbers import fresh_number
from tests.support.stack import RunningStack


async def test_a_watch_is_made_read_changed_and_removed(stack: RunningStack) -> None:
    number = await stack.create_ended_run(1)
    path = f"/processes/{number}/watch"
    assert (await stack.api.get(path)).json()["code"] == "watch_unknown"
    made = (await stack.api.put(path)).raise_for_status().json()
    assert made == (await stack.api.get(path)).json() == (await stack.api.put(path, json={})).json()
    defaults = {"every_seconds": 86_400, "webhook_url": None, "notify": "new", "download": True, "state": "active"}
    assert {name: made[name] for name in defaults} == defaults
    until = datetime.fromisoformat(made["next_look_at"]) - datetime.fromisoformat(made["created_at"])
    # It was listed a moment ago.
    assert timedelta(0) < until <= timedelta(days=1)
    changed = (await stack.api.put(path, json={"every_seconds": 3600, "notify": "always"})).json()
    assert (changed["created_at"], changed["every_seconds"], changed["notify"]) == (
        made["created_at"],
        3600,
        "always",
    )
    for _ in range(2):
        removed = await stack.api.delete(path)
        assert (removed.status_code, removed.content) == (204, b"")
    assert (await stack.api.get(path)).status_code == 404


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"every_seconds": 3599}, 422),
        ({"every_seconds": 31 * 86_400 + 1}, 422),
        ({"every_seconds": "3600"}, 422),
        ({"every_seconds": 3600.0}, 200),
        ({"notify": "never"}, 422),
        ({"download": "no"}, 422),
        ({"unknown": 1}, 422),
        ({"webhook_url": "ftp://example.org/x"}, 422),
        ({"webhook_url": "http://user:password@example.org/x"}, 422),
    ],
)
async def test_what_a_watch_may_ask_for(stack: RunningStack, body: dict[str, object], status: int) -> None:
    number = fresh_number()
    await stack.create_process(number, 1)
    answer = await stack.api.put(f"/processes/{number}/watch", json=body)
    assert answer.status_code == status, answer.text
    known = await stack.api.get(f"/processes/{number}/watch")
    assert known.status_code == (200 if status == 200 else 404)
    await stack.api.delete(f"/processes/{number}/watch")


async def test_webhooks_of_watches_may_not_go_to_the_service_itself(stack: RunningStack) -> None:
    for address in (stack.addresses["api"], stack.addresses["s3"]):
        for method, path, extra in (
            ("PUT", f"/processes/{fresh_number()}/watch", {}),
            ("POST", "/watches", {"process_numbers": [fresh_number()]}),
        ):
            answer = await stack.api.request(method, path, json={"webhook_url": f"{address}/x", **extra})
            assert (answer.status_code, answer.json()["code"]) == (422, "invalid_webhook_url")


async def test_many_are_watched_with_an_answer_for_each(stack: RunningStack) -> None:
    first, second = fresh_number(), fresh_number()
    given = [first, "no number", second, first.replace("-", "").replace(".", "")]
    answer = await stack.api.post("/watches", json={"process_numbers": given, "download": False})
    body = answer.raise_for_status().json()
    assert [body[name] for name in ("watched", "invalid", "erased", "duplicates")] == [2, 1, 0, 1]
    assert [(item["position"], item["process_number"], item["state"]) for item in body["items"]] == [
        (1, first, "watched"),
        (2, None, "invalid"),
        (3, second, "watched"),
    ]
    assert body["items"][1]["problem"]["code"] == "invalid_process_number"
    page = (await stack.api.get("/watches", params={"limit": 1})).json()
    other = (await stack.api.get(page["watches_next"])).json()
    listed = [one["process_number"] for one in (*page["watches"], *other["watches"])]
    assert sorted(listed) == sorted([first, second])
    nothing = await stack.api.post("/watches", json={"process_numbers": ["no number"]})
    assert (nothing.status_code, nothing.json()["code"]) == (422, "no_valid_numbers")
    for number in (first, second):
        await stack.api.delete(f"/processes/{number}/watch")


async def test_the_commands_watch_list_and_remove(stack: RunningStack) -> None:
    number = await stack.create_ended_run(1)
    added = await run_autos(
        stack, "watch", "add", number, "--file", "-", "--every", "12h", "--list-only", stdin="no number\n"
    )
    assert (added.exit_code, added.stdout) == (6, "1 watched.\n")
    assert "no number" in added.stderr
    listed = await run_autos(stack, "watch", "list", "--json", "--limit", "0")
    [watched] = [one for one in listed.json_lines if one["process_number"] == number]
    assert (watched["every_seconds"], watched["download"]) == (43_200, False)
    assert number in (await run_autos(stack, "watch", "list", "--state", "active", AUTOS_LANG="pt")).stdout
    told = await run_autos(stack, "events", "--json", "--limit", "0")
    assert [one["type"] for one in told.json_lines if one["data"]["process_number"] == number] == [
        "process.completed"
    ]
    assert number in (await run_autos(stack, "events", "--limit", "0")).stdout
    removed = await run_autos(stack, "watch", "remove", number)
    assert removed.stdout == f"{number}: no longer watched.\n"
    left = await run_autos(stack, "watch", "list", "--json", "--limit", "0")
    assert number not in {one["process_number"] for one in left.json_lines}


async def test_events_are_read_a_few_at_a_time(stack: RunningStack) -> None:
    start = (await stack.api.get("/events", params={"limit": 100})).json()
    while start["has_more"]:
        start = (await stack.api.get(start["events_next"])).json()
    numbers = [await stack.create_ended_run(1) for _ in range(3)]
    first = (await stack.api.get("/events", params={"after": start["next_after"], "limit": 2})).json()
    second = (await stack.api.get(first["events_next"])).json()
    told = [*first["events"], *second["events"]]
    assert [event["data"]["process_number"] for event in told] == numbers
    assert (first["has_more"], second["has_more"], second["missed"]) == (True, False, False)
    # With links that open, as in a webhook.
    link = told[0]["data"]["documents"][0]["download_url"]
    assert (await stack.simulator.get(link)).status_code == 200
    assert (await stack.api.get("/events", params={"after": second["next_after"]})).json()["events"] == []
    for query in ({"after": -1}, {"limit": 0}, {"limit": 101}, {"unknown": 1}):
        assert (await stack.api.get("/events", params=query)).status_code == 422
