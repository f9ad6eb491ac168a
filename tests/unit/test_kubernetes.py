"""deploy/kubernetes: settings that exist, few secrets and privileges, probes, ways in and out; as Compose."""

from __future__ import annotations

import json
import re
from ipaddress import ip_address, ip_network
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

import worker as workers
from cli.main import app
from domain.version import VERSION
from settings import Settings
from settings_fields import LOCAL_STACK_FIELDS
from tests.support.paths import ROOT
from workflows.options import COURT_QUEUE, PROCESSES_QUEUE

FOLDER = ROOT / "deploy" / "kubernetes"
PROMETHEUS = ROOT / "deploy" / "prometheus"
# Read by the SDKs and drivers themselves, not by our settings.
NOT_OURS = {"TEMPORAL_ADDRESS", "TEMPORAL_NAMESPACE", "PGPASSWORD"}
SETTINGS = {f"AUTOS_{field.upper()}" for field in Settings.model_fields.keys() - LOCAL_STACK_FIELDS}
STORE_KEYS = {"AUTOS_S3_ACCESS_KEY_ID", "AUTOS_S3_SECRET_ACCESS_KEY"}
# Secrets made before there was such a setting do not have it.
OPTIONAL_SECRETS = {"AUTOS_PAYLOAD_KEY", "AUTOS_WEBHOOK_PROXY_URL", "AUTOS_OTLP_HEADERS"}
SERVICE_SECRETS = {"PGPASSWORD", "AUTOS_SECRET_KEY", "AUTOS_WEBHOOK_SECRET", *STORE_KEYS, *OPTIONAL_SECRETS}

Manifest = dict[str, Any]

MANIFESTS: dict[tuple[str, str], Manifest] = {
    (manifest["kind"], manifest["metadata"]["name"]): manifest
    for file in sorted(FOLDER.rglob("*.yaml"))
    for manifest in yaml.safe_load_all(file.read_text(encoding="utf-8"))
}
PODS = {
    "api": MANIFESTS["Deployment", "autos-api"],
    "worker": MANIFESTS["Deployment", "autos-worker"],
    "migrate": MANIFESTS["Job", "autos-migrate"],
}
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))["services"]


def pod_of(name: str) -> Manifest:
    """Return the pod that a Deployment or a Job starts."""
    pod: Manifest = PODS[name]["spec"]["template"]["spec"]
    return pod


def container_of(name: str) -> Manifest:
    """Return its only container."""
    [container] = pod_of(name)["containers"]
    found: Manifest = container
    return found


def configured_by(name: str) -> dict[str, str]:
    """Return the variables of a container that are not secret, as Kubernetes combines them."""
    container = container_of(name)
    configured: dict[str, str] = {}
    for source in container["envFrom"]:
        configured |= MANIFESTS["ConfigMap", source["configMapRef"]["name"]]["data"]
    return configured | {one["name"]: one["value"] for one in container["env"] if "value" in one}


def secrets_of(name: str) -> set[str]:
    """Return the names of a container's secrets. Each is called as in the secret, which has to exist."""
    references = {
        one["name"]: {**one["valueFrom"]["secretKeyRef"]} for one in container_of(name)["env"] if "valueFrom" in one
    }
    for variable, reference in references.items():
        assert reference.pop("optional", False) is (variable in OPTIONAL_SECRETS)
        assert reference == {"name": "autos", "key": variable}
    return set(references)


def test_every_manifest_is_in_the_namespace() -> None:
    assert len(MANIFESTS) == 19
    [namespace] = [name for kind, name in MANIFESTS if kind == "Namespace"]
    namespaces = {manifest["metadata"].get("namespace") for manifest in MANIFESTS.values()}
    assert namespaces == {None, namespace}


@pytest.mark.parametrize("name", PODS)
def test_containers_run_the_image_of_compose(name: str) -> None:
    container = container_of(name)

    assert container["image"] == COMPOSE[name]["image"] == f"autos:{VERSION}"
    assert container["args"] == COMPOSE[name]["command"]
    assert "command" not in container
    memory = container["resources"]["limits"]["memory"]
    assert memory.removesuffix("i").lower() == COMPOSE[name]["mem_limit"]
    assert container["resources"]["requests"].keys() == {"cpu", "memory"}


