"""The dataset report in a real browser."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from spatialweave.report.dataset import DatasetSources, write_dataset_report

FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--window-size=1400,1000",
    "--use-gl=angle",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)
EVIL = "<script>window.hacked = 1</script><img src=x onerror='window.hacked = 1'>\"'&"


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Headless Chromium."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    driver = shutil.which("chromedriver")
    if not chromium or not driver:
        pytest.skip("no Chromium with its driver here (Debian: apt-get install chromium chromium-driver)")
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    started = webdriver.Chrome(options=options, service=Service(driver))
    yield started
    started.quit()


@pytest.fixture(scope="module")
def report(make_dataset: Callable[..., DatasetSources], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of a dataset whose every name tries to be a script."""
    target = tmp_path_factory.mktemp("report") / "report.html"
    write_dataset_report(make_dataset(prefix=EVIL, dataset=f"d{EVIL}"), target)
    return target


def wait(browser: Any, condition: str, seconds: float = 60) -> Any:
    """The value of a JavaScript expression as soon as it is true."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = browser.execute_script(f"return {condition}")
        if value:
            return value
        time.sleep(0.1)
    raise AssertionError(f"still not true after {seconds} s: {condition}")


@pytest.fixture
def page(browser: Any, report: Path) -> Any:
    """The browser with the report open and drawn."""
    browser.get_log("browser")
    browser.get(report.as_uri())
    wait(browser, "document.body.dataset.drawn")
    return browser


def drawn_count(page: Any) -> int:
    return int(page.execute_script("return Number(document.body.dataset.drawn)"))


def colours_of(page: Any, name: str) -> set[str]:
    """The colours that cover regions of a map, like "#0072B2", from a picture of it."""
    import io

    import numpy as np
    from PIL import Image

    element = page.find_element("id", name)
    page.execute_script("arguments[0].scrollIntoView({block: 'center', behavior: 'instant'})", element)
    time.sleep(0.3)
    pixels = np.asarray(Image.open(io.BytesIO(element.screenshot_as_png)).convert("RGB"))[40:-10]
    colours, counts = np.unique(pixels.reshape(-1, 3), axis=0, return_counts=True)
    # A region covers thousands of pixels.
    return {"#{:02X}{:02X}{:02X}".format(*colour) for colour in colours[counts > 1000]}


def hover(page: Any, name: str, x: float, y: float) -> None:
    """Move the pointer to map coordinates."""
    from selenium.webdriver import ActionChains

    element = page.find_element("id", name)
    page.execute_script("arguments[0].scrollIntoView({block: 'center', behavior: 'instant'})", element)
    left, top, width, height = page.execute_script(
        "const d = document.getElementById(arguments[0]), {xaxis: a, yaxis: b} = d._fullLayout;"
        "return [a._offset + a.l2p(arguments[1]), b._offset + b.l2p(arguments[2]), d.clientWidth, d.clientHeight]",
        name,
        x,
        y,
    )
    move = ActionChains(page)
    move.move_to_element_with_offset(element, round(left - width / 2) + 3, round(top - height / 2)).perform()
    move.move_to_element_with_offset(element, round(left - width / 2), round(top - height / 2)).perform()


def test_no_console_messages_and_no_requests(page: Any) -> None:
    assert page.get_log("browser") == []
    assert page.execute_script("return performance.getEntriesByType('resource').length") == 0


def test_maps_are_drawn_in_colour(page: Any) -> None:
    for name, classes in (("map", "DATA.runs[DATA.best].domains"), ("compare", "DATA.labels")):
        expected = page.execute_script(f"return {classes}.colours")
        assert len(expected) == 4
        assert set(expected) <= colours_of(page, name)
    assert page.execute_script("return HAS_WEBGL && document.querySelectorAll('#map canvas').length > 0")


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
    shown = "DATA && document.getElementById('map').data.reduce((n, trace) => n + trace.x.length, 0)"
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


def choose(page: Any, name: str, position: int) -> None:
    from selenium.webdriver.support.ui import Select

    before = drawn_count(page)
    Select(page.find_element("id", name)).select_by_index(position)
    wait(page, f"Number(document.body.dataset.drawn) > {before}")


def test_choosing_a_run_and_a_feature(page: Any) -> None:
    title = "document.getElementById('map-title').textContent"
    assert page.execute_script(f"return {title}").startswith("SMART")
    choose(page, "run-select", 0)
    assert page.execute_script(f"return {title}") == "pca_smooth · seed 1"
    assert "it does not train" in page.find_element("id", "losses").text
    choose(page, "run-select", 2)
    assert page.execute_script("return document.getElementById('losses').data.length") == 2
    choose(page, "feature-select", 3)
    # The ends of the colour scale, and shades between.
    assert len(colours_of(page, "feature")) >= 4
    assert "#440154" in colours_of(page, "feature")
    choose(page, "colour-select", 1)
    assert page.get_log("browser") == []


def shown_panels(page: Any) -> list[str]:
    panels = page.find_elements("css selector", "#per-spot .panel")
    return [panel.get_attribute("id") for panel in panels if panel.is_displayed()]


def test_what_the_method_says_of_each_spot(page: Any) -> None:
    assert shown_panels(page) == ["extra-panel", "measured-panel", "denoised-panel"]
    section = page.find_element("id", "per-spot")
    assert "SMART" in section.text
    # A weight of the region: four shades, each of a quarter of the tissue. A probability: yes or no.
    assert len(colours_of(page, "extra")) == 4 + 1
    before = page.execute_script("return document.getElementById('denoised').data.at(-1).marker.color.join()")
    choose(page, "extra-select", 3)
    assert {"#440154", "#FDE725"} <= colours_of(page, "extra")
    choose(page, "denoised-select", 2)
    after = page.execute_script("return document.getElementById('denoised').data.at(-1).marker.color.join()")
    assert after != before
    assert {"#440154", "#FDE725"} <= colours_of(page, "denoised")
    assert page.find_element("id", "denoised-low").text == "-0.5"
    assert page.find_element("id", "denoised-top").text == "2"
    names = page.execute_script("return [...document.querySelectorAll('#denoised-select option')].map((o) => o.text)")
    assert names[2] == f"{EVIL}rna2 (rna)"
    assert page.find_element("id", "measured-title").text == f"Measured: {EVIL}rna2"
    hover(page, "denoised", 100, 100)
    text = wait(page, "!document.querySelector('.tip').hidden && document.querySelector('.tip').innerText")
    assert "Probability of cluster 1" in text
    assert f"{EVIL}rna2, denoised" in text
    # The choice stays when another run is shown in between that says nothing.
    choose(page, "run-select", 0)
    assert shown_panels(page) == []
    assert page.find_element("id", "per-spot-none").is_displayed()
    choose(page, "run-select", 2)
    assert shown_panels(page) == ["extra-panel", "measured-panel", "denoised-panel"]
    assert page.find_element("id", "denoised-select").get_attribute("value") == f"{EVIL}rna2 (rna)"
    assert page.execute_script("return window.hacked === undefined")
    assert page.get_log("browser") == []


def test_zoom_moves_all_maps_of_the_tissue(page: Any) -> None:
    page.execute_script("Plotly.relayout('map', {'xaxis.range': [20, 60], 'yaxis.range': [60, 20]})")
    names = "['compare', 'feature', 'extra', 'denoised']"
    ranges = f"{names}.map((name) => document.getElementById(name)._fullLayout.xaxis.range)"
    wait(page, f"{ranges}.every((range) => Math.abs(range[1] - range[0]) < 60)")
    own = page.execute_script("return document.getElementById('map')._fullLayout.xaxis.range")
    for other in page.execute_script(f"return {ranges}"):
        assert other == pytest.approx(own)
    # Equal scales, and y growing downwards.
    x, y, width, height = page.execute_script(
        "const {xaxis: a, yaxis: b} = document.getElementById('map')._fullLayout;"
        "return [a.range, b.range, a._length, b._length]"
    )
    assert (x[1] - x[0]) / width == pytest.approx((y[0] - y[1]) / height, rel=1e-3)


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


@pytest.fixture(scope="module")
def stack_report(make_dataset: Callable[..., DatasetSources], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of three aligned sections."""
    target = tmp_path_factory.mktemp("stack") / "report.html"
    recipe = {"sections": ("s2", "s10", "b<i>"), "rows": 20, "columns": 20, "seeds": (1,)}
    write_dataset_report(make_dataset(alignment=True, prefix=EVIL, **recipe), target)
    return target


