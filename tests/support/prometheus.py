"""A real Prometheus, and its tool for rules."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from math import isnan
from pathlib import Path
from typing import Any

import httpx2
import pytest
import yaml

from tests.support.conditions import eventually
from tests.support.paths import ROOT
from tests.support.ports import bound_socket

RULES = ROOT / "deploy" / "prometheus" / "rules.yml"
_STOP_SECONDS = 60


def find_program(name: str) -> str:
    """Return the path of ``prometheus`` or ``promtool``; skip the test where there is none, except in CI."""
    program = shutil.which(name)
    if program is None:
        missing = f"The tests of metrics need the program {name} (Debian: apt-get install prometheus)."
        assert not os.environ.get("CI"), missing
        pytest.skip(missing)
    return program


def check_rules(path: Path) -> None:
    """Have promtool read a file of rules."""
    _run_promtool("check", "rules", str(path))


def try_rules(path: Path) -> None:
    """Have promtool run the tests of rules."""
    _run_promtool("test", "rules", str(path))


def _run_promtool(*arguments: str) -> None:
    done = subprocess.run(
        [find_program("promtool"), *arguments], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@dataclass(frozen=True)
class Prometheus:
    """A running Prometheus."""

    http: httpx2.AsyncClient

    async def query(self, expression: str) -> list[dict[str, Any]]:
        """Return the series of an expression that have a value now."""
        answer = await self.http.get("/api/v1/query", params={"query": expression})
        assert answer.status_code == 200, answer.text
        result: list[dict[str, Any]] = answer.json()["data"]["result"]
        return [series for series in result if not isnan(float(series["value"][1]))]

    async def list_firing(self) -> set[str]:
        """Return the names of the alerts that are firing."""
        alerts = (await self.http.get("/api/v1/alerts")).json()["data"]["alerts"]
        return {alert["labels"]["alertname"] for alert in alerts if alert["state"] == "firing"}

    async def wait_until_raised(self, name: str, *, seconds: float = 60.0) -> None:
        """Wait until an alert is firing."""

        async def is_raised() -> bool:
            return name in await self.list_firing()

        await eventually(is_raised, f"{name} is raised", seconds=seconds)

    async def wait_until_cleared(self, name: str, *, seconds: float = 60.0) -> None:
        """Wait until an alert is not firing any more."""

        async def is_cleared() -> bool:
            return name not in await self.list_firing()

        await eventually(is_cleared, f"{name} is cleared", seconds=seconds)


@asynccontextmanager
async def running_prometheus(
    folder: Path, rules: dict[str, Any], *, key: str = "", **targets: str
) -> AsyncIterator[Prometheus]:
    """Run a Prometheus that scrapes every three seconds.

    Args:
        folder: For its data, empty.
        rules: The content of its file of rules.
        key: Sent to every target, if there is one.
        targets: Host and port of each job. An underscore in a job's name stands for a hyphen.
    """
    program = find_program("prometheus")
    configuration = {
        "global": {"scrape_interval": "3s", "scrape_timeout": "3s", "evaluation_interval": "1s"},
        "rule_files": ["rules.yml"],
        "scrape_configs": [
            {
                "job_name": job.replace("_", "-"),
                "static_configs": [{"targets": [target]}],
                **({"authorization": {"credentials": key}} if key else {}),
            }
            for job, target in targets.items()
        ],
    }
    for name, content in (("rules.yml", rules), ("prometheus.yml", configuration)):
        await asyncio.to_thread((folder / name).write_text, yaml.safe_dump(content))
    with bound_socket() as probe:
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    with (folder / "log").open("wb") as log:
        running = await asyncio.create_subprocess_exec(
            *(program, f"--config.file={folder / 'prometheus.yml'}", f"--storage.tsdb.path={folder / 'data'}"),
            f"--web.listen-address={address}",
            stderr=log,
        )
    try:
        async with httpx2.AsyncClient(base_url=f"http://{address}", timeout=30) as http:

            async def is_ready() -> bool:
                assert running.returncode is None, (folder / "log").read_text()
                with suppress(httpx2.TransportError):
                    return (await http.get("/-/ready")).is_success
                return False

            await eventually(is_ready, "Prometheus is ready")
            yield Prometheus(http)
    finally:
        running.terminate()
        await asyncio.wait_for(running.wait(), _STOP_SECONDS)
