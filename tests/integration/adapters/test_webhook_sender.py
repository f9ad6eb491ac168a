"""Events are signed, sent only to public addresses, and no receiver blocks the sender."""

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
CURRENT, FORMER = (
    "whsec_" + base64.b64encode(text.ljust(32, b".")).decode() for text in (b"a client's secret", b"its former one")
)
BODY = json.dumps({"type": "process.completed", "data": {"outcome": "conclusão"}}, ensure_ascii=False).encode()
EVERYWHERE = WebhookPolicy(allow_http=True, allow_private=True)
REFUSED = Reply(error="destination refused or unreachable")


@asynccontextmanager
async def open_sender(policy: WebhookPolicy = EVERYWHERE) -> AsyncIterator[WebhookSender]:
    """Open a sender for the duration of the block."""
    address_guard = AddressGuard(policy)
    sender = WebhookSender(SECRET, address_guard)
    yield sender
    await sender.close()
    address_guard.close()


async def send(url: str, policy: WebhookPolicy = EVERYWHERE) -> Reply:
    """Send the event once."""
    async with open_sender(policy) as sender:
        return await sender.send(url, event_id="evt_1", sent_at=datetime.now(UTC), body=BODY)


async def test_receiver_can_verify_an_event() -> None:
    async with scripted(always(answer(204))) as receiver:
        reply = await send(f"{receiver.origin}/hook?client=1")
    [request] = receiver.requests
    assert (reply.status_code, reply.error) == (204, None)
    assert (request.method, request.target) == ("POST", "/hook?client=1")
    assert request.headers["content-type"] == "application/json"
    assert request.headers["webhook-id"] == "evt_1"
    assert request.body == BODY
    assert Webhook(SECRET).verify(request.body, request.headers) == json.loads(BODY)


async def test_asking_a_receivers_server_sends_neither_an_event_nor_the_path() -> None:
    async with scripted(always(answer(405))) as receiver, open_sender() as sender:
        reply = await sender.ask_origin(f"{receiver.origin}/hook-of-a-client?key=1#part")
    [request] = receiver.requests
    assert reply == Reply(status_code=405)
    assert (request.method, request.target, request.body) == ("HEAD", "/", b"")
    assert "webhook-signature" not in request.headers


async def test_a_private_server_is_not_asked() -> None:
    async with scripted(always(answer(204))) as receiver, open_sender(WebhookPolicy(allow_http=True)) as sender:
        reply = await sender.ask_origin(receiver.origin)
    assert reply.status_code is None
    assert receiver.connections == 0


@pytest.mark.parametrize(("address", "host"), [("::1", "[::1]"), ("127.0.0.1", "127.0.0.1")])
async def test_host_header_has_the_address_as_in_the_url(address: str, host: str) -> None:
    async with scripted(always(answer(204)), address=address) as receiver:
        reply = await send(f"{receiver.origin}/hook")
    [request] = receiver.requests
    assert reply.status_code == 204
    assert request.headers["host"] == f"{host}:{receiver.origin.rpartition(':')[2]}"


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://[2001:db8::1]/hook", b"[2001:db8::1]"),
        ("https://[2001:db8::1]:443/hook", b"[2001:db8::1]"),
        ("https://[2001:db8::1]:8443/hook", b"[2001:db8::1]:8443"),
        ("http://[2001:db8::1]:443/hook", b"[2001:db8::1]:443"),
    ],
)
def test_host_header_omits_the_default_port(url: str, host: bytes) -> None:
    assert host_header(url) == host
    assert host_header("https://receiver.example/hook") is None


async def test_event_is_signed_with_each_secret_of_the_client() -> None:
    async with scripted(always(answer(204))) as receiver, open_sender() as sender:
        await sender.send(
            receiver.origin, event_id="evt_1", sent_at=datetime.now(UTC), body=BODY, secrets=(CURRENT, FORMER)
        )
    [request] = receiver.requests
    assert request.body == BODY
    assert len(request.headers["webhook-signature"].split(" ")) == 2
    for secret in (CURRENT, FORMER):
        assert Webhook(secret).verify(request.body, request.headers) == json.loads(BODY)
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(request.body, request.headers)


@pytest.mark.parametrize("changed", ["body", "id", "moment"])
async def test_changed_event_fails_verification(changed: str) -> None:
    sent_at = datetime.now(UTC) - (timedelta(minutes=6) if changed == "moment" else timedelta())
    async with scripted(always(answer(204))) as receiver, open_sender() as sender:
        await sender.send(receiver.origin, event_id="evt_1", sent_at=sent_at, body=BODY)
    [request] = receiver.requests
    body = request.body.replace(b"completed", b"cancelled") if changed == "body" else request.body
    headers = {**request.headers, "webhook-id": "evt_2"} if changed == "id" else request.headers
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(body, headers)


