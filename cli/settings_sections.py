"""The sections of docs/settings.md and .env.example: which settings each has, and which services read them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Reader = Literal["api", "worker", "migrate", "key", "audit", "commands", "up", "compose"]

_SERVICES: tuple[Reader, ...] = ("api", "worker", "migrate")
_COMPOSE: tuple[Reader, ...] = ("compose",)


@dataclass(frozen=True, slots=True)
class ForeignVariable:
    """A variable that is no setting of ours: Compose, Temporal's SDK or AWS's SDK reads it.

    Attributes:
        type: What its value is, in words.
        meaning: What it does, as Markdown. Empty if the variable before it says that.
    """

    name: str
    default: str = ""
    type: str = "text"
    meaning: str = ""


@dataclass(frozen=True, slots=True)
class Section:
    """A part of both files.

    Attributes:
        note: What holds for all its variables, as Markdown.
        fields: The settings of ours, by their name in ``settings_fields.py``, in order.
        readers: What reads them.
        readers_of: Settings that something else reads.
        foreign: Variables of others.
    """

    title: str
    note: str = ""
    fields: tuple[str, ...] = ()
    readers: tuple[Reader, ...] = ()
    readers_of: Mapping[str, tuple[Reader, ...]] = field(default_factory=dict)
    foreign: tuple[ForeignVariable, ...] = ()


SECTIONS = (
    Section(
        "Docker Compose: the secrets, all needed",
        "Compose has no defaults for these and refuses to start without them. The following are required too, "
        "and are "
        "described further down: `AUTOS_API_KEY`, `AUTOS_WEBHOOK_SECRET`, `AUTOS_SECRET_KEY`, "
        "`AUTOS_S3_ACCESS_KEY_ID` "
        "and `AUTOS_S3_SECRET_ACCESS_KEY`.",
        readers=_COMPOSE,
        foreign=(
            ForeignVariable(
                "POSTGRES_PASSWORD",
                type="secret",
                meaning="Password of Postgres's superuser, used only to create the databases. Generate each of the "
                "three with: `openssl rand -hex 24`. They are set when Postgres's volume is empty, and stay "
                "with it.",
            ),
            ForeignVariable("CATALOG_DB_PASSWORD", type="secret", meaning="Password of the Autos account."),
            ForeignVariable("TEMPORAL_DB_PASSWORD", type="secret", meaning="Password of the Temporal account."),
        ),
    ),
    Section(
        "Docker Compose: what it publishes, and Temporal",
        readers=_COMPOSE,
        foreign=(
            ForeignVariable(
                "PUBLISH_HOST",
                "127.0.0.1",
                "address",
                "The address on this machine where the API is published.",
            ),
            ForeignVariable(
                "UI_PUBLISH_HOST",
                "127.0.0.1",
                "address",
                "The address of Temporal's UI. It has no login, so it has an address of its own, separate from the "
                "API's.",
            ),
            ForeignVariable(
                "S3_PUBLISH_HOST",
                "127.0.0.1",
                "address",
                "The address of S3. Links point to it: if other machines open them, publish S3 too, or set "
                "`AUTOS_S3_PUBLIC_ENDPOINT_URL`.",
            ),
            ForeignVariable(
                "AUTOS_DOMAIN",
                type="host name",
                meaning="The name at which `--profile tls` serves the API over HTTPS. Set `AUTOS_PUBLIC_URL` to "
                "`https://` and this name.",
            ),
            ForeignVariable(
                "PROXY_PUBLISH_HOST",
                "0.0.0.0",  # noqa: S104
                "address",
                "The address of that proxy's ports 80 and 443.",
            ),
            ForeignVariable(
                "PROXY_NETWORK",
                "172.31.251",
                "first three numbers",
                "The network (/24) between the proxy and the API. Change it where others use these addresses.",
            ),
            ForeignVariable("API_PORT", "8000", "port", "The port of the API on this machine."),
            ForeignVariable("UI_PORT", "8233", "port", "The port of Temporal's UI on this machine."),
            ForeignVariable("S3_PORT", "8333", "port", "The port of S3 on this machine."),
            ForeignVariable(
                "PROMETHEUS_PORT", "9090", "port", "The port of Prometheus on loopback, with `--profile metrics`."
            ),
            ForeignVariable(
                "GRAFANA_PORT", "3000", "port", "The port of Grafana on loopback, with `--profile metrics`."
            ),
            ForeignVariable(
                "TEMPORAL_CODEC_ENDPOINT",
                type="URL",
                meaning="Where browsers reach the codec of the API, for Temporal's UI: `https://…/codec`. See "
                "[docs/encryption.md](encryption.md).",
            ),
            ForeignVariable(
                "TEMPORAL_RETENTION",
                "168h",
                "hours",
                "How long Temporal shows finished runs. What was downloaded stays in the catalog.",
            ),
            ForeignVariable(
                "TEMPORAL_LOG_LEVEL", "warn", "`debug`, `info`, `warn`, `error`", "What Temporal itself logs."
            ),
        ),
    ),
    Section(
        "The catalog",
        fields=("database_url", "data_dir", "secrets_dir"),
        readers=("api", "worker", "migrate", "key", "up"),
        readers_of=dict.fromkeys(
            ("data_dir", "secrets_dir"), ("api", "worker", "migrate", "key", "commands", "up")
        ),
    ),
    Section(
        "The object store: any S3",
        fields=(
            *("s3_endpoint_url", "s3_public_endpoint_url", "s3_bucket", "s3_region", "s3_addressing_style"),
            *("s3_access_key_id", "s3_secret_access_key", "link_ttl_seconds"),
        ),
        readers=("api", "worker", "up"),
    ),
    Section(
        "The court",
        fields=(
            *(
                "court_base_url",
                "court_token",
                "court_token_file",
                "court_sso_url",
                "court_client_id",
                "secret_key",
            ),
            *("court_requests_per_second", "court_concurrency", "court_user_agent", "court_headers"),
            *("court_allowed_hosts", "court_storage_hosts", "court_stall_seconds"),
            *("max_listing_bytes", "max_document_bytes", "listing_max_age_seconds", "watch_share"),
        ),
        readers=("worker", "up"),
        readers_of={
            "secret_key": ("api", "worker", "key", "up"),
            "listing_max_age_seconds": ("api", "worker", "up"),
        },
    ),
    Section(
        "Temporal's payloads",
        fields=("payload_key", "codec_origins"),
        readers=("api", "worker", "up"),
        readers_of={"codec_origins": ("api", "up")},
    ),
    Section(
        "Webhooks",
        fields=("webhook_secret", "webhook_allow_http", "webhook_allow_private", "webhook_proxy_url"),
        readers=("api", "worker", "up"),
    ),
    Section("Retention", fields=("retention_days",), readers=("worker", "up")),
    Section(
        "Alerts to the operator",
        fields=("alert_webhook_url", "alert_court_seconds", "alert_worker_seconds"),
        readers=("api", "worker", "up"),
        readers_of={"alert_court_seconds": ("worker", "up"), "alert_worker_seconds": ("api", "up")},
    ),
    Section(
        "Audits",
        fields=("audit_days", "audit_repair", "audit_sample_bytes"),
        readers=("worker", "up"),
        readers_of={"audit_sample_bytes": ("worker", "audit", "up")},
    ),
    Section(
        "Bundles",
        fields=("bundle_concurrency", "scratch_dir", "bundle_retention_days"),
        readers=("worker", "up"),
    ),
    Section("Metrics", fields=("metrics_address",), readers=("worker", "up")),
    Section("Traces", fields=("otlp_endpoint", "otlp_headers"), readers=("api", "worker", "up")),
    Section(
        "The API",
        fields=(
            *("api_host", "api_port", "api_max_connections", "wrong_keys_per_minute", "api_key", "public_url"),
            "trusted_proxies",
        ),
        readers=("api", "up"),
        readers_of={
            "api_key": ("api", "commands", "up"),
            "public_url": ("api", "worker", "commands", "up"),
            "api_host": ("api", "worker", "commands", "up"),
            "api_port": ("api", "worker", "commands", "up"),
        },
    ),
    Section("What is stored of a case", fields=("store_parties",), readers=("worker", "up")),
    Section(
        "The access trail, and how long history is kept",
        fields=(
            "access_trail",
            "keep_accesses_days",
            "keep_runs_days",
            "keep_batches_days",
            "keep_deliveries_days",
            "keep_events_days",
        ),
        readers=("worker", "up"),
        readers_of={"access_trail": ("api", "worker", "up")},
    ),
    Section(
        "Logs",
        fields=("log_format", "log_level", "access_log"),
        readers=("api", "worker", "migrate", "up"),
        readers_of={"access_log": ("api", "up")},
    ),
    Section(
        "Temporal's own variables",
        "Read by its SDK from the environment, not from .env (Compose passes the namespace on). The local stack "
        "sets "
        "its own.",
        readers=_SERVICES,
        foreign=(
            ForeignVariable("TEMPORAL_ADDRESS", "127.0.0.1:7233", "host:port", "Where Temporal answers."),
            ForeignVariable("TEMPORAL_NAMESPACE", "default", meaning="The namespace of the runs. It must exist."),
            ForeignVariable("TEMPORAL_API_KEY", type="secret", meaning="The key of Temporal Cloud."),
            ForeignVariable("TEMPORAL_TLS", "false", "`true` or `false`", "Whether to connect with TLS."),
            ForeignVariable(
                "TEMPORAL_TLS_CLIENT_CERT_PATH", type="path", meaning="The client's certificate and key, for mTLS."
            ),
            ForeignVariable("TEMPORAL_TLS_CLIENT_KEY_PATH", type="path"),
            ForeignVariable(
                "TEMPORAL_TLS_SERVER_CA_CERT_PATH",
                type="path",
                meaning="The authority that signed the server's certificate, and the name to expect in it, where "
                "they are not the usual ones.",
            ),
            ForeignVariable("TEMPORAL_TLS_SERVER_NAME"),
            ForeignVariable(
                "TEMPORAL_CONFIG_FILE",
                type="path",
                meaning="Alternatively, a TOML file with all of these, and the profile to use.",
            ),
            ForeignVariable("TEMPORAL_PROFILE", "default"),
        ),
    ),
    Section(
        "AWS's own variables",
        "Read by its SDK from the environment, not from .env, if there are no `AUTOS_S3_` keys.",
        readers=("api", "worker"),
        foreign=(
            ForeignVariable(
                "AWS_ACCESS_KEY_ID", meaning="The key, its secret and, for a temporary key, its session."
            ),
            ForeignVariable("AWS_SECRET_ACCESS_KEY", type="secret"),
            ForeignVariable("AWS_SESSION_TOKEN", type="secret"),
            ForeignVariable(
                "AWS_CREDENTIAL_EXPIRATION",
                type="time (RFC 3339)",
                meaning="When the session token expires. Links expire with it. Without this variable, the time is "
                "unknown.",
            ),
            ForeignVariable("AWS_PROFILE", meaning="The profile in AWS's own files."),
        ),
    ),
    Section(
        "OpenTelemetry's own variables",
        "Read by its SDK from the environment, not from .env, if `AUTOS_OTLP_ENDPOINT` is set. All those that say "
        "how to sample, batch and send traces apply; these are the usual ones. Those that say where and under "
        "which name to export do not ([docs/traces.md](traces.md)).",
        readers=("api", "worker"),
        foreign=(
            ForeignVariable(
                "OTEL_TRACES_SAMPLER",
                "parentbased_always_on",
                meaning="Which traces are exported. `parentbased_traceidratio` exports the part of them that the "
                "next variable names; a caller's `traceparent` decides for its own.",
            ),
            ForeignVariable("OTEL_TRACES_SAMPLER_ARG", type="number"),
            ForeignVariable(
                "OTEL_RESOURCE_ATTRIBUTES", meaning="Further attributes of the services: `name=value,name=value`."
            ),
            ForeignVariable(
                "OTEL_EXPORTER_OTLP_CERTIFICATE",
                type="path",
                meaning="The authority that signed the collector's certificate, if it is not a usual one.",
            ),
        ),
    ),
)
