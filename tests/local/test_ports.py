from __future__ import annotations

import socket
from dataclasses import astuple

import pytest

from domain.errors import ConfigurationError
from local.ports import LOOPBACK, Ports, free_ports, is_free


def test_free_ports_are_distinct_and_never_those_of_outgoing_connections() -> None:
    ports = free_ports(50)

    assert len(set(ports)) == 50
    assert all(is_free(LOOPBACK, port) for port in ports)
    assert max(ports) < 32_768


def test_ephemeral_ports_are_all_different() -> None:
    *single, internal = astuple(Ports.ephemeral())

    assert len({*single, *internal}) == len(single) + 9


def test_a_port_that_somebody_listens_on_is_named_with_what_to_do() -> None:
    with socket.create_server((LOOPBACK, 0)) as taken:
        port = taken.getsockname()[1]

        assert not is_free(LOOPBACK, port)
        with pytest.raises(ConfigurationError, match=rf"Port {port}, .* the API, is in use: set AUTOS_API_PORT"):
            Ports.well_known(port)


def test_the_remains_of_closed_connections_do_not_occupy_a_port() -> None:
    with socket.create_server((LOOPBACK, 0)) as server:
        port = server.getsockname()[1]
        with socket.create_connection((LOOPBACK, port)) as client:
            accepted, _ = server.accept()
            accepted.close()  # First, so that this side keeps the remains.
            assert client.recv(1) == b""

    assert is_free(LOOPBACK, port)