async def test_verification_fails_with_another_secret() -> None:
    async with scripted(always(answer(204))) as receiver:
        await send(receiver.origin)
    [request] = receiver.requests
    other = Webhook("whsec_" + base64.b64encode(b"another synthetic secret........").decode())
    with pytest.raises(WebhookVerificationError):
        other.verify(request.body, request.headers)


async def test_secret_is_not_sent() -> None:
    async with scripted(always(answer(204))) as receiver:
        await send(receiver.origin)
    assert SECRET not in repr(receiver.requests)


async def test_each_attempt_has_its_own_timestamp_and_signature() -> None:
    moments = [datetime(2026, 3, 2, 10, 0, 0, tzinfo=UTC), datetime(2026, 3, 2, 10, 0, 5, 900_000, tzinfo=UTC)]
    async with scripted(always(answer(503))) as receiver, open_sender() as sender:
        for moment in moments:
            await sender.send(receiver.origin, event_id="evt_1", sent_at=moment, body=BODY)
    first, second = (request.headers for request in receiver.requests)
    assert (first["webhook-id"], second["webhook-id"]) == ("evt_1", "evt_1")
    assert int(second["webhook-timestamp"]) - int(first["webhook-timestamp"]) == 5
    for request, moment in zip(receiver.requests, moments, strict=True):
        signature = Webhook(SECRET).sign("evt_1", moment, request.body.decode())
        assert request.headers["webhook-signature"] == signature


@pytest.mark.parametrize("status", [200, 400, 410, 429, 500])
async def test_reply_contains_the_answer_of_the_receiver(status: int) -> None:
    async with scripted(always(answer(status, b"as you say", retry_after="17"))) as receiver:
        assert await send(receiver.origin) == Reply(status, "as you say", None, 17.0)


@pytest.mark.parametrize(("requested", "expected"), [("7200", 7200.0), ("31536000", 86_400.0)])
async def test_retry_after_is_limited_to_a_day(requested: str, expected: float) -> None:
    async with scripted(always(answer(503, retry_after=requested))) as receiver:
        assert (await send(receiver.origin)).retry_after == expected


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_redirect_is_not_followed(status: int) -> None:
    async with (
        scripted(always(answer(204))) as elsewhere,
        scripted(always(answer(status, location=elsewhere.origin))) as receiver,
    ):
        reply = await send(receiver.origin)
    assert reply.status_code == status
    assert elsewhere.connections == 0


async def test_closed_and_private_ports_have_the_same_reply() -> None:
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
async def test_unreachable_address_is_a_failed_attempt(url: str) -> None:
    assert await send(url) == REFUSED


@pytest.mark.parametrize("reply", [b"", b"nonsense\r\n\r\n", b"HTTP/1.1 200"])
async def test_receiver_without_http_is_a_failed_attempt(reply: bytes) -> None:
    async with scripted(always(reply)) as receiver:
        assert await send(receiver.origin) == REFUSED


async def test_answer_with_a_truncated_body_counts() -> None:
    cut = b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nthank"
    async with scripted(always(cut)) as receiver:
        assert await send(receiver.origin) == Reply(200, "thank")


