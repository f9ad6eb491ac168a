"""Which settings are read and refused, and that `.env.example` documents all of them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from domain.errors import ConfigurationError
from settings import Settings, load_settings
from settings_fields import LOCAL_STACK_FIELDS, LOCAL_STACK_FILE
from tests.support.own_settings import remove_own_settings, write_local_stack_settings

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / ".env.example"
KEY = "a key of sixteen characters"
# Only docker-compose.yml reads it.
NO_SETTING = "AUTOS_DOMAIN"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, which is empty. No setting is in the environment."""
    remove_own_settings(monkeypatch)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def get_variable_name(field: str) -> str:
    return f"AUTOS_{field.upper()}"


def is_setting(variable: str) -> bool:
    return variable.startswith("AUTOS_") and variable != NO_SETTING


def read_example_variables() -> list[tuple[str, str]]:
    """Return name and value of every variable in `.env.example`, set or commented out."""
    return re.findall(r"^(?:# ?)?([A-Z][A-Z0-9_]*)=(.*)$", EXAMPLE.read_text(encoding="utf-8"), re.MULTILINE)


def test_environment_overrides_env_file_which_overrides_local_stack(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_local_stack_settings(
        folder / ".autos", court_concurrency=1, s3_bucket="left", s3_region="left", log_level="error"
    )
    (folder / ".env").write_text("AUTOS_COURT_CONCURRENCY=2\nAUTOS_S3_BUCKET=from-file\n")
    monkeypatch.setenv("AUTOS_COURT_CONCURRENCY", "3")

    settings = load_settings()

    assert settings.court_concurrency == 3
    assert settings.s3_bucket == "from-file"
    assert settings.s3_region == "left"
    assert settings.log_level == "error"
    assert settings.link_ttl_seconds == 3600


@pytest.mark.parametrize("how", ["argument", "environment", "env file"])
def test_local_stack_values_are_found_in_any_data_folder(
    folder: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    elsewhere = folder / "elsewhere"
    write_local_stack_settings(elsewhere, api_port=4321)
    write_local_stack_settings(folder / ".autos", api_port=1234)
    match how:
        case "argument":
            assert load_settings(data_dir=elsewhere).api_port == 4321
            return
        case "environment":
            monkeypatch.setenv("AUTOS_DATA_DIR", str(elsewhere))
        case "env file":
            (folder / ".env").write_text(f"AUTOS_DATA_DIR={elsewhere}\n")
    assert load_settings().api_port == 4321


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("AUTOS_COURT_CONCURRENCY", "many-zx81"),
        ("AUTOS_COURT_CONCURRENCY", "0"),
        ("AUTOS_COURT_REQUESTS_PER_SECOND", "-77.25"),
        ("AUTOS_API_KEY", "zx81"),
        ("AUTOS_API_PORT", "65536"),
        ("AUTOS_S3_ENDPOINT_URL", "ftp://user:zx81@s3.example"),
        ("AUTOS_COURT_BASE_URL", "zx81"),
        ("AUTOS_LINK_TTL_SECONDS", "604801"),
        ("AUTOS_LOG_FORMAT", "zx81"),
        ("AUTOS_WEBHOOK_ALLOW_PRIVATE", "zx81"),
    ],
)
def test_invalid_setting_is_named_without_its_value(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)

    with pytest.raises(ConfigurationError) as refusal:
        load_settings()

    text = str(refusal.value)
    assert text.startswith(f"{name}: ")
    assert "zx81" not in text
    assert "\n" not in text
    # A value refused for its size may be as short as a number in the rule's own text.
    assert len(value) < 3 or value not in text
    assert refusal.value.__cause__ is None
    assert refusal.value.__suppress_context__


