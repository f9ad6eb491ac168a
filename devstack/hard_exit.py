"""Exit of programs that have used Temporal's SDK."""

from __future__ import annotations

import os
import sys
from typing import Never


def hard_exit(code: int) -> Never:
    """Flush standard output and error, then exit without shutting the interpreter down.

    Threads of Temporal's SDK may still use the interpreter during its shutdown, which crashes it: on a busy machine
    one in five programs that could not connect ended with SIGABRT or SIGSEGV instead of their exit code. Nothing
    here relies on exit handlers.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
