"""No webhook reaches this machine or its network, however the address is written (SSRF, DNS rebinding)."""

from __future__ import annotations

import asyncio
import itertools
import socket
import threading
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest

from adapters.webhooks import AddressGuard, Reply, WebhookSender
from domain.errors import InvalidInput
from domain.webhook_urls import WebhookPolicy, check_webhook_url
from tests.integration.adapters.test_webhook_sender import BODY, EVERYWHERE, REFUSED, SECRET, open_sender
from tests.support.conditions import eventually
from tests.support.scripted_server import ScriptedServer, always, answer, scripted
from tests.unit.test_addresses import HOSTILE_HOSTS

PUBLIC = WebhookPolicy(allow_http=True)
# Malformed addresses. They have the listener's port, so that any that gets through reaches it.
TRICKS = (
    "http://example.com@127.0.0.1:{port}/",
    "http://example.com:80@127.0.0.1:{port}/",
    "http://127.0.0.1:{port}@example.invalid:{port}/",
    "http://@127.0.0.1:{port}/",
    "http://user:word@127.0.0.1:{port}/",
    "http://127.0.0.1:{port}\\@example.com/",
    "http://example.com\\@127.0.0.1:{port}/",
    "http://127.0.0.1:{port}#@example.com/",
    "http://127.0.0.1:{port}?@example.com/",
    "http:127.0.0.1:{port}/",
    "http:/127.0.0.1:{port}/",
    "http:///127.0.0.1:{port}/",
    "//127.0.0.1:{port}/",
    "127.0.0.1:{port}/",
    "gopher://127.0.0.1:{port}/_POST",
    "file://127.0.0.1:{port}/etc/hosts",
    "ftp://127.0.0.1:{port}/",
    "unix://127.0.0.1:{port}/",
    " http://127.0.0.1:{port}/",
    "http://127.0.0.1 :{port}/",
    "http://127.0.0.1:{port} /",
    "http://127.0.0.1\r\n:{port}/",
    "http://127.0.0.1%00.example.com:{port}/",
    "http://127。0。0。1:{port}/",
    "http://①②⑦.0.0.1:{port}/",
    "http://[::1%lo]:{port}/",
    "http://0:{port}/",
    "http://0x7f.1:{port}/",
)
URLS = (*(f"http://{host}:{{port}}/hook" for host in HOSTILE_HOSTS), *TRICKS)


@pytest.fixture
async def listener() -> AsyncIterator[ScriptedServer]:
    """A local server that must not be reached."""
    async with scripted(always(answer(204))) as listening:
        yield listening


async def send(url: str, policy: WebhookPolicy) -> Reply:
    """Send an event without the check of the request, as if the address had passed it."""
    async with open_sender(policy) as sender:
        return await sender.send(url, event_id="evt_1", sent_at=datetime.now(UTC), body=BODY)


def resolve_names_to(monkeypatch: pytest.MonkeyPatch, resolve: Callable[[], list[str]]) -> None:
    """Make every name resolve to these addresses."""

    def getaddrinfo(host: str, port: int, **_: Any) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in resolve()]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)


def get_port(listener: ScriptedServer) -> int:
    """Return the port of the listener."""
    return int(listener.origin.rpartition(":")[2])


