"""No outgoing request reaches this machine or its network on a stranger's word, however the address is spelt."""

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
from tests.integration.adapters.test_webhook_sender import BODY, EVERYWHERE, REFUSED, SECRET, sending
from tests.support.conditions import eventually
from tests.support.scripted_server import ScriptedServer, always, answer, scripted
from tests.unit.test_addresses import HOSTILE_HOSTS

PUBLIC = WebhookPolicy(allow_http=True)
# Whatever the port: with the listener's, these would reach it if anything could.
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
    """What nobody from elsewhere may reach."""
    async with scripted(always(answer(204))) as listening:
        yield listening


async def send(url: str, policy: WebhookPolicy) -> Reply:
    """Send an event past the check at the request, as if it had been fooled."""
    async with sending(policy) as sender:
        return await sender.send(url, event_id="evt_1", sent_at=datetime.now(UTC), body=BODY)


def names(monkeypatch: pytest.MonkeyPatch, resolve: Callable[[], list[str]]) -> None:
    """Have every name lead to these addresses."""

    def getaddrinfo(host: str, port: int, **_: Any) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in resolve()]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)


def port_of(listener: ScriptedServer) -> int:
    """Where it listens."""
    return int(listener.origin.rpartition(":")[2])


async def test_none_of_many_hostile_addresses_reaches_a_listener(
    listener: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Else the port alone would have them refused.
    monkeypatch.setattr("domain.webhook_urls._HTTP_PORTS", frozenset({port_of(listener)}))
    assert len(URLS) >= 60
    taken = []
    for url in (template.format(port=port_of(listener)) for template in URLS):
        with suppress(InvalidInput):
            taken.append(check_webhook_url(url, PUBLIC))
        # Names are not looked up here: a resolver elsewhere must not decide what this test finds.
        if not any(name in url for name in ("example", "intranet", "。", "①")):
            assert await send(url, PUBLIC) == REFUSED, url
    assert taken == []
    assert listener.connections == 0


async def test_where_private_addresses_are_allowed_tricks_still_are_not(listener: ScriptedServer) -> None:
    allowed = []
    for url in (template.format(port=port_of(listener)) for template in TRICKS):
        with suppress(InvalidInput):
            allowed.append(check_webhook_url(url, EVERYWHERE).replace(str(port_of(listener)), "port"))
    # The address as it is written is the address that is called.
    assert allowed == [
        "http://127.0.0.1:port?@example.com/",
        "http://[::1%lo]:port/",
        "http://0:port/",
        "http://0x7f.1:port/",
    ]
    assert (await send(listener.origin, EVERYWHERE)).status_code == 204


LEADS_INWARD = pytest.mark.parametrize(
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


@LEADS_INWARD
async def test_a_name_that_leads_inward_is_refused_when_it_is_given(
    monkeypatch: pytest.MonkeyPatch, addresses: list[str]
) -> None:
    names(monkeypatch, lambda: addresses)
    with pytest.raises(InvalidInput, match="not a public one") as refused:
        await AddressGuard(WebhookPolicy()).check("https://hook.example/")
    assert not any(address in str(refused.value) for address in addresses)
    # Whoever allows it, or has a proxy decide, is not asked where a name leads.
    for address_guard in (AddressGuard(EVERYWHERE), AddressGuard(WebhookPolicy(), proxied=True)):
        assert await address_guard.check("https://hook.example/") == "https://hook.example/"


async def test_a_name_that_leads_nowhere_yet_is_taken_and_asked_again_when_it_is_called(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def nowhere() -> list[str]:
        raise socket.gaierror(socket.EAI_AGAIN, "try again")

    names(monkeypatch, nowhere)
    assert await AddressGuard(WebhookPolicy()).check("https://hook.example/") == "https://hook.example/"
    assert await send("https://hook.example/", PUBLIC) == REFUSED


async def test_names_that_take_for_ever_hold_up_neither_the_others_nor_the_request(
    listener: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    let_go, begun = threading.Event(), Counter[str]()

    def getaddrinfo(host: str, port: int, **_: Any) -> list[Any]:
        begun[host] += 1
        if host == "slow.example":
            let_go.wait()
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    monkeypatch.setattr("adapters.webhooks.address_guard._LOOKUP_TIMEOUT_SECONDS", 0.2)
    try:
        assert await AddressGuard(PUBLIC).check("https://slow.example/") == "https://slow.example/"
        async with sending(EVERYWHERE) as sender:

            async def send_to(url: str) -> Reply:
                return await sender.send(url, event_id="evt_1", sent_at=datetime.now(UTC), body=BODY)

            waiting = [asyncio.ensure_future(send_to("http://slow.example/")) for _ in range(100)]

            async def all_wait() -> bool:
                return begun["slow.example"] > len(waiting)

            await eventually(all_wait, "every look-up is under way")
            async with asyncio.timeout(5):
                reply = await send_to(f"http://quick.example:{port_of(listener)}/")
                # What else the process looks up or does in threads goes on.
                await asyncio.to_thread(int)
            assert reply.status_code == 204
            assert not any(one.done() for one in waiting)
            for one in waiting:
                one.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)
    finally:
        let_go.set()


@LEADS_INWARD
async def test_a_name_that_leads_inward_even_in_part_is_refused(
    listener: ScriptedServer, monkeypatch: pytest.MonkeyPatch, addresses: list[str]
) -> None:
    monkeypatch.setattr("domain.webhook_urls._HTTP_PORTS", frozenset({port_of(listener)}))
    names(monkeypatch, lambda: addresses)
    assert await send(f"http://hook.example:{port_of(listener)}/", PUBLIC) == REFUSED
    assert listener.connections == 0


async def test_a_name_that_changes_its_mind_is_asked_once_and_its_address_is_the_one_called(
    listener: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = port_of(listener)
    monkeypatch.setattr("domain.webhook_urls._HTTP_PORTS", frozenset({port}))
    # Public when it is checked, ours when it is connected to; TEST-NET answers nobody, and is called public here.
    monkeypatch.setattr("adapters.webhooks.address_guard.is_public", lambda address: str(address) == "192.0.2.1")
    monkeypatch.setattr("adapters.webhooks.sender._TOTAL_TIMEOUT_SECONDS", 0.3)
    asked = itertools.count()
    names(monkeypatch, lambda: ["192.0.2.1"] if next(asked) == 0 else ["127.0.0.1"])
    first = await send(f"http://hook.example:{port}/", PUBLIC)
    assert first.status_code is None
    assert next(asked) == 1
    assert await send(f"http://hook.example:{port}/", PUBLIC) == REFUSED
    assert listener.connections == 0


async def test_other_ports_than_the_webs_are_not_called(listener: ScriptedServer) -> None:
    with pytest.raises(InvalidInput, match="port"):
        check_webhook_url(f"https://example.com:{port_of(listener)}/", PUBLIC)
    assert await send(f"http://93.184.216.34:{port_of(listener)}/", PUBLIC) == REFUSED


async def test_an_egress_proxy_is_asked_instead(listener: ScriptedServer) -> None:
    sender = WebhookSender(SECRET, AddressGuard(WebhookPolicy()), proxy_url=listener.origin)
    reply = await sender.send("http://hook.example/path", event_id="evt_1", sent_at=datetime.now(UTC), body=BODY)
    await sender.close()
    assert reply.status_code == 204
    [asked] = listener.requests
    assert (asked.target, asked.body) == ("http://hook.example/path", BODY)


async def test_what_an_egress_proxy_refuses_is_refused_like_everything_else() -> None:
    async with scripted(always(answer(407, b"denied by rule"))) as proxy:
        sender = WebhookSender(SECRET, AddressGuard(WebhookPolicy()), proxy_url=proxy.origin)
        reply = await sender.send("https://hook.example/", event_id="evt_1", sent_at=datetime.now(UTC), body=BODY)
        await sender.close()
    assert reply == REFUSED
    assert [asked.method for asked in proxy.requests] == ["CONNECT"]


@pytest.mark.parametrize("variable", ["http_proxy", "HTTP_PROXY", "ALL_PROXY", "all_proxy"])
async def test_a_proxy_of_the_environment_is_not_used(
    listener: ScriptedServer, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    async with scripted(always(answer(200))) as proxy:
        monkeypatch.setenv(variable, proxy.origin)
        assert (await send(listener.origin, EVERYWHERE)).status_code == 204
    assert proxy.connections == 0
