"""What the dataset report shows of several sections and of their alignment, without a browser."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from spatialweave.errors import InputError
from spatialweave.io.result_tables import ALIGNMENT
from spatialweave.report import alignment_data, alignment_table
from spatialweave.report.dataset import write_dataset_report
from spatialweave.report.dataset_results import DatasetSources
from spatialweave.report.layout import arrange

from .page import unpack

pytestmark = pytest.mark.usefixtures("fast_umap")

EVIL = "<script>window.hacked = 1</script>\"'&"
# Not in the order of their names.
SECTIONS = ("s2", "s10", "s1")
COORDINATES, PAIRS, METRICS = "coordinates.csv", "smart.seed1.0--1.pairs.csv", "smart.seed1.alignment.csv"


def write(sources: DatasetSources, folder: Path) -> str:
    write_dataset_report(sources, folder / "report.html")
    return (folder / "report.html").read_text(encoding="utf-8")


def data_of(html: str) -> dict[str, Any]:
    match = re.search(r'<script type="application/json" id="data">(.*?)</script>', html, re.DOTALL)
    assert match
    return dict(json.loads(match[1]))


class Cells(HTMLParser):
    """The rows of the table with a given id, cells as text."""

    def __init__(self, html: str, table: str) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self._wanted, self._inside, self._cell = table, False, False
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "table":
            self._inside = dict(attrs).get("id") == self._wanted
        if self._inside and tag == "tr":
            self.rows.append([])
        if self._inside and tag in ("td", "th"):
            self.rows[-1].append("")
            self._cell = True

    def handle_endtag(self, tag: str) -> None:
        self._cell &= tag not in ("td", "th")
        self._inside &= tag != "table"

    def handle_data(self, data: str) -> None:
        if self._inside and self._cell:
            self.rows[-1][-1] += data


@pytest.fixture(scope="module")
def sources(make_dataset: Callable[..., DatasetSources]) -> DatasetSources:
    return make_dataset(sections=SECTIONS, alignment=True)


@pytest.fixture
def copied(sources: DatasetSources, tmp_path: Path) -> DatasetSources:
    """The same dataset with files that a test may change."""
    assert sources.files is not None
    return replace(sources, files=Path(shutil.copytree(sources.files, tmp_path / "files")))


def test_nothing_without_files(sources: DatasetSources, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for folder in (None, tmp_path / "none", tmp_path / "empty"):
        html = write(replace(sources, files=folder), tmp_path)
        assert "alignment" not in data_of(html)
        assert 'id="alignment"' not in html


def test_sections_are_in_the_order_of_the_stack(sources: DatasetSources, tmp_path: Path) -> None:
    data = data_of(write(sources, tmp_path))
    assert data["sections"]["names"] == list(SECTIONS)
    assert [pair["name"] for pair in data["alignment"]["pairs"]] == ["s2 → s10", "s10 → s1"]
    assert data["wide"]


def test_coordinates_are_those_of_the_file(sources: DatasetSources, tmp_path: Path) -> None:
    data = data_of(write(sources, tmp_path))
    assert sources.files is not None
    table = pd.read_csv(sources.files / "coordinates.csv")
    shown = data["alignment"]
    assert unpack(shown["x"]) == pytest.approx(table["x"].to_numpy())
    assert unpack(shown["y"]) == pytest.approx(table["y"].to_numpy())
    assert unpack(shown["points"]).tolist() == list(range(len(table)))
    assert shown["spacing"] == pytest.approx(10)
    assert shown["givenSpacing"] == pytest.approx(10)


def test_coordinates_do_not_depend_on_the_order_of_the_rows(copied: DatasetSources, tmp_path: Path) -> None:
    assert copied.files is not None
    path = copied.files / "coordinates.csv"
    table = pd.read_csv(path)
    table.sample(frac=1, random_state=1).to_csv(path, index=False)
    assert unpack(data_of(write(copied, tmp_path))["alignment"]["x"]) == pytest.approx(table["x"].to_numpy())


def test_lines_are_accepted_pairs(sources: DatasetSources, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alignment_data, "MAX_LINES", 50)
    data = data_of(write(sources, tmp_path))["alignment"]
    # Two methods, two seeds, two pairs of sections of 144 spots, of which every fourth pair is not accepted.
    assert len(data["matches"]) == 8
    for match in data["matches"]:
        a, b = unpack(match["a"]).astype(int), unpack(match["b"]).astype(int)
        assert (match["all"], match["accepted"], match["distance"]) == (144, 108, 0.25)
        assert len(a) == len(b) == 50 == len(np.unique(a))
        first, second = data["pairs"][match["pair"]]["sections"]
        assert (a // 144 == first).all()
        assert (b // 144 == second).all()
        assert (a % 4 > 0).all()
        right = a % 144 == b % 144
        wrong = a % 144 < 6 if data["runs"][match["run"]]["title"] == "SMART" else np.zeros(50, bool)
        assert (right == ~wrong).all()


def test_many_spots_are_thinned(sources: DatasetSources, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alignment_data, "MAX_POINTS", 108)
    html = write(sources, tmp_path)
    data = data_of(html)["alignment"]
    points = unpack(data["points"])
    assert len(np.unique(points)) == 108
    # A quarter of the spots covers the same tissue when they are drawn twice as wide.
    assert data["spacing"] == pytest.approx(20)


def test_lines_join_spots_of_the_page_only() -> None:
    matches = alignment_data.MatchedSpots(
        "m", 1, (0, 1), np.array([0, 1, 2]), np.array([3, 4, 5]), np.array([True] * 3), np.array([1, np.nan, 3])
    )
    lines = alignment_data._lines(matches, np.array([1, 2, 3, 5]))
    assert unpack(lines["a"]).tolist() == [1]
    assert unpack(lines["b"]).tolist() == [3]
    assert (lines["accepted"], lines["distance"]) == (3, 2.0)


def test_matches_without_aligned_coordinates(copied: DatasetSources, tmp_path: Path) -> None:
    assert copied.files is not None
    (copied.files / "coordinates.csv").unlink()
    html = write(copied, tmp_path)
    assert "No aligned coordinates were given" in html
    assert 'id="aligned"' not in html
    x = unpack(data_of(html)["alignment"]["x"]).reshape(3, 144)
    assert x.min(axis=1) == pytest.approx(-x.max(axis=1), abs=1e-4)


def test_a_file_without_pairs_is_none(copied: DatasetSources, tmp_path: Path) -> None:
    assert copied.files is not None
    path = copied.files / PAIRS
    pd.read_csv(path)[:0].to_csv(path, index=False)
    assert len(data_of(write(copied, tmp_path))["alignment"]["matches"]) == 7


def test_metrics_table_holds_means_and_those_of_nearest_pairs(sources: DatasetSources, tmp_path: Path) -> None:
    rows = Cells(write(sources, tmp_path), "alignment-table").rows
    assert rows[0] == ["metric", "sections", "pca_smooth", "SMART"]
    by_metric = {row[0].split("\n")[0].split(" ↑")[0]: row for row in rows[1:] if len(row) == 4}
    # Seeds 1 and 2: 0.9 - 0.1 * seed, 0.1 less for SMART.
    agreement = next(row for name, row in by_metric.items() if name.startswith("Same label"))
    assert agreement[1] == "s2 → s10"
    assert agreement[2].split("nearest pairs ") == ["0.750 ± 0.071", "0.250 ± 0.000"]
    assert agreement[3].startswith("0.650 ± 0.071")
    # Metrics that the page does not know stay in the files.
    assert not any("new metric" in name for name in by_metric)
    assert len(rows) == 1 + 2 * 2


def test_metrics_of_another_dataset_are_left_out(copied: DatasetSources, tmp_path: Path) -> None:
    assert copied.files is not None
    row = ("other", "smart", 7, "s2", "s10", "label_agreement", 0.0)
    ALIGNMENT.write(copied.files / "smart.seed7.alignment.csv", ALIGNMENT.frame([row]))
    rows = Cells(write(copied, tmp_path), "alignment-table").rows
    agreement = next(row for row in rows if row[0].startswith("Same label"))
    assert agreement[1] == "s2 → s10" and agreement[3].startswith("0.650 ± 0.071")


def test_best_mean_is_marked() -> None:
    rows = [("d", m, 1, "a", "b", k, v) for m, k, v in [
        ("x", "label_agreement", 0.2), ("y", "label_agreement", 0.3), ("x", "unmatchable_accepted_a", 0.1),
        ("y", "unmatchable_accepted_a", 0.2), ("x", "registration_error", 3.0), ("y", "registration_error", 4.0),
    ]]  # fmt: skip
    table = pd.DataFrame(rows, columns=["dataset", "method", "seed", "section_a", "section_b", "metric", "value"])
    _, metrics = alignment_table.metric_rows(table)
    best = {metric.title: [bool(score and score.best) for score in metric.rows[0].scores] for metric in metrics}
    assert best == {
        "Same label": [False, True],
        "Wrongly accepted": [True, False],
        "Registration error": [False, False],
    }


def test_transforms_are_listed(sources: DatasetSources, tmp_path: Path) -> None:
    html = write(sources, tmp_path)
    table = html.split("How each section was transformed to the coordinates of the first")[-1].split("</table>")[0]
    rows = [re.findall(r"<t[hd]\b[^>]*>(.*?)</t[hd]>", row) for row in table.split("</tr>")]
    assert " | ".join(rows[0]) == (
        "section | method | turned, degrees | shift in x | shift in y | scale | reflected | score | "
        "settled | confidence"
    )
    assert rows[1] == ["s2", "–", "0", "0", "0", "1", "no", "–", "–", "–"]
    assert rows[3] == ["s1", "icp", "−60", "10", "0", "1", "no", "0.900", "yes", "1"]


def test_names_cannot_become_markup(make_dataset: Callable[..., DatasetSources], tmp_path: Path) -> None:
    made = make_dataset(sections=("a", "b<i>"), alignment=True, prefix=EVIL, seeds=(1,))
    html = write(made, tmp_path)
    assert "<script>window.hacked" not in html
    assert "<i>" not in html.split("<main ")[1].split("</main>")[0].replace("<i></i>", "")
    assert "&lt;script&gt;window.hacked = 1&lt;/script&gt;&#34;&#39;&amp;icp" in html


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        (COORDINATES, lambda t: t.drop(columns="y"), "has no column 'y'"),
        (COORDINATES, lambda t: t.assign(x=["far", *t["x"][1:]]), "line 2, column 'x': value 'far'"),
        (COORDINATES, lambda t: t.assign(x=["inf", *t["x"][1:]]), "value 'inf'"),
        (COORDINATES, lambda t: t.assign(barcode=["other", *t["barcode"][1:]]), "line 2: spot 'other' of section 's2'"),
        (COORDINATES, lambda t: pd.concat([t, t[:3]]), "of section 's2' also has an earlier line"),
        (COORDINATES, lambda t: t[2:], "2 spots are missing"),
        ("transforms.csv", lambda t: t.drop(columns="angle"), "has no column 'angle'"),
        (PAIRS, lambda t: t.assign(accepted="maybe"), "column 'accepted': value 'maybe'"),
        (PAIRS, lambda t: t.assign(distance="x"), "column 'distance': value 'x'"),
        (PAIRS, lambda t: t.assign(section_b=["s1", *t["section_b"][1:]]), "1 first and 2 second sections"),
        (PAIRS, lambda t: t.assign(section_a="s9"), "of section 's9' is not in the dataset"),
        (METRICS, lambda t: t.assign(value="good"), "column 'value': value 'good'"),
        (METRICS, lambda t: t.drop(columns="metric"), "has no column 'metric'"),
    ],
)
def test_malformed_files_are_named(
    copied: DatasetSources, tmp_path: Path, name: str, change: Callable[[pd.DataFrame], pd.DataFrame], message: str
) -> None:
    assert copied.files is not None
    path = copied.files / name
    change(pd.read_csv(path, dtype=str, keep_default_na=False)).to_csv(path, index=False)
    with pytest.raises(InputError) as raised:
        write_dataset_report(copied, tmp_path / "report.html")
    assert name in str(raised.value)
    assert message in str(raised.value)


def grid(side: int, step: float = 1.0) -> np.ndarray:
    y, x = np.mgrid[:side, :side]
    return np.column_stack([x.ravel(), y.ravel()]) * step


@pytest.mark.parametrize(("n_sections", "per_row"), [(1, 1), (2, 2), (3, 3), (4, 4), (6, 3), (8, 4), (5, 5)])
def test_square_sections_are_in_even_rows(n_sections: int, per_row: int) -> None:
    codes = np.repeat(np.arange(n_sections), 100)
    placed = arrange(np.tile(grid(10), (n_sections, 1)), codes, n_sections).coordinates
    lefts = {round(placed[codes == code, 0].min(), 6) for code in range(n_sections)}
    assert len(lefts) == per_row


def test_wide_sections_are_below_each_other() -> None:
    wide = grid(10) * [4, 1]
    placed = arrange(np.tile(wide, (2, 1)), np.repeat([0, 1], 100), 2).coordinates
    assert placed[:100, 0].tolist() == pytest.approx(placed[100:, 0].tolist())
    assert placed[100:, 1].min() > placed[:100, 1].max()


def test_sections_in_other_units_are_drawn_as_large() -> None:
    spatial = np.concatenate([grid(10), grid(10) + 7, grid(10, 50.0)])
    codes = np.repeat([0, 1, 2], 100)
    found = arrange(spatial, codes, 3)
    assert found.scales == pytest.approx([1, 1, 1 / 50])
    assert found.spacing == pytest.approx(1)
    spans = [np.ptp(found.coordinates[codes == code], axis=0) for code in range(3)]
    assert np.array(spans) == pytest.approx(9)
    back = (found.coordinates - np.array(found.offsets)[codes]) / np.array(found.scales)[codes, None]
    assert back == pytest.approx(spatial)
