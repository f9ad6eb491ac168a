"""Exit codes, and the error that carries one."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """What the commands end with."""

    OK = 0  # also after SIGINT or SIGTERM, for the commands that run until then
    UNEXPECTED = 1  # a defect; standard error shows where
    USAGE = 2  # the command line, a setting, a port, a missing program or a folder cannot be used
    NOT_FOUND = 3  # a process, a document, a batch or a delivery is not known, here or at the court
    UNAVAILABLE = 5  # the API, Temporal, the database or S3 does not answer now; trying again later may help
    PARTIAL = 6  # some documents are not there: they failed, or are still to come
    FATAL = 7  # the command cannot do its work, and trying again alone will not help
    INTERRUPTED = 130  # Ctrl-C before the work was done


class CommandError(Exception):
    """An expected failure: one line on standard error, and an exit code.

    Attributes:
        exit_code: What the program ends with.
    """

    def __init__(self, message: str, exit_code: ExitCode) -> None:
        super().__init__(message)
        self.exit_code = exit_code