@pytest.fixture
def stack(browser: Any, stack_report: Path) -> Any:
    """The browser with that report open and drawn."""
    browser.get_log("browser")
    browser.get(stack_report.as_uri())
    wait(browser, "document.body.dataset.drawn && document.body.dataset.aligned")
    for name in ("pairs", "stack"):
        wait(browser, f"document.querySelector('#{name} canvas').dataset.painted")
        # The page as it stands first; what a test does has to change it.
        browser.execute_script(f"window.first_{name} = {picture(name)}")
    return browser


def picture(name: str) -> str:
    """The JavaScript expression for what a canvas shows."""
    return f"document.querySelector('#{name} canvas').toDataURL()"


def set_value(page: Any, name: str, value: str) -> None:
    """Choose an option or move a slider, and wait until the alignment is drawn again."""
    before = page.execute_script("return Number(document.body.dataset.aligned)")
    page.execute_script(
        "const node = document.getElementById(arguments[0]); node.value = arguments[1];"
        "node.dispatchEvent(new Event('input')); node.dispatchEvent(new Event('change'))",
        name,
        value,
    )
    wait(page, f"Number(document.body.dataset.aligned) > {before}")


def test_aligned_sections_lie_on_each_other(stack: Any) -> None:
    sections = stack.execute_script("return DATA.sections.colours")
    set_value(stack, "opacity", "1")
    # As given the sections lie apart, and each shows its colour. In one frame they are one patch of mixed ink, whose
    # channels are the product of those of the three: #0072B2, #E69F00 and #009E73.
    assert set(sections) <= colours_of(stack, "given")
    assert "#002C00" in colours_of(stack, "aligned")
    assert not set(sections) & colours_of(stack, "aligned")
    # With the others hidden, one section shows its colour in the same place.
    for position in (2, 1):
        chips = stack.find_elements("css selector", "#aligned-legend .chip[aria-pressed]")
        stack.execute_script("arguments[0].click()", chips[position])
    wait(stack, "document.querySelectorAll('#aligned-legend .chip[aria-pressed=false]').length === 2")
    assert set(sections) & colours_of(stack, "aligned") == {sections[0]}
    set_value(stack, "overlay-select", "labels")
    assert set(stack.execute_script("return DATA.labels.colours")) <= colours_of(stack, "aligned")
    assert stack.get_log("browser") == []
    assert stack.execute_script("return window.hacked === undefined")


