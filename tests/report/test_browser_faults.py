"""What readers of a report need besides the maps: true legends, search, paper, keys, files, a dark screen."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from selenium.webdriver.common.keys import Keys

from spatialweave.domains.palette import PLAIN, stripes
from spatialweave.report.dataset import write_dataset_report
from spatialweave.report.dataset_results import DatasetSources

from .browser import colours_of, find_feature, wait

N_DOMAINS = 13


@pytest.fixture(scope="module")
def report(make_dataset: Callable[..., DatasetSources], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Thirteen domains, two seeds of two methods, an image and a known scale."""
    target = tmp_path_factory.mktemp("report") / "report.html"
    write_dataset_report(make_dataset(rows=24, columns=24, n_domains=N_DOMAINS, image=True, layout="cells"), target)
    return target


def media(page: Any, **features: str) -> None:
    kind = features.pop("media", "")
    values = [{"name": name.replace("_", "-"), "value": value} for name, value in features.items()]
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": kind, "features": values})


def hide_first_domain(page: Any) -> int:
    """Click the first domain of the legend; the number of its spots."""
    chip = page.find_elements("css selector", "#map-legend .chip[aria-pressed]")[0]
    count = int(chip.find_element("css selector", "small").get_attribute("textContent"))
    chip.send_keys(Keys.ENTER)
    wait(page, "document.querySelectorAll('#map-legend .chip[aria-pressed=false]').length")
    # The next key acts on the same domain.
    assert page.execute_script("return document.activeElement.getAttribute('aria-pressed')") == "false"
    return count


def test_a_hidden_domain_is_hidden_on_its_own_map_only(page: Any) -> None:
    everything = "return ['compare', 'feature', 'extra'].map((name) => plots[name].shown.rows.length)"
    count = hide_first_domain(page)
    assert page.execute_script("return plots.map.shown.rows.length") == 576 - count
    assert page.execute_script(everything) == [576] * 3
    note = page.find_element("id", "hidden-note")
    assert "Hidden on their own map" in note.text
    page.execute_script("document.getElementById('hide-everywhere').click()")
    wait(page, f"plots.extra.shown.rows.length === {576 - count}")
    assert page.execute_script(everything) == [576 - count] * 3
    assert "Hidden on every map" in note.text
    page.execute_script("document.querySelector('#map-legend .chip').click()")
    wait(page, "document.getElementById('hidden-note').hidden")
    assert page.execute_script(everything) == [576] * 3


def test_every_feature_can_be_found_by_a_part_of_its_name(page: Any) -> None:
    assert page.execute_script("return DATA.features.length") == 40 + 12
    assert (
        "40 of 40 features of RNA, 12 of 12 features of protein (ADT) can be found"
        in page.find_element("id", "maps").text
    )
    find_feature(page, "ADT11")
    assert page.find_element("id", "feature-title").text == "adt11 (adt)"
    page.find_element("id", "feature-search").send_keys("no such")
    assert wait(page, "document.getElementById('feature-note').textContent.includes('No feature')")
    assert page.find_element("id", "feature-title").text == "adt11 (adt)"


def test_another_feature_draws_its_own_map_only(page: Any) -> None:
    painted = "return ['map', 'compare', 'umap'].map((name) => plots[name].canvas.dataset.painted)"
    wait(page, "plots.map.canvas.dataset.painted")
    time.sleep(0.5)
    before = page.execute_script(painted)
    page.execute_script("state.feature = 7; drawFeature()")
    time.sleep(0.5)
    assert page.execute_script(painted) == before


def test_classes_beyond_the_safe_colours_have_stripes_and_all_have_names(page: Any) -> None:
    looks = page.execute_script("return classLooks(DATA.runs[DATA.best].domains)")[:N_DOMAINS]
    assert sum(look["stripe"] is not None for look in looks) == N_DOMAINS - PLAIN
    # On the map and in the legend.
    assert {look["stripe"].upper() for look in looks if look["stripe"]} <= colours_of(page, "map", 200)
    chips = page.execute_script(
        "return [...document.querySelectorAll('#map-legend .chip span:first-child')].map((s) => s.style.background)"
    )
    assert sum("gradient" in chip for chip in chips) == N_DOMAINS - PLAIN
    names = page.execute_script("return plots.map.names")
    assert sorted(int(name["text"]) for name in names) == list(range(1, N_DOMAINS + 1))
    # Each name is on a spot of its class.
    for name in names:
        code = page.execute_script(
            "return plots.map.shown.codes[plots.map.pick(...plots.map.toScreen(arguments[0], arguments[1]), 30)]",
            name["x"],
            name["y"],
        )
        assert code == name["code"]


