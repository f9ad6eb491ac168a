"""Every setting: its type, default, limits, and the text that docs/settings.md and .env.example have of it."""

from __future__ import annotations

from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, AnyHttpUrl, BeforeValidator, Field, SecretStr, UrlConstraints
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from domain.errors import InvalidInput
from domain.loopback import read_listen_address
from domain.storage import AddressingStyle
from domain.tokens import read_token
from domain.variables import parse_list, split_list

HttpUrl = Annotated[AnyHttpUrl, UrlConstraints(allowed_schemes=["http", "https"])]
OptionalUrl = Annotated[HttpUrl | None, BeforeValidator(lambda value: None if value == "" else value)]
OptionalPath = Annotated[Path | None, BeforeValidator(lambda value: None if value == "" else value)]
OptionalSecret = Annotated[SecretStr | None, BeforeValidator(lambda value: None if value == "" else value)]
OptionalDays = Annotated[int | None, BeforeValidator(lambda value: None if value == "" else value)]
OptionalAddress = Annotated[str | None, BeforeValidator(lambda text: read_listen_address(text) if text else None)]
# 0, like an empty value, means for ever.
DaysKept = Annotated[int, Field(ge=0, le=36_500), BeforeValidator(lambda value: 0 if value == "" else value)]
CommaSeparated = Annotated[tuple[str, ...], NoDecode, BeforeValidator(parse_list)]


def _clean_token(token: SecretStr | None) -> SecretStr | None:
    try:
        return token and SecretStr(read_token(token.get_secret_value(), field="this"))
    except InvalidInput as error:
        raise ValueError(str(error)) from None


def _without_credentials(url: AnyHttpUrl | None) -> AnyHttpUrl | None:
    if url is not None and (url.username or url.password or url.query):
        raise ValueError("Write credentials into AUTOS_OTLP_HEADERS, not into the address.")
    return url


def _check_networks(texts: tuple[str, ...]) -> tuple[str, ...]:
    for text in texts:
        try:
            network = ip_network(text)
        except ValueError:
            raise ValueError("must be IP addresses or networks such as 10.0.3.0/24, separated by commas") from None
        if network.prefixlen < _WIDEST_NETWORKS[network.version]:
            raise ValueError(
                "has a network that is nobody's own, so that anybody is believed: name the proxies alone"
            )
    return texts


def _check_keys(secret: SecretStr | None) -> SecretStr | None:
    if secret is not None and not split_list(secret.get_secret_value()):
        raise ValueError("has only separators, and no key")
    return secret


KeyList = Annotated[OptionalSecret, AfterValidator(_check_keys)]

DEFAULT_DATA_DIR = Path(".autos")
# The shortest prefixes of networks that one organisation may use alone: 10.0.0.0/8 and fc00::/7.
_WIDEST_NETWORKS = {4: 8, 6: 7}
# Written by the local stack into its data folder, so that a service started alone finds the others and the secrets.
LOCAL_STACK_FILE = "local.json"
# Fields that only the local stack sets, in that file. Operators have no variable for them.
LOCAL_STACK_FIELDS = frozenset({"stack_ports"})


