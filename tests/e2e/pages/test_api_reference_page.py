"""The API reference at /docs: it has everything of the OpenAPI description, and loads nothing from other hosts."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any

import httpx2
import pytest
from playwright.async_api import Browser

from api.app import create_app
from settings import load_settings
from tests.support.browser import PHONE, visiting
from tests.support.stack import RunningStack


class ParsedPage(HTMLParser):
    """The text, the anchors, the links and the commands of a page.

    Attributes:
        commands: the example commands, by the id of their operation.
    """

    def __init__(self, page: str) -> None:
        super().__init__()
        self.anchors: list[str] = []
        self.links: set[str] = set()
        self.commands: dict[str, str] = {}
        self._texts: list[str] = []
        self._operation = ""
        self._in_command = False
        self.feed(page)
        self.text = " ".join("".join(self._texts).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Collect anchors and links."""
        attributes = dict(attrs)
        if anchor := attributes.get("id"):
            self.anchors.append(anchor)
            if tag == "details":
                self._operation = anchor.removeprefix("operation-")
        if target := attributes.get("href"):
            self.links.add(target)
        self._in_command = self._in_command or tag == "pre"

    def handle_endtag(self, tag: str) -> None:
        """Leave a command at its end."""
        self._in_command = self._in_command and tag != "pre"

    def handle_data(self, data: str) -> None:
        """Collect text and commands."""
        self._texts.append(data)
        if self._in_command:
            self.commands[self._operation] = self.commands.get(self._operation, "") + data


def _operations(paths: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in paths.items():
        for method, operation in methods.items():
            yield path, method.upper(), operation


def _texts(part: object, key: str = "") -> Iterator[str]:
    """Yield every text, name and allowed value of the description."""
    match part:
        case {"properties": dict(properties), **rest}:
            yield from properties
            yield from _texts(list(properties.values()))
            yield from _texts(rest)
        case dict():
            for name, value in part.items():
                if name != "example":
                    yield from _texts(value, name)
        case list():
            for value in part:
                yield from _texts(value, key)
        case str() if key in ("description", "summary", "name", "enum", "const", "pattern", "format"):
            yield part


def _text_after(page: str, anchor: str, end: str) -> str:
    """Return the text of the page from an anchor to the next `end`."""
    return ParsedPage(page.partition(f'id="{anchor}">')[2].partition(end)[0]).text


async def test_the_page_has_everything_of_the_description() -> None:
    app = create_app(load_settings(api_key="a key of sixteen characters"))
    transport = httpx2.ASGITransport(app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        answer = await client.get("/docs")
        again = await client.get("/docs", headers={"Accept-Language": "pt-BR"})
    assert (answer.status_code, again.status_code) == (200, 200)
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'; script-src 'self'; style-src 'self'" in policy
    assert '<div class="reference" lang="en">' in again.text

    parsed, description = ParsedPage(answer.text), app.openapi()
    assert len(parsed.anchors) == len(set(parsed.anchors))
    assert {link[1:] for link in parsed.links if link.startswith("#")} - set(parsed.anchors) == set()
    assert {link for link in parsed.links if "//" in link} == set()
    assert "/openapi.json" in parsed.links

    operations = list(_operations(description["paths"]))
    events = list(_operations(description["webhooks"]))
    callbacks = [
        called
        for _, _, operation in operations
        for paths in operation.get("callbacks", {}).values()
        for called in _operations(paths)
    ]
    assert len(callbacks) == 6
    for address, method, operation in [*operations, *events, *callbacks]:
        text = _text_after(answer.text, f"operation-{operation['operationId']}", "<details")
        assert f"{method} {address} {operation['summary']}" in text
        parameters = [each for each in operation.get("parameters", ()) if "$ref" not in each]
        missing = {each["name"] for each in parameters if f"{each['name']} {each['in']}" not in text}
        missing |= {status for status in operation["responses"] if f"{status} " not in text}
        assert missing == set(), operation["operationId"]
    shared = _text_after(answer.text, "every-request", "<section")
    for parameter in description["components"]["parameters"].values():
        assert f"{parameter['name']} header" in shared
    assert "X-Request-Id (every response)" in shared
    for name, schema in description["components"]["schemas"].items():
        words = _text_after(answer.text, f"schema-{name}", "</article>").replace(",", " ").split()
        assert {*schema.get("properties", ()), *schema.get("enum", ())} - set(words) == set(), name
    wanted = {re.sub(r"`+", "", " ".join(text.split())) for text in _texts(description)}
    assert {text for text in wanted if text not in parsed.text} == set()

    assert parsed.commands.keys() == {operation["operationId"] for _, _, operation in operations}
    for path, method, operation in operations:
        words = shlex.split(parsed.commands[operation["operationId"]])
        variables = re.sub(r"\{(\w+)\}", lambda match: f"${match[1].upper()}", path)
        assert words[0] == "curl"
        assert any(word.split("?")[0] == f"$AUTOS{variables}" for word in words)
        assert (words[words.index("-X") + 1] if "-X" in words else "GET") == method
        assert ("Authorization: Bearer $KEY" in words) is ("security" in operation)
        assert ("-d" in words) is operation.get("requestBody", {}).get("required", False)


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_the_page_fits_on_a_phone_and_requests_no_other_host(
    shared_stack: RunningStack, browser: Browser, scheme: str
) -> None:
    async with visiting(browser, shared_stack.addresses["api"], color_scheme=scheme, **PHONE) as visitor:
        page = visitor.page
        await visitor.open("/docs")
        assert not await visitor.scrolls_sideways()
        await page.locator("#operation-post_download > summary").focus()
        await page.keyboard.press("Enter")
        assert await page.locator("#operation-post_download").get_attribute("open") is not None
        await page.evaluate("document.querySelectorAll('details').forEach(item => { item.open = true; })")
        assert not await visitor.scrolls_sideways()
        small = await page.evaluate(
            "[...document.querySelectorAll('summary, .contents a')]"
            ".filter(item => item.getBoundingClientRect().height < 44).map(item => item.outerHTML)"
        )
        assert small == []
        visitor.assert_no_complaints()
