"""The ports of the local stack."""

from __future__ import annotations

import os
import socket
from dataclasses import astuple, dataclass, fields
from itertools import count as counting
from itertools import islice
from typing import Self

from domain.errors import ConfigurationError

LOOPBACK = "127.0.0.1"

# Below the ranges that Linux (from 32768) and macOS (from 49152) use for outgoing connections. A port from there
# could be taken by any client while its service restarts, even by a client of that same service.
_FREE_RANGE = range(10_240, 32_768)
# A port is chosen some time before its service takes it. So each process begins to look elsewhere: of four stacks
# that start together and choose at random, two share a port in one of fifteen cases.
_PLACES = counting(os.getpid() * 64)

# Every port that `weed mini` opens besides S3's own. Nothing else uses them, so they are chosen at each start.
S3_INTERNAL = (
    "s3.port.grpc",
    "master.port",
    "master.port.grpc",
    "volume.port",
    "volume.port.grpc",
    "filer.port",
    "filer.port.grpc",
    "admin.port",
    "admin.port.grpc",
)


@dataclass(frozen=True, slots=True)
class Ports:
    """One port per address of the stack.

    Attributes:
        s3_internal: one port per name in ``S3_INTERNAL``, in the same order.
    """

    api: int
    temporal: int
    temporal_ui: int
    s3: int
    simulator: int
    temporal_http: int
    temporal_metrics: int
    s3_internal: tuple[int, ...]

    def all(self) -> list[int]:
        """Return every port of the stack, in ascending order."""
        return sorted({*(value for value in astuple(self) if isinstance(value, int)), *self.s3_internal})

    @classmethod
    def ephemeral(cls) -> Self:
        """Choose a free port for each address."""
        names = [field.name for field in fields(cls) if field.name != "s3_internal"]
        free = free_ports(len(names) + len(S3_INTERNAL))
        return cls(**dict(zip(names, free, strict=False)), s3_internal=tuple(free[len(names) :]))

    @classmethod
    def well_known(cls, api_port: int, api_host: str = LOOPBACK) -> Self:
        """Use the documented ports, with the API's taken from its setting.

        Args:
            api_port: 0 chooses a free port.
            api_host: where the API will listen.

        Raises:
            ConfigurationError: one of the ports is in use.
        """
        internal = free_ports(2 + len(S3_INTERNAL))
        ports = cls(
            api=api_port or free_ports(1)[0],
            temporal=7233,
            temporal_ui=8233,
            s3=8333,
            simulator=8900,
            temporal_http=internal[0],
            temporal_metrics=internal[1],
            s3_internal=tuple(internal[2:]),
        )
        _require_free(api_host, ports.api, "the API", "set AUTOS_API_PORT")
        for name, port in (
            ("Temporal", ports.temporal),
            ("Temporal's UI", ports.temporal_ui),
            ("S3", ports.s3),
            ("the simulator", ports.simulator),
        ):
            _require_free(LOOPBACK, port, name, "stop what uses it")
        return ports


def free_ports(count: int) -> list[int]:
    """Return distinct ports of the loopback interface that nothing listens on.

    Raises:
        ConfigurationError: there are not enough of them.
    """
    free: list[int] = []
    for place in islice(_PLACES, len(_FREE_RANGE)):
        port = _FREE_RANGE[place % len(_FREE_RANGE)]
        if is_free(LOOPBACK, port):
            free.append(port)
        if len(free) == count:
            return free
    raise ConfigurationError("This machine has too few free ports left: stop some of its programs.")


def is_free(host: str, port: int) -> bool:
    """Return whether a server could listen there now."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        # As servers do, so that connections in TIME_WAIT do not count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
        return True


def _require_free(host: str, port: int, name: str, remedy: str) -> None:
    if not is_free(host, port):
        raise ConfigurationError(
            f"Port {port}, which is for {name}, is in use: {remedy}, or start with --ephemeral-ports."
        )