def test_lines_between_matched_spots(stack: Any) -> None:
    text = stack.find_element("id", "pairs-counts").text
    # Three quarters of the pairs are accepted, of these four that lead to another region.
    assert "300 of 400 pairs accepted" in text
    assert "median distance 0.25 spot spacings" in text
    assert "another label 4" in " ".join(text.split())
    set_value(stack, "pair-select", "1")
    wait(stack, f"{picture('pairs')} !== window.first_pairs")
    runs = stack.execute_script("return DATA.alignment.runs.map((run) => run.title)")
    set_value(stack, "align-run", str(runs.index("pca_smooth")))
    assert "another label" not in stack.find_element("id", "pairs-counts").text
    assert stack.get_log("browser") == []


def test_the_stack_turns_and_names_its_spots(stack: Any) -> None:
    from selenium.webdriver import ActionChains

    canvas = stack.find_element("css selector", "#stack canvas")
    stack.execute_script("arguments[0].scrollIntoView({block: 'center', behavior: 'instant'})", canvas)
    ActionChains(stack).drag_and_drop_by_offset(canvas, 60, -20).perform()
    wait(stack, "scenes.stack.camera.turn !== scenes.stack.start.turn", seconds=10)
    wait(stack, f"{picture('stack')} !== window.first_stack")
    ActionChains(stack).double_click(canvas).perform()
    camera = "JSON.stringify(scenes.stack.camera) === JSON.stringify(scenes.stack.start)"
    wait(stack, camera, seconds=10)
    set_value(stack, "gap", "1.5")
    wait(stack, f"{picture('stack')} !== window.first_stack")
    move = "const c = arguments[0], at = scenes.stack.layers[2].at, box = c.getBoundingClientRect();"
    event = "new PointerEvent('pointermove', {clientX: box.left + at[20], clientY: box.top + at[21]})"
    stack.execute_script(f"{move} c.dispatchEvent({event})", canvas)
    text = wait(stack, "!document.querySelector('.tip').hidden && document.querySelector('.tip').innerText")
    assert f"{EVIL}spot10" in text
    assert "b<i>" in text
    assert stack.get_log("browser") == []


def test_many_sections_take_the_width_and_one_alone_half(stack: Any) -> None:
    width = "document.getElementById('map').clientWidth"
    all_sections = stack.execute_script(f"return {width}")
    choose(stack, "section-select", 2)
    wait(stack, f"{width} < {all_sections / 2}")
    wait(stack, "document.getElementById('map')._fullLayout.width === document.getElementById('map').clientWidth")
    x, y = stack.execute_script(
        "const {xaxis: a, yaxis: b} = document.getElementById('map')._fullLayout;"
        "return [a, b].map((axis) => Math.abs(axis.range[1] - axis.range[0]) / axis._length)"
    )
    assert x == pytest.approx(y, rel=1e-3)
    # A section of 190 units, turned by 30 degrees (x 1.37), fills the map.
    assert y * stack.execute_script("return document.getElementById('map').clientHeight") < 2 * 190 * 1.37
    assert stack.get_log("browser") == []


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
        assert browser.execute_script("return document.getElementById('map').layout.annotations.length") == 1
        assert browser.get_log("browser") == []
