"""The case as a client sees it: simulated filings and re-indexings become changes, or none."""

from __future__ import annotations

from typing import Any

from tests.support.cli_commands import run_autos
from tests.support.numbers import fresh_number
from tests.support.stack import RunningStack


async def list_again(stack: RunningStack, number: str) -> None:
    """Have the court asked once more, and wait for the end of the run."""
    await stack.request_download(number, max_age=0)
    await stack.wait_until_ended(number)


async def get_changes(stack: RunningStack, number: str, after: int = 0) -> list[dict[str, Any]]:
    """Return the changes of a process."""
    answer = await stack.api.get(f"/processes/{number}/changes", params={"after": after})
    changes: list[dict[str, Any]] = answer.raise_for_status().json()["changes"]
    return changes


async def test_what_is_filed_is_new_and_what_is_indexed_again_is_not(stack: RunningStack) -> None:
    number = fresh_number()
    await stack.create_process(number, 12, size_bytes=2_000)
    await stack.request_download(number)
    await stack.wait_until_ended(number)
    assert await get_changes(stack, number) == []

    await stack.order(number, "days", days=3)
    await stack.order(number, "filing")
    await stack.order(number, "movement", secrecy=2)
    await list_again(stack, number)
    changes = await get_changes(stack, number)
    assert [change["kind"] for change in changes] == ["document_added", "movement_added", "movement_added"]
    added = changes[0]["document"]["id"]

    # The same papers under new ids: recognized by their numbers, and then by their bytes.
    await stack.order(number, "reindex")
    await list_again(stack, number)
    assert await get_changes(stack, number, after=3) == []
    assert (await stack.get_status(number))["total_documents"] == 13
    await stack.order(number, "reindex", origins=False)
    await list_again(stack, number)
    assert await get_changes(stack, number, after=3) == []
    assert len(await stack.list_run_ids(number)) == 4

    await stack.order(number, "short_listings", documents=2, movements=2)
    await list_again(stack, number)
    await list_again(stack, number)
    assert await get_changes(stack, number, after=3) == []

    shown = await run_autos(stack, "changes", number, "--json")
    assert [each["sequence"] for each in shown.json_lines] == [1, 2, 3]
    assert shown.json_lines[0]["document"]["id"] == added
    english = await run_autos(stack, "changes", number, AUTOS_LANG="en")
    portuguese = await run_autos(stack, "changes", number, AUTOS_LANG="pt")
    assert "document added" in english.stdout
    assert "documento novo" in portuguese.stdout
    nothing = await run_autos(stack, "changes", number, "--after", "3")
    assert (nothing.exit_code, nothing.stdout) == (0, "")


async def test_timeline_and_case_are_those_of_the_listing(stack: RunningStack) -> None:
    number = await stack.create_ended_run(5, size_bytes=2_000)
    case = (await stack.api.get(f"/processes/{number}/case")).raise_for_status().json()
    assert [party["name"] for party in case["parties"]] == ["AUTORA SINTÉTICA", "RÉ SINTÉTICA LTDA"]
    [lawyer] = case["parties"][0]["lawyers"]
    assert lawyer["oab"]
    assert case["class_code"] == 7
    assert [instance["key"] for instance in case["instances"]] == ["G1:45"]
    first = (await stack.api.get(f"/processes/{number}/timeline", params={"limit": 4})).raise_for_status()
    entries, url = first.json()["entries"], first.json()["timeline_next"]
    assert f'<{url}>; rel="next"' == first.headers["link"]
    while url:
        page = (await stack.api.get(url)).raise_for_status().json()
        entries, url = entries + page["entries"], page["timeline_next"]
    documents = {entry["document"]["id"] for entry in entries if entry["document"]}
    assert documents == {document["id"] for document in await stack.list_documents(number)}
    assert documents == {
        entry["movement"]["document_id"]
        for entry in entries
        if entry["movement"] and entry["movement"]["document_id"]
    }
    assert "http" not in str(entries)
    times = [entry["at"] for entry in entries]
    assert len(times) >= 11
    shown = await run_autos(stack, "timeline", number, "--limit", "3")
    assert (shown.exit_code, len(shown.stdout.splitlines())) == (0, 4)
    assert "There are more" in shown.stderr
    whole = await run_autos(stack, "timeline", number, "--limit", "0", "--json")
    assert [each["at"] for each in whole.json_lines] == times
    for path in ("case", "timeline", "changes"):
        unknown = await stack.api.get(f"/processes/{fresh_number()}/{path}")
        assert (unknown.status_code, unknown.json()["code"]) == (404, "process_unknown")
