"""`autos key`, and the API that does not show itself to others without a key."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from typer.testing import CliRunner, Result

import commands.key
from adapters.database.migrate import upgrade
from domain.errors import ConfigurationError, InvalidInput
from tests.local.conftest import run_autos

EVERYWHERE = {"AUTOS_API_HOST": "0.0.0.0"}


@pytest.fixture
def data_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder with a migrated catalog."""
    upgrade(f"sqlite+aiosqlite:///{tmp_path / 'autos.db'}")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AUTOS_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("AUTOS_SECRET_KEY", Fernet.generate_key().decode())
    return tmp_path


def key(*arguments: str) -> Result:
    """Run `autos key` in this process."""
    result = CliRunner().invoke(commands.key.app, arguments)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


@pytest.mark.usefixtures("data_dir")
def test_a_key_is_made_listed_and_revoked() -> None:
    first = key("new", "desk")
    text, secret = first.stdout.splitlines()
    second = json.loads(key("new", "desk", "--scope", "read", "--requests-per-minute", "0", "--json").stdout)

    assert text.startswith("autos_")
    assert secret.startswith("whsec_")
    assert "not shown again" in first.stderr
    assert second["key"].startswith(f"autos_{second['id']}_")
    assert (second["scopes"], second["requests_per_minute"], second["webhook_secret"]) == (["read"], None, None)

    assert key("revoke", second["id"]).stdout == ""
    shown = key("list", "--json").stdout
    listed = json.loads(shown)["keys"]

    assert [(each["client"], each["scopes"], each["requests_per_minute"]) for each in listed] == [
        ("desk", ["download", "read"], 600),
        ("desk", ["read"], None),
    ]
    assert [each["revoked_at"] is None for each in listed] == [True, False]
    table = key("list").stdout
    assert [line.split()[:2] for line in table.splitlines()[1:]] == [[each["id"], "desk"] for each in listed]
    for hidden in (text, secret, second["key"]):
        assert hidden not in shown + table


@pytest.mark.usefixtures("data_dir")
def test_a_webhook_secret_is_changed() -> None:
    [_, first] = key("new", "desk").stdout.splitlines()
    second = key("rotate-secret", "desk").stdout.strip()

    assert second.startswith("whsec_")
    assert second != first


@pytest.mark.usefixtures("data_dir")
def test_what_cannot_be_done_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    for arguments in (("new", "operator"), ("revoke", "aaaaaaaa"), ("rotate-secret", "nobody")):
        with pytest.raises(InvalidInput):
            key(*arguments)
    assert key("new", "desk", "--scope", "everything").exit_code == 2
    monkeypatch.delenv("AUTOS_SECRET_KEY")
    with pytest.raises(ConfigurationError, match="AUTOS_SECRET_KEY"):
        key("new", "desk")


def test_the_api_shows_itself_to_others_only_while_there_is_a_key(data_dir: Path) -> None:
    made = json.loads(key("new", "desk", "--json").stdout)
    with socket.create_server(("", 0)) as taken:
        port = taken.getsockname()[1]
        # It comes as far as its port.
        allowed = run_autos("api", **EVERYWHERE, AUTOS_API_PORT=str(port))
    key("revoke", made["id"])
    refused = run_autos("api", **EVERYWHERE, AUTOS_API_PORT=str(port))

    assert allowed.stderr == f"autos: Cannot listen on 0.0.0.0 port {port}: Address already in use.\n"
    assert refused.returncode == 2
    assert refused.stderr == (
        "autos: AUTOS_API_HOST is 0.0.0.0, which other machines can reach, and there is no API key. "
        "Set AUTOS_API_KEY, make a key with `autos key new`, or bind to 127.0.0.1.\n"
    )


@pytest.mark.parametrize("command", ["api", "up"])
def test_nothing_is_started_for_others_where_no_key_can_be(command: str, tmp_path: Path) -> None:
    missing = tmp_path / "missing"

    refused = run_autos(command, **EVERYWHERE, AUTOS_DATA_DIR=str(missing))

    assert refused.returncode == 2
    assert refused.stderr.startswith("autos: AUTOS_API_HOST is 0.0.0.0, ")
    assert "AUTOS_API_KEY" in refused.stderr
    assert refused.stderr.count("\n") == 1
    assert not missing.exists()
