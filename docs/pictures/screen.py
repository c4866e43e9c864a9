"""Pictures of reports, taken in headless Chromium."""

from __future__ import annotations

import base64
import io
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.clone import clone
from tests.report.browser import chromium, wait

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["NO_CHROMIUM", "PANELS", "chromium", "clone", "fewer_colours", "open_report", "save"]

NO_CHROMIUM = "the pictures need Chromium with its driver (Debian: apt-get install chromium chromium-driver)"

PANELS = (".panel:has(#map)", ".panel:has(#compare)")
"""The map of the domains and the one beside it."""

COLOURS = 128
"""Colours of a saved picture, which make it a third as large."""

MARGIN = 12
"""Pixels above and below what is saved."""


def open_report(browser: Any, report: Path, width: int) -> None:
    """Open a report `width` pixels wide and wait for its maps."""
    browser.set_window_size(width, 1000)
    # A page that is captured as a whole has none, and would be wider than it was when it was measured.
    browser.execute_cdp_cmd("Emulation.setScrollbarsHidden", {"hidden": True})
    browser.get(report.resolve().as_uri())
    wait(browser, "document.body.dataset.drawn")
    time.sleep(1)


def save(browser: Any, selectors: tuple[str, ...], target: Path, whole_width: bool = True) -> None:
    """Save what lies between the outer edges of the elements, which may be anywhere on the page, as a PNG file.

    With `whole_width` the picture is as wide as the page.
    """
    from PIL import Image as images

    left, top, right, bottom = browser.execute_script(
        "const boxes = [...arguments].map(one => document.querySelector(one).getBoundingClientRect());"
        "return [Math.min(...boxes.map(b => b.left)), Math.min(...boxes.map(b => b.top)) + scrollY,"
        "        Math.max(...boxes.map(b => b.right)), Math.max(...boxes.map(b => b.bottom)) + scrollY]",
        *selectors,
    )
    if whole_width:
        left, right = 0, browser.execute_script("return document.documentElement.clientWidth")
    top = max(0, top - MARGIN)
    clip = {"x": left, "y": top, "width": right - left, "height": bottom + MARGIN - top, "scale": 1}
    shot = browser.execute_cdp_cmd(
        "Page.captureScreenshot", {"format": "png", "captureBeyondViewport": True, "clip": clip}
    )
    image = images.open(io.BytesIO(base64.b64decode(shot["data"])))
    target.parent.mkdir(parents=True, exist_ok=True)
    fewer_colours(image).save(target, optimize=True)


def fewer_colours(image: Image) -> Image:
    """The image in :data:`COLOURS` colours."""
    from PIL import Image as images

    return image.convert("RGB").quantize(COLOURS, method=images.Quantize.MEDIANCUT, dither=images.Dither.NONE)