async def test_receiver_that_never_answers_times_out(monkeypatch: pytest.MonkeyPatch) -> None:
    async def never_answer(_: ReceivedRequest, __: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr("adapters.webhooks.sender._TOTAL_TIMEOUT_SECONDS", 0.3)
    async with scripted(never_answer) as receiver:
        started_at = time.monotonic()
        reply = await send(receiver.origin)
    assert reply.status_code is None
    assert "no answer within" in (reply.error or "")
    assert time.monotonic() - started_at < 5


async def test_receiver_with_endless_slow_headers_times_out(monkeypatch: pytest.MonkeyPatch) -> None:
    async def drip(_: ReceivedRequest, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n")
        while not writer.is_closing():
            writer.write(b"x-drip: 1\r\n")
            await writer.drain()
            await asyncio.sleep(0.02)

    monkeypatch.setattr("adapters.webhooks.sender._TOTAL_TIMEOUT_SECONDS", 0.5)
    async with scripted(drip) as receiver:
        reply = await send(receiver.origin)
    assert reply.status_code is None


@pytest.mark.parametrize("head", [b"content-length: 100000\r\n", b"transfer-encoding: chunked\r\n", b""])
@pytest.mark.parametrize("status", [200, 204, 410, 503])
async def test_status_counts_if_the_body_is_endless_and_slow(
    monkeypatch: pytest.MonkeyPatch, status: int, head: bytes
) -> None:
    async def drip(_: ReceivedRequest, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 %d Scripted\r\nretry-after: 17\r\n%s\r\n" % (status, head))
        while not writer.is_closing():
            writer.write(b"1\r\nx\r\n" if b"chunked" in head else b"x")
            await writer.drain()
            await asyncio.sleep(0.02)

    monkeypatch.setattr("adapters.webhooks.sender._EXCERPT_SECONDS", 0.2)
    async with scripted(drip) as receiver:
        started_at = time.monotonic()
        reply = await send(receiver.origin)
    assert (reply.status_code, reply.error, reply.retry_after) == (status, None, 17.0)
    assert time.monotonic() - started_at < 5
    if status != 204:
        assert (reply.excerpt or "").startswith("x")


async def test_status_counts_if_the_total_timeout_ends_while_reading_the_body(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def answer_in_part(_: ReceivedRequest, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n")
        await writer.drain()
        await asyncio.Event().wait()

    monkeypatch.setattr("adapters.webhooks.sender._TOTAL_TIMEOUT_SECONDS", 1.5)
    monkeypatch.setattr("adapters.webhooks.sender._EXCERPT_SECONDS", 2.0)
    async with scripted(answer_in_part) as receiver:
        assert await send(receiver.origin) == Reply(200, "")


@pytest.mark.parametrize("head", [b"x-a: b\r\n", b"", b"b"], ids=["lines", "interim answers", "one line"])
async def test_size_of_response_headers_is_limited(head: bytes) -> None:
    sent = 0

    async def send_endlessly(_: ReceivedRequest, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        writer.write(b"HTTP/1.1 200 OK\r\n" if head else b"")
        while not writer.is_closing():
            piece = head * (64_000 // len(head)) if head else b"HTTP/1.1 100 Continue\r\n\r\n" * 100
            writer.write(piece)
            await writer.drain()
            sent += len(piece)

    async with scripted(send_endlessly) as receiver:
        if not head:
            # Interim answers are read one by one and not kept. The total timeout ends them.
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr("adapters.webhooks.sender._TOTAL_TIMEOUT_SECONDS", 0.5)
                assert (await send(receiver.origin)).status_code is None
            return
        assert await send(receiver.origin) == REFUSED
    assert sent < 20_000_000


async def test_only_the_beginning_of_a_body_is_kept() -> None:
    async def send_endlessly(_: ReceivedRequest, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while not writer.is_closing():
            writer.write(b"x" * 10_000)
            await writer.drain()

    async with scripted(send_endlessly) as receiver, asyncio.timeout(10):
        reply = await send(receiver.origin)
    assert (reply.status_code, reply.excerpt) == (200, "x" * 4096)


async def test_excerpt_of_any_bytes_can_be_stored() -> None:
    async with scripted(always(answer(200, b"a\x00b\xff\xfe\xed\xa0\x80"))) as receiver:
        reply = await send(receiver.origin)
    assert reply.excerpt is not None
    assert "\0" not in reply.excerpt
    assert reply.excerpt.encode()


async def test_silent_receivers_do_not_delay_other_events(monkeypatch: pytest.MonkeyPatch) -> None:
    async def never_answer(_: ReceivedRequest, __: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    # The dead ones are not given up before the other has answered.
    monkeypatch.setattr("adapters.webhooks.sender._TOTAL_TIMEOUT_SECONDS", 100.0)
    async with scripted(never_answer) as dead, scripted(always(answer(204))) as receiver, open_sender() as sender:

        async def send_to(url: str) -> Reply:
            return await sender.send(url, event_id="evt_1", sent_at=datetime.now(UTC), body=BODY)

        waiting = [asyncio.ensure_future(send_to(dead.origin)) for _ in range(150)]

        async def all_requests_arrived() -> bool:
            return len(dead.requests) == len(waiting)

        await eventually(all_requests_arrived, "every dead receiver has its request")
        async with asyncio.timeout(30):
            assert (await send_to(receiver.origin)).status_code == 204
        assert not any(task.done() for task in waiting)
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)


async def test_sender_sends_many_events_concurrently() -> None:
    async with scripted(always(answer(204))) as receiver, open_sender() as sender:
        replies = await asyncio.gather(
            *(
                sender.send(receiver.origin, event_id=f"evt_{number}", sent_at=datetime.now(UTC), body=BODY)
                for number in range(50)
            )
        )
    assert {reply.status_code for reply in replies} == {204}
    assert len({request.headers["webhook-id"] for request in receiver.requests}) == 50


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_nö", "whsec_a", "whsec_YQ=="])
def test_invalid_secret_is_refused_and_not_shown(secret: str) -> None:
    with pytest.raises(ConfigurationError, match="AUTOS_WEBHOOK_SECRET") as refused:
        WebhookSender(secret, AddressGuard(EVERYWHERE))
    assert secret in ("", "whsec_") or secret not in str(refused.value)
