"""The dataset report in a real browser."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from spatialweave.report.dataset import write_dataset_report
from spatialweave.report.dataset_results import DatasetSources

from .browser import EVIL, choose, colours_of, drawn_count, find_feature, hover, wait


@pytest.fixture(scope="module")
def report(make_dataset: Callable[..., DatasetSources], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of a dataset whose every name tries to be a script."""
    target = tmp_path_factory.mktemp("report") / "report.html"
    write_dataset_report(make_dataset(prefix=EVIL, dataset=f"d{EVIL}"), target)
    return target


def test_no_console_messages_and_no_requests(page: Any) -> None:
    assert page.get_log("browser") == []
    assert page.execute_script("return performance.getEntriesByType('resource').length") == 0


def test_maps_are_drawn_in_colour(page: Any) -> None:
    for name, classes in (("map", "DATA.runs[DATA.best].domains"), ("compare", "DATA.labels")):
        expected = page.execute_script(f"return {classes}.colours")
        assert len(expected) == 4
        assert set(expected) <= colours_of(page, name)


def test_hover_shows_the_spot(page: Any) -> None:
    hover(page, "map", 30, 20)
    text = wait(page, "!document.querySelector('.tip').hidden && document.querySelector('.tip').innerText")
    # Twelve spots per row, ten units apart: x 30 in row 2 is spot 27.
    assert f"{EVIL}spot27" in text
    assert "domain" in text
    assert "label" in text
    assert "top rna" in text
    # The spot is circled on all maps of the tissue.
    assert page.execute_script("return [...document.querySelectorAll('.ring')].filter((r) => !r.hidden).length") >= 3


def test_legend_hides_and_shows_domains(page: Any) -> None:
    shown = "plots.map.shown.rows.length"
    assert page.execute_script(f"return {shown}") == 144
    chip = page.find_elements("css selector", "#map-legend .chip[aria-pressed]")[0]
    count = int(chip.find_element("css selector", "small").text)
    before = drawn_count(page)
    page.execute_script("arguments[0].click()", chip)
    wait(page, f"Number(document.body.dataset.drawn) > {before}")
    assert page.execute_script(f"return {shown}") == 144 - count
    pressed = page.find_elements("css selector", "#map-legend .chip[aria-pressed='false']")
    assert len(pressed) == 1
    before = drawn_count(page)
    page.execute_script("document.querySelector('#map-legend .chip').click()")
    wait(page, f"Number(document.body.dataset.drawn) > {before}")
    assert page.execute_script(f"return {shown}") == 144


def test_choosing_a_run_and_a_feature(page: Any) -> None:
    title = "document.getElementById('map-title').textContent"
    assert page.execute_script(f"return {title}").startswith("SMART")
    choose(page, "run-select", 0)
    assert page.execute_script(f"return {title}") == "pca_smooth · seed 1"
    assert "it does not train" in page.find_element("id", "losses").text
    choose(page, "run-select", 2)
    assert page.execute_script("return document.querySelectorAll('#losses .curve').length") == 2
    find_feature(page, "rna3 ")
    # The ends of the colour scale, and shades between.
    assert len(colours_of(page, "feature")) >= 4
    assert "#440154" in colours_of(page, "feature")
    choose(page, "colour-select", 1)
    assert page.get_log("browser") == []


def shown_panels(page: Any) -> list[str]:
    panels = page.find_elements("css selector", "#per-spot .panel")
    return [panel.get_attribute("id") for panel in panels if panel.is_displayed()]


def test_per_spot_outputs(page: Any) -> None:
    assert shown_panels(page) == ["extra-panel", "measured-panel", "denoised-panel"]
    section = page.find_element("id", "per-spot")
    assert "SMART" in section.text
    # A weight of the region: four shades, each of a quarter of the tissue. A probability: yes or no.
    assert len(colours_of(page, "extra")) == 4 + 1
    before = page.execute_script("return plots.denoised.shown.codes.join()")
    choose(page, "extra-select", 3)
    assert {"#440154", "#FDE725"} <= colours_of(page, "extra")
    choose(page, "denoised-select", 2)
    after = page.execute_script("return plots.denoised.shown.codes.join()")
    assert after != before
    assert {"#440154", "#FDE725"} <= colours_of(page, "denoised")
    assert page.find_element("id", "denoised-low").text == "-0.5 or less"
    assert page.find_element("id", "denoised-top").text == "2 or more"
    names = page.execute_script("return [...document.querySelectorAll('#denoised-select option')].map((o) => o.text)")
    assert names[2] == f"{EVIL}rna2 (rna)"
    assert page.find_element("id", "measured-title").text == f"Measured: {EVIL}rna2"
    hover(page, "denoised", 100, 100)
    text = wait(page, "!document.querySelector('.tip').hidden && document.querySelector('.tip').innerText")
    assert "Probability of cluster 1" in text
    assert f"{EVIL}rna2, denoised" in text
    # The choice stays when another run is shown in between that has no such outputs.
    choose(page, "run-select", 0)
    assert shown_panels(page) == []
    assert page.find_element("id", "per-spot-none").is_displayed()
    choose(page, "run-select", 2)
    assert shown_panels(page) == ["extra-panel", "measured-panel", "denoised-panel"]
    assert page.find_element("id", "denoised-select").get_attribute("value") == f"{EVIL}rna2 (rna)"
    assert page.execute_script("return window.hacked === undefined")
    assert page.get_log("browser") == []


