"""The table of wire forms: what the court sends, and what the service must say about it afterwards.

A row's key is the number and the name of the form. The numbers are those of the captured answers of the portal.
One row, explained::

    "14 nothing": FailedDocument("empty", "empty_document", 5, "The court answered 200 with no bytes.")

The simulated court gets the fault ``empty`` for the last of the four documents of a process. After the run, three
documents are available. The last has failed with the code ``empty_document`` after 5 attempts, which means that it
can be retried. The text is in its failure's ``answer``. Catalog, workflow, API and webhook must agree on this.

Number 18 is missing: the portal never sends it, only the data lake does. Three forms are only in
tests/integration/adapters: a PDF without its end mark in an otherwise whole answer (15) and a court that refuses
connections (19) in test_court_forms.py, and answers that stall (19) in test_court_requests.py.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tests.support.scripted_server import answer

# How many documents each process has, and the index of the one that the fault concerns.
DOCUMENTS = 4
FAULTY = DOCUMENTS - 1
PDF, HTML, PLAIN = "application/pdf", "text/html", "text/plain"


@dataclass(frozen=True)
class FailedDocument:
    """A document that the court does not deliver: it fails, and the others of its process are stored.

    Attributes:
        fault: the kind of fault injected into the simulated court.
        code: the code of the document's failure.
        attempts: how many attempts are counted against the document.
        answer: the court's answer in the failure; ``{digits}``, ``{size}`` and ``{half}`` are filled in.
        size_listed: whether the listing has the document's size.
    """

    fault: str
    code: str
    attempts: int
    answer: str
    size_listed: bool = True

    @property
    def retryable(self) -> bool:
        """Whether the next request downloads it again. A permanent failure is attempted once."""
        return self.attempts > 1


@dataclass(frozen=True)
class StoredDocument:
    """A document whose answer looks wrong but is right: it is stored.

    Attributes:
        listed_as: the media type in the listing, if the listing has one.
        media_type: the media type that is stored.
        size_listed: whether the listing has the document's type and size.
        text_only: how many documents have a text but no file.
        fault: the kind of fault injected into the simulated court, if any.
    """

    listed_as: str
    media_type: str
    size_listed: bool = True
    text_only: int = 0
    fault: str | None = None


@dataclass(frozen=True)
class FailedListing:
    """A process that cannot be listed although the court is well: its run fails.

    Attributes:
        sent: the kinds of faults injected into the simulated court, in this order; or the bytes with which a
            scripted court answers requests for the details.
        code: the code of the process's failure.
        retryable: whether the next request tries again.
        answer: the court's answer in the failure.
        requests: how many requests the simulated court counts, `None` if they are not counted; or how many
            requests for the details a scripted court receives.
        exists: whether the court knows the process.
    """

    sent: tuple[str, ...] | bytes
    code: str
    retryable: bool
    answer: str
    requests: int | None
    exists: bool = True


@dataclass(frozen=True)
class CourtOutage:
    """A failure of the whole court, for every request: runs wait, and no document is blamed.

    Attributes:
        fault: the kind of fault injected into the simulated court.
        code: the failure code in the court's status.
        answer: the court's answer in its status.
        requests: the largest number of requests before nothing more is sent, without probes.
        options: further arguments of the fault.
        midway: whether it begins when the process is listed and its documents are being downloaded.
        pause: the least number of seconds until the first probe.
    """

    fault: str
    code: str
    answer: str
    requests: int
    options: dict[str, Any] = field(default_factory=dict)
    midway: bool = False
    pause: float = 5.0


SEARCH_ANSWERED = "the court answers other requests."
FAILED_DOCUMENTS: dict[str, FailedDocument] = {
    "1 the token refused": FailedDocument(
        "token_rejected", "source_unavailable", 5, f"HTTP 401; {SEARCH_ANSWERED}"
    ),
    "2 no access to a document": FailedDocument(
        "no_access", "sealed", 1, "HTTP 401: Usuário não possui acesso ao processo {digits}"
    ),
    "4 the firewall": FailedDocument("firewall", "source_unavailable", 5, f"HTTP 403; {SEARCH_ANSWERED}"),
    "5 sealed": FailedDocument("sealed", "sealed", 1, f"HTTP 403: Access Denied; {SEARCH_ANSWERED}"),
    "7 a document that nobody knows": FailedDocument(
        "not_found", "document_not_found", 1, f"HTTP 404; {SEARCH_ANSWERED}"
    ),
    "8 the data lake failed": FailedDocument(
        "codex_error", "source_unavailable", 5, f"HTTP 500: Erro interno na API do Codex.; {SEARCH_ANSWERED}"
    ),
    "11 out of service": FailedDocument(
        "unavailable",
        "source_unavailable",
        5,
        f"HTTP 503: Serviço indisponível, tente novamente mais tarde; {SEARCH_ANSWERED}",
    ),
    "11 the gateway gave up": FailedDocument(
        "gateway_timeout", "source_unavailable", 5, f"HTTP 504; {SEARCH_ANSWERED}"
    ),
    "12 the portal's page": FailedDocument(
        "portal_page", "portal_page", 5, "The court answered with its portal's page instead of the document."
    ),
    "13 maintenance in JSON": FailedDocument(
        "maintenance_json",
        "invalid_content",
        5,
        "The court answered with JSON instead of the document.",
    ),
    "14 nothing": FailedDocument("empty", "empty_document", 5, "The court answered 200 with no bytes."),
    "15 half of what the listing states": FailedDocument(
        "truncated", "truncated", 5, "The court sent {half} of the {size} bytes that it lists."
    ),
    "15 half of what the answer announced": FailedDocument(
        "truncated", "connection_lost", 5, "No whole answer (RemoteProtocolError).", size_listed=False
    ),
    "17 a redirect to the sign-in": FailedDocument("redirected", "portal_page", 5, f"HTTP 302; {SEARCH_ANSWERED}"),
    "19 a reset": FailedDocument("reset", "connection_lost", 5, "No whole answer (ReadError)."),
}
STORED_DOCUMENTS: dict[str, StoredDocument] = {
    "12 a fragment of HTML": StoredDocument(HTML, HTML),
    "15 no size in the listing, and a stream of bytes": StoredDocument(PDF, PDF, size_listed=False),
    "16 a PDF called HTML": StoredDocument(PDF, PDF, fault="mismatched"),
    "16 HTML called a PDF": StoredDocument(HTML, HTML, fault="mismatched"),
    "16 a PDF of no listed type called HTML": StoredDocument(PDF, PDF, size_listed=False, fault="mismatched"),
    "a text and no file": StoredDocument(PLAIN, PLAIN, size_listed=False, text_only=DOCUMENTS),
}
FAILED_LISTINGS: dict[str, FailedListing] = {
    "2 no access to the process": FailedListing(
        ("no_access",), "no_access", False, "HTTP 401: Usuário não possui acesso ao processo {digits}", 1
    ),
    "3 a search without access": FailedListing(
        ("broken_details", "no_access"),
        "no_access",
        False,
        "HTTP 500: Erro interno na API do Codex.; a search says that the process is out of reach.",
        2,
    ),
    "6 no records": FailedListing(
        (), "not_found", False, "HTTP 404: Não foram encontrados registros", 1, exists=False
    ),
    "9 details broken, and no hit": FailedListing(
        ("broken_details",),
        "not_found",
        False,
        "HTTP 500: Erro interno na API do Codex.; a search finds no such process.",
        2,
        exists=False,
    ),
    "9 details broken, and a hit": FailedListing(
        ("broken_details",),
        "listing_unavailable",
        True,
        "HTTP 500: Erro interno na API do Codex.; a search for the process is answered.",
        # Its three attempts run at the same time as other rows.
        None,
    ),
}
MARKUP = b"<html><head><title>Bad Gateway</title></head><body>CloudFront</body></html>"
PORTAL_PAGE = b'<!DOCTYPE html><html lang="pt-br"><head></head><body><app-root></app-root></body></html>'
SPRING = b'{"timestamp": 1759627761583, "status": 404, "error": "Not Found", "message": "", "path": "/api/v2/x"}'
APOLOGY = b'{"status": "MANUTENCAO", "message": "Sistema em manutencao."}'
PROCESS_SEARCH_ANSWERED = "a search for the process is answered."
NOT_JSON = f"HTTP 200 with a body that is not JSON.; {PROCESS_SEARCH_ANSWERED}"
NONEXISTENT_PROCESS = "The court answered with an object without any of the keys of a process."
SCRIPTED_FAILED_LISTINGS: dict[str, FailedListing] = {
    "4 the firewall at details only": FailedListing(
        answer(403, MARKUP), "listing_unavailable", True, f"HTTP 403; {PROCESS_SEARCH_ANSWERED}", 3
    ),
    "5 no access without a word": FailedListing(
        answer(403), "no_access", False, f"HTTP 403; {PROCESS_SEARCH_ANSWERED}", 1
    ),
    "6 absent, as an empty list": FailedListing(
        answer(200, b"[]"), "not_found", False, "The court answered with an empty list.", 1
    ),
    "7 a wrong path": FailedListing(answer(404, SPRING), "invalid_listing", True, "HTTP 404", 3),
    "11 a bad gateway at details only": FailedListing(
        answer(502, MARKUP), "listing_unavailable", True, f"HTTP 502; {PROCESS_SEARCH_ANSWERED}", 3
    ),
    "12 the portal's page for details": FailedListing(
        answer(200, PORTAL_PAGE), "listing_unavailable", True, NOT_JSON, 3
    ),
    "13 maintenance at details only": FailedListing(
        answer(200, APOLOGY), "invalid_listing", True, NONEXISTENT_PROCESS, 3
    ),
    "14 nothing for details": FailedListing(answer(200), "listing_unavailable", True, NOT_JSON, 3),
    "17 a redirect at details only": FailedListing(
        answer(302, location="https://sso.invalid/"),
        "listing_unavailable",
        True,
        f"HTTP 302; {PROCESS_SEARCH_ANSWERED}",
        3,
    ),
    "19 closed without an answer": FailedListing(
        b"", "listing_unavailable", True, f"No whole answer (RemoteProtocolError).; {PROCESS_SEARCH_ANSWERED}", 3
    ),
}
COURT_OUTAGES: dict[str, CourtOutage] = {
    # A token that was handed in earlier may be tried as well.
    "1 the token refused": CourtOutage("token_rejected", "credentials_rejected", "HTTP 401", 3),
    "1 the token refused midway": CourtOutage(
        "token_rejected", "credentials_rejected", "HTTP 401", 12, midway=True
    ),
    "4 the firewall": CourtOutage("firewall", "court_blocked", "HTTP 403", 2),
    "4 the firewall midway": CourtOutage("firewall", "court_blocked", "HTTP 403", 12, midway=True),
    "10 too many requests": CourtOutage(
        "throttled", "court_throttled", "HTTP 429: Limite de requisições excedido", 1
    ),
    "10 too many requests, and when to come again": CourtOutage(
        "throttled",
        "court_throttled",
        "HTTP 429: Limite de requisições excedido",
        1,
        {"retry_after": 40},
        pause=40,
    ),
    "11 out of service": CourtOutage(
        "unavailable",
        "court_unavailable",
        "HTTP 503: Serviço indisponível, tente novamente mais tarde",
        2,
        {"retry_after": 30},
        pause=30,
    ),
    "11 the gateway gave up": CourtOutage("gateway_timeout", "court_unavailable", "HTTP 504", 2),
    "13 maintenance in JSON": CourtOutage("maintenance_json", "court_unavailable", NONEXISTENT_PROCESS, 2),
    "13 maintenance in JSON midway": CourtOutage(
        "maintenance_json",
        "court_unavailable",
        "The court answered with JSON instead of the document.",
        12,
        midway=True,
    ),
    "17 a redirect to the sign-in": CourtOutage("redirected", "credentials_rejected", "HTTP 302", 2),
    "19 a reset": CourtOutage("reset", "court_unavailable", "No whole answer (ReadError).", 2),
}
