"""Configuration of the local stack's services: the operator's settings, with this stack's own values as defaults.

The services read this stack's values from one file, which has a lower priority than every variable
(``settings.Settings``): the operator's settings always win. Secrets travel in that file or in the environment,
never on a command line.
"""

from __future__ import annotations

import base64
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from pydantic_settings import PydanticBaseSettingsSource

from devstack.ports import LOOPBACK, Ports
from domain.storage import StorageAddress
from settings import Settings, load_settings

# The simulator can take more load than a court.
SIMULATOR_REQUESTS_PER_SECOND = 200
SIMULATOR_CONCURRENCY = 16

# The only variables of our environment that third-party services get. The rest may hold secrets.
_BASIC_VARIABLES = ("HOME", "LANG", "LC_ALL", "PATH", "TMPDIR", "TZ")


class OperatorSettings(Settings):
    """The operator's settings, from variables and ``.env``, without the values saved by a local stack."""

    @classmethod
    def settings_customise_sources(cls, *args: Any, **kwargs: Any) -> tuple[PydanticBaseSettingsSource, ...]:
        """Remove the last source, which is the local stack's file."""
        return super().settings_customise_sources(*args, **kwargs)[:-1]

    @classmethod
    def load(cls, data_dir: Path | None) -> Self:
        """Read the settings, and make the data folder's path absolute.

        Args:
            data_dir: replaces the setting. ``None`` uses the setting.

        Raises:
            ConfigurationError: a setting cannot be used.
        """
        # Validated with a folder that cannot exist: a broken file in the real one is not a setting's fault.
        load_settings(data_dir=Path(os.devnull) / "none")
        operator = cls() if data_dir is None else cls(data_dir=data_dir)
        return operator.model_copy(update={"data_dir": operator.data_dir.absolute()})

    def is_set(self, name: str) -> bool:
        """Return whether the operator has set this setting."""
        return name in self.model_fields_set


@dataclass(frozen=True, slots=True)
class Secrets:
    """The secrets of one stack, which only it and its clients may know.

    Attributes:
        s3_keys_are_given: whether the S3 keys come from the operator. Then they are saved in no file.
    """

    s3_access_key_id: str
    s3_secret_access_key: str
    s3_keys_are_given: bool
    webhook_secret: str
    secret_key: str

    @classmethod
    def collect(cls, operator: OperatorSettings, environ: Mapping[str, str], saved: Mapping[str, object]) -> Self:
        """Collect the secrets, creating those that are missing.

        S3 keys come from the first of these that has both: the operator's settings, the AWS variables, the last
        stack. Otherwise they are new.

        Args:
            operator: the operator's settings.
            environ: the environment variables.
            saved: what the last stack saved. Empty if there was none.
        """
        operator_key = operator.s3_secret_access_key.get_secret_value() if operator.s3_secret_access_key else None
        key_id, key, given = next(
            (str(key_id), str(key), given)
            for key_id, key, given in (
                (operator.s3_access_key_id, operator_key, True),
                (environ.get("AWS_ACCESS_KEY_ID"), environ.get("AWS_SECRET_ACCESS_KEY"), True),
                (saved.get("s3_access_key_id"), saved.get("s3_secret_access_key"), False),
                (secrets.token_hex(10), secrets.token_urlsafe(30), False),
            )
            if key_id and key
        )
        webhook_secret = saved.get("webhook_secret") or _new_webhook_secret()
        secret_key = saved.get("secret_key") or base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()
        return cls(key_id, key, given, str(webhook_secret), str(secret_key))


def _new_webhook_secret() -> str:
    return "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()


