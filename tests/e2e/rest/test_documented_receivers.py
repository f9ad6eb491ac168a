"""The receivers of docs/webhooks.md and the client's check accept deliveries of the stack and refuse forgeries."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta

import pytest

from autos_client import WebhookRefused, verify_webhook
from tests.e2e.rest.conftest import request_event
from tests.support.conditions import eventually
from tests.support.documented_receivers import DocumentedReceiver
from tests.support.signed_deliveries import SignedDelivery
from tests.support.stack import RunningStack

OTHER_SECRET = "whsec_YW5vdGhlciBzeW50aGV0aWMgc2VjcmV0LCAzMiBieXRlcw=="
FORGER = "v1," + "A" * 43 + "="

Change = Callable[[SignedDelivery, str], SignedDelivery]

# What a forger, or somebody who has recorded a delivery, could send.
FORGED: dict[str, Change] = {
    "a changed byte": lambda delivery, _: SignedDelivery(
        delivery.headers, delivery.body.replace(b'"completed"', b'"completeD"', 1)
    ),
    "a byte more": lambda delivery, _: SignedDelivery(delivery.headers, delivery.body + b"\n"),
    "another id": lambda delivery, _: delivery.with_headers(webhook_id=f"{delivery.id}0"),
    "another timestamp": lambda delivery, _: delivery.with_headers(
        webhook_timestamp=str(int(delivery.headers["webhook-timestamp"]) + 1)
    ),
    "an old delivery": lambda delivery, secret: delivery.signed_with(secret, age=timedelta(seconds=302)),
    "one from the future": lambda delivery, secret: delivery.signed_with(secret, age=timedelta(seconds=-310)),
    "another secret": lambda delivery, _: delivery.signed_with(OTHER_SECRET),
    "a guess": lambda delivery, _: delivery.with_headers(webhook_signature=FORGER),
    "no base64": lambda delivery, _: delivery.with_headers(webhook_signature="v1,?"),
    "another version's signature": lambda delivery, _: delivery.with_headers(
        webhook_signature=delivery.headers["webhook-signature"].replace("v1,", "v2,")
    ),
    "no signature": lambda delivery, _: delivery.without_header("webhook-signature"),
    "no timestamp": lambda delivery, _: delivery.without_header("webhook-timestamp"),
    "no id": lambda delivery, _: delivery.without_header("webhook-id"),
}
GENUINE: dict[str, Change] = {
    "unchanged": lambda delivery, _: delivery,
    "four minutes old": lambda delivery, secret: delivery.signed_with(secret, age=timedelta(minutes=4)),
    "signed with a new secret too": lambda delivery, _: delivery.with_headers(
        webhook_signature=f"{FORGER} {delivery.headers['webhook-signature']}"
    ),
}


async def test_a_delivery_of_the_stack_is_accepted_and_stored(
    stack: RunningStack, number: str, documented_receiver: DocumentedReceiver
) -> None:
    await request_event(stack, number, documented_receiver.url)

    async def first_attempt() -> dict[str, object] | None:
        answer = await stack.api.get("/webhooks/deliveries", params={"process_number": number})
        logged: list[dict[str, object]] = answer.json()["deliveries"]
        return next((each for each in logged if each["url"] == documented_receiver.url and each["attempts"]), None)

    logged_delivery = await eventually(first_attempt, "the first attempt")
    attempts = logged_delivery["attempts"]
    assert isinstance(attempts, list)
    assert ([attempt["status_code"] for attempt in attempts], logged_delivery["status"]) == ([204], "delivered")
    event = json.loads(documented_receiver.read_inbox()[str(logged_delivery["id"])])
    assert (event["type"], event["data"]["process_number"]) == ("process.completed", number)


async def test_a_repeated_delivery_is_accepted_and_stored_once(
    stack: RunningStack, documented_receiver: DocumentedReceiver, delivery: SignedDelivery
) -> None:
    # A number that no other event has, so that its line in the output can be recognized.
    marked = SignedDelivery(
        delivery.headers, delivery.body.replace(b'"process_number":"', b'"process_number":"twice ', 1)
    )
    twice = marked.with_headers(webhook_id="evt_twice").signed_with(stack.addresses["webhook_secret"])
    before = documented_receiver.read_inbox()

    assert [await documented_receiver.send(twice) for _ in range(3)] == [204] * 3

    assert documented_receiver.read_inbox() == before | {"evt_twice": twice.body}
    if documented_receiver.processes_events:

        async def processed() -> bool:
            return "twice " in documented_receiver.output.read_text()

        await eventually(processed, "the line about the event")
        assert documented_receiver.output.read_text().count("twice ") == 1


@pytest.mark.parametrize("change", GENUINE)
async def test_a_genuine_delivery_is_accepted(
    stack: RunningStack, documented_receiver: DocumentedReceiver, delivery: SignedDelivery, change: str
) -> None:
    assert await documented_receiver.send(GENUINE[change](delivery, stack.addresses["webhook_secret"])) == 204
    assert documented_receiver.read_inbox()[delivery.id] == delivery.body


async def test_a_forged_delivery_is_refused_and_not_stored(
    stack: RunningStack, documented_receiver: DocumentedReceiver, delivery: SignedDelivery
) -> None:
    before = documented_receiver.read_inbox()
    secret = stack.addresses["webhook_secret"]
    answers = {name: await documented_receiver.send(change(delivery, secret)) for name, change in FORGED.items()}
    assert answers == dict.fromkeys(FORGED, 401)
    assert documented_receiver.read_inbox() == before


@pytest.mark.parametrize("change", GENUINE)
async def test_the_client_accepts_a_genuine_delivery(
    stack: RunningStack, delivery: SignedDelivery, number: str, change: str
) -> None:
    secret = stack.addresses["webhook_secret"]
    genuine = GENUINE[change](delivery, secret)

    event = verify_webhook(secret, genuine.headers, genuine.body)

    assert (event.id, event.type) == (delivery.id, "process.completed")
    assert event.process is not None
    assert event.process.process_number == number
    assert len(event.process.documents or ()) == 3


@pytest.mark.parametrize("change", FORGED)
async def test_the_client_refuses_a_forged_delivery(
    stack: RunningStack, delivery: SignedDelivery, change: str
) -> None:
    secret = stack.addresses["webhook_secret"]
    forged = FORGED[change](delivery, secret)
    assert forged != delivery
    with pytest.raises(WebhookRefused):
        verify_webhook(secret, forged.headers, forged.body)
