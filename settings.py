"""The settings of the service: read from their sources, with what follows from them.

They are read once, where the services are assembled. ``settings_fields.py`` has the fields.
"""

from __future__ import annotations

import os
import warnings
from collections import Counter
from datetime import timedelta
from json import JSONDecodeError
from pathlib import Path
from typing import Any

from pydantic import AnyHttpUrl, ValidationError
from pydantic_settings import (
    BaseSettings,
    DotEnvSettingsSource,
    JsonConfigSettingsSource,
    PydanticBaseSettingsSource,
    SecretsSettingsSource,
    SettingsError,
)

from domain.database_address import DatabaseAddress
from domain.errors import ConfigurationError, InvalidInput
from domain.history import HistoryKind
from domain.loopback import bracketed, is_loopback, loopback_port
from domain.storage import StorageAddress
from domain.variables import describe_problems, find_unknown, split_list
from domain.webhook_urls import WebhookPolicy, check_webhook_url
from settings_fields import DEFAULT_DATA_DIR, LOCAL_STACK_FIELDS, LOCAL_STACK_FILE, SettingsFields

# They say where other settings are.
_NOT_IN_FILES = frozenset({"secrets_dir", "data_dir"})


class _SecretFiles(SecretsSettingsSource):
    """A folder with one file for each setting. A file that cannot be read is an error, never a missing setting."""

    def __call__(self) -> dict[str, Any]:
        """Read the files.

        Raises:
            ConfigurationError: The folder or a file cannot be read, or it is not clear which value counts.
        """
        try:
            with warnings.catch_warnings():
                # The library only warns of what it leaves out: a key that is left out would switch something off.
                warnings.simplefilter("error", UserWarning)
                values = super().__call__()
        except (OSError, UnicodeDecodeError, SettingsError, UserWarning) as error:
            cause = error.__cause__ or error
            name = Path(cause.filename).name if isinstance(cause, OSError) and cause.filename else ""
            reason = cause.strerror if isinstance(cause, OSError) else "it is not what it should be"
            raise ConfigurationError(
                f"AUTOS_SECRETS_DIR: {name or 'the folder, or a file in it,'} cannot be read ({reason}). "
                "Each file must be UTF-8 text in that folder, readable for the user of the service."
            ) from None
        self._check_doubles(values)
        return {name: value for name, value in values.items() if name not in _NOT_IN_FILES}

    def _check_doubles(self, values: dict[str, Any]) -> None:
        files = Counter(path.name.lower() for folder in self.secrets_paths for path in folder.iterdir())
        for name, value in values.items():
            variable = f"AUTOS_{name}".upper()
            if files[variable.lower()] > 1:
                raise ConfigurationError(f"AUTOS_SECRETS_DIR has two files for {variable}: delete one of them.")
            # An empty variable would have precedence, and switch off what the file switches on.
            if value and self.current_state.get(name) == "":
                raise ConfigurationError(
                    f"{variable} is empty in the environment or in .env, and has a file in AUTOS_SECRETS_DIR: "
                    "remove the variable."
                )