def test_zoom_moves_all_maps_of_the_tissue(page: Any) -> None:
    before = page.execute_script("return plots.denoised.view().scale")
    page.execute_script("plots.map.camera.magnify(4, 40, 20)")
    # The point about which it zooms stays, at a third of the tissue; scales differ by the panels' sizes only.
    for name in ("map", "compare", "feature", "extra", "denoised"):
        scale, left, top = page.execute_script(f"const v = plots.{name}.view(); return [v.scale, v.left, v.top]")
        x, y = page.execute_script(f"return plots.{name}.toScreen(40, 20)")
        assert (x, y) == (pytest.approx((40 - left) * scale), pytest.approx((20 - top) * scale))
    assert page.execute_script("return plots.denoised.view().scale") == pytest.approx(4 * before)
    page.find_element("css selector", "#compare canvas").send_keys("0")
    assert page.execute_script("return plots.denoised.view().scale") == pytest.approx(before)


def test_what_is_chosen_last_is_what_is_shown(page: Any) -> None:
    """Although what was chosen before has to be unpacked first, and comes later."""
    before = drawn_count(page)
    page.execute_script("""
        const slow = DATA.features.findIndex((feature, index) => !feature.steps.promise && index !== state.feature);
        const shown = state.feature, run = state.run;
        state.feature = slow; drawFeature(); state.feature = shown; drawFeature();
        state.run = 1; draw(); state.run = run; draw();
    """)
    wait(page, f"Number(document.body.dataset.drawn) > {before}")
    time.sleep(0.5)
    name, title = (page.find_element("id", one) for one in ("feature-search", "feature-title"))
    assert name.get_attribute("value") == title.text
    shown = page.execute_script("return runName(DATA.runs[state.run])")
    assert page.find_element("id", "map-title").text == shown == page.execute_script("return runName(current.run)")


def test_a_loss_chart_is_saved_with_its_key_and_plain_colours(page: Any) -> None:
    chart = "document.querySelector('#losses svg.strip')"
    saved = page.execute_script(f"return new XMLSerializer().serializeToString(chartPicture({chart}))")
    assert "var(" not in saved
    assert all(name in saved for name in page.find_element("css selector", "#losses .keys").text.split("\n"))
    assert len(page.find_elements("css selector", "#losses .tools button")) == 2


def test_names_run_nothing(page: Any) -> None:
    hover(page, "compare", 50, 50)
    wait(page, "!document.querySelector('.tip').hidden")
    assert page.execute_script("return window.hacked === undefined")
    assert page.find_element("css selector", "h1").text == f"d{EVIL}"
    # Even markup that slipped through would not run.
    page.execute_script(
        "document.body.insertAdjacentHTML('beforeend', '<img src=\"data:,\" onerror=\"window.hacked = 2\">')"
    )
    time.sleep(0.3)
    assert page.execute_script("return window.hacked === undefined")


@pytest.mark.parametrize(
    "recipe",
    [
        {"rows": 2, "columns": 5, "n_domains": 2, "modalities": {"rna": 9}, "labels": False, "methods": ()},
        {"rows": 2, "columns": 5, "n_domains": 2, "modalities": {"rna": 9}, "seeds": (1,), "methods": ("pca_smooth",)},
        {"sections": ("a", "b<i>"), "labels": False, "layout": "hexagonal"},
    ],
    ids=["all failed", "ten spots", "two sections without labels"],
)
def test_small_and_odd_datasets(
    browser: Any, make_dataset: Callable[..., DatasetSources], tmp_path: Path, recipe: dict[str, Any]
) -> None:
    write_dataset_report(make_dataset(**recipe), tmp_path / "report.html")
    browser.get_log("browser")
    browser.get((tmp_path / "report.html").as_uri())
    wait(browser, "document.body.dataset.drawn")
    assert browser.get_log("browser") == []
    if "sections" in recipe:
        choose(browser, "section-select", 2)
        assert browser.execute_script("return plots.map.notes.length") == 1
        # Numbers of spots are those of the section, on the page and in a saved picture.
        codes = browser.execute_script("return [...plots.map.shown.rows].map((row) => plots.map.shown.codes[row])")
        counts = [codes.count(code) for code in range(max(codes) + 1)]
        chips = browser.find_elements("css selector", "#map-legend .chip[aria-pressed] small")
        assert [int(chip.text) for chip in chips] == counts
        picture = browser.execute_script("return panelPicture(plots.map).textContent")
        assert all(f"({count} spots)" in picture for count in counts)
        assert browser.get_log("browser") == []
