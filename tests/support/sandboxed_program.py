"""What the tests of the sandbox run inside it."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path


def main(action: str, *arguments: str) -> None:
    """Do what no program should, or say what is known of the outside."""
    if action == "tell":
        told = {"environment": dict(os.environ), "folder": str(Path.cwd()), "arguments": arguments}
        _say(json.dumps(told | {"writes_bytecode": not sys.dont_write_bytecode, "session": os.getsid(0)}))
    elif action == "connect":
        _say(_outcome(lambda: socket.create_connection(("127.0.0.1", int(arguments[0])), timeout=5)))
    elif action == "start":
        _say(_outcome(lambda: subprocess.run(["/bin/true"], check=True)))
    elif action == "fill memory":
        _say(len(bytearray(4 * 1024**3)))
    elif action == "fill disk":
        with Path("file").open("wb") as file:
            for _ in range(64):
                file.write(bytes(1024**2))
        _say("filled")
    elif action == "burn":
        while True:
            pass
    elif action == "sleep":
        _say("asleep")
        time.sleep(600)
    elif action == "talk":
        while True:
            sys.stdout.write("x" * 1024**2)


def _say(text: object) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _outcome(attempt: Callable[[], object]) -> str:
    try:
        attempt()
    except (OSError, RuntimeError) as error:
        return type(error).__name__
    return "done"
