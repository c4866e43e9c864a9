"""Passports of domains in a real browser: every way in and out, the keyboard, maps, and paper."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver import ActionChains
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select

from spatialweave.report.dataset import write_dataset_report
from spatialweave.report.dataset_results import DatasetSources

from ..passport.made import write_cohort
from .browser import EVIL, colours_of, wait
from .characterised_files import write_characterised

OPEN = "document.getElementById('passports').open"
SHOWN = "document.getElementById('passports').dataset.shown"


@pytest.fixture(scope="module")
def report(make_dataset: Callable[..., DatasetSources], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of a dataset with passports of two runs, whose every name tries to be a script."""
    target = tmp_path_factory.mktemp("report") / "report.html"
    sources = make_dataset(prefix=EVIL, labels=False, n_domains=3, methods=("smart", "other"), seeds=(1,))
    assert sources.files is not None
    write_characterised(sources.files, name=EVIL)
    table = sources.files / "markers.csv"
    # The first marker is one of the features with a map.
    table.write_text(table.read_text().replace(",a1,", ',"' + EVIL.replace('"', '""') + 'rna1",'))
    write_cohort(sources.files)
    write_dataset_report(sources, target)
    return target


@pytest.fixture
def closed(page: Any, report: Path) -> Iterator[Any]:
    """The page without an open passport."""
    page.get("about:blank")
    page.get(report.as_uri())
    wait(page, "document.body.dataset.drawn")
    assert not page.execute_script(f"return {OPEN}")
    yield page
    assert page.get_log("browser") == []
    assert page.execute_script("return performance.getEntriesByType('resource').length") == 0
    assert page.execute_script("return window.hacked === undefined")


def fragment(page: Any) -> str:
    return str(page.execute_script("return decodeURIComponent(location.hash)"))


def test_by_its_address_and_closed_by_escape(page: Any, report: Path) -> None:
    page.get("about:blank")
    page.get(report.as_uri() + "#domain-3")
    wait(page, f"{SHOWN} === 'domain-3'")
    article = page.find_element("id", "domain-3")
    assert article.is_displayed() and not page.find_element("id", "domain-1").is_displayed()
    assert "Domain 3" in article.text and "What marks it, in each modality" in article.text
    ActionChains(page).send_keys(Keys.ESCAPE).perform()
    wait(page, f"!{OPEN} && location.hash === ''")
    # A foreign address opens nothing, neither one that is not valid, also where the page starts.
    page.execute_script("location.hash = '#domain-99'")
    assert not page.execute_script(f"return {OPEN}")
    page.get("about:blank")
    page.get(report.as_uri() + "#100%")
    wait(page, "document.body.dataset.drawn")
    assert not page.execute_script(f"return {OPEN}")
    assert page.get_log("browser") == []


def test_by_the_legend_by_the_keyboard_and_back(closed: Any) -> None:
    scrolled = "Math.round(window.scrollY)"
    link = closed.find_elements("css selector", "#map-legend a.chip")[1]
    assert link.get_attribute("title") == "Passport of domain 2"
    closed.execute_script("arguments[0].scrollIntoView({block: 'center', behavior: 'instant'})", link)
    before = closed.execute_script(f"return {scrolled}")
    link.send_keys(Keys.ENTER)
    wait(closed, f"{SHOWN} === 'domain-2'")
    ActionChains(closed).send_keys(Keys.ARROW_RIGHT).perform()
    wait(closed, f"{SHOWN} === 'domain-3'")
    ActionChains(closed).send_keys(Keys.ARROW_RIGHT).perform()
    # After the last one the first.
    wait(closed, f"{SHOWN} === 'domain-1'")
    ActionChains(closed).send_keys(Keys.ARROW_LEFT).perform()
    wait(closed, f"{SHOWN} === 'domain-3'")
    assert closed.find_element("id", "passport-position").text == "Domain 3 of 3"
    closed.back()
    wait(closed, f"{SHOWN} === 'domain-1'")
    closed.find_element("id", "passport-close").click()
    wait(closed, f"!{OPEN}")
    # The page is where it was, and hiding a domain still works.
    assert closed.execute_script(f"return {scrolled}") == before
    closed.execute_script("document.querySelector('#map-legend .chip[aria-pressed]').click()")
    assert (
        closed.execute_script("return document.querySelectorAll('#map-legend .chip[aria-pressed=false]').length") == 1
    )