@pytest.mark.parametrize("name", PODS)
def test_variables_are_settings_and_complete(name: str) -> None:
    configured = configured_by(name)

    assert configured.keys() | secrets_of(name) <= SETTINGS | NOT_OURS
    # Kubernetes takes text only: a number has to be quoted.
    assert {type(value) for value in configured.values()} == {str}
    assert all(configured.values())
    assert not {
        found for found in configured if any(word in found for word in ("PASSWORD", "SECRET", "TOKEN", "KEY"))
    }
    Settings.model_validate({found.removeprefix("AUTOS_").lower(): value for found, value in configured.items()})


def test_each_container_has_only_the_secrets_that_it_needs() -> None:
    assert {name: secrets_of(name) for name in PODS} == {
        "api": SERVICE_SECRETS | {"AUTOS_API_KEY"},
        "worker": SERVICE_SECRETS,
        "migrate": {"PGPASSWORD"},
    }


def test_the_secret_names_what_is_needed_and_has_no_values() -> None:
    template = MANIFESTS["Secret", "autos"]["stringData"]

    assert template.keys() == secrets_of("api") | secrets_of("worker") | secrets_of("migrate")
    assert set(template.values()) == {""}


def test_the_documented_files_of_secrets_are_all_that_a_container_needs() -> None:
    page = (ROOT / "docs" / "kubernetes.md").read_text(encoding="utf-8")
    items = re.findall(r"\{key: (\w+), path: (\w+)\}", page)

    assert all(path == key.lower() for key, path in items)
    # The page names the key of the API apart. The password is in the address.
    assert {key for key, _ in items} == secrets_of("worker") - {"PGPASSWORD"} | {"AUTOS_DATABASE_URL"}


def test_documented_commands_run_in_deployments_that_exist() -> None:
    page = (ROOT / "docs" / "kubernetes.md").read_text(encoding="utf-8")
    commands = re.findall(r"kubectl -n autos exec (?:-i )?deploy/([\w-]+) -- (?:env \S+ )?autos (\w+) ?(\w*)", page)

    assert len(commands) == page.count("kubectl -n autos exec")
    assert ("autos-api", "court", "login") in commands
    for deployment, *words in commands:
        assert ("Deployment", deployment) in MANIFESTS
        assert CliRunner().invoke(app, [*filter(None, words), "--help"]).exit_code == 0, words


@pytest.mark.parametrize("name", PODS)
def test_service_links_do_not_set_our_variables(name: str) -> None:
    # A service named autos-api would set AUTOS_API_PORT to an address.
    assert pod_of(name)["enableServiceLinks"] is False


@pytest.mark.parametrize("name", PODS)
def test_pods_have_minimal_privileges(name: str) -> None:
    pod, container = pod_of(name), container_of(name)

    user = int((ROOT / "Dockerfile").read_text(encoding="utf-8").rpartition("\nUSER ")[2].split()[0])
    assert pod["securityContext"]["runAsUser"] == user
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert pod["automountServiceAccountToken"] is False
    assert not {"hostNetwork", "hostPID", "hostIPC"} & pod.keys()
    disks = ["scratch", "tmp"] if name == "worker" else ["tmp"]
    assert [volume["name"] for volume in pod["volumes"] if "emptyDir" in volume] == disks
    volumes = [volume.partition(":")[2] for volume in COMPOSE[name].get("volumes", ())]
    assert [mount["mountPath"] for mount in container["volumeMounts"]] == COMPOSE[name]["tmpfs"] + volumes