class SettingsFields(BaseSettings):
    """The settings as operators write them. ``Settings`` reads them, and adds what follows from them.

    The defaults are those of the embedded stack: SQLite, SeaweedFS and the simulator on the loopback interface.
    Temporal's connection has variables of its own (``TEMPORAL_ADDRESS``, ``TEMPORAL_NAMESPACE``, …).
    """

    # The docstrings of the fields are what docs/settings.md and .env.example say of them (`make settings`).
    model_config = SettingsConfigDict(
        env_prefix="AUTOS_", env_file=".env", extra="ignore", frozen=True, use_attribute_docstrings=True
    )

    data_dir: Path = DEFAULT_DATA_DIR
    """The folder where the local stack stores its data."""
    secrets_dir: OptionalPath = Field(None, examples=["/run/secrets"])
    """A folder with one file for each setting that is not in the environment: `autos_secret_key` has the value of
    `AUTOS_SECRET_KEY`. Blanks and line breaks around it are removed. This variable itself and `AUTOS_DATA_DIR` are
    not read from there."""

    # The catalog.
    database_url: str = Field("", examples=["postgresql://autos:PASSWORD@db.example.org:5432/autos"])
    """Empty is a SQLite file in the data folder. Production: `postgresql://user:password@host:5432/database`
    (without a password there, the database driver reads `PGPASSWORD`). Compose sets this variable itself.

    Other common notations work too: `postgres://`, `postgresql+psycopg2://`, several hosts, and libpq's parameters
    (sslmode, sslrootcert, connect_timeout, application_name, options, target_session_attrs, …). In user name and
    password, percent-encode / ? # @ : and %. A pooler in transaction mode (PgBouncer) is detected automatically.
    Give Autos its own database or schema (`options=-csearch_path%3Dautos`): it refuses one with tables of other
    programs."""

    # The object store.
    s3_endpoint_url: OptionalUrl = AnyHttpUrl("http://127.0.0.1:8333")
    """The store's address for Autos. Empty means AWS. With Compose, write the AWS address out:
    `https://s3.sa-east-1.amazonaws.com`. Compose's own SeaweedFS needs nothing here."""
    s3_public_endpoint_url: OptionalUrl = Field(None, examples=["https://s3.example.org"])
    """The store's address for those who open links, if it differs. Links are signed for this address."""
    s3_bucket: str = Field("autos", min_length=3, max_length=63)
    """The bucket must exist. The local stack and Compose create it in their own S3."""
    s3_region: str = "us-east-1"
    """The bucket's region."""
    s3_addressing_style: AddressingStyle = AddressingStyle.AUTO
    """Where requests and links name the bucket: `path` (`https://endpoint/bucket/key`), `virtual`
    (`https://bucket.endpoint/key`), or `auto`: path if an endpoint is set, virtual at AWS, and virtual if the store
    refuses path."""
    s3_access_key_id: str | None = None
    """The store's key. Without it and its secret, AWS's variables, profiles and roles are used. For Compose:
    `openssl rand -hex 10`, or the key of the S3 that you name above."""
    s3_secret_access_key: SecretStr | None = None
    """The secret of that key. For Compose: `openssl rand -hex 24`, or the secret of the S3 that you name above."""
    link_ttl_seconds: int = Field(3600, ge=1, le=604_800)
    """Lifetime of links in seconds. At most seven days, which is the limit of S3."""

    # The court.
    court_base_url: HttpUrl = AnyHttpUrl("http://127.0.0.1:8900")
    """The portal. The default is the local stack's simulator. In Compose it is
    `https://portaldeservicos.pdpj.jus.br`."""
    court_token: Annotated[OptionalSecret, AfterValidator(_clean_token)] = None
    """The access token of your account there, a JWT. It expires after some hours. `autos court login` gives a
    running service a new one, and a refresh token lets it renew automatically. Quotes, `Bearer` and line breaks are
    removed."""
    court_token_file: OptionalPath = Field(None, examples=["/run/secrets/court_token"])
    """Alternatively, a file with the token. It is read again whenever it changes."""
    court_sso_url: OptionalUrl = Field(None, examples=["https://sso.cloud.pje.jus.br/auth/realms/pje"])
    """The Keycloak realm, for renewals. Empty means the portal's own host, which is right for the simulator. The
    court's realm is `https://sso.cloud.pje.jus.br/auth/realms/pje`, which Compose sets."""
    court_client_id: str = "portalexterno-frontend"
    """Our client id at the realm."""
    court_requests_per_second: float = Field(5, gt=0)
    """Load on the court: requests per second of all workers together, for all purposes. With the simulator, the
    local stack sets 200."""
    court_concurrency: int = Field(4, ge=1, le=256)
    """Load on the court: concurrent requests per worker. With the simulator, the local stack sets 16."""
    court_user_agent: str = "autos/0.1"
    """The User-Agent of requests to the court. The court's firewall is known to refuse programs at times. An honest
    name lets the court contact you if something goes wrong, so change it only if the court has told you what it
    accepts."""
    court_headers: dict[str, str] = Field(default_factory=dict, examples=['{"X-Contact": "it@example.com"}'])
    """Additional headers of every request to the court, as JSON."""
    court_allowed_hosts: CommaSeparated = Field((), examples=["documents.court.example"])
    """Comma-separated hosts, besides the portal's own, from which documents of a listing may be downloaded. They
    receive the token, so enter only hosts of the court."""
    court_storage_hosts: CommaSeparated = Field((), examples=["store.court.example"])
    """Comma-separated hosts of a store to which the court may redirect a request for a document. They never receive
    the token."""
    court_stall_seconds: float = Field(30, gt=0)
    """If no bytes of a document arrive for this many seconds, the download is aborted and retried."""
    max_listing_bytes: int = Field(32 * 1024**2, ge=64 * 1024)
    """Maximum size of a decompressed listing. A larger one fails with `invalid_listing`. A parsed listing may use
    at most 68 MiB of memory, so a larger value has no effect."""
    max_document_bytes: int = Field(2 * 1024**3, ge=1)
    """Maximum size of a document. A larger one fails with `too_large`."""
    listing_max_age_seconds: int = Field(86_400, ge=0)
    """Maximum age of a listing for the catalog to answer without asking the court again."""

    watch_share: float = Field(0.25, ge=0, le=1)
    """The share of the court's pace that looks at watched processes may take ([docs/watching.md](watching.md)). At
    0 no process is looked at, and its watches become late. Only the workers read it."""

    secret_key: KeyList = None
    """Encrypts the credentials that a running service stores in the database. It must be the same for the API and
    the workers. Generate it with: `openssl rand -base64 32 | tr '+/' '-_'`. To rotate it, put the new key before
    the old one, separated by a comma."""

    # Temporal's payloads.
    payload_key: KeyList = None
    """Encrypts what Temporal stores ([docs/encryption.md](encryption.md)); empty encrypts nothing. It must be the
    same for the API and the workers. Generate it like `AUTOS_SECRET_KEY`, but not as the same key."""
    codec_origins: CommaSeparated = Field((), examples=["https://temporal.example.org"])
    """Comma-separated origins of Temporal's UI, which `POST /codec/decode` serves. Empty: no such route."""

    # Webhooks.
    webhook_secret: SecretStr | None = None
    """Signs the events. Generate it with: `echo "whsec_$(openssl rand -base64 32)"`. The local stack generates
    one."""
    webhook_allow_http: bool = False
    """Whether webhooks may use `http://`. The local stack allows it."""
    webhook_allow_private: bool = False
    """Whether webhooks may use private addresses. By default the local stack allows them, but only until its first
    API key is created and while only this machine can reach it. The ports of the service itself are never
    called."""
    webhook_proxy_url: OptionalSecret = Field(None, examples=["http://user:password@proxy.example.org:4750"])
    """An egress proxy for webhooks, such as smokescreen. It then decides which addresses are allowed. Without one,
    Autos checks every address. It must be the same for the API and the workers."""

    # Set by the local stack alone: all ports that it listens on.
    stack_ports: tuple[int, ...] = ()

    retention_days: OptionalDays = Field(None, ge=1, le=36_500, examples=["365"])
    """Days without activity after which a process is erased: its documents, its rows, and its runs in Temporal.
    Empty means never. Only the workers read it. docs/erasure.md says what counts as activity, and what remains."""

    # Alerts to the operator, and metrics of the workers.
    alert_webhook_url: OptionalUrl = Field(None, examples=["https://alerts.example.org/autos"])
    """The webhook address for alerts. Without it, alerts appear only in the logs and metrics. Set it, and
    `AUTOS_WEBHOOK_SECRET`, for the API as well as the workers: the API itself reports that no worker is at work."""
    alert_court_seconds: float = Field(300, gt=0)
    """Seconds during which the court may fail to answer, or may refuse us, before an alert is raised."""
    alert_worker_seconds: float = Field(60, gt=0)
    """Seconds during which a task queue may have no worker before an alert is raised. A worker that was killed
    counts for up to 75 seconds more; one that was stopped, not at all. A restart should take less."""

    # Audits.
    audit_days: int = Field(7, ge=0, le=3650)
    """Days between two audits of the catalog against the bucket ([docs/audit.md](audit.md)). 0 means none."""
    audit_repair: bool = False
    """Whether these audits repair what they find: missing and damaged documents become pending again, objects that
    the catalog does not know are deleted. Without it they only report, and `autos audit --repair` repairs."""
    audit_sample_bytes: int = Field(1024**3, ge=0)
    """How many bytes of the stored objects one audit reads to check them, spread over all processes. 0 reads
    none: then only what is missing, or has another size, is found."""

    # Bundles.
    bundle_concurrency: int = Field(2, ge=1, le=64)
    """How many bundles a worker builds at once, or documents it converts for them. Each may use a core and half a
    gigabyte of memory."""
    scratch_dir: OptionalPath = Field(None, examples=["/scratch"])
    """A folder on a local disk where workers build bundles. A PDF needs three times the size of its documents
    there, a ZIP once. Empty is `scratch` in the data folder. Compose sets it to a volume of its own."""
    bundle_retention_days: DaysKept = 7
    """Days for which a bundle is kept after it was last requested. It is built again when it is requested later. 0:
    for ever. A week outlives the three days for which an event is tried, and a weekend."""

    metrics_address: OptionalAddress = Field(None, examples=["127.0.0.1:9464"])
    """Where a worker serves its metrics for Prometheus: an IP address and a port. Each worker needs its own, and
    nothing there asks for a key. Without it, none are served. Compose sets it, inside its network."""

    # Traces.
    otlp_endpoint: Annotated[OptionalUrl, AfterValidator(_without_credentials)] = Field(
        None, examples=["http://127.0.0.1:4318"]
    )
    """A collector of OpenTelemetry that takes OTLP over HTTP ([docs/traces.md](traces.md)): its base URL, to which
    `/v1/traces` is added. Set it for the API as well as the workers. Without it, there are no traces."""
    otlp_headers: OptionalSecret = Field(None, examples=["authorization=Bearer%20KEY"])
    """Headers for the collector: `name=value`, several separated by commas, with values percent-encoded."""

    # The API.
    api_host: str = "127.0.0.1"
    """The address to listen on. Any other than loopback requires a key. Compose sets it inside the container."""
    api_port: int = Field(8000, ge=0, le=65_535)
    """The port to listen on. Compose sets it inside the container."""
    api_max_connections: int = Field(4096, ge=64, le=100_000)
    """Maximum number of open connections per API service. Every stream and every pending response uses one. Above
    the limit, idle connections are closed. If there are none, only health checks are answered."""
    wrong_keys_per_minute: int = Field(20, ge=1, le=100_000)
    """Maximum number of wrong keys from one address in a minute. More are answered with 429."""
    api_key: SecretStr | None = Field(None, min_length=16)
    """The operator's own key, which requests send as `Authorization: Bearer …`. Generate it with: `openssl rand
    -hex 24`."""
    trusted_proxies: Annotated[CommaSeparated, AfterValidator(_check_networks)] = Field((), examples=["10.0.3.7"])
    """Comma-separated addresses or networks (CIDR) of proxies, whose `X-Forwarded-For` and `X-Forwarded-Proto` are
    believed. Empty believes nobody: behind a proxy, all clients then have its address. Whoever sends from such an
    address can claim any other, so name the proxy alone. In Compose, the default is its own proxy."""
    public_url: OptionalUrl = Field(None, examples=["https://autos.example.org"])
    """The API's address for clients, used in URLs in responses and webhooks. Without it, the host and port
    above."""

    # What is stored of a case.
    store_parties: bool = True
    """Whether to store the names of parties and lawyers, and the lawyers' registration with the bar
    ([docs/case.md](case.md)). The next listing of each process applies a change. Numbers of taxpayers and sealed
    parties are never stored."""

    # The access trail, and how long history is kept.
    access_trail: bool = True
    """Whether to record who is handed which document ([docs/keeping.md](keeping.md)). It must be the same for the
    API and the workers."""
    keep_accesses_days: DaysKept = 1825
    """Days for which the access trail is kept ([docs/keeping.md](keeping.md)). 0, here and below: for ever."""
    keep_runs_days: DaysKept = 365
    """Days for which ended runs are kept. The latest run of each process stays."""
    keep_batches_days: DaysKept = 90
    """Days for which ended batches are kept."""
    keep_deliveries_days: DaysKept = 30
    """Days for which ended webhook deliveries, their attempts and cleared alerts are kept."""
    keep_events_days: DaysKept = 30
    """Days for which events are kept, for clients that read them at `GET /events`."""

    # Logs.
    log_format: Literal["auto", "json", "console"] = "auto"
    """`json`, `console`, or `auto` (console on a terminal, json elsewhere)."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """The least severe lines that are written."""
    access_log: bool = True
    """One line for each request to the API."""
