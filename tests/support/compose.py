"""docker-compose.yml, read by a real Compose parser."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from tests.support.paths import ROOT

COMPOSE_FILE = ROOT / "docker-compose.yml"
# Beside it: our secrets from files.
SECRETS_FILE = ROOT / "docker-compose.secrets.yml"

# Every variable that the file has no default for.
SECRETS = {
    "POSTGRES_PASSWORD": "the superuser's passw%rd",
    "CATALOG_DB_PASSWORD": "it's our pa$$w@rd: / ? #",
    "TEMPORAL_DB_PASSWORD": "temporals-password",
    "AUTOS_S3_ACCESS_KEY_ID": "s3-access-key-id",
    "AUTOS_S3_SECRET_ACCESS_KEY": "s3-secret-access-key",
    "AUTOS_API_KEY": "the-key-of-the-api",
    "AUTOS_WEBHOOK_SECRET": "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=",
    "AUTOS_SECRET_KEY": "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=",
}

ComposeService = dict[str, Any]


def parse(
    folder: Path, variables: Mapping[str, str], *more_files: Path, profile: str = ""
) -> subprocess.CompletedProcess[str]:
    """Parse the file with these variables and no others."""
    profiles = ["--profile", profile] if profile else []
    files = [argument for file in (COMPOSE_FILE, *more_files) for argument in ("-f", str(file))]
    return subprocess.run(
        [sys.executable, "-m", "podman_compose", "--dry-run", *profiles, *files, "config"],
        cwd=folder,
        env={"PATH": os.environ["PATH"], **variables},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def services_with(
    folder: Path, variables: Mapping[str, str], *more_files: Path, profile: str = ""
) -> dict[str, ComposeService]:
    """Return the services, parsed with all secrets and these variables."""
    parsed = parse(folder, {**SECRETS, **variables}, *more_files, profile=profile)
    assert parsed.returncode == 0, parsed.stderr
    services: dict[str, ComposeService] = yaml.safe_load(parsed.stdout)["services"]
    return services


def depends_on(service: ComposeService) -> dict[str, str]:
    """Return the condition that a service awaits of each service that it needs."""
    return {name: needed["condition"] for name, needed in service.get("depends_on", {}).items()}
