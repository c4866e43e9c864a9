"""The alignment of the dataset report in a real browser."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from spatialweave.report.dataset import write_dataset_report
from spatialweave.report.dataset_results import DatasetSources

from .browser import EVIL, choose, colours_of, wait


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
        # The page before a test changes it.
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


def test_aligned_sections_overlap(stack: Any) -> None:
    sections = stack.execute_script("return DATA.sections.colours")
    set_value(stack, "opacity", "1")
    # As given the sections are apart, and each shows its colour. Aligned, they are one patch of mixed ink: its channels
    # are the product of those of the three, #0072B2, #E69F00 and #009E73.
    assert set(sections) <= colours_of(stack, "given")
    assert "#002C00" in colours_of(stack, "aligned")
    assert not set(sections) & colours_of(stack, "aligned")
    # With the others hidden, one section shows its colour in the same region.
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


def test_a_drawing_of_layers_is_saved(stack: Any, tmp_path: Path) -> None:
    stack.execute_cdp_cmd("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(tmp_path)})
    name = stack.execute_async_script("saveScene(scenes.stack, 'svg').then(arguments[0])")
    assert name.endswith("_The_stack.svg")
    end = time.monotonic() + 30
    while not (tmp_path / name).is_file() and time.monotonic() < end:
        time.sleep(0.1)
    source = (tmp_path / name).read_text()
    assert ">The stack</text>" in source and "data:image/png" in source
    # The legend: a domain each.
    assert source.count(" spots)") == 4
    assert stack.get_log("browser") == []


def test_another_style_of_the_screen_redraws_the_layers(stack: Any) -> None:
    shown = "scenes.stack.layers[0].looks.at(-1).colour"
    light = stack.execute_script(f"return {shown}")
    dark = [{"name": "prefers-color-scheme", "value": "dark"}]
    stack.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "", "features": dark})
    wait(stack, f"{shown} !== '{light}'", seconds=10)
    assert stack.execute_script(f"return {shown} === unknownLook().colour")
    stack.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "", "features": []})
    wait(stack, f"{shown} === '{light}'", seconds=10)


def test_many_sections_take_the_width_and_one_alone_half(stack: Any) -> None:
    width = "document.getElementById('map').clientWidth"
    all_sections = stack.execute_script(f"return {width}")
    choose(stack, "section-select", 2)
    wait(stack, f"{width} < {all_sections / 2}")
    wait(stack, "plots.map.canvas.width === Math.round(plots.map.div.clientWidth * devicePixelRatio)")
    # A section of 190 units, turned by 30 degrees (x 1.37), fills the map.
    height = stack.execute_script("return plots.map.div.clientHeight / plots.map.view().scale")
    assert height < 2 * 190 * 1.37
    assert stack.get_log("browser") == []
