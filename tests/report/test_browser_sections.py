"""What the passports of a report show while one section is chosen, in a real browser."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from spatialweave.report.dataset import write_dataset_report
from spatialweave.report.dataset_results import DatasetSources

from .browser import choose, wait


@pytest.fixture(scope="module")
def report(make_dataset: Callable[..., DatasetSources], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two sections with images, of which one is chosen."""
    target = tmp_path_factory.mktemp("report") / "report.html"
    write_dataset_report(make_dataset(image=True, sections=("s1", "s2"), seeds=(1,)), target)
    return target


def test_passports_show_all_sections_with_their_images_whatever_is_chosen(page: Any) -> None:
    # The sections have different units from now on, so that no scale bar is right for both.
    page.execute_script("DATA.micrometres = [0.5, 5]")
    choose(page, "section-select", 1)
    assert page.execute_script("return plots.map.under().map(({ section }) => section)") == [0]
    assert page.execute_script("return plots.map.micrometres()") == 0.5
    page.execute_script("location.hash = '#domain-1'")
    wait(page, "document.getElementById('passports').dataset.shown === 'domain-1'")
    assert page.execute_script("return plots['passport-where'].shown.rows.length") == 2 * 144
    for name in ("passport-where", "passport-marker"):
        assert page.execute_script(f"return plots['{name}'].under().map(({{ section }}) => section)") == [0, 1]
        assert page.execute_script(f"return plots['{name}'].micrometres()") is None
    # Both move with the sliders of the page.
    assert page.execute_script("return plots['passport-where'].look === plots.map.look")
    assert page.get_log("browser") == []


RECORD = """
  const drawn = [], { fillText } = CanvasRenderingContext2D.prototype;
  CanvasRenderingContext2D.prototype.fillText = function (text, x, y) {
    const half = this.measureText(text).width / 2;
    const size = Number.parseFloat(this.font.match(/([\\d.]+)px/)[1]);
    const top = y - (this.textBaseline === 'middle' ? size / 2 : size);
    drawn.push({ text, left: x - half, right: x + half, top, bottom: top + size });
    fillText.call(this, text, x, y);
  };
  plots.map.paint();
  CanvasRenderingContext2D.prototype.fillText = fillText;
  return drawn;
"""
"""Paints the map, and returns what is written on it with its boxes."""


def test_names_of_many_sections_and_domains_do_not_lie_on_each_other(
    browser: Any, make_dataset: Callable[..., DatasetSources], tmp_path: Path
) -> None:
    names = tuple(f"Section_{index:02d}_of_the_left_hemisphere_with_a_very_long_name" for index in range(12))
    recipe = {"rows": 8, "columns": 8, "n_domains": 16, "labels": False, "methods": ("smart",), "seeds": (1,)}
    write_dataset_report(make_dataset(sections=names, **recipe), tmp_path / "report.html")
    browser.get((tmp_path / "report.html").as_uri())
    wait(browser, "document.body.dataset.drawn")
    drawn = browser.execute_script(RECORD)
    titles = [one["text"] for one in drawn if one["text"].startswith("Section")]
    assert [title[:10] for title in titles] == [name[:10] for name in names] and all(
        len(title) < 40 for title in titles
    )
    assert len(drawn) > len(titles) + 16
    for index, one in enumerate(drawn):
        for other in drawn[:index]:
            apart = one["left"] >= other["right"] or other["left"] >= one["right"]
            assert apart or one["top"] >= other["bottom"] or other["top"] >= one["bottom"], (one, other)
    # Neither do those in keys make the page wider than a narrow screen.
    screen = {"width": 390, "height": 844, "deviceScaleFactor": 1, "mobile": True}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
    right = browser.execute_script(
        "return [...document.querySelectorAll('.key')].map((one) => one.getBoundingClientRect().right)"
    )
    assert len(right) >= 12 and max(right) <= 390
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    # In a saved picture, too.
    texts = browser.execute_script(
        "return [...panelPicture(plots.map).querySelectorAll('text')].map((t) => t.textContent)"
    )
    assert not set(names) & set(texts)
    # A section alone has room for its name, and zoomed in for all its domains.
    choose(browser, "section-select", 1)
    browser.execute_script("plots.map.camera.magnify(2)")
    found = [one["text"] for one in browser.execute_script(RECORD)]
    assert found[0] == names[0] and len(found) == 1 + 16
    assert browser.get_log("browser") == []
