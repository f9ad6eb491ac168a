"""Files of secrets in the folder that AUTOS_SECRETS_DIR names."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from domain.errors import ConfigurationError
from settings import find_unknown_variables, load_settings
from tests.support.own_settings import remove_own_settings, write_local_stack_settings

KEY = "a key of sixteen characters"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, which is empty. No setting is in the environment."""
    remove_own_settings(monkeypatch)
    monkeypatch.chdir(tmp_path)
    return tmp_path


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
