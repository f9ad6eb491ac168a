"""A real Caddy with the configuration of docker-compose.yml's profile `tls`."""

from __future__ import annotations

import asyncio
import os
import shutil
import ssl
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest

from tests.support.conditions import eventually
from tests.support.paths import ROOT
from tests.support.ports import bound_socket

CADDYFILE = ROOT / "deploy" / "proxy" / "Caddyfile"
_STOP_SECONDS = 20


@dataclass(frozen=True)
class Caddy:
    """A running Caddy at ``localhost``, with a certificate of its own authority.

    Attributes:
        url: The API's address behind it.
        plain_url: The address of its HTTP port.
        root: The certificate of its authority.
    """

    url: str
    plain_url: str
    root: Path

    def client(self, address: str, *, key: str | None = None) -> httpx2.AsyncClient:
        """Return a client that connects from an address of this machine."""
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        authority = ssl.create_default_context(cafile=str(self.root))
        transport = httpx2.AsyncHTTPTransport(verify=authority, local_address=address)
        return httpx2.AsyncClient(base_url=self.url, transport=transport, headers=headers, timeout=60)


def find_caddy() -> str:
    """Return the path of ``caddy``; skip the test where there is none, except in CI."""
    program = shutil.which("caddy")
    if program is None:
        missing = "The tests of the TLS proxy need the program caddy (Debian: apt-get install caddy)."
        assert not os.environ.get("CI"), missing
        pytest.skip(missing)
    return program


@asynccontextmanager
async def running_caddy(folder: Path, upstream: str) -> AsyncIterator[Caddy]:
    """Run Caddy before an API, with free ports and with certificates of its own.

    Args:
        folder: Where it keeps its state.
        upstream: Host and port of the API.
    """
    program = find_caddy()
    with ExitStack() as probes:
        https, http, health = (probes.enter_context(bound_socket()).getsockname()[1] for _ in range(3))
    text = CADDYFILE.read_text(encoding="utf-8")
    for found, replacement in (
        ("\tadmin off\n", f"\tadmin off\n\thttp_port {http}\n\thttps_port {https}\n\tskip_install_trust\n"),
        ("http://127.0.0.1:8080", f"http://127.0.0.1:{health}"),
        ("api:8000", upstream),
    ):
        assert text.count(found) == 1, found
        text = text.replace(found, replacement)
    config = folder / "Caddyfile"
    config.write_text(text)
    variables = {"HOME": str(folder), "XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}
    log = folder / "caddy.log"
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *(program, "run", "--config", str(config), "--adapter", "caddyfile"),
            env={"PATH": os.environ["PATH"], "AUTOS_DOMAIN": "localhost", **variables},
            stdout=output,
            stderr=output,
        )
    try:
        root = folder / "caddy" / "pki" / "authorities" / "local" / "root.crt"
        caddy = Caddy(f"https://localhost:{https}", f"http://localhost:{http}", root)

        async def is_up() -> bool:
            assert process.returncode is None, log.read_text()
            async with httpx2.AsyncClient(timeout=60, trust_env=False) as checker:
                try:
                    # What the container's health check asks for. The certificate may come later.
                    if (await checker.get(f"http://127.0.0.1:{health}/")).status_code != 200 or not root.exists():
                        return False
                    async with caddy.client("127.0.0.1") as client:
                        return (await client.get("/health/live")).status_code == 200
                except httpx2.TransportError:
                    return False

        await eventually(is_up, "Caddy answers")
        yield caddy
    finally:
        if process.returncode is None:
            process.terminate()
        await asyncio.wait_for(process.wait(), _STOP_SECONDS)
