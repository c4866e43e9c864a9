"""Images of the tissue on the maps of the report, in a real browser."""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from spatialweave.report.dataset import write_dataset_report
from spatialweave.report.dataset_results import DatasetSources

from .browser import wait


@pytest.fixture(scope="module")
def report(make_dataset: Callable[..., DatasetSources], tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("report") / "report.html"
    write_dataset_report(make_dataset(image=True), target)
    return target


def colour_at(page: Any, x: float, y: float) -> np.ndarray:
    """The colour on the screen at map coordinates of the first map, without the names of the domains."""
    page.execute_script("const n = document.getElementById('names-on-maps'); if (n.checked) n.click()")
    element = page.find_element("id", "map")
    page.execute_script("arguments[0].scrollIntoView({block: 'center', behavior: 'instant'})", element)
    time.sleep(0.4)
    picture = np.asarray(Image.open(io.BytesIO(element.screenshot_as_png)).convert("RGB"))
    left, top, width = page.execute_script(
        "return [...plots.map.toScreen(arguments[0], arguments[1]), plots.map.div.clientWidth]",
        x,
        y,
    )
    ratio = picture.shape[1] / width
    return picture[round(top * ratio), round(left * ratio)].astype(int)


def slide(page: Any, layer: str, value: float) -> None:
    page.execute_script(
        "const s = document.getElementById(arguments[0] + '-opacity'); s.value = arguments[1]; s.oninput()",
        layer,
        value,
    )


def test_the_image_is_under_the_spots(page: Any) -> None:
    page.execute_script("document.getElementById('names-on-maps').click()")
    wait(page, "!plots.map.names.length")
    # With spots hidden, x 80 and y 20 is in the second region, which is cyan; the first is red.
    slide(page, "spots", 0)
    np.testing.assert_allclose(colour_at(page, 80, 20), (0, 255, 255), atol=40)
    np.testing.assert_allclose(colour_at(page, 20, 20), (255, 0, 0), atol=40)
    # Half of the domain's colour and half of the image.
    slide(page, "spots", 0.5)
    colour = page.execute_script(
        "const m = DATA.runs[DATA.best].domains; return unpack(m.codes).then((codes) => m.colours[codes[2 * 12 + 8]])"
    )
    mixed = (np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) + np.array([0, 255, 255])) / 2
    np.testing.assert_allclose(colour_at(page, 80, 20), mixed, atol=25)
    slide(page, "image", 0)
    slide(page, "spots", 0)
    np.testing.assert_allclose(colour_at(page, 80, 20), (255, 255, 255), atol=3)
    assert page.get_log("browser") == []


def test_the_colours_of_a_scale_are_those_of_its_legend_until_the_user_chooses(page: Any) -> None:
    page.execute_script("plots.feature.div.scrollIntoView({block: 'center', behavior: 'instant'})")
    wait(page, "plots.feature.legend && plots.feature.legend.scale && plots.feature.canvas.dataset.painted")
    row, colour = page.execute_script(
        "const p = plots.feature, spot = p.shown.rows[0];"
        "return [[p.shown.x[spot], p.shown.y[spot]], p.shown.looks[p.shown.codes[spot]].colour]"
    )
    time.sleep(0.4)
    element = page.find_element("id", "feature")
    picture = np.asarray(Image.open(io.BytesIO(element.screenshot_as_png)).convert("RGB"))
    left, top, width = page.execute_script(
        "return [...plots.feature.toScreen(...arguments[0]), plots.feature.div.clientWidth]", row
    )
    seen = picture[round(top * picture.shape[1] / width), round(left * picture.shape[1] / width)]
    np.testing.assert_allclose(seen, [int(colour[i : i + 2], 16) for i in (1, 3, 5)], atol=3)
    assert page.execute_script("return [plots.map.opacity, plots.feature.opacity]") == [0.7, 1]
    slide(page, "spots", 0.5)
    assert page.execute_script("return [plots.map.opacity, plots.feature.opacity]") == [0.5, 0.5]


def test_the_image_moves_with_the_map(page: Any) -> None:
    slide(page, "spots", 0)
    page.execute_script("plots.map.camera.magnify(3)")
    np.testing.assert_allclose(colour_at(page, 49, 40), (255, 0, 0), atol=40)
    np.testing.assert_allclose(colour_at(page, 61, 40), (0, 255, 255), atol=40)


def test_the_scale_bar_has_the_length_that_it_names(page: Any) -> None:
    for factor in (1, 5):
        page.execute_script(f"plots.map.camera.magnify({factor}); plots.map.paint()")
        text, width, per_unit = page.execute_script(
            "const bar = document.querySelector('#map .scale-bar');"
            "return [bar.textContent, bar.getBoundingClientRect().width, plots.map.view().scale]"
        )
        number, unit = text.split()
        assert unit == "µm"
        # A unit of the coordinates is half a micrometre.
        assert width == pytest.approx(float(number) * 2 * per_unit, rel=0.01)
