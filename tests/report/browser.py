"""Headless Chromium, and what a user does in it."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

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


@contextmanager
def chromium(profile: Path) -> Iterator[Any]:
    """Headless Chromium with a profile folder; None where it, or its driver, is not installed."""
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    driver = shutil.which("chromedriver")
    if not program or not driver:
        yield None
        return
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = program
    for flag in (*FLAGS, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    started = webdriver.Chrome(options=options, service=Service(driver))
    try:
        yield started
    finally:
        started.quit()


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Headless Chromium."""
    with chromium(tmp_path_factory.mktemp("profile")) as started:
        if started is None:
            pytest.skip("no Chromium with its driver here (Debian: apt-get install chromium chromium-driver)")
        yield started


def wait(browser: Any, condition: str, seconds: float = 60) -> Any:
    """The value of a JavaScript expression as soon as it is true."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = browser.execute_script(f"return {condition}")
        if value:
            return value
        time.sleep(0.1)
    raise AssertionError(f"still not true after {seconds} s: {condition}")


def drawn_count(page: Any) -> int:
    return int(page.execute_script("return Number(document.body.dataset.drawn)"))


def colours_of(page: Any, name: str, least: int = 1000) -> set[str]:
    """The colours of more than `least` pixels of a map, like "#0072B2", from a picture of it."""
    import io

    import numpy as np
    from PIL import Image

    element = page.find_element("id", name)
    # A map is painted when it comes into view, by the browser's next frame. What stands above may grow meanwhile.
    scrolled = f"document.getElementById({name!r}).scrollIntoView({{block: 'center', behavior: 'instant'}})"
    wait(page, f"({scrolled}, plots[{name!r}]?.seen !== false)")
    wait(page, f"!(plots[{name!r}] ?? scenes[{name!r}])?.waiting")
    time.sleep(0.3)
    pixels = np.asarray(Image.open(io.BytesIO(element.screenshot_as_png)).convert("RGB"))[40:-10]
    colours, counts = np.unique(pixels.reshape(-1, 3), axis=0, return_counts=True)
    return {"#{:02X}{:02X}{:02X}".format(*colour) for colour in colours[counts > least]}


def hover(page: Any, name: str, x: float, y: float) -> None:
    """Move the pointer to map coordinates."""
    from selenium.webdriver import ActionChains

    element = page.find_element("id", name)
    page.execute_script("arguments[0].scrollIntoView({block: 'center', behavior: 'instant'})", element)
    left, top, width, height = page.execute_script(
        "const plot = plots[arguments[0]];"
        "return [...plot.toScreen(arguments[1], arguments[2]), plot.div.clientWidth, plot.div.clientHeight]",
        name,
        x,
        y,
    )
    move = ActionChains(page)
    move.move_to_element_with_offset(element, round(left - width / 2) + 3, round(top - height / 2)).perform()
    move.move_to_element_with_offset(element, round(left - width / 2), round(top - height / 2)).perform()


def find_feature(page: Any, text: str) -> None:
    """Type into the search of features and leave the field."""
    from selenium.webdriver.common.keys import Keys

    before = drawn_count(page)
    page.find_element("id", "feature-search").send_keys(Keys.CONTROL, "a")
    page.find_element("id", "feature-search").send_keys(text, Keys.TAB)
    wait(page, f"Number(document.body.dataset.drawn) > {before}")


def choose(page: Any, name: str, position: int) -> None:
    from selenium.webdriver.support.ui import Select

    before = drawn_count(page)
    Select(page.find_element("id", name)).select_by_index(position)
    wait(page, f"Number(document.body.dataset.drawn) > {before}")