class Settings(SettingsFields):
    """Values from ``AUTOS_*`` variables, ``.env``, files of secrets, the local stack's file and defaults.

    What is named first has precedence.
    """

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Give the local stack's file a lower precedence than everything that an operator sets."""
        operators = (init_settings, env_settings, dotenv_settings)
        given = {name: value for source in reversed(operators) for name, value in source().items()}
        folder = given.get("secrets_dir")
        secrets = (_SecretFiles(settings_cls, Path(folder)),) if folder else ()
        local_stack = JsonConfigSettingsSource(
            settings_cls, json_file=Path(given.get("data_dir") or DEFAULT_DATA_DIR) / LOCAL_STACK_FILE
        )
        return *operators, *secrets, local_stack

    @property
    def effective_database_url(self) -> str:
        """The catalog's address as the operator writes it. Default: SQLite in the data folder."""
        return self.database_url or f"sqlite:///{self.data_dir.absolute() / 'autos.db'}"

    @property
    def database_address(self) -> DatabaseAddress:
        """The catalog's address, parsed.

        Raises:
            ConfigurationError: It is not the address of a supported database.
        """
        return DatabaseAddress.parse(self.effective_database_url)

    @property
    def is_exposed(self) -> bool:
        """Whether other machines can reach the API."""
        public = self.public_url.host if self.public_url else None
        return not is_loopback(self.api_host) or (public is not None and not is_loopback(public.strip("[]")))

    @property
    def needs_catalog_key(self) -> bool:
        """Whether other machines can reach the API without a key in the settings."""
        return self.api_key is None and self.is_exposed

    @property
    def effective_public_url(self) -> str:
        """Where clients reach the API, without a slash at the end."""
        url = str(self.public_url) if self.public_url else f"http://{bracketed(self.api_host)}:{self.api_port}"
        return url.rstrip("/")

    @property
    def court_origin(self) -> str:
        """Scheme and host of the court's portal, without an ``/api/v2`` at the end of the setting."""
        return str(self.court_base_url).rstrip("/").removesuffix("/api/v2")

    @property
    def court_realm(self) -> str:
        """URL of the Keycloak realm that renews tokens. Default: on the court's own host."""
        return str(self.court_sso_url or f"{self.court_origin}/auth/realms/pje").rstrip("/")

    @property
    def secret_keys(self) -> list[str]:
        """The encryption keys, the newest first. Empty on a deployment that stores no credentials."""
        return list(split_list(self.secret_key.get_secret_value())) if self.secret_key else []

    @property
    def payload_keys(self) -> list[str]:
        """The keys of Temporal's payloads, the newest first. Empty means that payloads are not encrypted."""
        return list(split_list(self.payload_key.get_secret_value())) if self.payload_key else []

    @property
    def storage_address(self) -> StorageAddress:
        """The bucket at the address that this service uses."""
        return self._storage_address(self.s3_endpoint_url)

    @property
    def public_storage_address(self) -> StorageAddress:
        """The bucket at the address that links point to."""
        return self._storage_address(self.s3_public_endpoint_url or self.s3_endpoint_url)

    def _storage_address(self, endpoint: AnyHttpUrl | None) -> StorageAddress:
        secret = self.s3_secret_access_key
        return StorageAddress(
            bucket=self.s3_bucket,
            endpoint_url=str(endpoint).rstrip("/") if endpoint else None,
            region=self.s3_region,
            access_key_id=self.s3_access_key_id,
            secret_access_key=secret.get_secret_value() if secret else None,
            addressing_style=self.s3_addressing_style,
        )

    @property
    def link_ttl(self) -> timedelta:
        """Lifetime of links."""
        return timedelta(seconds=self.link_ttl_seconds)

    @property
    def listing_max_age(self) -> timedelta:
        """Default maximum age of a listing for the catalog to answer without asking the court."""
        return timedelta(seconds=self.listing_max_age_seconds)

    @property
    def webhook_policy(self) -> WebhookPolicy:
        """The addresses that webhooks may use.

        Private addresses are allowed if the operator sets that. A local stack allows them by default while it has
        only one user: no other machine can reach it, and it has no API keys.
        """
        is_default = bool(self.stack_ports) and "webhook_allow_private" not in self.model_fields_set
        has_one_user = self.api_key is None and not self.is_exposed
        return WebhookPolicy(
            allow_http=self.webhook_allow_http,
            allow_private=self.webhook_allow_private or (is_default and has_one_user),
            private_until_keys=is_default,
            own_ports=self.own_ports,
        )

    @property
    def own_ports(self) -> frozenset[int]:
        """The ports on this machine that belong to the service or to its dependencies."""
        services = (
            *(f"tcp://{bracketed(host)}:{port}" for host, port in self.database_address.servers),
            # As the SDK reads it.
            f"tcp://{os.environ.get('TEMPORAL_ADDRESS', '127.0.0.1:7233')}",
            *(str(url) for url in (self.s3_endpoint_url, self.s3_public_endpoint_url) if url),
            self.court_origin,
            self.court_realm,
            *([self.otlp_url] if self.otlp_url else []),
        )
        ports = (loopback_port(url) for url in services)
        # Whatever its address, the metrics' port is on the machine of the worker, which sends webhooks.
        own = [int(self.metrics_address.rpartition(":")[2])] if self.metrics_address else []
        return frozenset({self.api_port, *own, *self.stack_ports, *(port for port in ports if port is not None)})

    @property
    def alert_url(self) -> str | None:
        """The address that alerts are posted to. None means that they are only logged and counted.

        Raises:
            ConfigurationError: Webhooks may not use this address.
        """
        if self.alert_webhook_url is None:
            return None
        try:
            return check_webhook_url(str(self.alert_webhook_url), self.webhook_policy)
        except InvalidInput as error:
            raise ConfigurationError(f"AUTOS_ALERT_WEBHOOK_URL: {error}") from None

    @property
    def otlp_url(self) -> str | None:
        """The base URL of the collector of traces. None means that there are none."""
        return str(self.otlp_endpoint) if self.otlp_endpoint else None

    @property
    def otlp_header_text(self) -> str | None:
        """The headers for the collector, as the operator writes them."""
        return self.otlp_headers.get_secret_value() if self.otlp_headers else None

    @property
    def retention(self) -> timedelta | None:
        """How long a process is kept without activity. None means for ever."""
        return None if self.retention_days is None else timedelta(days=self.retention_days)

    @property
    def alert_court_patience(self) -> timedelta:
        """How long the court may fail to answer before an alert is raised."""
        return timedelta(seconds=self.alert_court_seconds)

    @property
    def history_retention(self) -> dict[HistoryKind, timedelta]:
        """How long each kind of history is kept after its end. A kind that is missing is kept for ever."""
        days = {
            HistoryKind.ACCESSES: self.keep_accesses_days,
            HistoryKind.RUNS: self.keep_runs_days,
            HistoryKind.BATCHES: self.keep_batches_days,
            HistoryKind.DELIVERIES: self.keep_deliveries_days,
            HistoryKind.ALERTS: self.keep_deliveries_days,
            HistoryKind.EVENTS: self.keep_events_days,
        }
        return {kind: timedelta(days=kept) for kind, kept in days.items() if kept}

    @property
    def bundle_retention(self) -> timedelta | None:
        """How long a bundle is kept after it was last requested. None means for ever."""
        return timedelta(days=self.bundle_retention_days) if self.bundle_retention_days else None

    @property
    def effective_scratch_dir(self) -> Path:
        """Where workers build bundles."""
        return (self.scratch_dir or self.data_dir / "scratch").absolute()

    @property
    def alert_worker_patience(self) -> timedelta:
        """How long a task queue may have no worker before an alert is raised."""
        return timedelta(seconds=self.alert_worker_seconds)


