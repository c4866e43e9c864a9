"""The verdict in the dataset's report: the chart in pixels by hand, what the page says, and damaged files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from spatialweave.errors import InputError
from spatialweave.report.dataset_results import DatasetSources
from spatialweave.report.interval_plot import LEFT, RIGHT, WIDTH, Estimate, interval_plot
from spatialweave.report.verdict import read_verdict

from .page import dataset_page
from .verdict_files import write_verdict

RUNS = {("smart", 1): (0.2, True), ("noise", 1): (0.0, False), ("weave", 1): (0.3, True)}
TITLES = {"smart": "SMART", "weave": "weave (consensus)"}


def test_chart_by_hand() -> None:
    """An axis from -1 to 3."""
    plot = interval_plot("label", "title", [Estimate("a", 1.0, -1.0, 3.0, (0.0, 2.0))], "%", 1.0)
    assert plot is not None
    assert [text for _, text in plot.ticks] == ["−1", "0", "1", "2", "3"]
    width = WIDTH - LEFT - RIGHT
    row = plot.rows[0]
    assert (row.low, row.value, row.high) == (LEFT, LEFT + width / 2, LEFT + width)
    assert row.band == (LEFT + width / 4, LEFT + 3 * width / 4) and plot.line == LEFT + width / 2
    assert row.text == "1% (−1 to 3)"
    assert interval_plot("label", "title", [], "%") is None


def test_rows_of_the_runs(tmp_path: Path) -> None:
    write_verdict(tmp_path, RUNS, ["rna", "adt"])
    runs, modalities = read_verdict(tmp_path, TITLES)
    assert runs is not None and modalities is not None and runs.plot is not None and modalities.plot is not None
    assert [row.name for row in runs.plot.rows] == ["SMART, seed 1", "noise, seed 1", "weave (consensus)"]
    assert [row.faint for row in runs.plot.rows] == [False, True, False]
    assert [row[:3] for row in runs.table.rows] == [
        ["SMART, seed 1", "yes", 20.0], ["noise, seed 1", "no", 0.0], ["weave (consensus)", "yes", 30.0],
    ]  # fmt: skip
    # By the header, whose order is that of the keys in verdict.json.
    assert runs.table.header[-2:] == ["protein (ADT), %", "RNA, %"]
    assert [row[-2:] for row in runs.table.rows] == [[15.0, 20.0], [-5.0, 0.0], [25.0, 30.0]]
    assert [row.name for row in modalities.plot.rows] == [
        "with RNA: of itself", "with RNA: of protein (ADT)",
        "with protein (ADT): of itself", "with protein (ADT): of RNA",
    ]  # fmt: skip
    assert modalities.table.rows == [["1", 0.9, 0.4, 0.4], ["2", 0.9, 0.4, 0.4]]


def test_sentences_have_the_titles_of_the_methods(tmp_path: Path) -> None:
    write_verdict(tmp_path, RUNS, ["rna"])
    path = tmp_path / "verdict.json"
    named = "The data support the domains of smart (seeds 1, 2), noise (seed 3) and weave."
    path.write_text(path.read_text().replace("The verdict <in> one sentence.", named).replace("A reason.", named))
    runs, _ = read_verdict(tmp_path, TITLES)
    titled = "The data support the domains of SMART (seeds 1, 2), noise (seed 3) and weave."
    assert runs is not None and runs.headline == titled and runs.reasons == [titled, "Another reason."]


def test_without_files_there_is_no_verdict(tmp_path: Path) -> None:
    assert read_verdict(None, TITLES) == read_verdict(tmp_path, TITLES) == (None, None)
    for name in ("verdict.json", "evidence.csv", "modality_value.csv"):
        (tmp_path / name).touch()
    assert read_verdict(tmp_path, TITLES) == (None, None)


@pytest.mark.parametrize("content", ["{}", "[]", '{"headline": 1', '{"runs": [], "tissue": {}, "modalities": []}'])
def test_a_damaged_verdict_is_refused(tmp_path: Path, content: str) -> None:
    write_verdict(tmp_path, RUNS, ["rna"])
    (tmp_path / "verdict.json").write_text(content)
    with pytest.raises(InputError, match=r"verdict\.json"):
        read_verdict(tmp_path, TITLES)


def test_a_lost_table_is_refused(tmp_path: Path) -> None:
    write_verdict(tmp_path, RUNS, ["rna"])
    (tmp_path / "evidence.csv").unlink()
    with pytest.raises(InputError, match=r"evidence\.csv"):
        read_verdict(tmp_path, TITLES)


@pytest.mark.usefixtures("fast_umap")
@pytest.mark.parametrize(
    ("modalities", "title"),
    [(["rna"], None), (["rna", "adt"], "second modality"), (["rna", "adt", "atac"], "each modality")],
)
def test_the_page_says_it(
    make_dataset: Callable[..., DatasetSources], tmp_path: Path, modalities: list[str], title: str | None
) -> None:
    sources = make_dataset()
    assert sources.files is not None
    assert "The evidence, without labels" not in dataset_page(sources, tmp_path).text
    write_verdict(sources.files, RUNS, modalities)
    text = dataset_page(sources, tmp_path).text
    assert "The verdict <in> one sentence." in text and "Another reason." in text
    assert "compared with 99 random partitions" in text and "39 permutations of the spots" in text
    assert ("rna helps." in text) == (title is not None)
    assert ("Does the second modality help?" in text) == (title == "second modality")
    assert ("What does each modality add?" in text) == (title == "each modality")
    assert ("With and without each modality" in text) == (title is not None)