@pytest.mark.parametrize("size", [4, 40])
@pytest.mark.parametrize(("index", "lean"), [(8, 1), (30, -1)])
def test_stripes_have_two_directions_whatever_the_size_of_the_spots(
    page: Any, size: int, index: int, lean: int
) -> None:
    values = page.execute_script(
        """
      const [size, stripes] = arguments, side = 40 / size;
      const canvas = element('canvas', {width: 40, height: 40}), pen = canvas.getContext('2d');
      const looks = classLooks({colours: ['#0072b2'], stripes: [stripes]});
      const rows = Uint32Array.from({length: side * side}, (_, k) => k);
      const x = [...rows].map((k) => k % side + 0.5), y = [...rows].map((k) => Math.floor(k / side) + 0.5);
      const spots = {x, y, rows, codes: x.map(() => 0), looks, spacing: 1, shape: 'square'};
      paintSpots(pen, spots, {left: 0, top: 0, scale: size});
      return [...pen.getImageData(0, 0, 40, 40).data].filter((_, at) => at % 4 === 0);
    """,
        size,
        stripes(index),
    )
    red = np.array(values).reshape(40, 40)
    assert set(np.unique(red)) == {0, 255}
    # Stripes go on in the row below, one pixel to the left if they rise, else to the right.
    assert (np.roll(red, (1, -lean), (0, 1))[1:, 1:-1] == red[1:, 1:-1]).all()
    pattern = "return stripePattern('', '#fff', arguments[0]).getAttribute('patternTransform')"
    assert page.execute_script(pattern, lean) == f"rotate({45 * lean})"


def test_passports_have_the_colours_and_stripes_of_the_map(page: Any) -> None:
    pairs = page.execute_script("""
      const { domains } = DATA.runs[DATA.best], looks = classLooks(domains);
      const style = (node) => getComputedStyle(node).backgroundColor + getComputedStyle(node).backgroundImage;
      return passports.all.map((article) => {
        const look = looks[domains.names.indexOf(article.dataset.domain)];
        const drawn = element('span', { style: swatchStyle(look) });
        document.body.append(drawn);
        return [style(article.querySelector('h3 .swatch')), style(drawn)];
      });
    """)
    assert len(pairs) == N_DOMAINS and all(own == drawn for own, drawn in pairs)


@pytest.mark.parametrize(("shape", "corner"), [("cells", False), ("hexagonal", False), ("square", True)])
def test_spots_have_one_shape_whatever_their_size(page: Any, shape: str, corner: bool) -> None:
    script = """
      const canvas = element('canvas', {width: 40, height: 40}), pen = canvas.getContext('2d');
      const looks = [{colour: '#ff0000', stripe: null}];
      const spot = {x: [20], y: [20], rows: Uint32Array.of(0), codes: [0], looks};
      paintSpots(pen, {...spot, spacing: 1, shape: arguments[0]}, {left: 0, top: 0, scale: arguments[1]});
      return [...pen.getImageData(0, 0, 40, 40).data].filter((_, at) => at % 4 === 3);
    """
    for size in (4, 5.5, 8, 20):
        drawn = script.replace("20", str(20.5 / size))
        alpha = np.array(page.execute_script(drawn, shape, size)).reshape(40, 40) > 128
        rows, columns = np.flatnonzero(alpha.any(axis=1)), np.flatnonzero(alpha.any(axis=0))
        assert alpha[rows[0], columns[0]] == corner, size


def test_denoised_maps_say_of_which_run_they_are(page: Any) -> None:
    assert "seed 1" in page.find_element("id", "denoised-title").text
    second = page.execute_script("return DATA.runs.findIndex((run) => run.method === 'smart' && run.seed === 2)")
    page.execute_script("state.run = arguments[0]; draw()", second)
    wait(page, "!document.getElementById('per-spot-none').hidden")
    text = page.find_element("id", "per-spot-none").text
    assert "Nothing is drawn for SMART" in text and "seed 2" in text
    assert text.endswith("Runs drawn: SMART · seed 1.")


