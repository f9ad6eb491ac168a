"""No event is sent to a port of the service itself. Private addresses are allowed only without API keys."""

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

# The ways to write an IPv4 address, including old forms that some resolvers accept.
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
def run_service() -> Iterator[socket.socket]:
    """Listen on every address of this machine. Fails at the end of the block if anything has connected."""
    with socket.create_server(("", 0), family=socket.AF_INET6, dualstack_ipv6=True) as listener:
        listener.setblocking(False)
        yield listener
        with pytest.raises(BlockingIOError):
            listener.accept()


async def check_and_send(policy: WebhookPolicy, url: str) -> tuple[bool, Reply]:
    """Check an address, then send to it even if it was refused. Returns whether it was accepted, and the reply."""
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


def allow_all_but(*own_ports: int) -> WebhookPolicy:
    """Return a policy that allows everything except these own ports."""
    return WebhookPolicy(allow_http=True, allow_private=True, own_ports=frozenset(own_ports))


@pytest.fixture(scope="module")
def listener() -> Iterator[socket.socket]:
    with run_service() as listening:
        yield listening


@given(host=own_hosts, path=st.sampled_from(("/", "/hook?x=1", "")))
def test_own_port_is_not_called_under_any_local_name(listener: socket.socket, host: str, path: str) -> None:
    port = listener.getsockname()[1]
    # Addresses of other machines must time out soon.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("adapters.webhooks.sender._TOTAL_TIMEOUT_SECONDS", 0.3)
        _, reply = asyncio.run(check_and_send(allow_all_but(port), f"http://{host}:{port}{path}"))

    assert reply.status_code is None


@pytest.mark.parametrize("trick", [trick for trick in TRICKS if trick.isascii()])
async def test_own_port_is_not_called_by_malformed_addresses(
    listener: socket.socket, monkeypatch: pytest.MonkeyPatch, trick: str
) -> None:
    monkeypatch.setattr("adapters.webhooks.sender._TOTAL_TIMEOUT_SECONDS", 0.3)
    port = listener.getsockname()[1]

    _, reply = await check_and_send(allow_all_but(port), trick.format(port=port))

    assert reply.status_code is None


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::ffff:127.9.9.9]", "0.0.0.0", *interfaces[:1]])
async def test_check_refuses_own_port_with_its_own_message(listener: socket.socket, host: str) -> None:
    address_guard = AddressGuard(allow_all_but(listener.getsockname()[1]))

    with pytest.raises(InvalidInput, match="leads to this service itself") as refused:
        await address_guard.check(f"http://{host}:{listener.getsockname()[1]}/")

    assert refused.value.code == "invalid_webhook_url"


async def test_default_ports_of_schemes_can_be_own_ports(monkeypatch: pytest.MonkeyPatch) -> None:
    address_guard = AddressGuard(allow_all_but(80, 443))

    for url in ("http://127.0.0.1/", "https://localhost/"):
        with pytest.raises(InvalidInput, match="leads to this service itself"):
            await address_guard.check(url)


async def test_own_port_is_refused_if_the_name_is_rebound_on_send(
    listener: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = listener.getsockname()[1]
    found = iter(["192.0.2.1", "127.0.0.1"])
    monkeypatch.setattr(
        socket, "getaddrinfo", lambda *_, **__: [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (next(found), port))]
    )

    assert await check_and_send(allow_all_but(port), f"http://rebinding.example:{port}/") == (True, REFUSED)


async def test_receiver_on_another_local_port_is_called() -> None:
    async with scripted(always(answer(204))) as receiver:
        port = int(receiver.origin.rpartition(":")[2])
        taken, reply = await check_and_send(allow_all_but(port + 1), receiver.origin)

    assert (taken, reply.status_code) == (True, 204)


async def test_same_port_on_another_machine_is_accepted() -> None:
    elsewhere = next(f"192.0.2.{last}" for last in range(1, 9) if f"192.0.2.{last}" not in interfaces)
    assert IPv4Address(elsewhere).is_private

    address_guard = AddressGuard(allow_all_but(8000))

    assert await address_guard.check(f"http://{elsewhere}:8000/") == f"http://{elsewhere}:8000/"


async def test_first_api_key_disables_private_addresses() -> None:
    reads: list[bool] = []
    keys = False

    async def has_keys() -> bool:
        reads.append(keys)
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
        # An address accepted before is now refused.
        assert await send(receiver.origin) == REFUSED
        with pytest.raises(InvalidInput):
            await address_guard.check(receiver.origin)
        assert receiver.connections == 1
    # The change is permanent, so the keys are not read again.
    before, keys = len(reads), False
    with pytest.raises(InvalidInput, match="not a public one"):
        await address_guard.check("http://127.0.0.1/")
    assert len(reads) == before
    await sender.close()


async def test_private_addresses_are_refused_if_keys_cannot_be_read() -> None:
    async def fail_to_read_keys() -> bool:
        raise DependencyUnavailable("database", "The database does not answer.")

    policy = WebhookPolicy(allow_http=True, allow_private=True, private_until_keys=True)

    with pytest.raises(DependencyUnavailable):
        await AddressGuard(policy, has_keys=fail_to_read_keys).check("http://127.0.0.1/")
    with pytest.raises(InvalidInput):
        await AddressGuard(policy).check("http://127.0.0.1/")
