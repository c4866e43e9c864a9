"""The slide: its files, its text as text, its scale bar, and that it is the same every time."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from spatialweave.passport.dataset import passports
from spatialweave.passport.passport import Passport
from spatialweave.passport.tables import read_tables
from spatialweave.slides.slide import MarkerMap, Slide
from spatialweave.slides.spot_map import MOST_SPOTS, SpotMap

from ..passport.made import CODES, HALVED, run, spots, write_cohort
from ..report.characterised_files import write_characterised

TITLES = {"smart": "SMART", "a": "Method A $x$ & <b>"}


@pytest.fixture
def of_smart(tmp_path: Path) -> list[Passport]:
    """Three passports, the first called `cortex <1>`."""
    write_characterised(tmp_path)
    write_cohort(tmp_path)
    return passports(spots(), [run("a", 1, HALVED), run("smart", 1, CODES)], 1, read_tables(tmp_path), TITLES)[
        "smart.seed1"
    ]


def slide(one: Passport, n_spots: int = 10) -> Slide:
    """A slide of spots on a line of unit spacing, a micrometre long each."""
    points = np.column_stack([np.arange(float(n_spots)) % 1000, np.arange(n_spots) // 1000])
    where = SpotMap.of(points, 1.0, "square", [("left", 2.0, 0.0), ("right", 7.0, 0.0)], 100.0)
    values = np.linspace(0, 1, n_spots)
    values[0] = np.nan
    inside = np.arange(n_spots) < n_spots // 3
    return Slide(one, "data", where, inside, "#0072B2", [MarkerMap("a1", values)], {1: "1: cortex <1>"}, TITLES)


def test_text_is_text_in_svg_and_pdf(of_smart: list[Passport], tmp_path: Path) -> None:
    written = slide(of_smart[0]).write(tmp_path / "out", ["svg", "pdf", "png"])
    assert [path.name for path in written] == [f"domain_1.{kind}" for kind in ("svg", "pdf", "png")]
    svg = written[0].read_text()
    texts = re.findall(r"<text[^>]*>([^<]*)</text>", svg)
    for text in ("Domain 1: cortex &lt;1&gt;", "Where is it?", "How sure is it?", "a1", "left", "200 µm"):
        assert text in texts, text
    assert "Method A $x$ &amp; &lt;b&gt;" in texts
    assert "treated against control: log2 ratio +1.00 (0.50 to 1.50), adjusted p 0.002" in " ".join(texts)
    # Spots are an image within it.
    assert svg.count("<image") >= 2
    assert written[1].read_bytes().startswith(b"%PDF") and b"/FontFile2" in written[1].read_bytes()


def test_what_was_not_tested_is_said(of_smart: list[Passport]) -> None:
    texts = [text.get_text().replace("\n", " ") for text in slide(of_smart[2]).figure().texts]
    assert "Not tested: this modality was measured at none of its spots." in texts
    assert "Not tested: a third of the spots does not find it again, so no p value would be valid." in texts


def test_the_same_every_time(of_smart: list[Passport], tmp_path: Path) -> None:
    first, second = (slide(of_smart[0]).write(tmp_path / name, ["svg", "pdf", "png"]) for name in "ab")
    for one, other in zip(first, second, strict=True):
        assert one.read_bytes() == other.read_bytes(), one.suffix


def test_a_sample_is_drawn_of_many_spots_and_said(of_smart: list[Passport]) -> None:
    many = slide(of_smart[1], MOST_SPOTS + 5000)
    assert many.spots.n_drawn == MOST_SPOTS
    texts = [text.get_text() for text in many.figure().texts]
    assert any(re.search(r"A random 100.000 of 105.000 spots are drawn\.", text) for text in texts)
    # Without a name, and without the changes of other domains.
    assert texts[0] == "Domain 2"
    assert not any("are drawn" in text.get_text() for text in slide(of_smart[1]).figure().texts)


def test_no_scale_bar_where_lengths_are_not_known(of_smart: list[Passport]) -> None:
    where = SpotMap.of(np.zeros((10, 2)), 0.0, "cells", [("one", 0.0, 0.0)], None)
    bare = Slide(of_smart[2], "data", where, np.ones(10, bool), "#0072B2", [], {}, TITLES)
    drawn = bare.figure().axes[0]
    assert [text.get_text() for text in drawn.texts] == [] and not drawn.lines


def test_spots_keep_their_place_and_size(of_smart: list[Passport]) -> None:
    figure = slide(of_smart[0]).figure()
    axes = figure.axes[0]
    # y grows downwards, and units are as long in x as in y.
    (left, right), (low, high) = axes.get_xlim(), axes.get_ylim()
    box = axes.get_position()
    inches = np.array([box.width, box.height]) * figure.get_size_inches()
    assert low > high and (right - left) / inches[0] == pytest.approx((low - high) / inches[1])
    others, own = axes.collections
    assert len(own.get_offsets()) == 3 and len(others.get_offsets()) == 7
    points_per_unit = 72 * inches[0] / (right - left)
    assert np.sqrt(own.get_sizes()[0]) == pytest.approx(1.2 * points_per_unit)
