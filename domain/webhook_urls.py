"""Validation of webhook addresses (SSRF protection): a client must not reach private networks through us."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from urllib.parse import urlsplit

from domain.errors import InvalidInput

_NAT64 = IPv6Network("64:ff9b::/96")
# Networks that are not public, although ``is_global`` is true for them in at least some versions of Python.
_NOT_PUBLIC_NETWORKS = (
    # Protocol assignments (RFC 6890); one cloud keeps its metadata at 192.0.0.192.
    IPv4Network("192.0.0.0/24"),
    # Relays of 6to4, which is withdrawn (RFC 7526).
    IPv4Network("192.88.99.0/24"),
    # Another cloud's internal services, reachable only from inside it.
    IPv4Network("168.63.129.16/32"),
    # Documentation (RFC 9637).
    IPv6Network("3fff::/20"),
)
_MAX_LENGTH = 2048
_HTTPS_PORTS = frozenset({443, 8443})
_HTTP_PORTS = frozenset({80, 8080})
_HOST = re.compile(r"[a-z0-9._-]+")
# Names never end in a number: resolvers read such a host as an old notation of an IPv4 address (127.1, 0x7f.1).
_NUMERIC_END = re.compile(r"(.*\.)?([0-9]+|0x[0-9a-f]*)")
_CODE = "invalid_webhook_url"
_FIELD = "webhook_url"


@dataclass(frozen=True, slots=True)
class WebhookPolicy:
    """The webhook addresses that an operator allows.

    Attributes:
        allow_http: Allow plain http, for development.
        allow_private: Allow addresses that only this machine or its network can reach, for development.
        private_until_keys: ``allow_private`` applies only until the first API key is created. Until then every
            client is this machine's own user. False if the operator has set ``allow_private`` explicitly.
        own_ports: Ports of this machine on which the service and its dependencies listen. They are never called on
            an address of this machine, whatever else is allowed.
    """

    allow_http: bool = False
    allow_private: bool = False
    private_until_keys: bool = False
    own_ports: frozenset[int] = frozenset()

    def allows_port(self, port: int) -> bool:
        """Return whether a port may be called: web ports, and any port if private addresses are allowed."""
        return self.allow_private or port in _HTTPS_PORTS or (self.allow_http and port in _HTTP_PORTS)


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Return whether an address belongs to the public Internet. An embedded IPv4 address is checked too.

    ``is_global`` alone is true for NAT64, 6to4, site-local and multicast addresses.
    """
    if isinstance(address, IPv6Address):
        if address.teredo is not None or address.is_site_local:
            return False
        inner = embedded_ipv4(address)
        if inner is not None:
            return is_public(inner)
    if any(address in network for network in _NOT_PUBLIC_NETWORKS):
        return False
    return address.is_global and not address.is_multicast and not address.is_reserved


def embedded_ipv4(address: IPv6Address) -> IPv4Address | None:
    """Return the IPv4 address that packets to this IPv6 address may reach (mapped, 6to4, NAT64), if any."""
    return address.ipv4_mapped or address.sixtofour or _nat64(address)


def _nat64(address: IPv6Address) -> IPv4Address | None:
    return IPv4Address(int(address) & 0xFFFFFFFF) if address in _NAT64 else None


def check_webhook_url(url: str, policy: WebhookPolicy) -> str:
    """Check the form of a webhook address. Its host name is not resolved here.

    Returns:
        The address, unchanged.

    Raises:
        InvalidInput: The address cannot be used. The text says why.
    """
    schemes = ("https", "http") if policy.allow_http else ("https",)
    if len(url) > _MAX_LENGTH or not url.isascii() or any(ord(c) <= 32 or c in '\\"<>^`{|}' for c in url):
        raise _invalid_url_error(
            "it is longer than 2048 characters, or holds blanks or characters that must be encoded"
        )
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise _invalid_url_error("it is not an address") from None
    if parts.scheme.lower() not in schemes:
        raise _invalid_url_error(f"it must begin with {' or '.join(f'{scheme}://' for scheme in schemes)}")
    if not host:
        raise _invalid_url_error("it names no host")
    if ":" not in host and not _HOST.fullmatch(host):
        raise _invalid_url_error("its host is not a name that can be looked up")
    if parts.username is not None or parts.password is not None:
        raise _invalid_url_error("it holds a user name or password")
    if parts.fragment:
        raise _invalid_url_error("it holds a fragment (#…), which is never sent")
    if port == 0:
        raise _invalid_url_error("port 0 cannot be called")
    if port is not None and not policy.allows_port(port):
        raise _invalid_url_error("its port is not one of the web's: 443 or 8443")
    if not policy.allow_private:
        try:
            literal = ip_address(host)
        except ValueError:
            name = host.rstrip(".")
            if name.endswith("localhost") or "." not in name.strip(".") or _NUMERIC_END.fullmatch(name):
                raise not_public_error() from None
        else:
            if not is_public(literal):
                raise not_public_error()
    return url


def not_public_error() -> InvalidInput:
    """Return the error for an address that is not public. Its text does not reveal which address it is."""
    return _invalid_url_error("its host is not a public one")


def own_service_error() -> InvalidInput:
    """Return the error for an address that is a port of the service itself."""
    return _invalid_url_error("it leads to this service itself")


def _invalid_url_error(reason: str) -> InvalidInput:
    return InvalidInput(f"The webhook_url cannot be used: {reason}.", code=_CODE, field=_FIELD)
