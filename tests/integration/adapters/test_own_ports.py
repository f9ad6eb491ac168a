"""No event goes to a port of the service itself, and a local stack's receivers are its one user's."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from ipaddress import IPv4Address

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.webhooks import AddressGuard, Reply, WebhookSender
from domain.errors import DependencyUnavailable, InvalidInput
from domain.webhook_urls import WebhookPolicy
from tests.integration.adapters.test_hostile_addresses import TRICKS
from tests.integration.adapters.test_webhook_sender import BODY, REFUSED, SECRET
from tests.support.scripted_server import always, answer, scripted
from tests.unit.test_addresses import HOSTILE_HOSTS

# As an IPv4 address may be spelt where resolvers take older forms.
SPELLINGS = (
    lambda a, b, c, d: f"{a}.{b}.{c}.{d}",
    lambda a, b, c, d: f"{a}.{b}.{c}.{d}.",
    lambda a, b, c, d: f"{a}.{b}.{(c << 8) + d}",
    lambda a, b, c, d: f"{a}.{(b << 16) + (c << 8) + d}",
    lambda a, b, c, d: str((a << 24) + (b << 16) + (c << 8) + d),
    lambda a, b, c, d: hex((a << 24) + (b << 16) + (c << 8) + d),
    lambda a, b, c, d: f"0{(a << 24) + (b << 16) + (c << 8) + d:o}",
    lambda a, b, c, d: f"{a:#x}.{b:#x}.{c:#x}.{d:#x}",
    lambda a, b, c, d: f"0{a:o}.0{b:o}.0{c:o}.0{d:o}",
    lambda a, b, c, d: f"[::ffff:{a}.{b}.{c}.{d}]",
    lambda a, b, c, d: f"[0:0:0:0:0:FFFF:{a:02x}{b:02x}:{c:02x}{d:02x}]",
    lambda a, b, c, d: f"[64:ff9b::{a}.{b}.{c}.{d}]",
    lambda a, b, c, d: f"[2002:{a:02x}{b:02x}:{c:02x}{d:02x}::1]",
    lambda a, b, c, d: f"[::{a}.{b}.{c}.{d}]",
)
byte = st.integers(0, 255)
loopback = st.builds(lambda spell, b, c, d: spell(127, b, c, d), st.sampled_from(SPELLINGS), byte, byte, byte)
interfaces = [
    f"[{address.address.partition('%')[0]}]" if address.family == socket.AF_INET6 else address.address
    for addresses in psutil.net_if_addrs().values()
    for address in addresses
    if address.family in {socket.AF_INET, socket.AF_INET6}
]
own_hosts = loopback | st.sampled_from(
    (
        *HOSTILE_HOSTS,
        *interfaces,
        *("0.0.0.0", "0", "[::]", "[::0]", "[::1]", "[0:0:0:0:0:0:0:1]", "localhost", "LocalHost", "a.localhost"),
        socket.gethostname(),
    )
)


@contextmanager
def service() -> Iterator[socket.socket]:
    """A service on every address of this machine, to which nobody has connected."""
    with socket.create_server(("", 0), family=socket.AF_INET6, dualstack_ipv6=True) as listener:
        listener.setblocking(False)
        yield listener
        with pytest.raises(BlockingIOError):
            listener.accept()


async def attempt(policy: WebhookPolicy, url: str) -> tuple[bool, Reply]:
    """Whether an address is taken, and what comes of calling it as if it had been."""
    address_guard = AddressGuard(policy)
    sender = WebhookSender(SECRET, address_guard)
    try:
        try:
            await address_guard.check(url)
            taken = True
        except InvalidInput:
            taken = False
        return taken, await sender.send(url, event_id="evt_1", sent_at=datetime.now(UTC), body=BODY)
    finally:
        await sender.close()
        address_guard.close()


def unlimited(*own_ports: int) -> WebhookPolicy:
    """What allows most."""
    return WebhookPolicy(allow_http=True, allow_private=True, own_ports=frozenset(own_ports))


@pytest.fixture(scope="module")
def listener() -> Iterator[socket.socket]:
    with service() as listening:
        yield listening


@given(host=own_hosts, path=st.sampled_from(("/", "/hook?x=1", "")))
def test_a_port_of_the_service_is_called_under_no_name_of_this_machine(
    listener: socket.socket, host: str, path: str
) -> None:
    port = listener.getsockname()[1]
    # Names and addresses that lead elsewhere have to be given up soon.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("adapters.webhooks.sender._TOTAL_TIMEOUT_SECONDS", 0.3)
        _, reply = asyncio.run(attempt(unlimited(port), f"http://{host}:{port}{path}"))

    assert reply.status_code is None


@pytest.mark.parametrize("trick", [trick for trick in TRICKS if trick.isascii()])
async def test_nor_by_a_trick(listener: socket.socket, monkeypatch: pytest.MonkeyPatch, trick: str) -> None:
    monkeypatch.setattr("adapters.webhooks.sender._TOTAL_TIMEOUT_SECONDS", 0.3)
    port = listener.getsockname()[1]

    _, reply = await attempt(unlimited(port), trick.format(port=port))

    assert reply.status_code is None


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::ffff:127.9.9.9]", "0.0.0.0", *interfaces[:1]])
async def test_it_is_refused_when_it_is_given_in_words_of_its_own(listener: socket.socket, host: str) -> None:
    address_guard = AddressGuard(unlimited(listener.getsockname()[1]))

    with pytest.raises(InvalidInput, match="leads to this service itself") as refused:
        await address_guard.check(f"http://{host}:{listener.getsockname()[1]}/")

    assert refused.value.code == "invalid_webhook_url"


async def test_the_ports_that_schemes_imply_count(monkeypatch: pytest.MonkeyPatch) -> None:
    address_guard = AddressGuard(unlimited(80, 443))

    for url in ("http://127.0.0.1/", "https://localhost/"):
        with pytest.raises(InvalidInput, match="leads to this service itself"):
            await address_guard.check(url)


async def test_a_name_that_leads_to_the_service_only_when_it_is_called_is_refused(
    listener: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = listener.getsockname()[1]
    found = iter(["192.0.2.1", "127.0.0.1"])
    monkeypatch.setattr(
        socket, "getaddrinfo", lambda *_, **__: [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (next(found), port))]
    )

    assert await attempt(unlimited(port), f"http://rebinding.example:{port}/") == (True, REFUSED)


async def test_receivers_beside_the_service_are_called() -> None:
    async with scripted(always(answer(204))) as receiver:
        port = int(receiver.origin.rpartition(":")[2])
        taken, reply = await attempt(unlimited(port + 1), receiver.origin)

    assert (taken, reply.status_code) == (True, 204)


async def test_the_same_port_of_another_machine_is_not_the_services() -> None:
    elsewhere = next(f"192.0.2.{last}" for last in range(1, 9) if f"192.0.2.{last}" not in interfaces)
    assert IPv4Address(elsewhere).is_private

    address_guard = AddressGuard(unlimited(8000))

    assert await address_guard.check(f"http://{elsewhere}:8000/") == f"http://{elsewhere}:8000/"


async def test_the_first_key_ends_what_a_stack_with_one_user_allows() -> None:
    asked: list[bool] = []
    keys = False

    async def has_keys() -> bool:
        asked.append(keys)
        return keys

    policy = WebhookPolicy(allow_http=True, allow_private=True, private_until_keys=True)
    address_guard = AddressGuard(policy, has_keys=has_keys)
    sender = WebhookSender(SECRET, address_guard)

    async def send(url: str) -> Reply:
        return await sender.send(url, event_id="evt_1", sent_at=datetime.now(UTC), body=BODY)

    async with scripted(always(answer(204))) as receiver:
        await address_guard.check(receiver.origin)
        assert (await send(receiver.origin)).status_code == 204
        keys = True
        # What was taken before is not sent any more.
        assert await send(receiver.origin) == REFUSED
        with pytest.raises(InvalidInput):
            await address_guard.check(receiver.origin)
        assert receiver.connections == 1
    # There is no way back, and nothing more to ask.
    before, keys = len(asked), False
    with pytest.raises(InvalidInput, match="not a public one"):
        await address_guard.check("http://127.0.0.1/")
    assert len(asked) == before
    await sender.close()


async def test_while_nobody_can_say_whether_there_are_keys_nothing_is_allowed() -> None:
    async def unknown() -> bool:
        raise DependencyUnavailable("database", "The database does not answer.")

    policy = WebhookPolicy(allow_http=True, allow_private=True, private_until_keys=True)

    with pytest.raises(DependencyUnavailable):
        await AddressGuard(policy, has_keys=unknown).check("http://127.0.0.1/")
    with pytest.raises(InvalidInput):
        await AddressGuard(policy).check("http://127.0.0.1/")
