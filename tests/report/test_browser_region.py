"""Lasso a region on the map in a real browser: its spots, and its markers against scikit-learn."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from spatialweave.report.dataset import write_dataset_report
from spatialweave.report.dataset_results import DatasetSources
from spatialweave.results.spots import read_spots

from .analyses_files import write_analyses
from .browser import EVIL, choose, drawn_count, wait
from .characterised_files import write_characterised
from .page import Page, unpack


@pytest.fixture(scope="module")
def report(make_dataset: Callable[..., DatasetSources], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve by twelve spots, ten units apart."""
    target = tmp_path_factory.mktemp("region") / "report.html"
    write_dataset_report(make_dataset(prefix=EVIL, seeds=(1,)), target)
    return target


def drag(page: Any, name: str, corners: list[tuple[float, float]]) -> None:
    """Draw a lasso through map coordinates."""
    from selenium.webdriver import ActionChains

    page.execute_script("[...document.querySelectorAll('button.lasso')][0].click()")
    element = page.find_element("css selector", f"#{name} > canvas")
    page.execute_script("arguments[0].scrollIntoView({block: 'center', behavior: 'instant'})", element)
    size = page.execute_script(f"return [plots.{name}.div.clientWidth, plots.{name}.div.clientHeight]")
    places = [page.execute_script(f"return plots.{name}.toScreen(...arguments)", *corner) for corner in corners]
    before = drawn_count(page)
    act = ActionChains(page, duration=20)
    for number, (left, top) in enumerate(places):
        act.move_to_element_with_offset(element, round(left - size[0] / 2), round(top - size[1] / 2))
        if not number:
            act.click_and_hold()
    act.release().perform()
    wait(page, f"Number(document.body.dataset.drawn) > {before}")


def click(page: Any, selector: str) -> None:
    """Whatever the page scrolls to meanwhile."""
    page.execute_script("document.querySelector(arguments[0]).click()", selector)


def chosen(page: Any) -> list[int]:
    return page.execute_script("return [...lasso.side.keys()].filter((row) => lasso.side[row] === REGION.inside)")


def by_sklearn(report: Path, inside: np.ndarray) -> dict[int, float]:
    """By number of the feature, on the values that the page shows."""
    areas = {}
    for number, feature in enumerate(Page(report).data()["features"]):
        steps = unpack(feature["steps"]).astype(int)
        there = steps != 255
        areas[number] = roc_auc_score(inside[there], steps[there])
    return areas


def test_statistic_of_steps_by_hand(page: Any) -> None:
    """Inside 9 9 0, outside 9 4 0; one spot of each side was not measured, and two are left out."""
    script = """
        const [i, o, x] = [REGION.inside, REGION.outside, REGION.leftOut];
        const steps = Uint8Array.of(9, 9, 0, 255, 9, 4, 0, 255, 200, 7);
        const few = compareSides(Uint8Array.of(9, 9, 1, 1), Uint8Array.of(i, i, o, o));
        return [compareSides(steps, Uint8Array.of(i, i, i, i, o, o, o, o, x, x)), few];
    """
    found, few = page.execute_script(script)
    # Of nine pairs inside is higher in 4 (9 over 4 and 0, twice), and tied in 3.
    assert found["auc"] == pytest.approx((4 + 1.5) / 9) and few is None
    assert found["inside"] == {"spots": 3, "mean": 6, "fraction": pytest.approx(2 / 3)}
    assert found["outside"] == {"spots": 3, "mean": pytest.approx(13 / 3), "fraction": pytest.approx(2 / 3)}


def test_a_polygon_by_hand(page: Any) -> None:
    """An L: its notch is outside."""
    shape = "[[0, 0], [4, 0], [4, 2], [2, 2], [2, 4], [0, 4]]"
    for x, y, inside in ((1, 1, True), (3, 1, True), (1, 3, True), (3, 3, False), (5, 1, False), (-1, 1, False)):
        assert page.execute_script(f"return insidePolygon({x}, {y}, {shape})") is inside


