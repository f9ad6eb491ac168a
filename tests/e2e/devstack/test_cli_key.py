"""`autos key`, and the rule that only an API with keys listens for other machines."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from typer.testing import CliRunner, Result

import cli.key
from adapters.database.migrate import upgrade
from domain.errors import ConfigurationError, InvalidInput
from tests.e2e.devstack.conftest import run_autos

SOON = ("--expires-in", "47h")
ALL_INTERFACES = {"AUTOS_API_HOST": "0.0.0.0"}


@pytest.fixture
def data_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder with a migrated catalog."""
    upgrade(f"sqlite+aiosqlite:///{tmp_path / 'autos.db'}")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AUTOS_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("AUTOS_SECRET_KEY", Fernet.generate_key().decode())
    # It would also hold for the tests that follow.
    monkeypatch.setattr("adapters.logs.configure_logging", lambda *_: None)
    return tmp_path


def run_key(*arguments: str) -> Result:
    """Run `autos key` in the tests' own process."""
    result = CliRunner().invoke(cli.key.app, arguments)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


@pytest.mark.usefixtures("data_dir")
def test_a_key_is_created_listed_and_revoked() -> None:
    first = run_key("new", "desk")
    text, secret = first.stdout.splitlines()
    second = json.loads(run_key("new", "desk", "--scope", "read", "--requests-per-minute", "0", "--json").stdout)

    assert text.startswith("autos_")
    assert secret.startswith("whsec_")
    assert "not shown again" in first.stderr
    assert second["key"].startswith(f"autos_{second['id']}_")
    assert (second["scopes"], second["requests_per_minute"], second["webhook_secret"]) == (["read"], None, None)

    revoked = run_key("revoke", second["id"])
    assert revoked.stdout == ""
    assert "Warning" not in revoked.stderr
    shown = run_key("list", "--json").stdout
    listed = json.loads(shown)["keys"]

    assert [(each["client"], each["scopes"], each["requests_per_minute"]) for each in listed] == [
        ("desk", ["download", "read"], 600),
        ("desk", ["read"], None),
    ]
    assert [each["revoked_at"] is None for each in listed] == [True, False]
    table = run_key("list").stdout
    assert [line.split()[:2] for line in table.splitlines()[1:]] == [[each["id"], "desk"] for each in listed]
    for hidden in (text, secret, second["key"]):
        assert hidden not in shown + table


@pytest.mark.usefixtures("data_dir")
def test_the_first_key_says_that_it_locks_others_out() -> None:
    first, second = run_key("new", "desk"), run_key("new", "desk")
    assert "Warning: this is the first key. From now on the API refuses every request without a key" in first.stderr
    assert "AUTOS_API_KEY" in first.stderr
    assert "Warning" not in first.stdout + second.stderr


@pytest.mark.usefixtures("data_dir")
def test_the_first_key_changes_nothing_where_the_operator_has_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTOS_API_KEY", "a key of sixteen characters")
    assert "Warning" not in run_key("new", "desk").stderr


@pytest.mark.usefixtures("data_dir")
def test_keys_expire() -> None:
    never = json.loads(run_key("new", "desk", "--json").stdout)
    soon = json.loads(run_key("new", "desk", *SOON, "--json").stdout)
    later = json.loads(run_key("new", "desk", "--expires-at", "2999-01-31T12:00-03:00", "--json").stdout)
    assert never["expires_at"] is None
    assert later["expires_at"] == "2999-01-31T15:00:00Z"
    listed = run_key("list")
    assert "2999-01-31 15:00" in listed.stdout
    assert f"The key {soon['id']} of desk expires in 1 day." in listed.stderr
    assert later["id"] not in listed.stderr
    for wrong in (["--expires-in", "90"], ["--expires-at", "soon"], [*SOON, "--expires-at", "2999-01-31"]):
        assert run_key("new", "desk", *wrong).exit_code == 2, wrong
    with pytest.raises(InvalidInput, match="in the future"):
        run_key("new", "desk", "--expires-at", "2020-01-31")


@pytest.mark.usefixtures("data_dir")
def test_a_webhook_secret_is_rotated() -> None:
    [_, first] = run_key("new", "desk").stdout.splitlines()
    second = run_key("rotate-secret", "desk").stdout.strip()

    assert second.startswith("whsec_")
    assert second != first


@pytest.mark.usefixtures("data_dir")
def test_invalid_key_commands_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for arguments in (("new", "operator"), ("revoke", "aaaaaaaa"), ("rotate-secret", "nobody")):
        with pytest.raises(InvalidInput):
            run_key(*arguments)
    assert run_key("new", "desk", "--scope", "everything").exit_code == 2
    monkeypatch.delenv("AUTOS_SECRET_KEY")
    with pytest.raises(ConfigurationError, match="AUTOS_SECRET_KEY"):
        run_key("new", "desk")


def test_revoking_the_last_valid_key_warns_that_nobody_is_let_in(
    monkeypatch: pytest.MonkeyPatch, data_dir: Path
) -> None:
    monkeypatch.delenv("AUTOS_API_KEY", raising=False)
    created = json.loads(run_key("new", "desk", "--json").stdout)
    assert "no key is valid any more" in run_key("revoke", created["id"]).stderr

    monkeypatch.setenv("AUTOS_API_KEY", "the operator's own")
    assert "Warning" not in run_key("revoke", created["id"]).stderr


def test_the_api_listens_on_all_interfaces_only_while_a_key_exists(data_dir: Path) -> None:
    created = json.loads(run_key("new", "desk", "--json").stdout)
    with socket.create_server(("", 0)) as taken:
        port = taken.getsockname()[1]
        # With a key, the API gets as far as binding its port.
        allowed = run_autos("api", **ALL_INTERFACES, AUTOS_API_PORT=str(port))
    run_key("revoke", created["id"])
    refused = run_autos("api", **ALL_INTERFACES, AUTOS_API_PORT=str(port))

    assert allowed.stderr.startswith(f"autos: Cannot listen on 0.0.0.0 port {port}: Address already in use.")
    assert refused.returncode == 2
    assert refused.stderr == (
        "autos: AUTOS_API_HOST is 0.0.0.0, which other machines can reach, and there is no API key. "
        "Set AUTOS_API_KEY, make a key with `autos key new`, or bind to 127.0.0.1.\n"
    )


@pytest.mark.parametrize("command", ["api", "up"])
def test_nothing_listens_on_all_interfaces_without_a_catalog_for_keys(command: str, tmp_path: Path) -> None:
    missing = tmp_path / "missing"

    refused = run_autos(command, **ALL_INTERFACES, AUTOS_DATA_DIR=str(missing))

    assert refused.returncode == 2
    assert refused.stderr.startswith("autos: AUTOS_API_HOST is 0.0.0.0, ")
    assert "AUTOS_API_KEY" in refused.stderr
    assert refused.stderr.count("\n") == 1
    assert not missing.exists()
