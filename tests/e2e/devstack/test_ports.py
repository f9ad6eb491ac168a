"""The stack's ports: free, distinct, and an error that says what to do when one is in use."""

from __future__ import annotations

import socket
import subprocess
import sys
from dataclasses import astuple

import pytest

from devstack.ports import LOOPBACK, Ports, free_ports, is_free
from domain.errors import ConfigurationError
from tests.support.paths import ROOT


def test_free_ports_are_distinct_and_outside_the_range_of_outgoing_connections() -> None:
    ports = free_ports(50)

    assert len(set(ports)) == 50
    assert all(is_free(LOOPBACK, port) for port in ports)
    assert max(ports) < 32_768


def test_stacks_that_start_together_choose_different_ports() -> None:
    choose = [sys.executable, "-c", "from devstack.ports import free_ports; print(*free_ports(20))"]
    stacks = [subprocess.Popen(choose, stdout=subprocess.PIPE, text=True, cwd=ROOT) for _ in range(8)]
    chosen = [port for stack in stacks for port in stack.communicate(timeout=60)[0].split()]
    assert len(set(chosen)) == len(chosen) == 8 * 20


def test_ephemeral_ports_are_all_different() -> None:
    *single, internal = astuple(Ports.ephemeral())

    assert len({*single, *internal}) == len(single) + 9


def test_a_port_in_use_is_named_with_what_to_do() -> None:
    with socket.create_server((LOOPBACK, 0)) as taken:
        port = taken.getsockname()[1]

        assert not is_free(LOOPBACK, port)
        with pytest.raises(ConfigurationError, match=rf"Port {port}, .* the API, is in use: set AUTOS_API_PORT"):
            Ports.well_known(port)


def test_closed_connections_do_not_occupy_a_port() -> None:
    with socket.create_server((LOOPBACK, 0)) as server:
        port = server.getsockname()[1]
        with socket.create_connection((LOOPBACK, port)) as client:
            accepted, _ = server.accept()
            accepted.close()  # First, so that this side is the one in TIME_WAIT.
            assert client.recv(1) == b""

    assert is_free(LOOPBACK, port)