def test_lasso_and_its_markers(page: Any, report: Path) -> None:
    # Columns 0 to 5 of rows 0 to 2.
    drag(page, "map", [(-4, -4), (54, -4), (54, 24), (-4, 24)])
    expected = [12 * row + column for row in range(3) for column in range(6)]
    assert chosen(page) == expected
    assert "18 spots inside against the 126 others" in page.find_element("id", "region-status").text
    inside = np.isin(np.arange(144), expected)
    areas = by_sklearn(report, inside)
    found = page.execute_async_script("markersOfRegion(lasso.side).then(arguments[0])")
    assert {one["feature"]: one["auc"] for one in found} == pytest.approx(areas)
    assert [one["auc"] for one in found] == pytest.approx(sorted(areas.values(), reverse=True))
    # The table has the best of each modality, and the page says how many it has looked through.
    features = Page(report).data()["features"]
    best = max((n for n, one in enumerate(features) if one["modality"] == "rna"), key=lambda n: areas[n])
    row = page.find_element("css selector", "#region-table tbody tr").text.split()
    assert features[best]["name"] in " ".join(row) and f"{areas[best]:.3f}" in row
    assert "features of RNA" in page.find_element("css selector", "#region .read").text
    # A click maps the feature, and the map is moved by dragging again.
    before = drawn_count(page)
    click(page, "#region-table tbody button")
    wait(page, f"Number(document.body.dataset.drawn) > {before}")
    assert page.execute_script("return state.feature") == best
    assert not page.execute_script("return lasso.on")
    click(page, "#region-clear")
    assert not page.find_element("id", "region").is_displayed()
    assert page.execute_script("return window.hacked === undefined") and page.get_log("browser") == []


def test_hidden_spots_are_on_neither_side(page: Any) -> None:
    page.execute_script("document.querySelectorAll('#map-legend .chip[aria-pressed]')[0].click()")
    shown = wait(page, "plots.map.shown.rows.length < 144 && plots.map.shown.rows.length")
    drag(page, "map", [(-4, -4), (114, -4), (114, 54), (-4, 54)])
    inside = len(chosen(page))
    assert 0 < inside < 72
    assert f"{inside} spots inside against the {shown - inside} others" in page.find_element("id", "region-status").text
    page.execute_script("document.querySelector('#map-legend .chip').click()")
    click(page, "#region-clear")


def test_lasso_by_keyboard(page: Any) -> None:
    from selenium.webdriver.common.keys import Keys

    page.execute_script("[...document.querySelectorAll('button.lasso')][0].click()")
    canvas = page.find_element("css selector", "#map > canvas")
    canvas.send_keys("c")
    assert "three corners or more" in page.find_element("id", "region-status").text
    for keys in ([Keys.ARROW_LEFT], [Keys.ARROW_RIGHT] * 3, [Keys.ARROW_DOWN] * 3):
        canvas.send_keys(*keys, Keys.ENTER)
    before = drawn_count(page)
    canvas.send_keys("c")
    wait(page, f"Number(document.body.dataset.drawn) > {before}")
    assert page.execute_script("return lasso.corners.length") == 3 and len(chosen(page)) > 2
    click(page, "#region-clear")
    canvas.send_keys("0")
    # Esc ends it.
    page.execute_script("[...document.querySelectorAll('button.lasso')][0].click()")
    canvas.send_keys(Keys.ESCAPE)
    assert not page.execute_script("return lasso.on") and not page.find_element("id", "region").is_displayed()
    assert page.get_log("browser") == []


def test_a_region_of_an_embedding_goes_with_its_run(page: Any) -> None:
    wait(page, "plots.umap.box")
    before = drawn_count(page)
    page.execute_script("""
        const { left, top, width, height } = plots.umap.box;
        switchLasso(true);
        const corner = (x, y) => addCorner(plots.umap, ...plots.umap.toScreen(left + x * width, top + y * height));
        corner(0, 0); corner(0.5, 0); corner(0.5, 1); corner(0, 1);
        closeRegion();
    """)
    wait(page, f"Number(document.body.dataset.drawn) > {before}")
    assert page.execute_script("return lasso.closed") and page.find_element("id", "region").is_displayed()
    shown = page.execute_script("return state.run")
    choose(page, "run-select", 1 - shown)
    assert not page.execute_script("return lasso.closed") and not page.find_element("id", "region").is_displayed()
    assert page.get_log("browser") == []


def test_pseudotime_is_mapped_by_a_click(
    browser: Any, make_dataset: Callable[..., DatasetSources], tmp_path: Path
) -> None:
    sources = make_dataset(seeds=(1,))
    assert sources.files is not None
    write_characterised(sources.files)
    write_analyses(sources.files, read_spots(sources.latents[0]).obs)
    write_dataset_report(sources, tmp_path / "report.html")
    browser.get_log("browser")
    browser.get((tmp_path / "report.html").as_uri())
    wait(browser, "document.body.dataset.drawn")
    before = drawn_count(browser)
    click(browser, "#show-pseudotime")
    wait(browser, f"Number(document.body.dataset.drawn) > {before}")
    title = browser.find_element("id", "compare-title").text
    assert title.startswith("Pseudotime of SMART, seed 1, from domain")
    codes = browser.execute_script("return [...plots.compare.shown.codes]")
    assert codes[0] == 0 and codes[-1] == 255 and codes[:-1] == sorted(codes[:-1])
    assert browser.find_element("id", "compare-unit").text == "diffusion distance from the root, 0 to 1"
    assert browser.get_log("browser") == []
