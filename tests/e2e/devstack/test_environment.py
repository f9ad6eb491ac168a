"""The configuration of the stack's services: the operator's settings win over the stack's own values."""

from __future__ import annotations

import base64
import os
from pathlib import Path

import pytest

from devstack.data_folder import write_local_values
from devstack.environment import Environment, OperatorSettings, Secrets
from devstack.ports import Ports
from domain.errors import ConfigurationError
from domain.webhook_urls import WebhookPolicy
from settings import Settings, load_settings

NO_SECRETS: dict[str, object] = {}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path / "data"


def make_environment(folder: Path, saved: dict[str, object] = NO_SECRETS) -> Environment:
    operator = OperatorSettings.load(folder)
    return Environment(folder, Ports.ephemeral(), operator, Secrets.collect(operator, os.environ, saved))


def load_service_settings(environment: Environment, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Load the settings as a service of this stack does."""
    environment.folder.mkdir(exist_ok=True)
    write_local_values(environment.folder, environment.local_values("a-token"))
    inherited = environment.for_own_services(os.environ)
    for name in os.environ.keys() - inherited.keys():
        monkeypatch.delenv(name)
    for name, value in inherited.items():
        monkeypatch.setenv(name, value)
    return load_settings()


def secret_values(settings: Settings) -> dict[str, str | None]:
    secrets = {
        "token": settings.court_token,
        "s3": settings.s3_secret_access_key,
        "webhook": settings.webhook_secret,
    }
    return {name: secret.get_secret_value() if secret else None for name, secret in secrets.items()}


def test_by_default_the_services_use_this_stack(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    environment = make_environment(folder)

    settings = load_service_settings(environment, monkeypatch)

    assert settings.api_port == environment.ports.api
    assert settings.effective_public_url == f"http://127.0.0.1:{environment.ports.api}"
    assert settings.court_origin == f"http://127.0.0.1:{environment.ports.simulator}"
    assert str(settings.s3_endpoint_url) == f"http://127.0.0.1:{environment.ports.s3}/"
    assert (settings.court_requests_per_second, settings.court_concurrency) == (200, 16)
    assert settings.webhook_allow_http
    assert settings.webhook_policy == WebhookPolicy(
        allow_http=True,
        allow_private=True,
        private_until_keys=True,
        own_ports=frozenset(environment.ports.all()),
    )
    assert settings.s3_access_key_id == environment.secrets.s3_access_key_id
    assert secret_values(settings) == {
        "token": "a-token",
        "s3": environment.secrets.s3_secret_access_key,
        "webhook": environment.secrets.webhook_secret,
    }
    assert settings.data_dir == folder
    assert os.environ["TEMPORAL_ADDRESS"] == f"127.0.0.1:{environment.ports.temporal}"


def test_the_operators_settings_win(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Path(".env").write_text("AUTOS_WEBHOOK_ALLOW_HTTP=false\nAUTOS_COURT_CONCURRENCY=3\n")
    monkeypatch.setenv("AUTOS_COURT_CONCURRENCY", "2")
    monkeypatch.setenv("AUTOS_LINK_TTL_SECONDS", "5")
    monkeypatch.setenv("AUTOS_DATABASE_URL", "postgresql://host/name")
    monkeypatch.setenv("AUTOS_WEBHOOK_SECRET", "whsec_AAAA")

    settings = load_service_settings(make_environment(folder), monkeypatch)

    assert settings.court_concurrency == 2
    assert settings.court_requests_per_second == 200
    assert not settings.webhook_allow_http
    assert settings.link_ttl_seconds == 5
    assert settings.database_address.servers == (("host", 5432),)
    assert secret_values(settings)["webhook"] == "whsec_AAAA"


def test_another_court_gets_neither_the_simulators_token_nor_its_rate_limit(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AUTOS_COURT_BASE_URL", "https://court.example")

    settings = load_service_settings(make_environment(folder), monkeypatch)

    assert settings.court_origin == "https://court.example"
    assert settings.court_token is None
    assert (settings.court_requests_per_second, settings.court_concurrency) == (5, 4)


def test_another_store_gets_no_keys_of_the_stacks_store(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTOS_S3_ENDPOINT_URL", "https://s3.example")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")

    settings = load_service_settings(make_environment(folder), monkeypatch)

    assert str(settings.s3_endpoint_url) == "https://s3.example/"
    assert settings.s3_access_key_id is None
    assert settings.s3_secret_access_key is None


def test_setting_this_stacks_own_addresses_changes_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ports = Ports.ephemeral()
    monkeypatch.setenv("AUTOS_COURT_BASE_URL", f"http://127.0.0.1:{ports.simulator}/api/v2/")
    monkeypatch.setenv("AUTOS_S3_ENDPOINT_URL", f"http://127.0.0.1:{ports.s3}")
    operator = OperatorSettings.load(folder)
    environment = Environment(folder, ports, operator, Secrets.collect(operator, os.environ, {}))

    settings = load_service_settings(environment, monkeypatch)

    assert environment.uses_simulator
    assert environment.uses_own_s3
    assert secret_values(settings)["token"] == "a-token"
    assert settings.s3_access_key_id == environment.secrets.s3_access_key_id


@pytest.mark.parametrize("prefix", ["AWS_", "AUTOS_S3_"])
def test_the_operators_s3_keys_are_used_and_saved_in_no_file(
    folder: Path, monkeypatch: pytest.MonkeyPatch, prefix: str
) -> None:
    monkeypatch.setenv(f"{prefix}ACCESS_KEY_ID", "given key")
    monkeypatch.setenv(f"{prefix}SECRET_ACCESS_KEY", "given secret")
    environment = make_environment(folder, {"s3_access_key_id": "old key", "s3_secret_access_key": "old secret"})

    store = environment.for_s3(os.environ)
    settings = load_service_settings(environment, monkeypatch)

    assert (store["AWS_ACCESS_KEY_ID"], store["AWS_SECRET_ACCESS_KEY"]) == ("given key", "given secret")
    assert settings.s3_access_key_id == "given key"
    assert secret_values(settings)["s3"] == "given secret"
    assert "given" not in (folder / "local.json").read_text()


def test_secrets_are_created_once(folder: Path) -> None:
    first = make_environment(folder)
    second = make_environment(folder, first.local_values(None))

    assert second.secrets == first.secrets
    assert make_environment(folder).secrets != first.secrets
    assert len(base64.b64decode(first.secrets.webhook_secret.removeprefix("whsec_"), validate=True)) == 32


def test_the_services_use_no_other_temporal(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEMPORAL_ADDRESS", "production.example:7233")
    monkeypatch.setenv("TEMPORAL_API_KEY", "secret")
    monkeypatch.setenv("TEMPORAL_NAMESPACE", "production")
    environment = make_environment(folder)

    ours = {
        name: value
        for name, value in environment.for_own_services(os.environ).items()
        if name.startswith("TEMPORAL_")
    }

    assert ours == {"TEMPORAL_ADDRESS": environment.temporal_address, "TEMPORAL_CONFIG_FILE": os.devnull}


def test_third_party_services_get_none_of_our_variables(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTOS_COURT_TOKEN", "the-courts-token")
    monkeypatch.setenv("S3_BUCKET", "other")

    store = make_environment(folder).for_s3(os.environ)

    assert not {name for name in store if name.startswith("AUTOS_")}
    assert "S3_BUCKET" not in store


@pytest.mark.parametrize(
    ("host", "expected"),
    [("127.0.0.1", "127.0.0.1"), ("0.0.0.0", "127.0.0.1"), ("::", "[::1]"), ("localhost", "localhost")],
)
def test_the_apis_url_has_an_address_that_can_be_connected_to(
    folder: Path, monkeypatch: pytest.MonkeyPatch, host: str, expected: str
) -> None:
    monkeypatch.setenv("AUTOS_API_HOST", host)
    monkeypatch.setenv("AUTOS_API_KEY", "a key of sixteen characters")
    environment = make_environment(folder)

    assert environment.api_url == f"http://{expected}:{environment.ports.api}"


def test_an_invalid_setting_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder.mkdir()
    (folder / "local.json").write_text("broken")
    monkeypatch.setenv("AUTOS_COURT_CONCURRENCY", "many")

    with pytest.raises(ConfigurationError, match="AUTOS_COURT_CONCURRENCY"):
        OperatorSettings.load(folder)


@pytest.mark.parametrize(
    ("variables", "private", "until_keys"),
    [
        ({}, True, True),
        ({"AUTOS_API_KEY": "a key of sixteen characters"}, False, True),
        ({"AUTOS_API_HOST": "0.0.0.0", "AUTOS_API_KEY": "a key of sixteen characters"}, False, True),
        ({"AUTOS_API_HOST": "0.0.0.0"}, False, True),
        ({"AUTOS_PUBLIC_URL": "https://autos.example"}, False, True),
        # The operator's own setting wins.
        ({"AUTOS_WEBHOOK_ALLOW_PRIVATE": "true"}, True, False),
        ({"AUTOS_WEBHOOK_ALLOW_PRIVATE": "true", "AUTOS_API_KEY": "a key of sixteen characters"}, True, False),
        ({"AUTOS_WEBHOOK_ALLOW_PRIVATE": "false"}, False, False),
    ],
    ids=str,
)
def test_private_receivers_are_for_a_single_user_stack(
    folder: Path, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], private: bool, until_keys: bool
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)

    policy = load_service_settings(make_environment(folder), monkeypatch).webhook_policy

    assert (policy.allow_private, policy.private_until_keys) == (private, until_keys)
