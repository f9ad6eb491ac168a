"""HTML as pages, by WeasyPrint. Nothing is fetched: only images inside the document itself are shown."""

from __future__ import annotations

import base64
import re
from pathlib import Path
from typing import Any

import weasyprint
from weasyprint.urls import URLFetcher, URLFetcherResponse

from adapters.bundles.text_conversion import declared_charset, decode
from domain.bundle_contents import OmissionReason

_INLINE_IMAGE = re.compile(r"data:(image/(?:png|jpe?g|gif))\s*;\s*base64\s*,", re.IGNORECASE)
_MAX_INLINE_BYTES = 8 * 1024**2
_NOTE = "Convertido de HTML pelo Autos. Imagens e estilos de fora do documento não são carregados."
_PAGE_STYLE = f"""
@page {{
  size: A4; margin: 18mm;
  @bottom-left {{ content: "{_NOTE}"; font: 7pt sans-serif; color: #777 }}
}}
html {{ overflow-wrap: anywhere }}
img, table {{ max-width: 100% }}
"""


class _NoFetcher(URLFetcher):  # type: ignore[misc]  # WeasyPrint publishes no types.
    """Refuses every address, except images that the address itself contains."""

    def __init__(self) -> None:
        super().__init__(allowed_protocols=())
        self._left_bytes = _MAX_INLINE_BYTES

    def fetch(self, url: str, headers: Any = None) -> Any:
        """Return an inline image.

        Raises:
            ValueError: It is anything else. WeasyPrint goes on without it.
        """
        match = _INLINE_IMAGE.match(url[:100])
        self._left_bytes -= len(url)
        if not match or self._left_bytes < 0:
            raise ValueError("Nothing is fetched.")
        return URLFetcherResponse(url, base64.b64decode(url[match.end() :]), {"Content-Type": match[1].lower()})


def convert_html(content: bytes, output: Path) -> OmissionReason | None:
    """Write an HTML document as pages."""
    fetcher = _NoFetcher()
    html = weasyprint.HTML(string=decode(content, declared_charset(content)), url_fetcher=fetcher, base_url="")
    style = weasyprint.CSS(string=_PAGE_STYLE, url_fetcher=fetcher, base_url="")
    html.write_pdf(output, stylesheets=[style], presentational_hints=True, pdf_identifier=b"autos")
    return None
