"""What is said of a request that got no whole answer."""

from __future__ import annotations

from domain.certificates import find_certificate_problem

_OF_THE_COURT = "the court"


def describe_connection_error(error: Exception, source: str = _OF_THE_COURT) -> str:
    """Return the text of a failure. It never quotes the error, which may contain what was sent.

    Args:
        error: What the request raised.
        source: Who did not answer.
    """
    if (problem := find_certificate_problem(error)) is not None:
        return f"The certificate of {source} is not trusted ({problem}); see SSL_CERT_FILE in docs/operations.md."
    sender = "" if source == _OF_THE_COURT else f" from {source}"
    return f"No whole answer{sender} ({type(error).__name__})."