def test_probes_ask_what_exists() -> None:
    container = container_of("api")
    routes = json.loads((ROOT / "docs" / "openapi.json").read_text(encoding="utf-8"))["paths"]

    probes = {kind: container[f"{kind}Probe"]["httpGet"] for kind in ("startup", "liveness", "readiness")}
    assert {kind: probe["path"] for kind, probe in probes.items()} == {
        "startup": "/health/live",
        "liveness": "/health/live",
        "readiness": "/health/ready",
    }
    assert {probe["path"] for probe in probes.values()} <= routes.keys()
    assert {probe["port"] for probe in probes.values()} == {"http"}
    [port] = container["ports"]
    assert (port["name"], str(port["containerPort"])) == ("http", configured_by("api")["AUTOS_API_PORT"])
    assert configured_by("api")["AUTOS_API_HOST"] == "0.0.0.0"
    [published] = MANIFESTS["Service", "autos-api"]["spec"]["ports"]
    assert published["targetPort"] == "http"


def test_the_worker_has_the_check_of_compose() -> None:
    container = container_of("worker")

    assert ["CMD", *container["readinessProbe"]["exec"]["command"]] == COMPOSE["worker"]["healthcheck"]["test"]
    assert container["readinessProbe"]["timeoutSeconds"] >= 15
    # Its check fails while Temporal is away, which no restart repairs.
    assert "livenessProbe" not in container


def test_prometheus_finds_the_metrics_of_the_workers() -> None:
    [port] = container_of("worker")["ports"]
    assert configured_by("worker")["AUTOS_METRICS_ADDRESS"] == f"0.0.0.0:{port['containerPort']}"
    assert (
        configured_by("worker")["AUTOS_METRICS_ADDRESS"]
        == COMPOSE["worker"]["environment"]["AUTOS_METRICS_ADDRESS"]
    )
    assert "AUTOS_METRICS_ADDRESS" not in configured_by("api")
    for name in ("api", "worker"):
        monitor = MANIFESTS["PodMonitor", f"autos-{name}"]["spec"]
        assert monitor["selector"]["matchLabels"] == PODS[name]["spec"]["template"]["metadata"]["labels"]
        [endpoint] = monitor["podMetricsEndpoints"]
        assert endpoint["port"] in {port["name"] for port in container_of(name)["ports"]}


def test_the_alerts_know_the_jobs_of_every_way_to_scrape() -> None:
    rules = yaml.safe_load((PROMETHEUS / "rules.yml").read_text(encoding="utf-8"))
    expressions = {rule["alert"]: rule["expr"] for group in rules["groups"] for rule in group["rules"]}
    jobs = {
        file: [job["job_name"] for job in yaml.safe_load((PROMETHEUS / file).read_text("utf-8"))["scrape_configs"]]
        for file in ("prometheus.yml", "kubernetes.yml")
    }
    # The Operator's name of a job: the namespace and the name of its PodMonitor.
    monitors = [f"autos/{name}" for kind, name in MANIFESTS if kind == "PodMonitor"]

    for names in (*jobs.values(), monitors):
        api, worker = sorted(names)
        for name, alert, other in ((api, "AutosApiDown", worker), (worker, "AutosWorkerDown", api)):
            patterns = re.findall(r'job=~"([^"]+)"', expressions[alert])
            assert len(patterns) == 2
            assert all(re.fullmatch(pattern, name) for pattern in patterns)
            assert not any(re.fullmatch(pattern, other) for pattern in patterns)


def test_kubernetes_jobs_keep_the_ports_that_the_pods_have() -> None:
    jobs = yaml.safe_load((PROMETHEUS / "kubernetes.yml").read_text(encoding="utf-8"))["scrape_configs"]

    for job, name in zip(jobs, ("api", "worker"), strict=True):
        [port] = container_of(name)["ports"]
        component = PODS[name]["spec"]["template"]["metadata"]["labels"]["app.kubernetes.io/component"]
        assert job["relabel_configs"][0]["regex"] == f"{component};{port['name']}"
        assert job["relabel_configs"][0]["action"] == "keep"


def test_pods_get_the_time_that_they_need_to_end() -> None:
    pause = int(container_of("api")["lifecycle"]["preStop"]["exec"]["command"][-1])

    assert pod_of("api")["terminationGracePeriodSeconds"] >= pause + 15
    assert pod_of("worker")["terminationGracePeriodSeconds"] >= 2 * workers._GRACEFUL_SHUTDOWN.total_seconds()


