"""The program that `adapters.sandbox` starts: it gives up what it does not need, then runs a module's ``main``."""

from __future__ import annotations

import ctypes
import importlib
import json
import os
import resource
import signal
import sys
from typing import Any

_PR_SET_PDEATHSIG = 1
_CLONE_NEWNET, _CLONE_NEWUSER = 0x4000_0000, 0x1000_0000
# Audit events of Python that lead out of the process.
_REFUSED = (
    *("socket.", "subprocess.", "os.exec", "os.fork", "os.posix_spawn", "os.spawn", "os.system", "pty."),
    *("http.", "urllib.", "ftplib.", "smtplib.", "imaplib.", "poplib.", "webbrowser.", "os.kill", "os.putenv"),
)


def main() -> None:
    """Take on the limits, then run a module's ``main``.

    The arguments are the id of the process that starts this one, the limits, the module, and its own arguments.
    """
    parent, limits, module, *arguments = sys.argv[1:]
    _end_with(int(parent))
    _limit(json.loads(limits))
    _leave_network()
    sys.addaudithook(_refuse)
    importlib.import_module(module).main(*arguments)


def _end_with(parent: int) -> None:
    """Be killed when the process that started this one ends, however that happens. Linux alone knows a way.

    Linux means the thread that started it, which is the main one where an event loop runs.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    # It may have ended before.
    if os.getppid() != parent:
        sys.exit(1)


def _limit(limits: dict[str, Any]) -> None:
    for kind, value in (
        (resource.RLIMIT_AS, limits["memory_bytes"]),
        (resource.RLIMIT_CPU, limits["cpu_seconds"]),
        (resource.RLIMIT_FSIZE, limits["file_bytes"]),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(kind, (value, value))


def _leave_network() -> None:
    """Move to a network namespace without interfaces, where the kernel permits it."""
    if sys.platform != "linux":
        return
    unshare = ctypes.CDLL(None, use_errno=True).unshare
    # An administrator may do the first, others the second. Containers often permit neither: then `_refuse` remains.
    if unshare(_CLONE_NEWNET) != 0:
        unshare(_CLONE_NEWUSER | _CLONE_NEWNET)


def _refuse(event: str, _: object) -> None:
    if event.startswith(_REFUSED):
        raise PermissionError(f"{event} is refused here")


if __name__ == "__main__":
    main()
