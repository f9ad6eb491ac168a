"""The table of wire forms: what the court sends, and what is to be said of it afterwards.

The numbers are those of the forms as clients of the portal have captured them. The portal never gives 18; only the
data lake does. Three are in tests/adapters alone: a PDF without its end mark in an answer that is whole otherwise
(15), a court that is not there (19), both in test_court_forms.py, and answers that stall (19), in
test_court_requests.py.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tests.support.scripted_server import answer

# Of each process whose documents are struck, the last is.
DOCUMENTS = 4
STRUCK = DOCUMENTS - 1
PDF, HTML, PLAIN = "application/pdf", "text/html", "text/plain"


@dataclass(frozen=True)
class Failing:
    """An answer to one document that is none.

    Attributes:
        kind: what the court is ordered to do.
        code: of the document's failure afterwards.
        attempts: counted against the document.
        answer: what the failure says that the court has answered.
        sized: the listing tells the document's size.
    """

    kind: str
    code: str
    attempts: int
    answer: str
    sized: bool = True

    @property
    def retryable(self) -> bool:
        """Whether the next request tries again: what is permanent was tried once."""
        return self.attempts > 1


@dataclass(frozen=True)
class Stored:
    """An answer to one document that looks odd and is the document.

    Attributes:
        listed_as: the type of the file, as the listing has it if it has one.
        media_type: what it is stored as.
        sized: the listing tells the document's type and size.
        text_only: so many documents have a text and no file.
        kind: what the court is ordered to do.
    """

    listed_as: str
    media_type: str
    sized: bool = True
    text_only: int = 0
    kind: str | None = None


@dataclass(frozen=True)
class Unlisted:
    """An answer for a process that gives no listing, from a court that is well.

    Attributes:
        sent: what the simulated court is ordered to do, the first before the second; or what a scripted one
            answers to whoever asks for the details.
        requests: what the simulated court has seen of it in all, none if that is not counted; or how often a
            scripted one was asked for the details.
        exists: whether it is known to the court.
    """

    sent: tuple[str, ...] | bytes
    code: str
    retryable: bool
    answer: str
    requests: int | None
    exists: bool = True


@dataclass(frozen=True)
class Away:
    """An answer that everybody gets to everything.

    Attributes:
        code: why the runs wait.
        answer: what the court's failure says.
        requests: at most so many are sent before all is still, probes aside.
        midway: it begins when the process has been listed and its documents are on their way.
        pause: seconds at least until the first probe.
    """

    kind: str
    code: str
    answer: str
    requests: int
    terms: dict[str, Any] = field(default_factory=dict)
    midway: bool = False
    pause: float = 5.0


WELL = "a search is answered."
OF_ONE_DOCUMENT: dict[str, Failing] = {
    "1 the token refused": Failing("token_rejected", "source_unavailable", 5, f"HTTP 401; {WELL}"),
    "2 no access to a document": Failing(
        "no_access", "sealed", 1, "HTTP 401: Usuário não possui acesso ao processo {digits}"
    ),
    "4 the firewall": Failing("firewall", "source_unavailable", 5, f"HTTP 403; {WELL}"),
    "5 sealed": Failing("sealed", "sealed", 1, f"HTTP 403: Access Denied; {WELL}"),
    "7 a document that nobody knows": Failing("not_found", "document_not_found", 1, f"HTTP 404; {WELL}"),
    "8 the data lake failed": Failing(
        "codex_error", "source_unavailable", 5, f"HTTP 500: Erro interno na API do Codex.; {WELL}"
    ),
    "11 out of service": Failing(
        "unavailable",
        "source_unavailable",
        5,
        f"HTTP 503: Serviço indisponível, tente novamente mais tarde; {WELL}",
    ),
    "11 the gateway gave up": Failing("gateway_timeout", "source_unavailable", 5, f"HTTP 504; {WELL}"),
    "12 the portal's page": Failing(
        "portal_page", "portal_page", 5, "The court answered with its portal's page instead of the document."
    ),
    "13 maintenance in JSON": Failing(
        "maintenance_json",
        "invalid_content",
        5,
        "The court answered with JSON instead of the document.",
    ),
    "14 nothing": Failing("empty", "empty_document", 5, "The court answered 200 with no bytes."),
    "15 half of what the listing states": Failing(
        "truncated", "truncated", 5, "The court sent {half} of the {size} bytes that it lists."
    ),
    "15 half of what the answer announced": Failing(
        "truncated", "connection_lost", 5, "No whole answer (RemoteProtocolError).", sized=False
    ),
    "17 a redirect to the sign-in": Failing("redirected", "portal_page", 5, f"HTTP 302; {WELL}"),
    "19 a reset": Failing("reset", "connection_lost", 5, "No whole answer (ReadError)."),
}
OF_A_DOCUMENT_AFTER_ALL: dict[str, Stored] = {
    "12 a fragment of HTML": Stored(HTML, HTML),
    "15 no size in the listing, and a stream of bytes": Stored(PDF, PDF, sized=False),
    "16 a PDF called HTML": Stored(PDF, PDF, kind="mismatched"),
    "16 HTML called a PDF": Stored(HTML, HTML, kind="mismatched"),
    "16 a PDF of no listed type called HTML": Stored(PDF, PDF, sized=False, kind="mismatched"),
    "a text and no file": Stored(PLAIN, PLAIN, sized=False, text_only=DOCUMENTS),
}
OF_ONE_PROCESS: dict[str, Unlisted] = {
    "2 no access to the process": Unlisted(
        ("no_access",), "no_access", False, "HTTP 401: Usuário não possui acesso ao processo {digits}", 1
    ),
    "3 a search without access": Unlisted(
        ("broken_details", "no_access"),
        "no_access",
        False,
        "HTTP 500: Erro interno na API do Codex.; a search says that the process is out of reach.",
        2,
    ),
    "6 no records": Unlisted((), "not_found", False, "HTTP 404: Não foram encontrados registros", 1, exists=False),
    "9 details broken, and no hit": Unlisted(
        ("broken_details",),
        "not_found",
        False,
        "HTTP 500: Erro interno na API do Codex.; a search finds no such process.",
        2,
        exists=False,
    ),
    "9 details broken, and a hit": Unlisted(
        ("broken_details",),
        "listing_unavailable",
        True,
        "HTTP 500: Erro interno na API do Codex.; a search for the process is answered.",
        # Its three tries overlap with others'.
        None,
    ),
}
MARKUP = b"<html><head><title>Bad Gateway</title></head><body>CloudFront</body></html>"
PORTAL_PAGE = b'<!DOCTYPE html><html lang="pt-br"><head></head><body><app-root></app-root></body></html>'
SPRING = b'{"timestamp": 1759627761583, "status": 404, "error": "Not Found", "message": "", "path": "/api/v2/x"}'
APOLOGY = b'{"status": "MANUTENCAO", "message": "Sistema em manutencao."}'
FOUND = "a search for the process is answered."
NO_JSON = f"HTTP 200 with a body that is not JSON.; {FOUND}"
NO_PROCESS = "The court answered with an object without any of the keys of a process."
BY_SCRIPT: dict[str, Unlisted] = {
    "4 the firewall at details only": Unlisted(
        answer(403, MARKUP), "listing_unavailable", True, f"HTTP 403; {FOUND}", 3
    ),
    "5 no access without a word": Unlisted(answer(403), "no_access", False, f"HTTP 403; {FOUND}", 1),
    "6 absent, as an empty list": Unlisted(
        answer(200, b"[]"), "not_found", False, "The court answered with an empty list.", 1
    ),
    "7 a wrong path": Unlisted(answer(404, SPRING), "invalid_listing", True, "HTTP 404", 3),
    "11 a bad gateway at details only": Unlisted(
        answer(502, MARKUP), "listing_unavailable", True, f"HTTP 502; {FOUND}", 3
    ),
    "12 the portal's page for details": Unlisted(answer(200, PORTAL_PAGE), "listing_unavailable", True, NO_JSON, 3),
    "13 maintenance at details only": Unlisted(answer(200, APOLOGY), "invalid_listing", True, NO_PROCESS, 3),
    "14 nothing for details": Unlisted(answer(200), "listing_unavailable", True, NO_JSON, 3),
    "17 a redirect at details only": Unlisted(
        answer(302, location="https://sso.invalid/"), "listing_unavailable", True, f"HTTP 302; {FOUND}", 3
    ),
    "19 closed without an answer": Unlisted(
        b"", "listing_unavailable", True, f"No whole answer (RemoteProtocolError).; {FOUND}", 3
    ),
}
OF_THE_COURT: dict[str, Away] = {
    # A token that was brought earlier may be tried as well.
    "1 the token refused": Away("token_rejected", "credentials_rejected", "HTTP 401", 3),
    "1 the token refused midway": Away("token_rejected", "credentials_rejected", "HTTP 401", 12, midway=True),
    "4 the firewall": Away("firewall", "court_blocked", "HTTP 403", 2),
    "4 the firewall midway": Away("firewall", "court_blocked", "HTTP 403", 12, midway=True),
    "10 too many requests": Away("throttled", "court_throttled", "HTTP 429: Limite de requisições excedido", 1),
    "10 too many requests, and when to come again": Away(
        "throttled",
        "court_throttled",
        "HTTP 429: Limite de requisições excedido",
        1,
        {"retry_after": 40},
        pause=40,
    ),
    "11 out of service": Away(
        "unavailable",
        "court_unavailable",
        "HTTP 503: Serviço indisponível, tente novamente mais tarde",
        2,
        {"retry_after": 30},
        pause=30,
    ),
    "11 the gateway gave up": Away("gateway_timeout", "court_unavailable", "HTTP 504", 2),
    "13 maintenance in JSON": Away("maintenance_json", "court_unavailable", NO_PROCESS, 2),
    "13 maintenance in JSON midway": Away(
        "maintenance_json",
        "court_unavailable",
        "The court answered with JSON instead of the document.",
        12,
        midway=True,
    ),
    "17 a redirect to the sign-in": Away("redirected", "credentials_rejected", "HTTP 302", 2),
    "19 a reset": Away("reset", "court_unavailable", "No whole answer (ReadError).", 2),
}
