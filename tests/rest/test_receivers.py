"""Each receiver of the page, and the client's own check, believe what the stack sends and nothing else."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta

import pytest

from autos_client import WebhookRefused, verify_webhook
from tests.rest.conftest import announce
from tests.support.conditions import eventually
from tests.support.copied_receivers import CopiedReceiver
from tests.support.sent_events import SentEvent
from tests.support.stack import RunningStack

OTHER_SECRET = "whsec_YW5vdGhlciBzeW50aGV0aWMgc2VjcmV0LCAzMiBieXRlcw=="
FORGER = "v1," + "A" * 43 + "="

Change = Callable[[SentEvent, str], SentEvent]

# What a forger, or somebody who has overheard a delivery, would send.
FORGED: dict[str, Change] = {
    "a changed byte": lambda sent, _: SentEvent(sent.headers, sent.body.replace(b'"completed"', b'"completeD"', 1)),
    "a byte more": lambda sent, _: SentEvent(sent.headers, sent.body + b"\n"),
    "another id": lambda sent, _: sent.headed(webhook_id=f"{sent.id}0"),
    "another moment": lambda sent, _: sent.headed(
        webhook_timestamp=str(int(sent.headers["webhook-timestamp"]) + 1)
    ),
    "an old delivery": lambda sent, secret: sent.signed(secret, age=timedelta(seconds=302)),
    "one from the future": lambda sent, secret: sent.signed(secret, age=timedelta(seconds=-310)),
    "another secret": lambda sent, _: sent.signed(OTHER_SECRET),
    "a guess": lambda sent, _: sent.headed(webhook_signature=FORGER),
    "no base64": lambda sent, _: sent.headed(webhook_signature="v1,?"),
    "another version's signature": lambda sent, _: sent.headed(
        webhook_signature=sent.headers["webhook-signature"].replace("v1,", "v2,")
    ),
    "no signature": lambda sent, _: sent.without("webhook-signature"),
    "no moment": lambda sent, _: sent.without("webhook-timestamp"),
    "no id": lambda sent, _: sent.without("webhook-id"),
}
GENUINE: dict[str, Change] = {
    "as it came": lambda sent, _: sent,
    "four minutes old": lambda sent, secret: sent.signed(secret, age=timedelta(minutes=4)),
    "signed with a new secret too": lambda sent, _: sent.headed(
        webhook_signature=f"{FORGER} {sent.headers['webhook-signature']}"
    ),
}


async def test_what_the_stack_sends_is_taken_and_kept(
    stack: RunningStack, number: str, copy: CopiedReceiver
) -> None:
    await announce(stack, number, copy.url)

    async def logged() -> dict[str, object] | None:
        answer = await stack.api.get("/webhooks/deliveries", params={"process_number": number})
        found: list[dict[str, object]] = answer.json()["deliveries"]
        return next((one for one in found if one["url"] == copy.url and one["attempts"]), None)

    delivery = await eventually(logged, "the first attempt")
    attempts = delivery["attempts"]
    assert isinstance(attempts, list)
    assert ([one["status_code"] for one in attempts], delivery["status"]) == ([204], "delivered")
    event = json.loads(copy.kept()[str(delivery["id"])])
    assert (event["type"], event["data"]["process_number"]) == ("process.completed", number)


async def test_what_comes_twice_is_taken_twice_and_kept_once(
    stack: RunningStack, copy: CopiedReceiver, sent: SentEvent
) -> None:
    # What it prints when it works on an event tells this one from all others.
    about = SentEvent(sent.headers, sent.body.replace(b'"process_number":"', b'"process_number":"twice ', 1))
    twice = about.headed(webhook_id="evt_twice").signed(stack.addresses["webhook_secret"])
    before = copy.kept()

    assert [await copy.take(twice) for _ in range(3)] == [204] * 3

    assert copy.kept() == before | {"evt_twice": twice.body}
    if copy.works:

        async def worked() -> bool:
            return "twice " in copy.said.read_text()

        await eventually(worked, "the work on it")
        assert copy.said.read_text().count("twice ") == 1


@pytest.mark.parametrize("change", GENUINE)
async def test_what_is_genuine_is_taken(
    stack: RunningStack, copy: CopiedReceiver, sent: SentEvent, change: str
) -> None:
    assert await copy.take(GENUINE[change](sent, stack.addresses["webhook_secret"])) == 204
    assert copy.kept()[sent.id] == sent.body


async def test_what_is_forged_is_refused_and_not_kept(
    stack: RunningStack, copy: CopiedReceiver, sent: SentEvent
) -> None:
    before = copy.kept()
    secret = stack.addresses["webhook_secret"]
    answers = {name: await copy.take(change(sent, secret)) for name, change in FORGED.items()}
    assert answers == dict.fromkeys(FORGED, 401)
    assert copy.kept() == before


@pytest.mark.parametrize("change", GENUINE)
async def test_the_client_believes_what_is_genuine(
    stack: RunningStack, sent: SentEvent, number: str, change: str
) -> None:
    secret = stack.addresses["webhook_secret"]
    genuine = GENUINE[change](sent, secret)

    event = verify_webhook(secret, genuine.headers, genuine.body)

    assert (event.id, event.type) == (sent.id, "process.completed")
    assert event.process is not None
    assert event.process.process_number == number
    assert len(event.process.documents or ()) == 3


@pytest.mark.parametrize("change", FORGED)
async def test_the_client_refuses_what_is_forged(stack: RunningStack, sent: SentEvent, change: str) -> None:
    secret = stack.addresses["webhook_secret"]
    forged = FORGED[change](sent, secret)
    assert forged != sent
    with pytest.raises(WebhookRefused):
        verify_webhook(secret, forged.headers, forged.body)
