"""A file of SSL_CERT_FILE that cannot be used is a line with its name, not a traceback of the first client."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.main import app
from domain.errors import ConfigurationError
from tests.support.certificates import Authority

# The commands run in this process, and configure the logging of it.
pytestmark = pytest.mark.usefixtures("restored_logging")


@pytest.fixture(params=["missing", "empty", "no certificate"])
def unusable(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A file without certificates."""
    file = tmp_path / "authorities.pem"
    if request.param != "missing":
        file.write_text("" if request.param == "empty" else "a certificate, but not in PEM\n")
    return file


@pytest.mark.parametrize("service", ["api", "worker"])
def test_no_service_starts_with_an_unusable_file(
    unusable: Path, service: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(unusable))

    outcome = CliRunner().invoke(app, [service])

    assert isinstance(outcome.exception, ConfigurationError)
    assert str(outcome.exception).startswith("SSL_CERT_FILE: the file ")


def test_the_doctor_names_an_unusable_file(unusable: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(unusable))

    outcome = CliRunner().invoke(app, ["doctor", "--json"])

    [settings, *others] = json.loads(outcome.stdout)["checks"]
    assert (settings["name"], settings["state"]) == ("settings", "failed")
    assert settings["found"].startswith("SSL_CERT_FILE: the file ")
    assert {check["state"] for check in others} == {"skipped"}


def test_the_doctor_accepts_a_usable_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(Authority(tmp_path).certificate))

    outcome = CliRunner().invoke(app, ["doctor", "--json"])

    [settings, *_] = json.loads(outcome.stdout)["checks"]
    assert settings["state"] in ("ok", "warning")
