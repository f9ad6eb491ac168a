"""What is added to docker-compose.yml: the profiles `metrics` and `tls`, and secrets in files."""

from __future__ import annotations

import re
import subprocess
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest
import yaml
from pydantic.fields import FieldInfo
from typer.testing import CliRunner

from adapters.security.encryption import Encryptor
from adapters.webhooks import AddressGuard, WebhookSender
from cli.main import app
from domain.errors import ConfigurationError
from domain.webhook_urls import WebhookPolicy
from settings import Settings, load_settings
from tests.support.compose import SECRETS, SECRETS_FILE, ComposeService, depends_on, parse, services_with
from tests.support.paths import ROOT

OURS = ("migrate", "api", "worker")


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> dict[str, ComposeService]:
    """The services without any profile."""
    return services_with(tmp_path_factory.mktemp("compose"), {})


def test_profile_metrics_adds_prometheus_and_grafana_on_localhost(
    services: dict[str, ComposeService], tmp_path: Path
) -> None:
    measured = services_with(tmp_path, {}, profile="metrics")

    added = {name: service for name, service in measured.items() if name not in services}
    assert {name: service["ports"] for name, service in added.items()} == {
        "prometheus": ["127.0.0.1:9090:9090"],
        "grafana": ["127.0.0.1:3000:3000"],
    }
    for service in added.values():
        # Their digests have to be added by whoever can ask the registry.
        assert re.fullmatch(r"[a-z]+/[a-z]+:v?\d+\.\d+\.\d+", service["image"])
        assert (service["cap_drop"], service["restart"]) == (["ALL"], "unless-stopped")
        assert depends_on(service).keys() <= {"api", "prometheus"}
        for mount in service["volumes"]:
            assert not mount.startswith("./") or (ROOT / mount.partition(":")[0]).exists()
    assert measured["worker"] == services["worker"]


def test_profile_tls_adds_a_proxy_that_reaches_the_api_alone(
    services: dict[str, ComposeService], tmp_path: Path
) -> None:
    values = {"AUTOS_DOMAIN": "autos.example", "PROXY_PUBLISH_HOST": "192.0.2.7", "PROXY_NETWORK": "10.9.8"}
    with_proxy = services_with(tmp_path, values, profile="tls")

    [proxy] = [service for name, service in with_proxy.items() if name not in services]
    # Its digest has to be added by whoever can ask the registry.
    assert re.fullmatch(r"caddy:\d+\.\d+\.\d+", proxy["image"])
    assert proxy["environment"] == {"AUTOS_DOMAIN": "autos.example"}
    assert proxy["ports"] == ["192.0.2.7:80:80", "192.0.2.7:443:443", "192.0.2.7:443:443/udp"]
    assert (proxy["cap_drop"], proxy["cap_add"], proxy["read_only"]) == (["ALL"], ["NET_BIND_SERVICE"], True)
    assert depends_on(proxy) == {"api": "service_healthy"}
    # Neither Temporal's UI nor Grafana nor S3 is in its network.
    assert {name for name, service in with_proxy.items() if "edge" in service.get("networks", [])} == {
        *("api", "proxy")
    }
    assert set(proxy["networks"]) == {"edge"}
    text = (ROOT / "deploy/proxy/Caddyfile").read_text(encoding="utf-8")
    port = with_proxy["api"]["environment"]["AUTOS_API_PORT"]
    assert re.findall(r"reverse_proxy (\S+)", text) == [f"api:{port}"]


def test_the_api_believes_the_proxy_and_no_other_address(tmp_path: Path) -> None:
    parsed = parse(tmp_path, SECRETS | {"PROXY_NETWORK": "10.9.8"}, profile="tls")
    composition = yaml.safe_load(parsed.stdout)

    [trusted] = load_settings(
        trusted_proxies=composition["services"]["api"]["environment"]["AUTOS_TRUSTED_PROXIES"]
    ).trusted_proxies
    assert composition["services"]["proxy"]["networks"]["edge"]["ipv4_address"] == trusted
    [configured] = composition["networks"]["edge"]["ipam"]["config"]
    assert ip_address(trusted) in ip_network(configured["subnet"])
    # The engine gives other containers, and itself, other addresses.
    assert ip_address(trusted) not in ip_network(configured["ip_range"])
    assert ip_address(trusted) != ip_network(configured["subnet"])[1]