def load_settings(**overrides: object) -> Settings:
    """Read the settings.

    Raises:
        ConfigurationError: Some settings are invalid. The text names every such variable, never its value.
    """
    try:
        return Settings(**overrides)  # type: ignore[arg-type]  # Checked by pydantic, name by name.
    except (JSONDecodeError, UnicodeDecodeError):
        raise ConfigurationError(
            f"{LOCAL_STACK_FILE} in the data folder is not JSON. Delete it; `autos up` creates it again."
        ) from None
    except ValidationError as error:
        problems = error.errors(include_input=False, include_url=False)
        texts = ((problem["loc"], problem["msg"].removeprefix("Value error, ")) for problem in problems)
        raise ConfigurationError(describe_problems(texts)) from None


def find_unknown_variables() -> list[str]:
    """Return the ``AUTOS_*`` variables that nothing reads: misspelt settings.

    Those of the environment, of ``.env`` and of the folder of secrets are looked at.
    """
    in_file = (name.upper() for name in DotEnvSettingsSource(Settings).env_vars)
    folder = load_settings().secrets_dir
    secrets = [file.name.upper() for file in folder.expanduser().iterdir()] if folder else []
    return find_unknown({*os.environ, *in_file, *secrets}, fields=Settings.model_fields.keys() - LOCAL_STACK_FIELDS)
