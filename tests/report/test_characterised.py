"""What the domains are, in the dataset's report: the tables, the dot plot in pixels by hand, and damaged files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from spatialweave.errors import InputError
from spatialweave.io.result_tables import STRUCTURE
from spatialweave.report.characterised import read_characterised
from spatialweave.report.dataset_results import DatasetSources
from spatialweave.report.dot_plot import BOTTOM, COLUMN, FAINTEST, LEFT, MOST, ROW, TOP, dot_plot
from spatialweave.report.heat_plot import heat_plot

from .characterised_files import write_characterised
from .page import dataset_page

TITLES = {"smart": "SMART"}


def test_dots_by_hand() -> None:
    plot = dot_plot(
        "RNA", ["a", "b"], ["1", "2", "3"], np.array([[0.0, 1, 4], [2, 2, 2]]), np.array([[0, 0.25, 1.0]] * 2)
    )
    assert [dot.radius for dot in plot.dots[:3]] == [0, MOST / 2, MOST]
    assert [dot.depth for dot in plot.dots] == [FAINTEST, round(FAINTEST + (1 - FAINTEST) / 4, 3), 1, *[FAINTEST] * 3]
    assert (plot.dots[4].x, plot.dots[4].y) == (LEFT + 1.5 * COLUMN, TOP + 1.5 * ROW)
    assert plot.dots[1].text == "a in 2: mean 1, in 25% of the spots"
    assert plot.height == TOP + 2 * ROW + BOTTOM


def test_heat_map_by_hand() -> None:
    plot = heat_plot("RNA", ["a", "b"], ["1", "2", "3"], np.array([[0.0, 1, 4], [2, np.nan, 2]]))
    # What was not measured is left blank.
    assert [cell.depth for cell in plot.cells] == [
        FAINTEST,
        round(FAINTEST + (1 - FAINTEST) / 4, 3),
        1,
        *[FAINTEST] * 2,
    ]
    assert (plot.cells[4].x, plot.cells[4].y) == (LEFT + 2 * COLUMN + 0.5, TOP + 17.5)
    assert plot.cells[1].text == "a in 2: mean 1"


def test_domains_along_the_grid_are_named(tmp_path: Path) -> None:
    write_characterised(tmp_path)
    structure = STRUCTURE.read(tmp_path / "structure.csv")
    added = [
        ("smart.seed1", "all", domain, "along_lines", value, "") for domain, value in ((1, 0.1), (2, 0.5), (3, 0.9))
    ]
    STRUCTURE.write(tmp_path / "structure.csv", pd.concat([structure, STRUCTURE.frame(added)]))
    part = read_characterised(tmp_path, TITLES)
    assert part is not None and part.along_lines == ["2", "3"]
    assert part.shapes.header[-2:] == ["along lines", "weight of RNA"]


def test_a_row_per_domain(tmp_path: Path) -> None:
    write_characterised(tmp_path)
    part = read_characterised(tmp_path, TITLES)
    assert part is not None and part.title == "SMART, seed 1"
    assert part.domains.header == [
        "domain", "spots", "of all, %", "found again", "markers: RNA", "markers: protein (ADT)", "beside",
    ]  # fmt: skip
    assert part.domains.rows == [
        ["1: cortex <1>", 30, "33.33", "0.900", "a1, a2, a3", "P", "2 (75%), 3 (25%)"],
        ["2", 30, "33.33", "0.800", "b1, a1", "", "1: cortex <1> (100%)"],
        ["3", 30, "33.33", "0.300", "not tested", "not tested", "1: cortex <1> (100%)"],
    ]
    assert part.shapes.header == ["domain", "area, µm²", "border, µm", "pieces", "roundness", "weight of RNA"]
    assert part.shapes.rows[0] == ["1: cortex <1>", "12.50", "7", "2", "0.500", "0.600"]
    assert (part.named, part.n_domains, part.unknown) == (1, 3, 1)
    assert part.names is not None and part.gene_sets is not None
    assert [row[:3] for row in part.names.rows] == [
        [1, "cortex <1>", "yes"], [2, "cortex <1>", "no"], [3, "cortex <1>", "no"],
    ]  # fmt: skip
    # Only the one below 0.05.
    assert [row[2:4] for row in part.gene_sets.rows] == [["SET ONE", "3 of 20"]]
    rna, adt = part.plots
    # A feature that marks two domains has one row.
    assert [name for _, name in rna.features] == ["a1", "a2", "a3", "b1"] and [name for _, name in adt.features] == [
        "P"
    ]
    assert [name for _, name in rna.domains] == ["1: cortex <1>", "2", "3"]
    heat, _ = part.heat_maps
    assert [name for _, name in heat.features] == ["a1", "a2", "a3", "a4", "b1"]


def test_without_panel_and_with_sections(tmp_path: Path) -> None:
    write_characterised(tmp_path, panel=False, sections=("left", "right"))
    part = read_characterised(tmp_path, TITLES)
    assert part is not None and part.names is None and part.gene_sets is None
    assert part.domains.header[:4] == ["domain", "spots", "of all, %", "sections"]
    assert part.domains.rows[0][0] == "1"


def test_without_files_there_is_nothing(tmp_path: Path) -> None:
    assert read_characterised(None, TITLES) is None and read_characterised(tmp_path, TITLES) is None
    for name in ("markers", "structure"):
        (tmp_path / f"{name}.csv").touch()
    assert read_characterised(tmp_path, TITLES) is None


def test_damaged_and_missing_files_are_refused(tmp_path: Path) -> None:
    write_characterised(tmp_path)
    (tmp_path / "profiles.csv").unlink()
    with pytest.raises(InputError, match=r"profiles\.csv: does not exist"):
        read_characterised(tmp_path, TITLES)
    write_characterised(tmp_path)
    (tmp_path / "structure.csv").write_text("run,section\nsmart.seed1,all\n")
    with pytest.raises(InputError, match=r"structure\.csv: has no column 'domain'"):
        read_characterised(tmp_path, TITLES)


@pytest.mark.usefixtures("fast_umap")
def test_the_page_shows_it(make_dataset: Callable[..., DatasetSources], tmp_path: Path) -> None:
    sources = make_dataset(seeds=(1,))
    assert sources.files is not None
    assert "What the domains are" not in dataset_page(sources, tmp_path).text
    write_characterised(sources.files, name="<script>cortex</script>")
    page = dataset_page(sources, tmp_path)
    assert "Domains of SMART, seed 1." in page.text and "1 of 3 domains have a name" in page.text
    unknown = "1 of 3 domains is not found again (below 0.5), so its features cannot be tested"
    assert unknown in " ".join(page.text.split())
    assert not any("cortex" in script for script in page.scripts)
    assert ["2", "30", "33.33", "0.800", "b1, a1", "–", "1: <script>cortex</script> (100%)"] in page.rows
    assert [tag for tag, attrs in page.tags if "Markers of the domains in RNA" in attrs.get("aria-label", "")] == [
        "svg"
    ]