async def test_hostile_addresses_do_not_reach_a_listener(
    listener: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Otherwise the port alone would be refused.
    monkeypatch.setattr("domain.webhook_urls._HTTP_PORTS", frozenset({get_port(listener)}))
    assert len(URLS) >= 60
    taken = []
    for url in (template.format(port=get_port(listener)) for template in URLS):
        with suppress(InvalidInput):
            taken.append(check_webhook_url(url, PUBLIC))
        # Names are not resolved here: the result must not depend on an external resolver.
        if not any(name in url for name in ("example", "intranet", "。", "①")):
            assert await send(url, PUBLIC) == REFUSED, url
    assert taken == []
    assert listener.connections == 0


async def test_malformed_addresses_are_refused_even_if_private_ones_are_allowed(listener: ScriptedServer) -> None:
    allowed = []
    for url in (template.format(port=get_port(listener)) for template in TRICKS):
        with suppress(InvalidInput):
            allowed.append(check_webhook_url(url, EVERYWHERE).replace(str(get_port(listener)), "port"))
    # In these, the written address is the address that is called.
    assert allowed == [
        "http://127.0.0.1:port?@example.com/",
        "http://[::1%lo]:port/",
        "http://0:port/",
        "http://0x7f.1:port/",
    ]
    assert (await send(listener.origin, EVERYWHERE)).status_code == 204


WITH_INTERNAL_ADDRESSES = pytest.mark.parametrize(
    "addresses",
    [
        ["127.0.0.1"],
        ["93.184.216.34", "127.0.0.1"],
        ["127.0.0.1", "93.184.216.34"],
        ["::ffff:127.0.0.1"],
        ["64:ff9b::7f00:1"],
        ["169.254.169.254"],
        ["100.64.0.1"],
        ["fd00:ec2::254"],
    ],
    ids=", ".join,
)


@WITH_INTERNAL_ADDRESSES
async def test_check_refuses_a_name_that_resolves_to_an_internal_address(
    monkeypatch: pytest.MonkeyPatch, addresses: list[str]
) -> None:
    resolve_names_to(monkeypatch, lambda: addresses)
    with pytest.raises(InvalidInput, match="not a public one") as refused:
        await AddressGuard(WebhookPolicy()).check("https://hook.example/")
    assert not any(address in str(refused.value) for address in addresses)
    # If private addresses are allowed, or a proxy decides, names are not resolved.
    for address_guard in (AddressGuard(EVERYWHERE), AddressGuard(WebhookPolicy(), proxied=True)):
        assert await address_guard.check("https://hook.example/") == "https://hook.example/"


async def test_unresolvable_name_is_accepted_and_resolved_again_on_send(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail_to_resolve() -> list[str]:
        raise socket.gaierror(socket.EAI_AGAIN, "try again")

    resolve_names_to(monkeypatch, fail_to_resolve)
    assert await AddressGuard(WebhookPolicy()).check("https://hook.example/") == "https://hook.example/"
    assert await send("https://hook.example/", PUBLIC) == REFUSED


async def test_slow_name_lookups_do_not_delay_other_lookups(
    listener: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    release_lookups, lookups = threading.Event(), Counter[str]()

    def getaddrinfo(host: str, port: int, **_: Any) -> list[Any]:
        lookups[host] += 1
        if host == "slow.example":
            release_lookups.wait()
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    monkeypatch.setattr("adapters.webhooks.address_guard._LOOKUP_TIMEOUT_SECONDS", 0.2)
    # The slow ones are not given up before the other is answered.
    monkeypatch.setattr("adapters.webhooks.sender._TOTAL_TIMEOUT_SECONDS", 100.0)
    try:
        assert await AddressGuard(PUBLIC).check("https://slow.example/") == "https://slow.example/"
        async with open_sender(EVERYWHERE) as sender:

            async def send_to(url: str) -> Reply:
                return await sender.send(url, event_id="evt_1", sent_at=datetime.now(UTC), body=BODY)

            waiting = [asyncio.ensure_future(send_to("http://slow.example/")) for _ in range(100)]

            async def all_lookups_started() -> bool:
                return lookups["slow.example"] > len(waiting)

            await eventually(all_lookups_started, "every look-up is under way")
            async with asyncio.timeout(30):
                reply = await send_to(f"http://quick.example:{get_port(listener)}/")
                # Other threads of the operating-system process still run.
                await asyncio.to_thread(int)
            assert reply.status_code == 204
            assert not any(task.done() for task in waiting)
            for task in waiting:
                task.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)
    finally:
        release_lookups.set()


@WITH_INTERNAL_ADDRESSES
async def test_send_refuses_a_name_with_any_internal_address(
    listener: ScriptedServer, monkeypatch: pytest.MonkeyPatch, addresses: list[str]
) -> None:
    monkeypatch.setattr("domain.webhook_urls._HTTP_PORTS", frozenset({get_port(listener)}))
    resolve_names_to(monkeypatch, lambda: addresses)
    assert await send(f"http://hook.example:{get_port(listener)}/", PUBLIC) == REFUSED
    assert listener.connections == 0


async def test_dns_rebinding_is_prevented_by_connecting_to_the_checked_address(
    listener: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = get_port(listener)
    monkeypatch.setattr("domain.webhook_urls._HTTP_PORTS", frozenset({port}))
    # Public when checked, local when connected to. TEST-NET never answers, and counts as public here.
    monkeypatch.setattr("adapters.webhooks.address_guard.is_public", lambda address: str(address) == "192.0.2.1")
    monkeypatch.setattr("adapters.webhooks.sender._TOTAL_TIMEOUT_SECONDS", 0.3)
    lookups = itertools.count()
    resolve_names_to(monkeypatch, lambda: ["192.0.2.1"] if next(lookups) == 0 else ["127.0.0.1"])
    first = await send(f"http://hook.example:{port}/", PUBLIC)
    assert first.status_code is None
    assert next(lookups) == 1
    assert await send(f"http://hook.example:{port}/", PUBLIC) == REFUSED
    assert listener.connections == 0


async def test_only_web_ports_are_called(listener: ScriptedServer) -> None:
    with pytest.raises(InvalidInput, match="port"):
        check_webhook_url(f"https://example.com:{get_port(listener)}/", PUBLIC)
    assert await send(f"http://93.184.216.34:{get_port(listener)}/", PUBLIC) == REFUSED


async def test_event_is_sent_through_the_egress_proxy(listener: ScriptedServer) -> None:
    sender = WebhookSender(SECRET, AddressGuard(WebhookPolicy()), proxy_url=listener.origin)
    reply = await sender.send("http://hook.example/path", event_id="evt_1", sent_at=datetime.now(UTC), body=BODY)
    await sender.close()
    assert reply.status_code == 204
    [request] = listener.requests
    assert (request.target, request.body) == ("http://hook.example/path", BODY)


async def test_refusal_by_the_egress_proxy_has_the_usual_reply() -> None:
    async with scripted(always(answer(407, b"denied by rule"))) as proxy:
        sender = WebhookSender(SECRET, AddressGuard(WebhookPolicy()), proxy_url=proxy.origin)
        reply = await sender.send("https://hook.example/", event_id="evt_1", sent_at=datetime.now(UTC), body=BODY)
        await sender.close()
    assert reply == REFUSED
    assert [request.method for request in proxy.requests] == ["CONNECT"]


@pytest.mark.parametrize("variable", ["http_proxy", "HTTP_PROXY", "ALL_PROXY", "all_proxy"])
async def test_proxy_of_the_environment_is_ignored(
    listener: ScriptedServer, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    async with scripted(always(answer(200))) as proxy:
        monkeypatch.setenv(variable, proxy.origin)
        assert (await send(listener.origin, EVERYWHERE)).status_code == 204
    assert proxy.connections == 0