def test_a_proxy_of_the_operators_is_believed_in_compose_too(tmp_path: Path) -> None:
    services = services_with(tmp_path, {"AUTOS_TRUSTED_PROXIES": "10.0.3.7"})

    assert services["api"]["environment"]["AUTOS_TRUSTED_PROXIES"] == "10.0.3.7"


def test_secrets_in_files_leave_none_in_the_environment(tmp_path: Path) -> None:
    words = dict.fromkeys(("AUTOS_API_KEY", "AUTOS_SECRET_KEY", "AUTOS_WEBHOOK_SECRET"), "in-a-file")
    optional = {
        "AUTOS_PAYLOAD_KEY": "payload-key",
        "AUTOS_COURT_TOKEN": "token",
        "AUTOS_OTLP_HEADERS": "key=value",
        "AUTOS_WEBHOOK_PROXY_URL": "http://user:password@proxy.example:4750",
    }

    services = services_with(tmp_path, words | optional, SECRETS_FILE, profile="metrics")

    found = {name: secret_files(services[name]) for name in (*OURS, "prometheus")}
    for_services = {"database_url", "s3_access_key_id", "s3_secret_access_key", "secret_key", "payload_key"}
    for_events = {"webhook_secret", "webhook_proxy_url"}
    expected = {f"autos_{name}" for name in (*for_services, *for_events, "otlp_headers")}
    assert found == {
        "migrate": {"autos_database_url"},
        "api": {*expected, "autos_api_key"},
        "worker": expected,
        # The path in deploy/prometheus/prometheus.yml.
        "prometheus": {"api_key"},
    }
    secrets = {f"AUTOS_{name.upper()}" for name in Settings.model_fields} & {
        *(name.upper() for names in found.values() for name in names)
    }
    # Each file is a setting, and no service has it in its environment as well, where it would have precedence.
    assert {name.upper() for name in found["api"]} == secrets
    for name in OURS:
        environment = services[name]["environment"]
        assert environment["AUTOS_SECRETS_DIR"] == "/run/secrets"
        assert not (secrets | {"PGPASSWORD", "AUTOS_COURT_TOKEN"}) & environment.keys()
        assert not {"in-a-file", *SECRETS.values(), *optional.values()} & set(environment.values())
        # Whatever else is secret has to be a file here too.
        secret = {f"AUTOS_{field}".upper() for field, info in Settings.model_fields.items() if is_secret(info)}
        assert not secret & environment.keys()


def is_secret(field: FieldInfo) -> bool:
    """Return whether a setting is a secret."""
    return "SecretStr" in str(field.annotation)


def test_documented_commands_move_the_secrets_into_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    [commands] = re.findall(r"### Secrets in files\n.*?```\n(.*?)```", page, re.DOTALL)
    plain = SECRETS | {"CATALOG_DB_PASSWORD": "0a1b"}
    lines = [f"{name}={value}" for name, value in plain.items()]
    (tmp_path / ".env").write_text("\r\n".join([*lines, "# AUTOS_PAYLOAD_KEY=", "AUTOS_OTLP_HEADERS='a=b'\n"]))

    subprocess.run(["sh", "-e", "-c", commands], cwd=tmp_path, check=True, timeout=30)

    folder = tmp_path / "secrets"
    sources = yaml.safe_load(SECRETS_FILE.read_text(encoding="utf-8").replace("!reset ", ""))["secrets"]
    assert {file.name for file in folder.iterdir()} == {Path(one["file"]).name for one in sources.values()}
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {file.stat().st_mode & 0o777 for file in folder.iterdir()} == {0o444}
    monkeypatch.chdir(folder)
    settings = load_settings(secrets_dir=folder)
    # The keys that a running service has encrypted with, and not new ones.
    assert settings.secret_keys == [SECRETS["AUTOS_SECRET_KEY"]]
    assert settings.api_key is not None
    assert settings.api_key.get_secret_value() == SECRETS["AUTOS_API_KEY"]
    assert settings.database_url == "postgresql://autos:0a1b@postgres:5432/autos"
    assert settings.otlp_header_text == "a=b"
    assert settings.payload_keys == []
    assert settings.webhook_proxy_url is None


