"""What a check has found, and the closed set of the checks' names."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class CheckName(StrEnum):
    """Every check. The names are public: they are in the output of ``--json``."""

    SETTINGS = "settings"
    DATABASE = "database"
    SCHEMA = "schema"
    DATABASE_WRITES = "database_writes"
    TEMPORAL = "temporal"
    NAMESPACE = "namespace"
    SEARCH_ATTRIBUTES = "search_attributes"
    WORKERS = "workers"
    BUCKET = "bucket"
    BUCKET_ROUND_TRIP = "bucket_round_trip"
    BUCKET_LINK = "bucket_link"
    BUCKET_CORS = "bucket_cors"
    CIRCUITS = "circuits"
    COURT = "court"
    COURT_TOKEN = "court_token"  # noqa: S105 - a name.
    WEBHOOKS = "webhooks"
    TRACES = "traces"
    CLOCK = "clock"
    DISK = "disk"
    ACCESS = "access"
    SECRET_KEY = "secret_key"  # noqa: S105 - a name.
    PAYLOAD_KEY = "payload_key"


class State(StrEnum):
    """How a check ended.

    WARNING: The service works, and something should be done.
    SKIPPED: The check was not made: another one that it needs has failed, or there is nothing to check.
    """

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    SKIPPED = "skipped"


class Fault(StrEnum):
    """What kind of failure a failed check has found. It decides the exit code.

    SETTING: A setting has to be changed.
    PART: A part does not answer, or is not ready.
    DEFECT: The check itself is broken.
    """

    SETTING = "setting"
    PART = "part"
    DEFECT = "defect"


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of a check. Its texts hold no secret.

    Attributes:
        found: What was found.
        remedy: What to do. Empty if there is nothing to do.
        fault: Only of a failed check.
    """

    state: State
    found: str
    remedy: str = ""
    fault: Fault | None = None


def ok(found: str) -> Finding:
    """Return the finding that all is well."""
    return Finding(State.OK, found)


def warning(found: str, remedy: str) -> Finding:
    """Return a finding that does not keep the service from working."""
    return Finding(State.WARNING, found, remedy)


def failed(found: str, remedy: str, fault: Fault = Fault.PART) -> Finding:
    """Return the finding of a failure."""
    return Finding(State.FAILED, found, remedy, fault)


def skipped(found: str) -> Finding:
    """Return the finding of a check that was not made, with the reason."""
    return Finding(State.SKIPPED, found)
