"""Which webhook addresses are accepted, and which networks are public."""

from __future__ import annotations

from contextlib import suppress
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import InvalidInput
from domain.webhook_urls import WebhookPolicy, check_webhook_url, is_public

STRICT = WebhookPolicy()
OPEN = WebhookPolicy(allow_http=True, allow_private=True)

TAKEN = (
    "https://example.com/hook",
    "https://example.com:8443/hook?token=a%20b&x=[1]",
    "HTTPS://EXAMPLE.COM/",
    "https://example.com./hook",
    "https://xn--tribunal-o0a.example/",
    "https://8.8.8.8/hook",
    "https://[2606:4700:4700::1111]/hook",
    "https://10.example.com/",
    "https://localhost.example.com/",
)
HOSTILE_HOSTS = (
    "localhost",
    "LOCALHOST",
    "localhost.",
    "api.localhost",
    "intranet",
    "127.0.0.1",
    "127.0.0.1.",
    "127.1",
    "127.0.1",
    "0177.0.0.1",
    "0x7f.0.0.1",
    "0x7f000001",
    "2130706433",
    "017700000001",
    "1.2.3.4.5",
    "0.0.0.0",
    "10.0.0.1",
    "172.16.0.1",
    "192.168.1.1",
    "100.64.0.1",
    "169.254.169.254",
    "192.0.0.1",
    "192.0.0.192",
    "192.88.99.1",
    "168.63.129.16",
    "192.0.2.1",
    "198.18.0.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "[::]",
    "[::1]",
    "[::127.0.0.1]",
    "[::ffff:127.0.0.1]",
    "[::ffff:10.0.0.1]",
    "[::ffff:a9fe:a9fe]",
    "[64:ff9b::7f00:1]",
    "[64:ff9b:1::1]",
    "[2002:7f00:1::]",
    "[2002:a9fe:a9fe::1]",
    "[2001:0:a9fe:a9fe::1]",
    "[2001:db8::1]",
    "[3fff::1]",
    "[64:ff9b::c000:c0]",
    "[fc00::1]",
    "[fd00:ec2::254]",
    "[fe80::1]",
    "[fe80::1%25eth0]",
    "[fec0::1]",
    "[ff02::1]",
)
MALFORMED = (
    "",
    "example.com/hook",
    "//example.com/hook",
    "https:example.com",
    "https:///hook",
    "https://",
    "https://:443/",
    "ftp://example.com/",
    "file:///etc/passwd",
    "javascript:alert(1)",
    "gopher://example.com/",
    "https://user@example.com/",
    "https://:secret@example.com/",
    "https://@example.com/",
    "https://example.com@127.0.0.1/",
    "https://example.com\\@127.0.0.1/",
    "https://example.com/#part",
    "https://a.127%2e0.0.1/",
    "https://127.0.0.1%00.example.com/",
    "https://exam*ple.com/",
    "https://example.com:0/",
    "https://example.com:65536/",
    "https://example.com:port/",
    "https://[::1/",
    "https://[zz]/",
    "https://example.com/a b",
    "https://example.com/\r\nHost: evil",
    "https://example.com/\x00",
    "https://exam\u200bple.com/",
    "https://\u2460\u2461\u2466.0.0.1/",
    "https://example.com/" + "a" * 2048,
    " https://example.com/",
)


@pytest.mark.parametrize("url", TAKEN)
def test_public_address_is_accepted_unchanged(url: str) -> None:
    assert check_webhook_url(url, STRICT) == url


@pytest.mark.parametrize("host", HOSTILE_HOSTS)
def test_host_that_is_not_public_is_refused(host: str) -> None:
    with pytest.raises(InvalidInput, match="not a public one"):
        check_webhook_url(f"https://{host}/hook", STRICT)


@pytest.mark.parametrize("url", MALFORMED)
@pytest.mark.parametrize("policy", [STRICT, OPEN])
def test_malformed_address_is_refused_under_every_policy(url: str, policy: WebhookPolicy) -> None:
    with pytest.raises(InvalidInput) as refused:
        check_webhook_url(url, policy)
    assert refused.value.code == "invalid_webhook_url"
    assert refused.value.field == "webhook_url"


def test_plain_http_is_refused_unless_allowed() -> None:
    with pytest.raises(InvalidInput, match="must begin with https://"):
        check_webhook_url("http://example.com/", STRICT)
    assert check_webhook_url("http://example.com/", WebhookPolicy(allow_http=True))


@pytest.mark.parametrize("port", [22, 80, 444, 5432, 6379, 7233, 8080, 65535])
def test_ports_of_other_services_are_refused(port: int) -> None:
    with pytest.raises(InvalidInput, match="443 or 8443"):
        check_webhook_url(f"https://example.com:{port}/", STRICT)
    assert check_webhook_url(f"https://example.com:{port}/", OPEN)


@pytest.mark.parametrize("host", ["localhost:9000", "127.0.0.1:9000", "[::1]:9000", "receiver:80", "10.0.0.1"])
def test_private_hosts_are_accepted_if_allowed(host: str) -> None:
    assert check_webhook_url(f"http://{host}/hook", OPEN)


@given(st.text() | st.text().map("https://{}".format) | st.text().map("https://[{}".format))
def test_any_text_is_accepted_unchanged_or_refused(text: str) -> None:
    with suppress(InvalidInput):
        assert check_webhook_url(text, STRICT) == text


@given(st.ip_addresses(v=4))
def test_ipv4_embedded_in_ipv6_is_classified_like_the_ipv4_address(address: object) -> None:
    alone = is_public(ip_address(str(address)))
    assert is_public(ip_address(f"::ffff:{address}")) is alone
    assert is_public(ip_address(f"64:ff9b::{address}")) is alone


@pytest.mark.parametrize("address", ["8.8.8.8", "200.160.2.3", "2606:4700:4700::1111", "2002:808:808::"])
def test_internet_addresses_are_public(address: str) -> None:
    assert is_public(ip_address(address))
