"""Addresses on this machine."""

from __future__ import annotations

from ipaddress import ip_address
from urllib.parse import urlsplit

_DEFAULT_PORTS = {"http": 80, "https": 443}


def is_loopback(host: str) -> bool:
    """Return whether a host is a loopback address or ``localhost``."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def bracketed(host: str) -> str:
    """Return a host as URLs write it: IPv6 addresses in brackets."""
    return f"[{host}]" if ":" in host else host


def loopback_port(url: str) -> int | None:
    """Return the port of a URL on this machine. None for another machine, a file or a socket."""
    try:
        parts = urlsplit(url)
        if parts.hostname is None or not is_loopback(parts.hostname):
            return None
        return parts.port or _DEFAULT_PORTS.get(parts.scheme)
    except ValueError:  # Only its driver can parse this address, and will report it.
        return None


def read_listen_address(text: str) -> str:
    """Return an address to listen on, as ``IP:PORT``.

    Raises:
        ValueError: The text is not an IP address, or ``localhost``, and a port.
    """
    host, _, port = text.rpartition(":")
    host = "127.0.0.1" if host == "localhost" else host.removeprefix("[").removesuffix("]")
    try:
        if 1 <= int(port) <= 65_535:
            return f"{bracketed(str(ip_address(host)))}:{int(port)}"
    except ValueError:
        pass
    raise ValueError("must be an IP address and a port, as in 127.0.0.1:9464")