@dataclass(frozen=True, slots=True)
class Environment:
    """Everything that the configuration of one stack's services is made from."""

    folder: Path
    ports: Ports
    operator: OperatorSettings
    secrets: Secrets

    @property
    def api_url(self) -> str:
        """The API's address on this machine."""
        host = self.operator.api_host
        host = {"0.0.0.0": LOOPBACK, "::": "::1"}.get(host, host)  # noqa: S104 - compared, not bound.
        return f"http://[{host}]:{self.ports.api}" if ":" in host else f"http://{host}:{self.ports.api}"

    @property
    def s3_url(self) -> str:
        """The address of this stack's S3."""
        return f"http://{LOOPBACK}:{self.ports.s3}"

    @property
    def simulator_url(self) -> str:
        """The address of this stack's simulator."""
        return f"http://{LOOPBACK}:{self.ports.simulator}"

    @property
    def temporal_address(self) -> str:
        """The address of this stack's Temporal."""
        return f"{LOOPBACK}:{self.ports.temporal}"

    @property
    def temporal_ui_url(self) -> str:
        """The address of Temporal's UI."""
        return f"http://{LOOPBACK}:{self.ports.temporal_ui}"

    @property
    def uses_simulator(self) -> bool:
        """Whether the court is this stack's simulator, not one that the operator has set."""
        return not self.operator.is_set("court_base_url") or self.operator.court_origin == self.simulator_url

    @property
    def uses_own_s3(self) -> bool:
        """Whether documents go to this stack's S3, not to one that the operator has set."""
        configured = str(self.operator.s3_endpoint_url).rstrip("/")
        return not self.operator.is_set("s3_endpoint_url") or configured == self.s3_url

    @property
    def own_storage(self) -> StorageAddress:
        """The bucket in this stack's S3."""
        return StorageAddress(
            bucket=self.operator.s3_bucket,
            endpoint_url=self.s3_url,
            region=self.operator.s3_region,
            access_key_id=self.secrets.s3_access_key_id,
            secret_access_key=self.secrets.s3_secret_access_key,
        )

    def local_values(self, court_token: str | None) -> dict[str, object]:
        """Return the values for the local stack's file, by the names of the settings.

        A court or an object store that the operator has set gets none of the values of this stack's own: neither
        their secrets nor the simulator's generous rates.

        Args:
            court_token: a token of the simulator. ``None`` if another court is used.
        """
        values: dict[str, object] = {
            "api_port": self.ports.api,
            "public_url": self.api_url,
            "webhook_secret": self.secrets.webhook_secret,
            "secret_key": self.secrets.secret_key,
            "webhook_allow_http": True,
            # Private addresses are allowed on a single-user stack: see Settings.webhook_policy.
            "stack_ports": self.ports.all(),
        }
        if self.uses_own_s3:
            values["s3_endpoint_url"] = self.s3_url
            if not self.secrets.s3_keys_are_given:
                values["s3_access_key_id"] = self.secrets.s3_access_key_id
                values["s3_secret_access_key"] = self.secrets.s3_secret_access_key
        if self.uses_simulator:
            values |= {
                "court_base_url": self.simulator_url,
                "court_token": court_token,
                "court_requests_per_second": SIMULATOR_REQUESTS_PER_SECOND,
                "court_concurrency": SIMULATOR_CONCURRENCY,
            }
        return values

    def for_own_services(self, environ: Mapping[str, str]) -> dict[str, str]:
        """Return the whole environment of the API, the worker and the simulator.

        Temporal is always this stack's own: a worker that a variable leads to another cluster would do that
        cluster's work with this stack's court and object store.
        """
        variables = {name: value for name, value in environ.items() if not name.startswith("TEMPORAL_")}
        variables |= {
            "AUTOS_DATA_DIR": str(self.folder),
            "AUTOS_API_PORT": str(self.ports.api),
            "TEMPORAL_ADDRESS": self.temporal_address,
            "TEMPORAL_CONFIG_FILE": os.devnull,
        }
        if self.uses_own_s3 and self.secrets.s3_keys_are_given:
            variables["AUTOS_S3_ACCESS_KEY_ID"] = self.secrets.s3_access_key_id
            variables["AUTOS_S3_SECRET_ACCESS_KEY"] = self.secrets.s3_secret_access_key
        return variables

    def for_s3(self, environ: Mapping[str, str]) -> dict[str, str]:
        """Return the whole environment of SeaweedFS."""
        return basic_variables(environ) | {
            "AWS_ACCESS_KEY_ID": self.secrets.s3_access_key_id,
            "AWS_SECRET_ACCESS_KEY": self.secrets.s3_secret_access_key,
        }


def basic_variables(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the few variables that any program may need."""
    return {name: environ[name] for name in _BASIC_VARIABLES if name in environ}
