"""Which settings are read and refused, and that `.env.example` documents all of them."""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from domain.errors import ConfigurationError
from settings import Settings, find_unknown_variables, load_settings
from settings_fields import LOCAL_STACK_FIELDS, LOCAL_STACK_FILE

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / ".env.example"
KEY = "a key of sixteen characters"
# Only docker-compose.yml reads it.
NO_SETTING = "AUTOS_DOMAIN"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Remove the developer's own settings from the environment. Returns the current folder."""
    for name in list(os.environ):
        if name.startswith("AUTOS_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write_local_stack_settings(data_dir: Path, **values: object) -> None:
    """Write the settings that a local stack leaves in this data folder."""
    data_dir.mkdir()
    (data_dir / LOCAL_STACK_FILE).write_text(json.dumps(values))


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


# --- files of secrets --------------------------------------------------------------------------------------------


@pytest.fixture
def secrets_dir(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder that AUTOS_SECRETS_DIR names."""
    secrets = folder / "secrets"
    secrets.mkdir()
    monkeypatch.setenv("AUTOS_SECRETS_DIR", str(secrets))
    return secrets


def test_files_of_secrets_come_after_the_environment_and_before_the_local_stack(
    folder: Path, secrets_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_local_stack_settings(folder / ".autos", s3_bucket="left", s3_region="left", s3_access_key_id="left")
    (folder / ".env").write_text("AUTOS_S3_BUCKET=from-env-file\n")
    for name in ("s3_bucket", "s3_access_key_id", "court_client_id"):
        (secrets_dir / f"autos_{name}").write_text("from-secret-file\n")
    monkeypatch.setenv("AUTOS_COURT_CLIENT_ID", "from-environment")

    settings = load_settings()

    assert settings.court_client_id == "from-environment"
    assert settings.s3_bucket == "from-env-file"
    assert settings.s3_access_key_id == "from-secret-file"
    assert settings.s3_region == "left"


@pytest.mark.parametrize("name", ["autos_api_key", "AUTOS_API_KEY"])
@pytest.mark.parametrize("text", [KEY, f"{KEY}\n", f" {KEY}\r\n\n"])
def test_a_secret_in_a_file_loses_blanks_and_line_breaks(secrets_dir: Path, name: str, text: str) -> None:
    (secrets_dir / name).write_bytes(text.encode())

    key = load_settings().api_key

    assert key is not None
    assert key.get_secret_value() == KEY


def test_secrets_of_a_mounted_volume_are_read(secrets_dir: Path) -> None:
    # As Kubernetes mounts a Secret: the files are links to a folder that it exchanges.
    (secrets_dir / "..2026").mkdir()
    (secrets_dir / "..2026" / "AUTOS_API_KEY").write_text(KEY)
    (secrets_dir / "..data").symlink_to("..2026")
    (secrets_dir / "AUTOS_API_KEY").symlink_to("..data/AUTOS_API_KEY")

    key = load_settings().api_key

    assert key is not None
    assert key.get_secret_value() == KEY


def test_secrets_that_cannot_be_read_are_refused(secrets_dir: Path, folder: Path) -> None:
    secret = secrets_dir / "autos_payload_key"
    elsewhere = folder / "elsewhere"
    elsewhere.write_text("zx81")

    def refusal() -> str:
        with pytest.raises(ConfigurationError, match=r"AUTOS_SECRETS_DIR: .* cannot be read") as refused:
            load_settings()
        return str(refused.value)

    secret.mkdir()  # As an engine creates a mount whose source is missing.
    refusal()
    secret.rmdir()
    secret.symlink_to(elsewhere)
    assert "zx81" not in refusal()
    secret.unlink()
    secret.write_bytes(b"zx81\xff")
    assert "zx81" not in refusal()
    secret.unlink()
    secrets_dir.rmdir()
    refusal()


def test_secret_of_another_user_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    # Not in pytest's folder, which no other user may enter.
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        monkeypatch.chdir(folder)
        monkeypatch.setenv("AUTOS_SECRETS_DIR", folder)
        (Path(folder) / "autos_api_key").touch(mode=0)
        with (
            as_another_user(),
            pytest.raises(
                ConfigurationError, match=r"AUTOS_SECRETS_DIR: autos_api_key cannot be read \(Permission"
            ),
        ):
            load_settings()


@contextmanager
def as_another_user() -> Iterator[None]:
    """Give up root's rights for the duration of the block. Other users have none to give up."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(65_534)
    try:
        yield
    finally:
        os.seteuid(user)


def test_misspelt_file_of_a_secret_is_found(secrets_dir: Path) -> None:
    for name in ("autos_api_kye", "autos_secret_key", "tls.crt", "autos_data_dir"):
        (secrets_dir / name).touch()

    assert find_unknown_variables() == ["AUTOS_API_KYE"]
    assert load_settings().data_dir == Path(".autos")


@pytest.mark.parametrize("in_env_file", [True, False])
def test_an_empty_variable_does_not_hide_the_file_of_a_secret(
    folder: Path, secrets_dir: Path, monkeypatch: pytest.MonkeyPatch, in_env_file: bool
) -> None:
    if in_env_file:
        (folder / ".env").write_text("AUTOS_PAYLOAD_KEY=\n")
    else:
        monkeypatch.setenv("AUTOS_PAYLOAD_KEY", "")
    (secrets_dir / "autos_payload_key").touch()
    assert load_settings().payload_keys == []

    (secrets_dir / "autos_payload_key").write_text("zx81")

    # Temporal's payloads would be written in the clear.
    with pytest.raises(ConfigurationError, match="AUTOS_PAYLOAD_KEY is empty in the environment") as refused:
        load_settings()
    assert "zx81" not in str(refused.value)


def test_two_files_of_one_secret_are_refused(secrets_dir: Path) -> None:
    (secrets_dir / "autos_api_key").write_text(KEY)
    (secrets_dir / "AUTOS_API_KEY").write_text(f"{KEY}, the former one")

    with pytest.raises(ConfigurationError, match="AUTOS_SECRETS_DIR has two files for AUTOS_API_KEY"):
        load_settings()


def test_folder_of_secrets_may_begin_with_the_home_folder(
    folder: Path, secrets_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (secrets_dir / "autos_api_kye").touch()
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setenv("AUTOS_SECRETS_DIR", f"~/{secrets_dir.name}")

    assert find_unknown_variables() == ["AUTOS_API_KYE"]


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