@pytest.mark.parametrize("name", ["api", "worker"])
def test_selectors_find_their_pods_alone(name: str) -> None:
    deployment = PODS[name]
    labels = deployment["spec"]["template"]["metadata"]["labels"]

    assert deployment["spec"]["selector"]["matchLabels"] == labels
    assert MANIFESTS["PodDisruptionBudget", f"autos-{name}"]["spec"]["selector"]["matchLabels"] == labels
    if name == "api":
        assert MANIFESTS["Service", "autos-api"]["spec"]["selector"] == labels
    others = [pod["spec"]["template"]["metadata"]["labels"] for other, pod in PODS.items() if other != name]
    assert labels not in others
    # One is replaced after the other, so that there is always one.
    assert deployment["spec"]["replicas"] >= 2
    assert deployment["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"] == 0


def test_autoscalers_find_the_deployments_and_keep_a_worker() -> None:
    scaled = MANIFESTS["ScaledObject", "autos-worker"]["spec"]
    api = MANIFESTS["HorizontalPodAutoscaler", "autos-api"]["spec"]

    assert ("Deployment", scaled["scaleTargetRef"]["name"]) in MANIFESTS
    assert ("Deployment", api["scaleTargetRef"]["name"]) in MANIFESTS
    assert scaled["minReplicaCount"] >= 1
    assert all(isinstance(value, str) for value in scaled["triggers"][0]["metadata"].values())
    [trigger] = scaled["triggers"]
    configured = configured_by("worker")
    assert trigger["type"] == "temporal"
    assert trigger["metadata"]["taskQueue"] == COURT_QUEUE != PROCESSES_QUEUE
    assert trigger["metadata"]["endpoint"] == configured["TEMPORAL_ADDRESS"]
    assert trigger["metadata"]["namespace"] == configured["TEMPORAL_NAMESPACE"]


@pytest.mark.parametrize(
    "address", ["10.1.2.3", "172.20.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "fd00::1"]
)
def test_webhooks_have_no_way_to_private_addresses(address: str) -> None:
    policy = MANIFESTS["NetworkPolicy", "autos-public-out"]["spec"]
    [rule] = policy["egress"]

    def is_open(found: str) -> bool:
        return any(
            ip_address(found) in ip_network(block["ipBlock"]["cidr"])
            and not any(ip_address(found) in ip_network(closed) for closed in block["ipBlock"].get("except", []))
            for block in rule["to"]
        )

    assert not is_open(address)
    assert is_open("203.0.113.5")
    assert is_open("2001:db8::1")


def test_only_the_api_and_the_metrics_can_be_reached() -> None:
    everything = MANIFESTS["NetworkPolicy", "autos-in"]["spec"]
    api = MANIFESTS["NetworkPolicy", "autos-api-in"]["spec"]
    metrics = MANIFESTS["NetworkPolicy", "autos-metrics-in"]["spec"]

    assert (everything["policyTypes"], everything.get("ingress")) == (["Ingress"], None)
    for pod in PODS.values():
        labels = pod["spec"]["template"]["metadata"]["labels"]
        assert everything["podSelector"]["matchLabels"].items() <= labels.items()
        assert (api["podSelector"]["matchLabels"] == labels) is (pod is PODS["api"])
        assert (metrics["podSelector"]["matchLabels"] == labels) is (pod is PODS["worker"])
    assert allowed_by(api) == {("autos/client", "http"), ("autos/monitoring", "http")}
    # They ask for no key.
    assert allowed_by(metrics) == {("autos/monitoring", "metrics")}
    ways_in = [name for kind, name in MANIFESTS if kind == "NetworkPolicy" and name.endswith("-in")]
    assert sorted(ways_in) == ["autos-api-in", "autos-in", "autos-metrics-in"]


def allowed_by(policy: Manifest) -> set[tuple[str, str]]:
    """Return the label of each namespace that a policy lets in, and the port."""
    return {
        (label, port["port"])
        for rule in policy["ingress"]
        for source in rule["from"]
        for label, value in source["namespaceSelector"]["matchLabels"].items()
        for port in rule["ports"]
        if source.keys() == {"namespaceSelector"} and value == "true"
    }
