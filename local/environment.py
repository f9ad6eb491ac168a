"""What the parts of the local stack are told: what the operator says, and this stack's own values behind it.

The parts read one file that stands behind every variable (``settings.Settings``), so that what is set wins by
construction. Secrets travel in that file or in the environment, never on a command line.
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

from domain.storage import StorageAddress
from local.ports import LOOPBACK, Ports
from settings import Settings, load_settings

# The simulator bears more than a court does.
SIMULATOR_REQUESTS_PER_SECOND = 200
SIMULATOR_CONCURRENCY = 16

# What the third-party parts get of our environment. The rest is not theirs to know.
_PLAIN_VARIABLES = ("HOME", "LANG", "LC_ALL", "PATH", "TMPDIR", "TZ")


class OperatorSettings(Settings):
    """What the operator says by variables and ``.env``, without what a local stack left behind."""

    @classmethod
    def settings_customise_sources(cls, *args: Any, **kwargs: Any) -> tuple[PydanticBaseSettingsSource, ...]:
        """Drop the last source, which is the local stack's file."""
        return super().settings_customise_sources(*args, **kwargs)[:-1]

    @classmethod
    def load(cls, data_dir: Path | None) -> Self:
        """Read them, with an absolute data folder.

        Raises:
            ConfigurationError: one of them cannot be used.
        """
        # Checked through a folder that cannot exist, so that a broken file in the real one is not blamed on them.
        load_settings(data_dir=Path(os.devnull) / "none")
        operator = cls() if data_dir is None else cls(data_dir=data_dir)
        return operator.model_copy(update={"data_dir": operator.data_dir.absolute()})

    def says(self, name: str) -> bool:
        """Whether the operator has set this one."""
        return name in self.model_fields_set


@dataclass(frozen=True, slots=True)
class Secrets:
    """What only this stack and its clients may know.

    Attributes:
        s3_keys_are_given: whether the S3 keys come from the operator; then they are kept in no file.
    """

    s3_access_key_id: str
    s3_secret_access_key: str
    s3_keys_are_given: bool
    webhook_secret: str
    secret_key: str

    @classmethod
    def gather(cls, operator: OperatorSettings, environ: Mapping[str, str], recalled: Mapping[str, object]) -> Self:
        """Take the operator's S3 keys, else AWS's variables, else the last stack's, else new ones."""
        operator_key = operator.s3_secret_access_key.get_secret_value() if operator.s3_secret_access_key else None
        key_id, key, given = next(
            (str(key_id), str(key), given)
            for key_id, key, given in (
                (operator.s3_access_key_id, operator_key, True),
                (environ.get("AWS_ACCESS_KEY_ID"), environ.get("AWS_SECRET_ACCESS_KEY"), True),
                (recalled.get("s3_access_key_id"), recalled.get("s3_secret_access_key"), False),
                (secrets.token_hex(10), secrets.token_urlsafe(30), False),
            )
            if key_id and key
        )
        webhook_secret = recalled.get("webhook_secret") or _new_webhook_secret()
        secret_key = recalled.get("secret_key") or base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()
        return cls(key_id, key, given, str(webhook_secret), str(secret_key))


def _new_webhook_secret() -> str:
    return "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()


@dataclass(frozen=True, slots=True)
class Environment:
    """Everything that decides what the parts of one stack are told."""

    folder: Path
    ports: Ports
    operator: OperatorSettings
    secrets: Secrets

    @property
    def api_url(self) -> str:
        """Where this machine reaches the API."""
        host = self.operator.api_host
        host = {"0.0.0.0": LOOPBACK, "::": "::1"}.get(host, host)  # noqa: S104 - compared, not bound.
        return f"http://[{host}]:{self.ports.api}" if ":" in host else f"http://{host}:{self.ports.api}"

    @property
    def s3_url(self) -> str:
        """Where this stack's S3 is."""
        return f"http://{LOOPBACK}:{self.ports.s3}"

    @property
    def simulator_url(self) -> str:
        """Where this stack's simulator is."""
        return f"http://{LOOPBACK}:{self.ports.simulator}"

    @property
    def temporal_address(self) -> str:
        """Where this stack's Temporal is."""
        return f"{LOOPBACK}:{self.ports.temporal}"

    @property
    def temporal_ui_url(self) -> str:
        """Where people look at this stack's runs."""
        return f"http://{LOOPBACK}:{self.ports.temporal_ui}"

    @property
    def uses_simulator(self) -> bool:
        """Whether the court is this stack's simulator, and not one that the operator names."""
        return not self.operator.says("court_base_url") or self.operator.court_origin == self.simulator_url

    @property
    def uses_own_s3(self) -> bool:
        """Whether documents go to this stack's S3, and not to one that the operator names."""
        named = str(self.operator.s3_endpoint_url).rstrip("/")
        return not self.operator.says("s3_endpoint_url") or named == self.s3_url

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
        """What stands in the file behind the operator's own settings, by the settings' names.

        A court or a store that the operator names gets none of the values made for this stack's own: neither
        their secrets nor the simulator's generous rates.
        """
        values: dict[str, object] = {
            "api_port": self.ports.api,
            "public_url": self.api_url,
            "webhook_secret": self.secrets.webhook_secret,
            "secret_key": self.secrets.secret_key,
            "webhook_allow_http": True,
            # Private addresses are allowed on a stack with one user: Settings.webhook_policy.
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

    def for_our_parts(self, environ: Mapping[str, str]) -> dict[str, str]:
        """The whole environment of the API, the worker and the simulator.

        Temporal is always this stack's own: a worker that follows a variable to another cluster would do that
        cluster's work with this stack's court and store.
        """
        ours = {name: value for name, value in environ.items() if not name.startswith("TEMPORAL_")}
        ours |= {
            "AUTOS_DATA_DIR": str(self.folder),
            "AUTOS_API_PORT": str(self.ports.api),
            "TEMPORAL_ADDRESS": self.temporal_address,
            "TEMPORAL_CONFIG_FILE": os.devnull,
        }
        if self.uses_own_s3 and self.secrets.s3_keys_are_given:
            ours["AUTOS_S3_ACCESS_KEY_ID"] = self.secrets.s3_access_key_id
            ours["AUTOS_S3_SECRET_ACCESS_KEY"] = self.secrets.s3_secret_access_key
        return ours

    def for_s3(self, environ: Mapping[str, str]) -> dict[str, str]:
        """The whole environment of SeaweedFS."""
        return plain(environ) | {
            "AWS_ACCESS_KEY_ID": self.secrets.s3_access_key_id,
            "AWS_SECRET_ACCESS_KEY": self.secrets.s3_secret_access_key,
        }


def plain(environ: Mapping[str, str]) -> dict[str, str]:
    """The few variables that any program may need."""
    return {name: environ[name] for name in _PLAIN_VARIABLES if name in environ}
