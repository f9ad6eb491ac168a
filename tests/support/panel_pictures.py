"""Pictures of the dashboard's panels, drawn by Prometheus's own page, for a person to look at.

Grafana is not needed: what a picture shows is that each panel's query has data and what its curves are.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from urllib.parse import urlencode

from tests.support.browser import chromium

_PANELS_PER_PICTURE = 6
_RANGE = "1m"


async def draw_panels(prometheus: str, expressions: dict[str, str], folder: Path) -> None:
    """Draw the graph of each expression over the last minute, six in a picture.

    Args:
        prometheus: Base URL of a running Prometheus.
        expressions: What to draw, by title.
        folder: Where the pictures go, as ``panels-01.png`` and so on, with the titles in ``panels.txt``.

    Raises:
        TimeoutError: A graph was not drawn, for instance because its query has no data.
    """
    await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
    titles = list(expressions)
    groups = [titles[start : start + _PANELS_PER_PICTURE] for start in range(0, len(titles), _PANELS_PER_PICTURE)]
    async with chromium() as browser:
        page = await browser.new_page(viewport={"width": 1400, "height": 900})
        for number, group in enumerate(groups, start=1):
            query = {
                key: value
                for index, title in enumerate(group)
                for key, value in (
                    (f"g{index}.expr", expressions[title]),
                    (f"g{index}.tab", "0"),
                    (f"g{index}.range_input", _RANGE),
                )
            }
            await page.goto(f"{prometheus}/classic/graph?{urlencode(query)}")
            # Rickshaw draws a path for each series of a graph that has data.
            await page.wait_for_function(
                "count => [...document.querySelectorAll('.graph svg')]"
                ".filter(svg => svg.querySelector('path')).length === count",
                arg=len(group),
                timeout=30_000,
            )
            await page.screenshot(path=folder / f"panels-{number:02}.png", full_page=True)
    listed = "\n".join(f"panels-{n:02}.png: {', '.join(group)}" for n, group in enumerate(groups, start=1))
    await asyncio.to_thread((folder / "panels.txt").write_text, listed + "\n", "utf-8")
