"""Ends the parts of the local stack when the stack itself has been killed.

The guard leads the process group that every part is started into, and reads from a pipe whose other end only the
stack holds. One byte means that the stack has stopped its parts itself; the end of the pipe without one means that
the stack is gone, whatever way it went, and that the parts have to go too.

The kernel keeps the group's members from the moment that they exist, so that no part can be missed, and no stranger
who got a dead part's number can be hit. Standard library only: it is started isolated from all that is installed.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from contextlib import suppress


def main(grace_seconds: float) -> None:
    """Wait for the stack's last word, and clean up when there is none.

    Args:
        grace_seconds: how long the parts may take to stop before they are killed.
    """
    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, signal.SIG_IGN)
    if os.read(sys.stdin.fileno(), 1):
        return
    group = os.getpgid(0)
    os.killpg(group, signal.SIGTERM)
    if os.fork():
        # Only a process that leads no group can leave one, and only from outside can it be seen to be empty.
        os._exit(0)
    os.setsid()
    deadline = time.monotonic() + grace_seconds
    # When the last part is gone, there is no such group.
    with suppress(ProcessLookupError):
        while time.monotonic() < deadline:
            os.killpg(group, 0)
            time.sleep(0.05)
        os.killpg(group, signal.SIGKILL)


if __name__ == "__main__":
    main(float(sys.argv[1]))