def secret_files(service: ComposeService) -> set[str]:
    """Return the names of a container's files of secrets."""
    return {secret["target"] if isinstance(secret, dict) else secret for secret in service["secrets"]}


def test_secret_files_are_mounted_read_only_from_one_folder(tmp_path: Path) -> None:
    sources = yaml.safe_load(SECRETS_FILE.read_text(encoding="utf-8").replace("!reset ", ""))["secrets"]

    # Only files: an engine cannot put anything else into a container whose own files are read-only.
    assert all(source["file"].startswith("${SECRETS_FOLDER:-./secrets}/autos_") for source in sources.values())
    assert "/secrets/" in (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()


def test_the_word_for_secrets_in_files_is_no_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    with pytest.raises(ConfigurationError, match="AUTOS_API_KEY"):
        load_settings(api_key="in-a-file")
    with pytest.raises(ConfigurationError, match="AUTOS_SECRET_KEY"):
        Encryptor(["in-a-file"])
    with pytest.raises(ConfigurationError, match="AUTOS_WEBHOOK_SECRET"):
        WebhookSender("in-a-file", AddressGuard(WebhookPolicy()))


# Options of `docker compose run` and `exec` that have a value.
WITH_VALUE = {"-e", "--entrypoint"}


def read_documented_commands() -> list[tuple[str, list[str]]]:
    """Return the service and the words of each `docker compose run` and `exec` in the documentation."""
    found = []
    for page in sorted((ROOT / "docs").rglob("*.md")):
        for kind, line in re.findall(r"docker compose (run|exec) ([^`\n|<#;]+)", page.read_text(encoding="utf-8")):
            words = iter(line.split())
            rest: list[str] = []
            for word in words:
                if word in WITH_VALUE:
                    next(words)
                elif rest or not word.startswith("-"):
                    rest.append(word)
            service, *command = rest
            if kind == "exec" and service in OURS:
                assert command[0] == "autos", line
                command = command[1:]
            found.append((service, command))
    return found


def test_documented_commands_name_services_and_commands_that_exist(services: dict[str, ComposeService]) -> None:
    documented = read_documented_commands()

    assert {service for service, _ in documented} <= services.keys()
    ours = [command for service, command in documented if service in OURS and command]
    # The first day's: a client's key, and the court's token.
    assert ["key", "new", "desk"] in ours
    assert ["court", "login"] in ours
    assert 'ENTRYPOINT ["autos"]' in (ROOT / "Dockerfile").read_text(encoding="utf-8")
    for command in ours:
        if command != ['"$@";', "}"]:
            names = [word for word in command[:2] if word.islower() and not word.startswith("-")]
            assert CliRunner().invoke(app, [*names, "--help"]).exit_code == 0, command


def test_the_pages_override_gives_our_services_the_file_of_authorities(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    [section] = re.findall(r"### Certificates of other servers\n(.*?)\n### ", page, re.DOTALL)
    [override] = re.findall(r"```yaml\n(.*?)```", section, re.DOTALL)
    file = tmp_path / "docker-compose.override.yml"
    file.write_text(override, encoding="utf-8")

    before, services = services_with(tmp_path, {}), services_with(tmp_path, {}, file)

    for name in ("api", "worker"):
        added = services[name]["environment"].items() - before[name]["environment"].items()
        assert added == {("SSL_CERT_FILE", "/etc/autos/authorities.pem")}
        assert "./authorities.pem:/etc/autos/authorities.pem:ro" in services[name]["volumes"]
    assert services["migrate"] == before["migrate"]
