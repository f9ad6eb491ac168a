"""Links: they open the stored bytes, expire, and are signed again by the next read."""

from __future__ import annotations

import hashlib

import httpx2

from simulator.case import Shape
from simulator.files import HTML
from tests.support.api_service import running_api_beside
from tests.support.conditions import eventually
from tests.support.numbers import fresh_number, number_of_case
from tests.support.stack import RunningStack


async def test_every_link_opens_the_stored_bytes(stack: RunningStack) -> None:
    number = fresh_number()
    await stack.request_download(number)
    await stack.wait_until_ended(number)

    documents = await stack.list_documents(number)

    async with httpx2.AsyncClient(timeout=60) as reader:
        for document in documents:
            answer = await reader.get(document["download_url"])
            assert answer.status_code == 200
            assert hashlib.sha256(answer.content).hexdigest() == document["sha256"]
            assert len(answer.content) == document["size_bytes"]
            assert answer.headers["content-type"] == document["media_type"]
            assert answer.headers["content-disposition"].startswith("attachment; filename=")
    assert len(documents) == (await stack.get_status(number))["total_documents"] > 0


async def test_an_expired_link_is_refused_and_the_next_read_has_a_new_one(stack: RunningStack) -> None:
    number = await stack.create_ended_run(1)
    async with (
        running_api_beside(stack, AUTOS_LINK_TTL_SECONDS="6") as api,
        httpx2.AsyncClient(timeout=60) as reader,
    ):

        async def read_link() -> str:
            answer = await reader.get(f"{api.url}/processes/{number}")
            link: str = answer.json()["documents"][0]["download_url"]
            return link

        first = await read_link()
        assert (await reader.get(first)).status_code == 200

        async def has_expired() -> bool:
            return (await reader.get(first)).status_code == 403

        await eventually(has_expired, "the end of the link")
        assert (await reader.get(await read_link())).status_code == 200


async def test_a_pdf_is_shown_inline_on_the_stores_origin_and_all_else_is_saved(stack: RunningStack) -> None:
    number = number_of_case(
        Shape(documents=12), lambda case: any(each.media_type == HTML for each in case.documents)
    )
    await stack.create_process(number, 12)
    await stack.request_download(number)
    await stack.wait_until_ended(number)
    documents = await stack.list_documents(number)
    # The names of the simulated court's documents say what they are.
    assert {document["media_type"] for document in documents} >= {"application/pdf", "text/html"}
    async with httpx2.AsyncClient(timeout=60) as reader:
        for document in documents:
            path = f"/processes/{number}/documents/{document['id']}/content"
            answers = {}
            for disposition in ("attachment", "inline"):
                redirect = await stack.api.get(path, params={"disposition": disposition})
                assert redirect.status_code == 307
                assert redirect.headers["referrer-policy"] == "no-referrer"
                assert redirect.headers["x-content-type-options"] == "nosniff"
                assert redirect.headers["cache-control"] == "no-store"
                answers[disposition] = await reader.get(redirect.headers["location"])
                assert hashlib.sha256(answers[disposition].content).hexdigest() == document["sha256"]
            assert answers["attachment"].headers["content-disposition"].startswith("attachment; ")
            is_pdf = document["media_type"] == "application/pdf"
            kind = "inline; " if is_pdf else "attachment; "
            assert answers["inline"].headers["content-disposition"].startswith(kind)
            assert answers["inline"].headers["content-type"] == document["media_type"]
        assert (await stack.api.get(path, params={"disposition": "elsewhere"})).status_code == 422


async def test_nothing_is_shown_inline_on_the_apis_own_origin(stack: RunningStack) -> None:
    number = await stack.create_ended_run(1)
    [document] = await stack.list_documents(number)
    async with (
        running_api_beside(stack, AUTOS_PUBLIC_URL=stack.addresses["s3"]) as api,
        httpx2.AsyncClient(timeout=60) as reader,
    ):
        path = f"{api.url}/processes/{number}/documents/{document['id']}/content"
        redirect = await reader.get(path, params={"disposition": "inline"})
        assert redirect.headers["location"].startswith(stack.addresses["s3"])
        assert "response-content-disposition=attachment" in redirect.headers["location"]
