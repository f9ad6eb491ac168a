"""How a program that has spoken with Temporal ends."""

from __future__ import annotations

import os
import sys
from typing import Never


def leave(code: int) -> Never:
    """End this process now, with what it wrote written.

    Threads of Temporal's SDK may still reach for the interpreter while it is taken down, and that crashes it: on a
    busy machine one in five programs that could not connect ended with SIGABRT or SIGSEGV instead of their code.
    So the interpreter is not taken down. Nothing here relies on what would run then.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
