"""The examples of docs/api.md: they run, and every route and every client method has one."""

from __future__ import annotations

import asyncio
import inspect
import json
import os
import re
import sys
from pathlib import Path

import pytest

from autos_client import Autos
from tests.support.paths import ROOT
from tests.support.receiver import Receiver
from tests.support.stack import RunningStack

_EXAMPLE = re.compile(r"^```(bash|python)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_PAGE = (ROOT / "docs" / "api.md").read_text()

# For each language: how to run a program, and the form of each example in it. It ends at the first that fails.
_PROGRAMS = {
    "bash": (["bash", "-euo", "pipefail", "-c"], "echo 'example {index}' >&2\n{example}"),
    "python": ([sys.executable, "-c"], "import sys; print('example {index}', file=sys.stderr)\n{example}"),
}


@pytest.mark.parametrize("language", _PROGRAMS)
async def test_the_examples_run(stack: RunningStack, receiver: Receiver, tmp_path: Path, language: str) -> None:
    command, template = _PROGRAMS[language]
    examples = [example for fence, example in _EXAMPLE.findall(_PAGE) if fence == language]
    assert len(examples) > 8
    token = (await stack.create_court_token())["token"]
    # A new token invalidates the ones before it, and the last example hands this one in.
    await stack.put_credentials(token=token)
    program = "\n".join(template.format(index=index, example=example) for index, example in enumerate(examples))
    process = await asyncio.create_subprocess_exec(
        *command,
        program,
        cwd=tmp_path,
        env={
            **os.environ,
            "AUTOS": stack.addresses["api"],
            "RECEIVER": f"{receiver.url}/examples",
            "COURT_TOKEN": token,
            "PYTHONPATH": str(ROOT / "client"),
            # `autos-client` is beside this Python.
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "AUTOS_LANG": "en",
        },
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await asyncio.wait_for(process.communicate(), 100)
    assert process.returncode == 0, output.decode()


async def test_the_examples_of_the_simulator_leave_the_stack_at_work(stack: RunningStack) -> None:
    page = (ROOT / "docs" / "simulator.md").read_text()
    examples = "\n".join(example for fence, example in _EXAMPLE.findall(page) if fence == "bash")
    address = stack.addresses["simulator"].removeprefix("http://")
    assert "localhost:8900" in examples
    process = await asyncio.create_subprocess_exec(
        *_PROGRAMS["bash"][0],
        examples.replace("localhost:8900", address),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 0, output.decode()
    assert "1011745" in output.decode()
    assert (await stack.get_court_stats())["listings"] == 1

    await stack.create_ended_run(1)
    assert (await stack.get_court_stats())["tokens_refused"] == 0


def test_every_route_has_an_example() -> None:
    routes = json.loads((ROOT / "docs" / "openapi.json").read_text())["paths"]
    examples = "\n".join(example for _, example in _EXAMPLE.findall(_PAGE))
    normalized = re.sub(r"\$NUMBER|\$OTHER|\$ERASED", "$number", examples)
    missing = {
        route
        for route in routes
        if not re.search(
            re.escape("$AUTOS" + re.sub(r"\{(\w+?)(_id)?\}", r"$\1", route)) + r"(?![/\w])", normalized
        )
    }
    # There is one page for each code.
    assert missing == {"/problems/{code}"}


def test_every_method_of_the_client_has_an_example() -> None:
    methods = {name for name, _ in inspect.getmembers(Autos, inspect.isfunction) if not name.startswith("_")}
    examples = "\n".join(example for fence, example in _EXAMPLE.findall(_PAGE) if fence == "python")
    missing = {name for name in methods if not re.search(rf"\bapi\.{name}\b", examples)}
    assert missing == {"close"}
