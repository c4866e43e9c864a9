"""What a report says beside its maps, which depends on what they show, in a real browser."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from spatialweave.report.dataset import write_dataset_report
from spatialweave.report.dataset_results import DatasetSources

from .browser import choose, drawn_count, wait
from .test_consensus import METHODS, woven

SAMPLE = 100


@pytest.fixture(scope="module")
def report(make_dataset: Callable[..., DatasetSources], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A consensus beside its runs, without labels, and UMAPs of a sample."""
    target = tmp_path_factory.mktemp("report") / "report.html"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("spatialweave.results.projection.MAX_SPOTS", SAMPLE)
        write_dataset_report(woven(make_dataset(methods=METHODS, labels=False), METHODS[:3]), target)
    return target


def counts_in_picture(page: Any, name: str) -> list[int]:
    """The numbers of spots in the legend of a saved picture."""
    text = page.execute_script(f"return panelPicture(plots.{name}).textContent")
    return [int(count) for count in re.findall(r"\((\d+) spots\)", text)]


def test_a_sample_on_the_umap_says_so_and_its_legend_counts_it(page: Any) -> None:
    assert f"A random {SAMPLE} of 144 spots." in page.find_element("id", "umap").find_element("xpath", "..").text
    drawn = page.execute_script("return [...plots.umap.shown.rows].map((row) => current.codes.main[row])")
    assert len(drawn) == SAMPLE
    assert counts_in_picture(page, "umap") == [drawn.count(code) for code in range(4)]
    assert sum(counts_in_picture(page, "map")) == 144
    # A hidden domain is not in the legend.
    page.execute_script("state.hidden.main.add(0); drawUmap()")
    assert counts_in_picture(page, "umap") == [drawn.count(code) for code in range(1, 4)]
    page.execute_script("state.hidden.main.clear(); drawUmap()")
    assert page.get_log("browser") == []


def caption(page: Any, name: str) -> str:
    """The text above a map."""
    return str(
        page.execute_script(f"return document.querySelector('#{name}').parentElement.querySelector('.read').innerText")
    )


def choose_run(page: Any, method: str) -> None:
    """Show the first run of a method."""
    runs = page.execute_script("return DATA.runs.map(({ method }) => method)")
    choose(page, "run-select", runs.index(method))


def test_each_comparison_has_its_own_caption(page: Any) -> None:
    assert page.find_element("id", "compare-title").text.startswith("Confidence of weave")
    assert caption(page, "compare").startswith("Bright spots: the runs agree")
    choose(page, "compare-select", 0)
    assert caption(page, "compare").startswith("For comparison with the map beside")
    names = page.execute_script("return [...byId('compare-select').options].map(({ value }) => value)")
    before = drawn_count(page)
    page.execute_script(
        "DATA.pseudotime = {...DATA.runs[DATA.best].perSpot.extras[0], name: 'Time'};"
        "state.compare = 'pseudotime'; draw()"
    )
    wait(page, f"Number(document.body.dataset.drawn) > {before}")
    assert caption(page, "compare").startswith("The darkest spots are in the domain where it begins")
    choose(page, "compare-select", names.index("confidence"))
    assert caption(page, "compare").startswith("Bright spots: the runs agree")


def test_passports_are_offered_on_the_map_of_a_run_that_has_them(page: Any) -> None:
    assert caption(page, "map").endswith("Click a spot to open its passport.")
    choose_run(page, "smart")
    assert caption(page, "map").endswith("lie together.")
    choose_run(page, "weave")
    assert caption(page, "map").endswith("Click a spot to open its passport.")


def test_numbers_on_the_umap_have_a_scale(page: Any) -> None:
    assert not page.find_element("id", "umap-scale").is_displayed()
    choose(page, "colour-select", 1)
    assert page.find_element("id", "umap-scale").text.split("\n") == ["0", "1", "mean support of the runs, 0 to 1"]
    choose(page, "colour-select", 0)
    assert not page.find_element("id", "umap-scale").is_displayed()


def test_columns_of_the_consensus_have_their_own_meaning(page: Any) -> None:
    """As in docs/consensus.md."""
    found = {}
    for index in (1, 2, 0):
        choose(page, "extra-select", index)
        name = page.find_element("id", "extra-select").get_attribute("value")
        found[name] = page.find_element("id", "extra-unit").text
    assert found == {
        "Confidence": "mean support of the runs, 0 to 1",
        "Agreement": "fraction of the runs that place the spot in its domain, 0 to 1",
        "Entropy": "entropy of the support for all domains, 0 (one domain) to 1 (equal support)",
    }


def test_the_note_on_per_spot_outputs_is_about_those_of_the_run(page: Any) -> None:
    sentences = {"Weights are": False, "Clusters are": False, "Denoised features": False, "percentile": False}
    text = page.find_element("id", "per-spot-note").text
    assert {part: part in text for part in sentences} == sentences and "Columns of one table" in text
    choose_run(page, "smart")
    text = page.find_element("id", "per-spot-note").text
    assert all(part in text for part in sentences)
    choose_run(page, "weave")


def test_saved_pictures_hold_all_of_their_title_and_scale(page: Any) -> None:
    title = "A feature with a name as long as that of a linked enhancer chr12:123456789-123457289 " + "x" * 120
    inside, texts, height = page.execute_script(
        """
      const plot = plots.extra, { title, legend } = plot;
      Object.assign(plot, { title: arguments[0], legend: { scale: { ...legend.scale, unit: arguments[0] } } });
      const picture = panelPicture(plot);
      Object.assign(plot, { title, legend });
      document.body.append(picture);
      const texts = [...picture.querySelectorAll('text')];
      const boxes = texts.map((text) => text.getBBox());
      const found = [boxes.every(({ x, width }) => x >= 0 && x + width <= 640), texts.map((text) => text.textContent)];
      picture.remove();
      return [...found, Number(picture.getAttribute('height')) - boxes.at(-1).y];
    """,
        title,
    )
    # Once as the title, once as the unit of the scale.
    assert inside and "".join(texts).replace(" ", "").count(title.replace(" ", "")) == 2 and height > 0


@pytest.mark.parametrize(
    ("recipe", "shown"),
    [({"methods": ("pca_smooth",), "seeds": (1,), "labels": False}, False), ({"methods": ()}, True)],
    ids=["one run", "labels only"],
)
def test_a_comparison_needs_something_to_compare_with(
    browser: Any, make_dataset: Callable[..., DatasetSources], tmp_path: Path, recipe: dict[str, Any], shown: bool
) -> None:
    write_dataset_report(make_dataset(**recipe), tmp_path / "report.html")
    browser.get((tmp_path / "report.html").as_uri())
    wait(browser, "document.body.dataset.drawn")
    for name in ("compare-panel", "compare-select"):
        assert browser.find_element("id", name).is_displayed() == shown
    if shown:
        assert caption(browser, "compare") == "Each spot in the colour of its label."
    else:
        assert "beside" not in browser.find_element("id", "maps").text
    assert browser.get_log("browser") == []
