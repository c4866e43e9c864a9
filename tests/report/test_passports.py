"""Passports in the report of a dataset: charts in pixels by hand, what the page says, and what it leaves out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from spatialweave.report.dataset_results import DatasetSources
from spatialweave.report.passport_charts import (
    BARS_HEIGHT,
    BARS_LEFT,
    DOTS_LEFT,
    RIGHT,
    ROW,
    TOP,
    WIDTH,
    distribution,
    dots,
)

from ..passport.made import write_cohort
from .characterised_files import write_characterised
from .page import Page, dataset_page


def test_bars_by_hand() -> None:
    plot = distribution("label", "title", [0, 5, 0, 15])
    # Up to 75%, so that the axis ends at 80%.
    assert [label for _, label in plot.y_ticks] == ["0%", "20%", "40%", "60%", "80%"]
    assert [bar.height for bar in plot.bars] == [0, round(BARS_HEIGHT * 25 / 80, 1), 0, round(BARS_HEIGHT * 75 / 80, 1)]
    step = (WIDTH - BARS_LEFT - RIGHT) / 4
    assert [bar.x for bar in plot.bars] == [round(BARS_LEFT + step * k + 1, 1) for k in range(4)]
    assert all(bar.y + bar.height == pytest.approx(plot.base) for bar in plot.bars)
    assert plot.bars[1].text == "0.2 to 0.5: 5 spots, 25.0%"


def test_dots_by_hand() -> None:
    plot = dots("label", "title", [("a", [0.0, 1.0], "two", True), ("b", [0.5], "one", False)], (0.0, 1.0), 0.5)
    left, right = DOTS_LEFT, WIDTH - RIGHT
    assert plot.rows[0].dots == [left, right] and plot.rows[1].dots == [(left + right) / 2] == [plot.line]
    assert [row.y for row in plot.rows] == [TOP + ROW / 2, TOP + 1.5 * ROW]
    # Without ends, from 0 to what holds all.
    assert dots("label", "title", [("a", [30.0], "", False)]).ticks[0][1] == "0"


def articles(page: Page) -> list[dict[str, str]]:
    return [attrs for tag, attrs in page.tags if tag == "article"]


@pytest.fixture
def with_everything(make_dataset: Callable[..., DatasetSources]) -> DatasetSources:
    sources = make_dataset(n_domains=3, labels=False, sections=("left", "right"))
    assert sources.files is not None
    write_characterised(sources.files, name="<script>cortex</script>", sections=("left", "right"))
    write_cohort(sources.files)
    (sources.files / "cohort.html").touch()
    return sources


@pytest.mark.usefixtures("fast_umap")
def test_a_passport_per_domain(with_everything: DatasetSources, tmp_path: Path) -> None:
    page = dataset_page(with_everything, tmp_path)
    assert [own["id"] for own in articles(page)] == ["domain-1", "domain-2", "domain-3"]
    assert {own["data-run"] for own in articles(page)} == {"smart.seed1"}
    assert articles(page)[0]["data-label"] == "1: <script>cortex</script>"
    assert not any("cortex" in script for script in page.scripts)
    text = " ".join(page.text.split())
    for words in (
        "Domain 1: <script>cortex</script>",
        "of SMART, seed 1",
        "% of its spots the agreement is 0.5 or more.",
        "Both methods see it.",
        "RNA: 4 markers",
        "treated (3 donors) against control (4): the abundance differs: log2 ratio +1.00 (95% interval 0.50 to 1.50), "
        "adjusted p 0.002. 2 features change in it: a (rna), b (rna). Its border with domain 2 changes.",
        "too few spots to compare its abundance",
        "Weights of the modalities, mean over its spots: RNA 0.60.",
    ):
        assert words in text, words
    # All but the evidence of ASSESS is there.
    assert "Not shown, since it was not computed: Which modality it needs: ASSESS" in text
    assert ["a1", "+2.00", "0.90", "90", "20", "0.001"] in page.rows
    assert ["2", "75", "70", "0.5"] in page.rows
    # Not tested is not the same as nothing found, and is said with the reason.
    assert text.count("None: no feature of this modality is higher here") == 1
    assert text.count("Not tested: a third of the spots does not find it again, so no p value would be valid.") == 1
    assert text.count("Not tested: this modality was measured at none of its spots.") == 1
    assert text.count("No gene set stands out among its markers.") == 1
    assert text.count("Not compared: its markers could not be tested.") == 1
    # The names of the domains in the tables lead there, and so does a list of all.
    links = [attrs["href"] for tag, attrs in page.tags if tag == "a" and attrs.get("href", "").startswith("#domain-")]
    assert links.count("#domain-2") >= 2
    # The page of the conditions lies in a folder beside the report.
    assert [attrs["href"] for tag, attrs in page.tags if tag == "a"].count("cohort/cohort.html") == 4


@pytest.mark.usefixtures("fast_umap")
def test_without_characterise_it_says_what_is_missing(
    make_dataset: Callable[..., DatasetSources], tmp_path: Path
) -> None:
    page = dataset_page(make_dataset(methods=("smart",), seeds=(1,)), tmp_path)
    assert len(articles(page)) == 4
    text = " ".join(page.text.split())
    assert "use --characterise_runs smart.seed1." in text and "--methods or --seeds adds others." in text
    for absent in ("How sure is it?", "Which methods see it?", "What marks it, in each modality", "Why this name?"):
        assert absent not in text


@pytest.mark.usefixtures("fast_umap")
def test_runs_beside_the_first_have_addresses_of_their_own(
    make_dataset: Callable[..., DatasetSources], tmp_path: Path
) -> None:
    sources = make_dataset(n_domains=3, methods=("smart", "other"), seeds=(1,), labels=False)
    assert sources.files is not None
    write_characterised(sources.files)
    page = dataset_page(sources, tmp_path)
    first = articles(page)[0]["data-run"]
    assert [own["id"] for own in articles(page) if own["data-run"] == first] == ["domain-1", "domain-2", "domain-3"]
    (second,) = {own["data-run"] for own in articles(page)} - {first}
    assert next(own["id"] for own in articles(page) if own["data-run"] == second) == f"{second}/domain-1"


@pytest.mark.usefixtures("fast_umap")
def test_the_best_markers_have_maps_however_large_the_page_is(
    with_everything: DatasetSources, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert with_everything.files is not None
    table = with_everything.files / "markers.csv"
    table.write_text(table.read_text().replace(",b1,", ",rna20,"))
    monkeypatch.setattr("spatialweave.report.page_data.MAX_MARKERS", 3)
    page = dataset_page(with_everything, tmp_path)
    names = [feature["name"] for feature in page.data()["features"]]
    assert names[0] == "rna20"


@pytest.mark.usefixtures("fast_umap")
def test_no_run_no_passport(make_dataset: Callable[..., DatasetSources], tmp_path: Path) -> None:
    page = dataset_page(make_dataset(methods=()), tmp_path)
    assert articles(page) == [] and not [tag for tag, _ in page.tags if tag == "dialog"]
