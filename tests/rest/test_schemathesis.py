"""Schemathesis, with all of its checks, against the whole stack: the service does what its description says."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from tests.support.another_api import another_api
from tests.support.numbers import fresh_number
from tests.support.receiver import Receiver
from tests.support.stack import ROOT, RunningStack

KEY = "a key for schemathesis alone"


async def test_no_check_fails(stack: RunningStack, receiver: Receiver, tmp_path: Path) -> None:
    numbers = [fresh_number() for _ in range(3)]
    for number in numbers:
        await stack.prepare(number, 1)
        await stack.request(number)
        await stack.ended(number)
    # It tries wrong keys at every route, and expects 401 rather than 429.
    settings = {"AUTOS_WEBHOOK_ALLOW_PRIVATE": "true", "AUTOS_WRONG_KEYS_PER_MINUTE": "10000"}
    async with another_api(stack, AUTOS_API_KEY=KEY, **settings) as url:
        process = await asyncio.create_subprocess_exec(
            *(
                str(Path(sys.executable).with_name("schemathesis")),
                "--config-file",
                str(ROOT / "tests/rest/schemathesis.toml"),
            ),
            *("run", f"{url}/openapi.json", "-H", f"Authorization: Bearer {KEY}"),
            cwd=ROOT,
            env={
                **os.environ,
                "SCHEMATHESIS_HOOKS": "tests.rest.formats",
                "NUMBERS": ",".join(numbers),
                "RECEIVER": receiver.url,
                "NO_COLOR": "1",
            },
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output, _ = await asyncio.wait_for(process.communicate(), 110)
    # Among what it tried were credentials.
    token = (await stack.simulator.post("/_simulator/token")).raise_for_status().json()["token"]
    (await stack.api.put("/court/credentials", json={"token": token})).raise_for_status()
    assert process.returncode == 0, output.decode()[-20_000:]