def click_spot(page: Any, name: str, row: int) -> None:
    canvas = page.find_element("css selector", f"#{name} canvas")
    page.execute_script("arguments[0].scrollIntoView({block: 'center', behavior: 'instant'})", canvas)
    left, top, width, height = page.execute_script(
        "const p = plots[arguments[0]], row = arguments[1];"
        "return [...p.toScreen(p.shown.x[row], p.shown.y[row]), p.div.clientWidth, p.div.clientHeight]",
        name,
        row,
    )
    move = ActionChains(page).move_to_element_with_offset(
        canvas, round(left - width / 2) + 1, round(top - height / 2) + 1
    )
    move.click().perform()


def test_by_a_click_on_the_map_but_not_by_two(closed: Any) -> None:
    domain = closed.execute_script("return DATA.runs[DATA.best].domains.names[current.codes.main[70]]")
    # As a browser sends them, without the time that a busy machine may take between the two.
    closed.execute_script("""
      const [left, top] = plots.map.toScreen(current.x[70], current.y[70]), { canvas } = plots.map;
      const box = canvas.getBoundingClientRect(), at = { clientX: box.left + left, clientY: box.top + top };
      for (const detail of [1, 2]) canvas.dispatchEvent(new MouseEvent("click", { ...at, detail }));
    """)
    closed.execute_script("return new Promise((done) => setTimeout(done, 600))")
    assert not closed.execute_script(f"return {OPEN}")
    click_spot(closed, "map", 70)
    wait(closed, f"{SHOWN} === 'domain-{domain}'")
    # On the map of the passport a click turns to the other domain's.
    row, other = closed.execute_script(
        "const { names } = DATA.runs[DATA.best].domains, own = arguments[0];"
        "const row = current.codes.main.findIndex((code) => names[code] !== own);"
        "return [row, names[current.codes.main[row]]]",
        domain,
    )
    click_spot(closed, "passport-where", row)
    wait(closed, f"{SHOWN} === 'domain-{other}'")


def test_its_maps_show_the_domain_and_its_marker(closed: Any) -> None:
    closed.execute_script("location.hash = '#domain-1'")
    wait(closed, f"{SHOWN} === 'domain-1'")
    run = "DATA.runs.find((run) => run.method === 'smart')"
    first = closed.execute_script("return document.getElementById('domain-1').dataset.run")
    assert first in {"smart.seed1", "other.seed1"}
    run = f"runOf('{first}')"
    inside = closed.execute_script(f"const {{ domains }} = {run}; return domains.counts[domains.names.indexOf('1')]")
    codes = closed.execute_script("return [...plots['passport-where'].shown.codes]")
    assert codes.count(0) == inside and codes.count(1) == 144 - inside
    colour = closed.execute_script(f"const {{ domains }} = {run}; return domains.colours[domains.names.indexOf('1')]")
    assert {colour, closed.execute_script("return DATA.unknown")} <= colours_of(closed, "passport-where", 300)


def test_another_run_and_its_markers(closed: Any) -> None:
    closed.execute_script("location.hash = '#domain-1'")
    wait(closed, f"{SHOWN} === 'domain-1'")
    Select(closed.find_element("id", "passport-run")).select_by_index(1)
    wait(closed, f"{SHOWN}.endsWith('.seed1/domain-1')")
    if closed.execute_script("return document.querySelector('.passport.open').dataset.run") != "smart.seed1":
        closed.execute_script("location.hash = '#domain-1'")
        wait(closed, f"{SHOWN} === 'domain-1'")
    article = closed.find_element("css selector", ".passport.open")
    assert f"Domain 1: {EVIL}" in article.text
    button = article.find_element("css selector", "button.to-map")
    assert button.text == f"{EVIL}rna1" and button.get_attribute("aria-pressed") == "true"
    assert closed.find_element("id", "passport-marker-title").text == f"Marker: {EVIL}rna1 (rna)"
    measured = closed.execute_script("return DATA.features.findIndex(({ name }) => name.endsWith('rna1'))")
    assert str(measured) == button.get_attribute("data-index")
    # Of a feature without a map there is no button.
    assert "a2" in article.text and len(article.find_elements("css selector", "button.to-map")) == 1


