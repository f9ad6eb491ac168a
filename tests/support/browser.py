"""A browser without a window, and what it must not do while a page is used."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.async_api import Browser, BrowserContext, Page, async_playwright

PHONE: dict[str, Any] = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True}


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """Start the Chromium of this machine."""
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        missing = "The tests of the pages need Chromium (Debian: apt-get install chromium)."
        assert not os.environ.get("CI"), missing
        pytest.skip(missing)
    async with async_playwright() as playwright:
        # Its sandbox needs rights that containers withhold; it is shown nothing but our own pages.
        browser = await playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        try:
            yield browser
        finally:
            await browser.close()


@dataclass
class Visitor:
    """Somebody at a browser, in a session of their own.

    Attributes:
        complaints: what the browser has complained of: errors in the console, which breaches of the policy for
            content are among, and errors of scripts.
        hosts: every host that the page itself has asked.
    """

    base: str
    context: BrowserContext
    page: Page
    complaints: list[str] = field(default_factory=list)
    hosts: set[str] = field(default_factory=set)

    async def open(self, path: str = "/") -> None:
        """Go to one of our pages."""
        await self.page.goto(self.base + path)

    def watch(self) -> None:
        """Begin to note what the browser does."""
        self.page.on("console", lambda said: self._note(said.text) if said.type in ("error", "warning") else None)
        self.page.on("pageerror", lambda error: self._note(str(error)))
        self.page.on("request", lambda request: self.hosts.add(urlsplit(request.url).netloc))

    def _note(self, text: str) -> None:
        self.complaints.append(text)

    def behaved(self) -> bool:
        """Whether the browser complained of nothing, and the page asked nobody else."""
        assert self.complaints == []
        assert self.hosts == {urlsplit(self.base).netloc}
        return True

    async def is_wider_than_the_window(self) -> bool:
        """Whether the page has to be scrolled sideways."""
        wide: bool = await self.page.evaluate(
            "document.documentElement.scrollWidth > document.documentElement.clientWidth"
        )
        return wide


@asynccontextmanager
async def visiting(browser: Browser, base: str, *, locale: str = "en-US", **device: Any) -> AsyncIterator[Visitor]:
    """A visitor of the pages at an address, with a language and a device."""
    context = await browser.new_context(locale=locale, **device)
    try:
        page = await context.new_page()
        page.set_default_timeout(20_000)
        visitor = Visitor(base, context, page)
        visitor.watch()
        yield visitor
    finally:
        await context.close()
