"""What a process's page shows of its case, its timeline and its news to each set of scopes."""

from __future__ import annotations

from http.cookies import SimpleCookie

import pytest
from fastapi import Request
from starlette.responses import Response

from adapters.security.encryption import Encryptor
from api.pages.visits import COOKIE, Visit, Visits
from domain.clients import Client, Scope
from domain.keys import parse_key_id
from tests.integration.api.test_withholding import (
    KINDS,
    SCANNED_SCOPES,
    SECRET_KEY,
    WITHHELD_CASES,
    WITHHELD_MOVEMENTS,
    Case,
    Service,
    name_scopes,
)
from tests.integration.api.test_withholding import service as service_fixture

# The same cases, keys and API.
service = service_fixture


async def get_news_page(service: Service, case: Case, scopes: frozenset[Scope]) -> str:
    """Return a process's page as it is for somebody who was there before everything in the log of changes."""
    key = service.keys[scopes]
    response, request = Response(), Request({"type": "http", "method": "GET", "path": "/", "headers": []})
    visits = Visits(Encryptor([SECRET_KEY]), "http://127.0.0.1:8000")
    client = Client(name_scopes(scopes), scopes, parse_key_id(key))
    visits.remember(request, response, client, case.number, Visit(0, 0, 0, 0))
    cookie = SimpleCookie(response.headers["set-cookie"])[COOKIE].value
    headers = {"Authorization": f"Bearer {key}", "Cookie": f"{COOKIE}={cookie}"}
    return (await service.http.get(f"/ui/processes/{case.number}", headers=headers)).text


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("scopes", SCANNED_SCOPES[:3], ids=name_scopes)
async def test_the_page_shows_of_case_timeline_and_news_what_the_scopes_allow(
    service: Service, scopes: frozenset[Scope], kind: str
) -> None:
    case = service.cases[kind]
    sees_sealed = Scope.SEALED in scopes
    address = f"/ui/processes/{case.number}"
    is_case_shown = sees_sealed or kind not in WITHHELD_CASES
    page = (await service.get(f"{address}?view=case", scopes)).text
    assert [text in page for text in case.case_texts] == [is_case_shown] * 4
    is_movement_shown = sees_sealed or kind not in WITHHELD_MOVEMENTS
    is_document_shown = sees_sealed or not KINDS[kind]
    timeline = (await service.get(f"{address}?view=timeline", scopes)).text
    news = await get_news_page(service, case, scopes)
    begin = news.find('id="news"')
    # The list of documents below has what is withheld, without what describes it.
    news = news[begin : news.index('class="views"')] if begin >= 0 else ""
    for text in (timeline, news):
        assert (case.movement in text) is is_movement_shown
        assert (case.stored in text) is is_document_shown
        assert is_document_shown or not any(each in text for each in case.revealing_texts)
    assert bool(news) is (is_movement_shown or is_document_shown)
    assert ("Restricted movements and documents are left out" in timeline) is not sees_sealed