def test_on_paper_at_once(page: Any, report: Path) -> None:
    """As a program prints that does not wait until the page is idle."""
    page.get("about:blank")
    # With an idle time that never comes.
    script = page.execute_cdp_cmd(
        "Page.addScriptToEvaluateOnNewDocument", {"source": "window.requestIdleCallback = () => {};"}
    )
    page.get(report.as_uri())
    wait(page, "document.body.dataset.drawn")
    page.execute_script("paperPassports()")
    assert page.execute_script("return document.querySelectorAll('.on-paper .paper-map').length") == 3
    page.execute_script("screenPassports()")
    page.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", script)


def pages_on_paper(page: Any) -> int:
    pdf = page.execute_cdp_cmd("Page.printToPDF", {"printBackground": True, "preferCSSPageSize": True})
    return len(re.findall(rb"/Type\s*/Page\b(?!s)", base64.b64decode(pdf["data"])))


def test_on_paper_an_open_passport_is_alone(closed: Any) -> None:
    all_pages = pages_on_paper(closed)
    assert not closed.execute_script(f"return {OPEN}")
    closed.execute_script("location.hash = '#domain-2'")
    wait(closed, f"{SHOWN} === 'domain-2'")
    assert pages_on_paper(closed) <= 2 < all_pages
    # Afterwards the screen is as before.
    wait(closed, OPEN)
    assert fragment(closed) == "#domain-2"
    assert closed.execute_script("return document.querySelectorAll('.paper-map, .on-paper').length") == 0
    assert closed.execute_script("return document.body.className") == ""


def test_on_paper_each_passport_begins_a_page_and_has_its_map(closed: Any) -> None:
    wait(closed, "passports.codes.size === 2")
    closed.execute_script("paperPassports()")
    closed.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    found = closed.execute_script("""
      return [...document.querySelectorAll('.passport.on-paper')].map((one) => [
        one.id, one.querySelectorAll('.paper-map').length, one.offsetHeight > 300, getComputedStyle(one).breakBefore,
      ]);
    """)
    assert found == [[f"domain-{number}", 1, True, "page"] for number in (1, 2, 3)]
    # The spots of the domain in its colour and all others grey, as many pixels as they are spots.
    shares = closed.execute_script("""
      const canvas = document.querySelector('.paper-map');
      const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
      const counts = {};
      for (let at = 0; at < data.length; at += 4) {
        const colour = hex([...data.slice(at, at + 3)]).toUpperCase();
        if (data[at + 3] === 255) counts[colour] = (counts[colour] ?? 0) + 1;
      }
      return counts;
    """)
    domains = closed.execute_script("return runOf(document.getElementById('domain-1').dataset.run).domains")
    code = domains["names"].index("1")
    inside, outside = shares[domains["colours"][code]], shares[closed.execute_script("return DATA.unknown")]
    assert inside / (inside + outside) == pytest.approx(domains["counts"][code] / 144, abs=0.01)
    closed.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
    closed.execute_script("screenPassports()")
    assert not closed.execute_script(f"return {OPEN}")


@pytest.mark.parametrize("width", [1280, 1440])
def test_nothing_is_cut_off(closed: Any, width: int) -> None:
    closed.set_window_size(width, 1000)
    closed.execute_script("location.hash = '#domain-1'")
    wait(closed, f"{SHOWN} === 'domain-1'")
    dialog = "document.getElementById('passports')"
    assert closed.execute_script(f"return {dialog}.scrollWidth <= {dialog}.clientWidth")
    boxes = "[...document.querySelectorAll('.passport.open .scroll')].filter((box) => !box.closest('details'))"
    assert closed.execute_script(f"return {boxes}.every((box) => box.scrollWidth <= box.clientWidth + 1)")
