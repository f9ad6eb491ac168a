"""The program that converts one document to a PDF. `adapters.bundles.conversion` runs it in the sandbox.

It prints ``converted``, the code of a reason, or nothing that means anything.
"""

from __future__ import annotations

from pathlib import Path

from domain.bundle_contents import OmissionReason


def main(method: str, source: str, output: str) -> None:
    """Convert a document. Only the modules of its method are loaded, because they count as its memory."""
    content, target = Path(source), Path(output)
    try:
        if method == "image":
            from adapters.bundles.image_conversion import convert_image

            reason = convert_image(content, target)
        elif method == "html":
            from adapters.bundles.html_conversion import convert_html

            reason = convert_html(content.read_bytes(), target)
        else:
            from adapters.bundles.text_conversion import convert_text

            reason = convert_text(content.read_bytes(), method, target)
    except (MemoryError, RecursionError):
        reason = OmissionReason.TOO_LARGE
    print(reason or "converted")  # noqa: T201 - what the other process reads.
