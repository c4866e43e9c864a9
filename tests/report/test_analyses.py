"""Charts of distributions, edges, trajectories, sections and denoised markers: pixels by hand, and damaged files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from spatialweave.errors import InputError
from spatialweave.io.result_tables import PSEUDOTIME, STRUCTURE
from spatialweave.io.spot_tables import read_pseudotime
from spatialweave.report import arc_plot, box_plot, curve_plot, share_plot, upset_plot
from spatialweave.report.analyses import read_analyses
from spatialweave.report.dataset_results import DatasetSources
from spatialweave.results.spots import read_spots

from .analyses_files import write_analyses
from .characterised_files import RUN, write_characterised
from .page import dataset_page, unpack

TITLES = {"smart": "SMART"}
LOOKS = {RUN: {"names": ["1", "2", "3"], "colours": ["#0072B2", "#E69F00", "#009E73"]}}


def test_boxes_by_hand() -> None:
    plot = box_plot.box_plot("a", "unit", [box_plot.Box("x", box_plot.Spread(-0.5, 0, 0.25, 0.5, 1, 0.5), 9)])
    (row,) = plot.rows
    span = box_plot.WIDTH - box_plot.LEFT - box_plot.RIGHT
    assert (row.spread.low, row.spread.high) == (box_plot.LEFT, box_plot.LEFT + span)
    assert row.spread.q25 == pytest.approx(box_plot.LEFT + span / 3, abs=0.1) and row.spread.mean == row.spread.q75
    assert row.spread.median == pytest.approx(box_plot.LEFT + span / 2, abs=0.1) and "−" not in row.text


def test_upset_by_hand() -> None:
    sets = {"a": "A", "b": "B"}
    plot = upset_plot.upset_plot("x", "edges", sets, {("a",): 10, ("a", "b"): 30})
    assert [name for _, name in plot.sets] == ["A (40)", "B (30)"]
    both, alone = plot.columns
    assert both.height == 3 * alone.height == upset_plot.BARS and both.y == upset_plot.TOP
    assert (both.count, alone.count) == ("75%", "25%") and both.text == "only in A and B: 30 edges, 75.0%"
    assert both.inside == [y for y, _ in plot.sets] and alone.outside == [plot.sets[1][0]]
    many = {tuple(name for bit, name in enumerate("abcde") if k >> bit & 1): k for k in range(1, 32)}
    assert upset_plot.upset_plot("x", "edges", dict(zip("abcde", "ABCDE", strict=True)), many).left_out == 11


def test_shares_by_hand() -> None:
    plot = share_plot.share_plot({"s": [0.99, 0.01], "t": [0.0, 1.0]}, ["1: x", "2"], ["#ffffff", "#000000"])
    span = share_plot.WIDTH - share_plot.LEFT - share_plot.RIGHT
    first, second = plot.rows[0].segments
    assert first.width == pytest.approx(0.99 * span) and second.x == pytest.approx(share_plot.LEFT + 0.99 * span)
    # Too narrow for its number.
    assert (first.name, second.name) == ("1", "") and first.ink == "#1b2430"
    assert [one.text for one in plot.rows[1].segments] == ["domain 2: 100.0% of the spots of t"]


def test_arcs_by_hand() -> None:
    joined = np.array([[0, 0.5, 0.04], [0.5, 0, 1], [0.04, 1, 0]])
    plot = arc_plot.arc_plot(["1", "2", "3"], ["#000000"] * 3, joined, ["0.00", "0.50", "1.00"])
    assert [arc.text for arc in plot.arcs] == ["1 and 2: connectivity 0.50", "2 and 3: connectivity 1.00"]
    assert [arc.width for arc in plot.arcs] == [arc_plot.WIDEST / 2, arc_plot.WIDEST]
    assert [node.x for node in plot.nodes] == [arc_plot.LEFT + arc_plot.STEP * k for k in range(3)]


def test_curves_by_hand() -> None:
    plot = curve_plot.curve_plot("t", ("x", "y"), [("a", "red", True, [(0, 0), (0.5, 1)])])
    left, top, side = curve_plot.LEFT, curve_plot.TOP, curve_plot.SIDE
    assert plot.curves[0].points == f"{left:.1f},{top + side:.1f} {left + side / 2:.1f},{top:.1f}"


def test_charts_of_a_run(tmp_path: Path) -> None:
    write_characterised(tmp_path, sections=("left", "right"))
    write_analyses(tmp_path)
    rows = STRUCTURE.read(tmp_path / "structure.csv").to_numpy().tolist()
    rows += [(RUN, "all", domain, "pseudotime", value, "") for domain, value in ((1, 0.9), (3, 0.1))]
    STRUCTURE.write(tmp_path / "structure.csv", STRUCTURE.frame(rows))
    part = read_analyses(tmp_path, TITLES, LOOKS)
    assert part is not None and part.title == "SMART, seed 1" and part.edge_spots == 10
    assert [plot.title for plot in part.correlations] == ["RNA", "protein (ADT)"]
    assert [row.name for row in part.correlations[0].rows] == ["domain 1: cortex <1>", "domain 2", "domain 3"]
    # a1 is the best of domains 1 and 3, and has one chart.
    assert [(name, [plot.title for plot in plots]) for name, plots in part.values] == [
        ("RNA", ["a1, marker of 1: cortex <1>", "b1, marker of 2"]),
        ("protein (ADT)", ["P, marker of 1: cortex <1>"]),
    ]
    assert part.edges is not None
    assert [name for _, name in part.edges.sets] == ["RNA (90)", "embedding (40)", "tissue (10)"]
    # In the order of pseudotime, those without it last.
    assert part.joined is not None and part.timed
    assert [(node.name, node.colour, node.below) for node in part.joined.nodes] == [
        ("3", "#009E73", "0.10"), ("1: cortex <1>", "#0072B2", "0.90"), ("2", "#E69F00", "–"),
    ]  # fmt: skip
    assert part.shares is not None and [row.name for row in part.shares.rows] == ["left", "right"]
    assert part.denoised is not None
    assert (part.denoised.truth, part.denoised.better, part.denoised.compared) == ("label", 4, 4)
    kinds = [f"{kind}: {by}" for by in ("label", "domain") for kind in ("measured", "denoised")]
    assert part.denoised.table.header[4:] == kinds
    assert part.denoised.table.rows[0] == ["1: cortex <1>", "RNA", "SMART, seed 1", "a1", *["0.700", "0.900"] * 2]
    ((name, roc, purity),) = part.denoised.plots
    assert name == "RNA" and len(roc) == len(purity) == 2
    assert [curve.name for curve in roc[0].curves] == ["measured", "SMART, seed 1", "<i>, seed 2"]


def test_without_files_there_is_nothing(tmp_path: Path) -> None:
    assert read_analyses(None, TITLES, LOOKS) is None
    write_characterised(tmp_path)
    part = read_analyses(tmp_path, TITLES, {})
    assert part is not None and part.shares is part.edges is part.denoised is None
    assert part.correlations == part.values == [] and not part.timed


def test_damaged_files_are_refused(tmp_path: Path) -> None:
    write_characterised(tmp_path)
    write_analyses(tmp_path)
    (tmp_path / "shared_edges.csv").write_text("run,graphs,edges,fraction,spots\nsmart.seed1,rna,none,0.5,10\n")
    with pytest.raises(InputError, match=r"shared_edges\.csv, line 2, column 'edges': value 'none'"):
        read_analyses(tmp_path, TITLES, LOOKS)


def test_pseudotime_of_other_spots_is_refused(tmp_path: Path) -> None:
    obs = pd.DataFrame({"barcode": ["a", "b"], "section": "s"})
    path = tmp_path / "pseudotime.csv"
    rows = [("r.seed1", "q.seed2", "s", "b", 0.5), ("r.seed1", "q.seed2", "s", "a", None)]
    PSEUDOTIME.write(path, PSEUDOTIME.frame(rows))
    embedding, found = read_pseudotime(path, obs)["r.seed1"]
    assert embedding == "q.seed2"
    assert np.isnan(found[0]) and found[1] == 0.5
    for wrong, message in ((rows[:1], "1 spots are missing"), ([*rows, rows[0]], "also has an earlier line")):
        PSEUDOTIME.write(path, PSEUDOTIME.frame(wrong))
        with pytest.raises(InputError, match=message):
            read_pseudotime(path, obs)


@pytest.mark.parametrize(
    ("truth", "sentence"),
    [("label", "neither values nor domains"), ("held out", "smoothness alone"), ("domain", "proves nothing")],
)
@pytest.mark.usefixtures("fast_umap")
def test_the_page_shows_them(
    make_dataset: Callable[..., DatasetSources], tmp_path: Path, truth: str, sentence: str
) -> None:
    sources = make_dataset(seeds=(1,))
    assert sources.files is not None
    write_characterised(sources.files, sections=("left", "right"))
    spots = read_spots(sources.latents[0])
    write_analyses(sources.files, spots.obs, truth)
    page = dataset_page(sources, tmp_path)
    text = " ".join(page.text.split())
    titles = ("Markers in every domain", "Which domains pass into each other", "Neighbours in common")
    for part in (*titles, "Fraction of each domain"):
        assert part in text
    assert "in the embedding of <i>, seed 2, the run that agrees with it most" in text
    assert sentence in text and "In 4 of 4 comparisons" in text
    assert not any("<i>" in script for script in page.scripts)
    time = page.data()["pseudotime"]
    steps = unpack(time["steps"])
    assert steps[0] == 0 and steps[-1] == 255 and steps[-2] == 252
    first = next(run for run in page.data()["runs"] if run["method"] == "smart")
    assert time["root"] == first["domains"]["names"][unpack(first["domains"]["codes"])[0]]
