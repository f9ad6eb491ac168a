"""Stops the services of the local stack when the stack itself was killed.

The guard leads the process group that every service is started in, and reads from a pipe whose other end only the
stack holds. One byte means that the stack has stopped its services itself. End of file without a byte means that
the stack is gone, for whatever reason, and that the guard must stop the services.

The kernel tracks the members of the group from their first moment. So no service is missed, and no unrelated
program that got the PID of a dead service is hit. Standard library only: the guard runs isolated from installed
packages.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from contextlib import suppress


def main(grace_seconds: float) -> None:
    """Wait for the stack to say goodbye. If it ends without that, stop its services.

    Args:
        grace_seconds: how long the services may take to stop before they are killed.
    """
    for stop_signal in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(stop_signal, signal.SIG_IGN)
    if os.read(sys.stdin.fileno(), 1):
        return
    group = os.getpgid(0)
    os.killpg(group, signal.SIGTERM)
    if os.fork():
        # A group leader cannot leave its group, and only from outside the group can it be seen to be empty.
        os._exit(0)
    os.setsid()
    deadline = time.monotonic() + grace_seconds
    # The group ceases to exist when its last member ends.
    with suppress(ProcessLookupError):
        while time.monotonic() < deadline:
            os.killpg(group, 0)
            time.sleep(0.05)
        os.killpg(group, signal.SIGKILL)


if __name__ == "__main__":
    main(float(sys.argv[1]))
