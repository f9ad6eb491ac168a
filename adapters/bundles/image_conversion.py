"""Images as pages: each on a sheet of A4, upright or across, as large as fits."""

from __future__ import annotations

import warnings
from pathlib import Path

from fpdf import FPDF
from PIL import Image, ImageOps, ImageSequence, UnidentifiedImageError

from adapters.bundles.sheets import WRITTEN_AT
from domain.bundle_contents import OmissionReason

_FORMATS = ("BMP", "GIF", "JPEG", "PNG", "TIFF", "WEBP")
# A sheet of A3 at 600 dpi has 70 million.
_MAX_PIXELS = 100_000_000
_MAX_FRAMES = 500
_SHORT_MM, _LONG_MM, _MARGIN_MM = 210.0, 297.0, 10.0
_ORIENTATION_TAG = 0x0112


def convert_image(source: Path, output: Path) -> OmissionReason | None:
    """Write each frame of an image on a page of its own."""
    # A larger one is refused before it is decoded.
    Image.MAX_IMAGE_PIXELS = _MAX_PIXELS
    warnings.simplefilter("error", Image.DecompressionBombWarning)
    sheets = FPDF(unit="mm")
    sheets.set_creation_date(WRITTEN_AT)
    sheets.set_auto_page_break(auto=False)
    try:
        with Image.open(source, formats=_FORMATS) as image:
            frames = getattr(image, "n_frames", 1)
            if frames > _MAX_FRAMES or image.width * image.height * frames > _MAX_PIXELS * 4:
                return OmissionReason.TOO_LARGE
            # A photo of one frame is embedded as it is, if no one has to turn it.
            as_it_is = image.format == "JPEG" and frames == 1 and image.mode in ("L", "RGB") and _is_upright(image)
            if as_it_is:
                image.load()
                _add_page(sheets, source, image.width, image.height)
            elif image.format in ("GIF", "WEBP"):
                # An animation: its first frame is what a page can show.
                _add_frame(sheets, image)
            else:
                for frame in ImageSequence.Iterator(image):
                    _add_frame(sheets, frame)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        return OmissionReason.TOO_LARGE
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, EOFError):
        return OmissionReason.DAMAGED
    sheets.output(str(output))
    return None


def _is_upright(image: Image.Image) -> bool:
    return bool(image.getexif().get(_ORIENTATION_TAG, 1) == 1)


def _add_frame(sheets: FPDF, frame: Image.Image) -> None:
    turned = ImageOps.exif_transpose(frame)
    if turned.mode in ("RGBA", "LA", "PA") or "transparency" in turned.info:
        # As on paper: what is transparent is white.
        layered = turned.convert("RGBA")
        turned = Image.new("RGB", layered.size, "white")
        turned.paste(layered, mask=layered.getchannel("A"))
    elif turned.mode not in ("1", "L", "RGB"):
        turned = turned.convert("RGB")
    _add_page(sheets, turned, turned.width, turned.height)


def _add_page(sheets: FPDF, image: Image.Image | Path, width: int, height: int) -> None:
    across = width > height
    page_width, page_height = (_LONG_MM, _SHORT_MM) if across else (_SHORT_MM, _LONG_MM)
    sheets.add_page(format=(page_width, page_height))
    scale = min((page_width - 2 * _MARGIN_MM) / width, (page_height - 2 * _MARGIN_MM) / height)
    sheets.image(
        str(image) if isinstance(image, Path) else image,
        x=(page_width - width * scale) / 2,
        y=(page_height - height * scale) / 2,
        w=width * scale,
        h=height * scale,
    )
