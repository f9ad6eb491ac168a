"""A headless browser that records what it must not do while a page is used."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Page, async_playwright, expect

# How long actions and expectations wait. The default of the latter is five seconds, and two cores are shared.
_PATIENCE_MS = 30_000
expect.set_options(timeout=_PATIENCE_MS)

PHONE: dict[str, Any] = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True}


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """Run this machine's Chromium; skip the test where there is none, except in CI."""
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        missing = "The tests of the pages need the program chromium (Debian: apt-get install chromium)."
        assert not os.environ.get("CI"), missing
        pytest.skip(missing)
    async with async_playwright() as playwright:
        # Chromium's sandbox needs rights that containers withhold. Only our own pages are opened.
        browser = await playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        try:
            yield browser
        finally:
            await browser.close()


@dataclass
class Visitor:
    """A person with a browser session of their own.

    Attributes:
        complaints: errors and warnings of the console, among them breaches of the Content-Security-Policy, and
            errors of scripts.
        hosts: every host that the page has sent a request to.
    """

    base: str
    context: BrowserContext
    page: Page
    complaints: list[str] = field(default_factory=list)
    hosts: set[str] = field(default_factory=set)

    async def open(self, path: str = "/") -> None:
        """Open one of our pages."""
        await self.page.goto(self.base + path)

    def start_recording(self) -> None:
        """Start to record complaints and hosts."""
        self.page.on("console", self._record_message)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda request: self.hosts.add(urlsplit(request.url).netloc))

    def _record_message(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)

    def assert_no_complaints(self) -> None:
        """Assert that the browser complained of nothing and that the page sent no request to another host."""
        assert self.complaints == []
        assert self.hosts == {urlsplit(self.base).netloc}

    async def scrolls_sideways(self) -> bool:
        """Return whether the page is wider than the window."""
        wide: bool = await self.page.evaluate(
            "document.documentElement.scrollWidth > document.documentElement.clientWidth"
        )
        return wide


@asynccontextmanager
async def visiting(browser: Browser, base: str, *, locale: str = "en-US", **device: Any) -> AsyncIterator[Visitor]:
    """Open a browser session at an address, with a language and a device."""
    context = await browser.new_context(locale=locale, **device)
    try:
        page = await context.new_page()
        page.set_default_timeout(_PATIENCE_MS)
        visitor = Visitor(base, context, page)
        visitor.start_recording()
        yield visitor
    finally:
        await context.close()
