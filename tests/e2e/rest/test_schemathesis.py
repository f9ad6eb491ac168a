"""Schemathesis with all of its checks: the API behaves as its OpenAPI description says."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from tests.support.api_service import running_api_beside
from tests.support.numbers import fresh_number
from tests.support.paths import ROOT
from tests.support.receiver import Receiver
from tests.support.stack import RunningStack

KEY = "a key for schemathesis alone"


async def test_every_schemathesis_check_passes(stack: RunningStack, receiver: Receiver, tmp_path: Path) -> None:
    numbers = [fresh_number() for _ in range(3)]
    for number in numbers:
        await stack.create_process(number, 1)
        await stack.request_download(number)
        await stack.wait_until_ended(number)
    # Schemathesis tries wrong keys at every route, and expects 401 rather than 429.
    settings = {"AUTOS_WEBHOOK_ALLOW_PRIVATE": "true", "AUTOS_WRONG_KEYS_PER_MINUTE": "10000"}
    async with running_api_beside(stack, AUTOS_API_KEY=KEY, **settings) as api:
        process = await asyncio.create_subprocess_exec(
            *(
                str(Path(sys.executable).with_name("schemathesis")),
                "--config-file",
                str(ROOT / "tests/e2e/rest/schemathesis.toml"),
            ),
            *("run", f"{api.url}/openapi.json", "-H", f"Authorization: Bearer {KEY}"),
            cwd=ROOT,
            env={
                **os.environ,
                "SCHEMATHESIS_HOOKS": "tests.e2e.rest.schemathesis_formats",
                "NUMBERS": ",".join(numbers),
                "RECEIVER": receiver.url,
                "NO_COLOR": "1",
            },
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output, _ = await asyncio.wait_for(process.communicate(), 110)
    # Schemathesis has also handed in credentials.
    await stack.renew_credentials()
    assert process.returncode == 0, output.decode()[-20_000:]
