"""Events arrive signed, at public addresses only, and no receiver holds the sender up."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from adapters.webhooks import AddressGuard, Reply, WebhookSender
from adapters.webhooks.sender import host_header
from domain.errors import ConfigurationError
from domain.webhook_urls import WebhookPolicy
from tests.support.conditions import eventually
from tests.support.scripted_server import ReceivedRequest, always, answer, scripted

SECRET = "whsec_" + base64.b64encode(b"a synthetic secret of 32 bytes..").decode()
PRESENT, FORMER = (
    "whsec_" + base64.b64encode(text.ljust(32, b".")).decode() for text in (b"a client's secret", b"its former one")
)
BODY = json.dumps({"type": "process.completed", "data": {"outcome": "conclusão"}}, ensure_ascii=False).encode()
EVERYWHERE = WebhookPolicy(allow_http=True, allow_private=True)
REFUSED = Reply(error="destination refused or unreachable")


@asynccontextmanager
async def sending(policy: WebhookPolicy = EVERYWHERE) -> AsyncIterator[WebhookSender]:
    """A sender for as long as the block lasts."""
    address_guard = AddressGuard(policy)
    sender = WebhookSender(SECRET, address_guard)
    yield sender
    await sender.close()
    address_guard.close()


async def send(url: str, policy: WebhookPolicy = EVERYWHERE) -> Reply:
    """Send the event once."""
    async with sending(policy) as sender:
        return await sender.send(url, event_id="evt_1", sent_at=datetime.now(UTC), body=BODY)


async def test_a_receiver_can_verify_what_arrives() -> None:
    async with scripted(always(answer(204))) as receiver:
        reply = await send(f"{receiver.origin}/hook?client=1")
    [asked] = receiver.requests
    assert (reply.status_code, reply.error) == (204, None)
    assert (asked.method, asked.target) == ("POST", "/hook?client=1")
    assert asked.headers["content-type"] == "application/json"
    assert asked.headers["webhook-id"] == "evt_1"
    assert asked.body == BODY
    assert Webhook(SECRET).verify(asked.body, asked.headers) == json.loads(BODY)


@pytest.mark.parametrize(("address", "host"), [("::1", "[::1]"), ("127.0.0.1", "127.0.0.1")])
async def test_an_address_stands_in_the_host_as_it_does_in_the_url(address: str, host: str) -> None:
    async with scripted(always(answer(204)), address=address) as receiver:
        reply = await send(f"{receiver.origin}/hook")
    [asked] = receiver.requests
    assert reply.status_code == 204
    assert asked.headers["host"] == f"{host}:{receiver.origin.rpartition(':')[2]}"


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://[2001:db8::1]/hook", b"[2001:db8::1]"),
        ("https://[2001:db8::1]:443/hook", b"[2001:db8::1]"),
        ("https://[2001:db8::1]:8443/hook", b"[2001:db8::1]:8443"),
        ("http://[2001:db8::1]:443/hook", b"[2001:db8::1]:443"),
    ],
)
def test_a_schemes_own_port_is_not_named(url: str, host: bytes) -> None:
    assert host_header(url) == host
    assert host_header("https://receiver.example/hook") is None


async def test_a_client_with_secrets_of_its_own_verifies_with_each_of_them_and_no_other() -> None:
    async with scripted(always(answer(204))) as receiver, sending() as sender:
        await sender.send(
            receiver.origin, event_id="evt_1", sent_at=datetime.now(UTC), body=BODY, secrets=(PRESENT, FORMER)
        )
    [asked] = receiver.requests
    assert asked.body == BODY
    assert len(asked.headers["webhook-signature"].split(" ")) == 2
    for secret in (PRESENT, FORMER):
        assert Webhook(secret).verify(asked.body, asked.headers) == json.loads(BODY)
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(asked.body, asked.headers)


@pytest.mark.parametrize("changed", ["body", "id", "moment"])
async def test_what_was_changed_on_the_way_is_refused(changed: str) -> None:
    sent_at = datetime.now(UTC) - (timedelta(minutes=6) if changed == "moment" else timedelta())
    async with scripted(always(answer(204))) as receiver, sending() as sender:
        await sender.send(receiver.origin, event_id="evt_1", sent_at=sent_at, body=BODY)
    [asked] = receiver.requests
    body = asked.body.replace(b"completed", b"cancelled") if changed == "body" else asked.body
    headers = {**asked.headers, "webhook-id": "evt_2"} if changed == "id" else asked.headers
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(body, headers)


async def test_another_secret_verifies_nothing() -> None:
    async with scripted(always(answer(204))) as receiver:
        await send(receiver.origin)
    [asked] = receiver.requests
    other = Webhook("whsec_" + base64.b64encode(b"another synthetic secret........").decode())
    with pytest.raises(WebhookVerificationError):
        other.verify(asked.body, asked.headers)


async def test_the_secret_itself_is_not_sent() -> None:
    async with scripted(always(answer(204))) as receiver:
        await send(receiver.origin)
    assert SECRET not in repr(receiver.requests)


async def test_each_attempt_is_signed_for_its_own_moment() -> None:
    moments = [datetime(2026, 3, 2, 10, 0, 0, tzinfo=UTC), datetime(2026, 3, 2, 10, 0, 5, 900_000, tzinfo=UTC)]
    async with scripted(always(answer(503))) as receiver, sending() as sender:
        for moment in moments:
            await sender.send(receiver.origin, event_id="evt_1", sent_at=moment, body=BODY)
    first, second = (asked.headers for asked in receiver.requests)
    assert (first["webhook-id"], second["webhook-id"]) == ("evt_1", "evt_1")
    assert int(second["webhook-timestamp"]) - int(first["webhook-timestamp"]) == 5
    for asked, moment in zip(receiver.requests, moments, strict=True):
        signature = Webhook(SECRET).sign("evt_1", moment, asked.body.decode())
        assert asked.headers["webhook-signature"] == signature


@pytest.mark.parametrize("status", [200, 400, 410, 429, 500])
async def test_what_the_receiver_answers_is_told(status: int) -> None:
    async with scripted(always(answer(status, b"as you say", retry_after="17"))) as receiver:
        assert await send(receiver.origin) == Reply(status, "as you say", None, 17.0)


@pytest.mark.parametrize(("asked", "kept"), [("7200", 7200.0), ("31536000", 86_400.0)])
async def test_a_receiver_may_ask_for_a_day_and_no_more(asked: str, kept: float) -> None:
    async with scripted(always(answer(503, retry_after=asked))) as receiver:
        assert (await send(receiver.origin)).retry_after == kept


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_not_followed(status: int) -> None:
    async with (
        scripted(always(answer(204))) as elsewhere,
        scripted(always(answer(status, location=elsewhere.origin))) as receiver,
    ):
        reply = await send(receiver.origin)
    assert reply.status_code == status
    assert elsewhere.connections == 0


async def test_a_closed_port_cannot_be_told_from_a_private_one() -> None:
    assert await send("http://127.0.0.1:1/hook") == REFUSED
    assert await send("http://127.0.0.1:1/hook", WebhookPolicy(allow_http=True)) == REFUSED


@pytest.mark.parametrize(
    "url",
    [
        "http://no-such-host.invalid/hook",
        f"http://{'a' * 70}.invalid/hook",
        "http://[::1/hook",
        "ftp://127.0.0.1/hook",
        "http:///hook",
        "nonsense",
    ],
)
async def test_an_address_that_leads_nowhere_is_a_failed_attempt(url: str) -> None:
    assert await send(url) == REFUSED


@pytest.mark.parametrize("reply", [b"", b"nonsense\r\n\r\n", b"HTTP/1.1 200"])
async def test_a_receiver_that_does_not_speak_http_is_a_failed_attempt(reply: bytes) -> None:
    async with scripted(always(reply)) as receiver:
        assert await send(receiver.origin) == REFUSED


async def test_an_answer_counts_although_its_body_is_cut_off() -> None:
    cut = b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nthank"
    async with scripted(always(cut)) as receiver:
        assert await send(receiver.origin) == Reply(200, "thank")


async def test_a_receiver_that_never_answers_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    async def silent(_: ReceivedRequest, __: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr("adapters.webhooks.sender._TOTAL_TIMEOUT_SECONDS", 0.3)
    async with scripted(silent) as receiver:
        begun = time.monotonic()
        reply = await send(receiver.origin)
    assert reply.status_code is None
    assert "no answer within" in (reply.error or "")
    assert time.monotonic() - begun < 5


async def test_a_receiver_that_drips_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    async def dripping(_: ReceivedRequest, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n")
        while not writer.is_closing():
            writer.write(b"x-drip: 1\r\n")
            await writer.drain()
            await asyncio.sleep(0.02)

    monkeypatch.setattr("adapters.webhooks.sender._TOTAL_TIMEOUT_SECONDS", 0.5)
    async with scripted(dripping) as receiver:
        reply = await send(receiver.origin)
    assert reply.status_code is None


@pytest.mark.parametrize("head", [b"content-length: 100000\r\n", b"transfer-encoding: chunked\r\n", b""])
@pytest.mark.parametrize("status", [200, 204, 410, 503])
async def test_a_status_counts_although_its_body_drips_for_ever(
    monkeypatch: pytest.MonkeyPatch, status: int, head: bytes
) -> None:
    async def dripping(_: ReceivedRequest, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 %d Scripted\r\nretry-after: 17\r\n%s\r\n" % (status, head))
        while not writer.is_closing():
            writer.write(b"1\r\nx\r\n" if b"chunked" in head else b"x")
            await writer.drain()
            await asyncio.sleep(0.02)

    monkeypatch.setattr("adapters.webhooks.sender._EXCERPT_SECONDS", 0.2)
    async with scripted(dripping) as receiver:
        begun = time.monotonic()
        reply = await send(receiver.origin)
    assert (reply.status_code, reply.error, reply.retry_after) == (status, None, 17.0)
    assert time.monotonic() - begun < 5
    if status != 204:
        assert (reply.excerpt or "").startswith("x")


async def test_a_status_counts_although_no_body_comes_and_the_time_for_an_answer_is_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def late(_: ReceivedRequest, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.4)
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n")
        await writer.drain()
        await asyncio.Event().wait()

    monkeypatch.setattr("adapters.webhooks.sender._TOTAL_TIMEOUT_SECONDS", 0.8)
    monkeypatch.setattr("adapters.webhooks.sender._EXCERPT_SECONDS", 0.6)
    async with scripted(late) as receiver:
        assert await send(receiver.origin) == Reply(200, "")


@pytest.mark.parametrize("head", [b"x-a: b\r\n", b"", b"b"], ids=["lines", "interim answers", "one line"])
async def test_an_answers_head_is_cut_off_before_it_fills_the_memory(head: bytes) -> None:
    sent = 0

    async def endless(_: ReceivedRequest, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        writer.write(b"HTTP/1.1 200 OK\r\n" if head else b"")
        while not writer.is_closing():
            piece = head * (64_000 // len(head)) if head else b"HTTP/1.1 100 Continue\r\n\r\n" * 100
            writer.write(piece)
            await writer.drain()
            sent += len(piece)

    async with scripted(endless) as receiver:
        if not head:
            # They are read one by one and not kept; the time for an answer ends them.
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr("adapters.webhooks.sender._TOTAL_TIMEOUT_SECONDS", 0.5)
                assert (await send(receiver.origin)).status_code is None
            return
        assert await send(receiver.origin) == REFUSED
    assert sent < 20_000_000


async def test_only_the_beginning_of_an_answer_is_kept() -> None:
    async def endless(_: ReceivedRequest, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while not writer.is_closing():
            writer.write(b"x" * 10_000)
            await writer.drain()

    async with scripted(endless) as receiver, asyncio.timeout(10):
        reply = await send(receiver.origin)
    assert (reply.status_code, reply.excerpt) == (200, "x" * 4096)


async def test_an_answer_of_any_bytes_can_be_stored() -> None:
    async with scripted(always(answer(200, b"a\x00b\xff\xfe\xed\xa0\x80"))) as receiver:
        reply = await send(receiver.origin)
    assert reply.excerpt is not None
    assert "\0" not in reply.excerpt
    assert reply.excerpt.encode()


async def test_no_event_waits_behind_receivers_that_never_answer() -> None:
    async def silent(_: ReceivedRequest, __: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    async with scripted(silent) as dead, scripted(always(answer(204))) as receiver, sending() as sender:

        async def send_to(url: str) -> Reply:
            return await sender.send(url, event_id="evt_1", sent_at=datetime.now(UTC), body=BODY)

        waiting = [asyncio.ensure_future(send_to(dead.origin)) for _ in range(150)]

        async def all_wait() -> bool:
            return len(dead.requests) == len(waiting)

        await eventually(all_wait, "every dead receiver has its request")
        async with asyncio.timeout(5):
            assert (await send_to(receiver.origin)).status_code == 204
        assert not any(one.done() for one in waiting)
        for one in waiting:
            one.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)


async def test_many_events_go_out_at_once() -> None:
    async with scripted(always(answer(204))) as receiver, sending() as sender:
        replies = await asyncio.gather(
            *(
                sender.send(receiver.origin, event_id=f"evt_{turn}", sent_at=datetime.now(UTC), body=BODY)
                for turn in range(50)
            )
        )
    assert {reply.status_code for reply in replies} == {204}
    assert len({asked.headers["webhook-id"] for asked in receiver.requests}) == 50


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_nö", "whsec_a", "whsec_YQ=="])
def test_a_secret_that_is_none_is_refused_without_being_told(secret: str) -> None:
    with pytest.raises(ConfigurationError, match="AUTOS_WEBHOOK_SECRET") as refused:
        WebhookSender(secret, AddressGuard(EVERYWHERE))
    assert secret in ("", "whsec_") or secret not in str(refused.value)
