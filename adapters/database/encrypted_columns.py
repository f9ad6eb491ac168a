"""Encryption of secrets that the catalog stores."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import Row

from domain.court import Credentials
from domain.errors import ConfigurationError

if TYPE_CHECKING:
    from adapters.security.encryption import Encryptor

# Kinds of secrets, as the error message of `require_encryptor` names them.
CREDENTIALS = "credentials"
WEBHOOK_SECRETS = "webhook secrets"


def require_encryptor(encryptor: Encryptor | None, secrets: str) -> Encryptor:
    """Return the encryptor.

    Args:
        encryptor: The deployment's encryptor, if it has one.
        secrets: What is to be stored or read, for the error message.

    Raises:
        ConfigurationError: There is none.
    """
    if encryptor is None:
        raise ConfigurationError(
            f"AUTOS_SECRET_KEY is not set: without it, {secrets} are neither stored nor read. "
            "Set it to the URL-safe base64 of 32 random bytes, the same for the API and the workers."
        )
    return encryptor


def encrypt_credentials(credentials: Credentials, encryptor: Encryptor) -> dict[str, Any]:
    """Return the columns of credentials, with the tokens encrypted."""
    return {
        "access_token": credentials.access_token and encryptor.encrypt(credentials.access_token),
        "refresh_token": credentials.refresh_token and encryptor.encrypt(credentials.refresh_token),
        "expires_at": credentials.expires_at,
        "refresh_expires_at": credentials.refresh_expires_at,
    }


def decrypt_credentials(row: Row[*tuple[Any, ...]], encryptor: Encryptor) -> Credentials:
    """Return the credentials of a row, with the tokens decrypted.

    Raises:
        ConfigurationError: They were encrypted with a key that is not configured.
    """
    return Credentials(
        access_token=row.access_token and encryptor.decrypt(row.access_token),
        refresh_token=row.refresh_token and encryptor.decrypt(row.refresh_token),
        expires_at=row.expires_at,
        refresh_expires_at=row.refresh_expires_at,
        version=row.version,
    )