def test_on_paper_nothing_lies_on_anything(page: Any) -> None:
    page.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride", {"width": 720, "height": 1000, "deviceScaleFactor": 1, "mobile": False}
    )
    media(page, media="print", prefers_color_scheme="dark")
    time.sleep(0.3)
    apart = page.execute_script("""
      return [...document.querySelectorAll('.panel')].filter((panel) => panel.offsetParent).map((panel) => {
        const boxes = [...panel.querySelectorAll('h4, .read, canvas, .legend, .scale, .keys')]
          .map((node) => node.getBoundingClientRect()).filter((box) => box.height);
        return boxes.every((box, at) => at === 0 || box.top >= boxes[at - 1].bottom - 1)
          && boxes.every((box) => box.right <= panel.getBoundingClientRect().right + 1);
      });
    """)
    assert len(apart) >= 6 and all(apart)
    # No table is wider than the paper.
    page.execute_script("document.querySelectorAll('details').forEach((one) => { one.open = true; }); paperTables()")
    right = page.execute_script(
        "return [...document.querySelectorAll('table')].map((one) => one.getBoundingClientRect().right)"
    )
    assert len(right) > 10 and max(right) <= 720
    page.execute_script("screenTables()")
    # White, also where the screen is dark.
    assert page.execute_script("return getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.execute_script("return getComputedStyle(document.body).color") == "rgb(27, 36, 48)"
    media(page)
    page.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


@pytest.mark.parametrize("width", [1280, 1440])
def test_tables_are_whole_or_say_that_they_go_on_and_break_no_word(page: Any, width: int) -> None:
    page.set_window_size(width, 1000)
    page.execute_script("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    assert page.execute_script("return document.documentElement.scrollWidth <= window.innerWidth")
    silent = page.execute_script("""
      const cut = (table) => table.scrollWidth > table.parentElement.clientWidth + 1;
      const cue = (table) => getComputedStyle(table.parentElement).backgroundImage.includes('radial-gradient');
      return [...document.querySelectorAll('table')].filter((table) => cut(table) && !cue(table)).length;
    """)
    assert silent == 0
    broken = page.execute_script("""
      const found = [];
      for (const cell of document.querySelectorAll('th, td')) {
        const texts = document.createTreeWalker(cell, NodeFilter.SHOW_TEXT);
        while (texts.nextNode()) {
          for (const match of texts.currentNode.data.matchAll(/[\\p{L}\\d.]+/gu)) {
            const range = document.createRange();
            range.setStart(texts.currentNode, match.index);
            range.setEnd(texts.currentNode, match.index + match[0].length);
            if (new Set([...range.getClientRects()].map((box) => box.top)).size > 1) found.push(match[0]);
          }
        }
      }
      return found;
    """)
    assert broken == []


def test_text_can_be_read_on_light_and_dark(page: Any) -> None:
    for scheme in ("light", "dark"):
        media(page, prefers_color_scheme=scheme)
        worst = page.execute_script("""
          const light = (text) => {
            const [r, g, b] = text.match(/[\\d.]+/g).map(Number)
              .map((v) => (v / 255 <= 0.04045 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4));
            return 0.2126 * r + 0.7152 * g + 0.0722 * b;
          };
          const behind = (node) => {
            for (let one = node; one; one = one.parentElement) {
              const colour = getComputedStyle(one).backgroundColor;
              if (!colour.endsWith(', 0)')) return colour;
            }
            return 'rgb(255, 255, 255)';
          };
          const nodes = document.querySelectorAll(
            'h1, h2, h3, h4, p, a, td, th, dt, dd, small, select, button, label, caption');
          return Math.min(...[...nodes].filter((node) => node.offsetParent && node.textContent.trim()).map((node) => {
            const [a, b] = [light(getComputedStyle(node).color), light(behind(node))];
            return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
          }));
        """)
        # WCAG 2.1, level AA, for text of usual size.
        assert worst >= 4.5, scheme
    media(page)


def test_by_the_keyboard_every_table_can_be_scrolled_and_metrics_are_explained(page: Any) -> None:
    reached = page.execute_script("""
      return [...document.querySelectorAll('.scroll')].map(
        (box) => box.tabIndex === 0 && box.getAttribute('role') === 'region' && box.hasAttribute('aria-label'));
    """)
    assert len(reached) > 10 and all(reached)
    metrics = page.find_elements("css selector", "#metrics-table abbr")
    meanings = page.find_element("css selector", "#metrics details").get_attribute("textContent")
    assert len(metrics) > 3 and all(one.get_attribute("title") in meanings for one in metrics)


def test_maps_obey_the_keyboard_and_speak(page: Any) -> None:
    canvas = page.find_element("css selector", "#map canvas")
    assert canvas.get_attribute("role") == "img"
    assert "Map of 13 classes" in canvas.get_attribute("aria-label")
    canvas.send_keys("+")
    assert page.execute_script("return plots.map.camera.zoom") == pytest.approx(1.5)
    x = page.execute_script("return plots.map.camera.x")
    canvas.send_keys(Keys.ARROW_RIGHT)
    assert page.execute_script("return plots.map.camera.x") > x
    canvas.send_keys(Keys.ENTER)
    assert "domain" in wait(page, "!document.querySelector('.tip').hidden && document.querySelector('.tip').innerText")
    assert page.execute_script("return document.querySelector('.tip').getAttribute('role')") == "status"
    canvas.send_keys("0")
    assert page.execute_script("return plots.map.camera.zoom") == 1


def test_a_panel_is_saved_with_its_title_legend_and_scale_bar(page: Any, tmp_path: Path) -> None:
    page.execute_cdp_cmd("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(tmp_path)})
    for kind in ("SVG", "PNG"):
        page.execute_script(f"document.querySelector('#map .tools button[title*=\"as {kind}\"]').click()")
    found: dict[str, Path] = {}
    end = time.monotonic() + 30
    while not {".svg", ".png"} <= set(found) and time.monotonic() < end:
        time.sleep(0.1)
        found = {path.suffix: path for path in tmp_path.iterdir()}
    source = found[".svg"].read_text()
    assert "SMART · seed 1" in source and " µm" in source and "spots)" in source
    assert source.count("<image") == 1 and "data:image/jpeg" in source
    picture = Image.open(found[".png"]).convert("RGB")
    assert picture.width == 3 * 640
    seen = {tuple(pixel) for pixel in np.asarray(picture).reshape(-1, 3)}
    assert (0, 0x72, 0xB2) in seen
    assert page.get_log("browser") == []
