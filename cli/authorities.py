"""The file of certificate authorities that SSL_CERT_FILE names."""

from __future__ import annotations

import os
import ssl

from domain.errors import ConfigurationError

_VARIABLE = "SSL_CERT_FILE"


def check_authorities() -> None:
    """Check that the file can be used, before the first client is made and fails on it without naming it.

    Raises:
        ConfigurationError: It cannot be read, or holds no certificate.
    """
    if not (file := os.environ.get(_VARIABLE)):
        return
    try:
        ssl.create_default_context(cafile=file)
    except ssl.SSLError:
        raise ConfigurationError(f"{_VARIABLE}: the file holds no certificate in PEM.") from None
    except OSError as error:
        raise ConfigurationError(
            f"{_VARIABLE}: the file cannot be read: {os.strerror(error.errno or 0)}."
        ) from None
