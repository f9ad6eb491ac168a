"""Response bodies, caching headers and the OpenAPI description."""

from __future__ import annotations

from api.schemas.documents import DocumentBody, DocumentsBody
from api.schemas.processes import ProcessBody, StatusBody
from tests.support.numbers import fresh_number
from tests.support.stack import RunningStack


async def test_bodies_match_their_schemas(stack: RunningStack) -> None:
    number = fresh_number()
    await stack.create_process(number, 3)
    ProcessBody.model_validate((await stack.request_download(number)).json())
    StatusBody.model_validate(await stack.wait_until_ended(number))
    ProcessBody.model_validate((await stack.request_download(number)).json())
    page = (await stack.api.get(f"/processes/{number}/documents")).json()
    DocumentsBody.model_validate(page)
    document = (await stack.api.get(f"/processes/{number}/documents/{page['documents'][0]['id']}")).json()
    DocumentBody.model_validate(document)


async def test_bodies_with_links_must_not_be_cached(stack: RunningStack) -> None:
    number = fresh_number()
    await stack.create_process(number, 1)
    assert (await stack.request_download(number)).headers["cache-control"] == "no-store"
    await stack.wait_until_ended(number)
    assert (await stack.request_download(number)).headers["cache-control"] == "no-store"


async def test_the_api_serves_its_openapi_description(stack: RunningStack) -> None:
    described = (await stack.api.get("/openapi.json")).json()
    responses = described["paths"]["/processes/{number}"]["get"]["responses"]
    assert {"200", "202", "401", "403", "404", "422", "503"} <= responses.keys()
    assert (await stack.api.get("/docs")).status_code == 200
