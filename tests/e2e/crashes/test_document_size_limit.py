"""The size limit of documents."""

from __future__ import annotations

from tests.e2e.crashes.conftest import LIMIT_BYTES
from tests.support.numbers import fresh_number
from tests.support.stack import RunningStack


async def test_a_document_over_the_limit_fails_without_a_request_to_the_court(crash_stack: RunningStack) -> None:
    stack, number = crash_stack, fresh_number()
    await stack.create_process(number, 1, size_bytes=LIMIT_BYTES + 1)
    await stack.reset_court_stats()
    await stack.request_download(number)

    status = await stack.wait_until_ended(number)

    assert status["status"] == "partial"
    (document,) = await stack.list_documents(number)
    assert document["failure"]["code"] == "too_large"
    stats = await stack.get_court_stats()
    assert stats["requests"] == stats["listings"]
