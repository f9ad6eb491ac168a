"""Whether a connection failed because of the other side's certificate."""

from __future__ import annotations

import ssl


def find_certificate_problem(error: BaseException) -> str | None:
    """Return what is wrong with the certificate, in OpenSSL's words. None if the error has another cause.

    OpenSSL names the problem, and the host at most: never anything that was sent.
    """
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return cause.verify_message.rstrip(".")
        cause = cause.__cause__ or cause.__context__
    return None