def test_all_invalid_settings_are_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTOS_COURT_CONCURRENCY", "many")
    monkeypatch.setenv("AUTOS_LOG_LEVEL", "loud")

    with pytest.raises(ConfigurationError, match=r"AUTOS_COURT_CONCURRENCY: .+; AUTOS_LOG_LEVEL: "):
        load_settings()


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.0.10", "api.example"])
def test_public_bind_address_requires_a_key(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    monkeypatch.setenv("AUTOS_API_HOST", host)
    assert load_settings().needs_catalog_key

    monkeypatch.setenv("AUTOS_API_KEY", KEY)
    assert not load_settings().needs_catalog_key


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.0.1", "::1", "localhost"])
def test_loopback_bind_address_requires_no_key(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    monkeypatch.setenv("AUTOS_API_HOST", host)

    assert not load_settings().needs_catalog_key


def test_alert_url_follows_the_webhook_policy(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load_settings().alert_url is None
    monkeypatch.setenv("AUTOS_ALERT_WEBHOOK_URL", "https://alerts.example.com/a-secret-path")
    assert load_settings().alert_url == "https://alerts.example.com/a-secret-path"

    monkeypatch.setenv("AUTOS_ALERT_WEBHOOK_URL", "http://127.0.0.1/a-secret-path")
    with pytest.raises(ConfigurationError, match="AUTOS_ALERT_WEBHOOK_URL: ") as refusal:
        _ = load_settings().alert_url
    assert "a-secret-path" not in str(refusal.value)
    monkeypatch.setenv("AUTOS_WEBHOOK_ALLOW_HTTP", "true")
    monkeypatch.setenv("AUTOS_WEBHOOK_ALLOW_PRIVATE", "true")
    assert load_settings().alert_url == "http://127.0.0.1/a-secret-path"


def test_broken_local_stack_file_is_named(folder: Path) -> None:
    (folder / ".autos").mkdir()
    (folder / ".autos" / LOCAL_STACK_FILE).write_text("broken")

    with pytest.raises(ConfigurationError, match=r"local\.json"):
        load_settings()


def test_repr_contains_no_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    secrets = ["API_KEY", "COURT_TOKEN", "SECRET_KEY", "S3_SECRET_ACCESS_KEY", "WEBHOOK_SECRET"]
    for name in secrets:
        monkeypatch.setenv(f"AUTOS_{name}", f"the-secret-{name}")

    settings = load_settings()

    assert "the-secret" not in f"{settings!r} {settings} {settings.model_dump_json()}"


def test_example_has_exactly_the_existing_settings() -> None:
    names = [name for name, _ in read_example_variables() if is_setting(name)]

    assert sorted(names) == sorted(
        get_variable_name(field) for field in Settings.model_fields.keys() - LOCAL_STACK_FIELDS
    )


def test_example_sets_no_variable() -> None:
    assert not re.findall(r"^[^#\s].*$", EXAMPLE.read_text(encoding="utf-8"), re.MULTILINE)


def test_example_shows_the_real_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    defaults = load_settings()
    shown = {name: value for name, value in read_example_variables() if is_setting(name)}
    for name, value in shown.items():
        if value:
            monkeypatch.setenv(name, value)

    assert load_settings() == defaults
    without_default = {
        get_variable_name(field)
        for field, info in Settings.model_fields.items()
        if info.default in (None, "", ()) and field not in LOCAL_STACK_FIELDS
    }
    assert {name for name, value in shown.items() if not value} == without_default


def test_own_ports_are_those_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEMPORAL_ADDRESS", "localhost:7777")
    monkeypatch.setenv("AUTOS_DATABASE_URL", "postgresql://autos:p%40ss@[::1]/autos")
    monkeypatch.setenv("AUTOS_S3_ENDPOINT_URL", "https://127.0.0.9")
    monkeypatch.setenv("AUTOS_COURT_BASE_URL", "https://court.example:9000")
    monkeypatch.setenv("AUTOS_COURT_SSO_URL", "http://127.0.0.1:9001/realm")
    monkeypatch.setenv("AUTOS_API_PORT", "8001")
    monkeypatch.setenv("AUTOS_OTLP_ENDPOINT", "http://127.0.0.1:4318")

    assert load_settings().own_ports == {7777, 5432, 443, 9001, 8001, 4318}
    # Outside a local stack no ports are the service's own, and no permission depends on keys.
    assert not load_settings().webhook_policy.allow_private
    assert not load_settings().webhook_policy.private_until_keys


@pytest.mark.parametrize(
    ("given", "address"),
    [
        ("", None),
        ("127.0.0.1:9464", "127.0.0.1:9464"),
        ("localhost:9464", "127.0.0.1:9464"),
        ("[::1]:9464", "[::1]:9464"),
        ("0.0.0.0:9464", "0.0.0.0:9464"),
    ],
)
def test_metrics_address(monkeypatch: pytest.MonkeyPatch, given: str, address: str | None) -> None:
    monkeypatch.setenv("AUTOS_METRICS_ADDRESS", given)
    settings = load_settings()
    assert settings.metrics_address == address
    # Webhooks never go there.
    assert (9464 in settings.own_ports) is (address is not None)


@pytest.mark.parametrize("given", ["9464", "worker:9464", "127.0.0.1", "127.0.0.1:0", "127.0.0.1:65536", ":9464"])
def test_unusable_metrics_address_is_refused(monkeypatch: pytest.MonkeyPatch, given: str) -> None:
    monkeypatch.setenv("AUTOS_METRICS_ADDRESS", given)
    with pytest.raises(ConfigurationError, match="AUTOS_METRICS_ADDRESS: must be an IP address and a port"):
        load_settings()


@pytest.mark.parametrize("name", ["AUTOS_SECRET_KEY", "AUTOS_PAYLOAD_KEY"])
@pytest.mark.parametrize("text", [",", " , ,", " "])
def test_list_of_keys_without_a_key_is_refused(monkeypatch: pytest.MonkeyPatch, name: str, text: str) -> None:
    monkeypatch.setenv(name, text)

    with pytest.raises(ConfigurationError, match=f"{name}: has only separators, and no key"):
        load_settings()


@pytest.mark.parametrize("given", ["*", "proxy", "10.0.0.1/24", "10.0.0.1,", "10.0.0.0/24, ::1"])
def test_trusted_proxies_are_addresses(monkeypatch: pytest.MonkeyPatch, given: str) -> None:
    monkeypatch.setenv("AUTOS_TRUSTED_PROXIES", given)
    if given[-1] in ",1":
        assert len(load_settings().trusted_proxies) in {1, 2}
    else:
        with pytest.raises(ConfigurationError, match="AUTOS_TRUSTED_PROXIES: must be IP addresses"):
            load_settings()


@pytest.mark.parametrize("given", ["0.0.0.0/0", "::/0", "0.0.0.0/1,128.0.0.0/1", "10.0.3.7, 2000::/3"])
def test_trusted_network_of_everybody_is_refused(monkeypatch: pytest.MonkeyPatch, given: str) -> None:
    monkeypatch.setenv("AUTOS_TRUSTED_PROXIES", given)

    with pytest.raises(ConfigurationError, match="AUTOS_TRUSTED_PROXIES: has a network that is nobody's own"):
        load_settings()


def test_trusted_networks_may_be_those_of_one_organisation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTOS_TRUSTED_PROXIES", "10.0.0.0/8,fc00::/7,104.16.0.0/13")

    assert len(load_settings().trusted_proxies) == 3
