"""Cells that are numbered inside fields of view are matched whichever of field and number their names begin with."""

from __future__ import annotations

import warnings
from pathlib import Path

import mudata
import numpy as np
import pandas as pd
import pytest

from spatialweave.errors import InputError
from spatialweave.io.notices import InputWarning

from ..inputs import h5ad
from . import machines
from .reading import section

WIDE, SQUARE = (3, 8), (5, 5)
"""Fields, and cells in each: of names of a square all are names in the other order, too."""


class Slide:
    """Cells in fields of view, the left half of which are one domain, and their positions."""

    def __init__(self, fields: int, cells: int) -> None:
        self.fov, self.number = np.repeat(np.arange(1, fields + 1), cells), np.tile(np.arange(1, cells + 1), fields)
        self.at = np.column_stack([self.fov * 100.0 + self.number, self.number * 7.0 % 11])
        self.label = np.where(self.fov <= fields // 2, "left", "right")

    def names(self, field_first: bool) -> list[str]:
        pairs = zip(self.fov, self.number, strict=True)
        return [f"{fov}_{number}" if field_first else f"{number}_{fov}" for fov, number in pairs]

    def flat_files(self, folder: Path) -> Path:
        """The machine's own folder, whose cells are called field first."""
        counts = np.random.default_rng(0).poisson(3, (len(self.fov), 3)) + 1
        values = pd.DataFrame(np.column_stack([counts, counts[:, 0]]), columns=["Actb", "Gad1", "Sst", "NegPrb1"])
        return machines.cosmx(folder / "flat", self.fov, self.number, values, self.at)

    def positions(self, folder: Path) -> Path:
        """The machine's table of cells."""
        table = pd.DataFrame({"fov": self.fov, "cell_ID": self.number})
        table = table.assign(CenterX_global_px=self.at[:, 0], CenterY_global_px=self.at[:, 1])
        return csv(table, folder / "metadata_file.csv")

    def labels(self, folder: Path, field_first: bool, **columns: np.ndarray) -> str:
        table = pd.DataFrame({"barcode": self.names(field_first), **columns, "label": self.label})
        return str(csv(table, folder / "labels.csv"))

    def has_labels(self, data: mudata.MuData, field_first: bool = True) -> bool:
        return data.obs["label"][self.names(field_first)].tolist() == self.label.tolist()

    def has_places(self, data: mudata.MuData, field_first: bool) -> bool:
        return np.array_equal(data[self.names(field_first)].obsm["spatial"], self.at)


def csv(table: pd.DataFrame, path: Path) -> Path:
    """Write a table in another order than that of the matrix."""
    table.iloc[::-1].to_csv(path, index=False)
    return path


def exchanged(said: pytest.WarningsRecorder) -> bool:
    return any("are exchanged" in str(one.message) for one in said)


@pytest.mark.parametrize("field_first", [True, False])
def test_labels_in_either_order(tmp_path: Path, field_first: bool) -> None:
    slide = Slide(*WIDE)
    with pytest.warns(InputWarning) as said:
        data = section(multi=slide.flat_files(tmp_path), labels=slide.labels(tmp_path, field_first))
    assert slide.has_labels(data)
    assert exchanged(said) is not field_first


def test_labels_that_match_in_both_orders_are_refused(tmp_path: Path) -> None:
    slide = Slide(*SQUARE)
    folder = slide.flat_files(tmp_path)
    message = (
        r"labels.csv: its cells can be those .* \('4_5' or '5_4'\): 25 of 25 match either way; .*"
        "give the columns fov and cell_ID in this table"
    )
    with pytest.raises(InputError, match=message):
        section(multi=folder, labels=slide.labels(tmp_path, False))


@pytest.mark.parametrize("field_first", [True, False])
@pytest.mark.parametrize("columns", [("fov",), ("fov", "cell_ID")])
def test_the_column_of_fields_tells_the_order_of_labels(
    tmp_path: Path, columns: tuple[str, ...], field_first: bool
) -> None:
    slide = Slide(*SQUARE)
    given = {"fov": slide.fov, "cell_ID": slide.number}
    labels = slide.labels(tmp_path, field_first, **{column: given[column] for column in columns})
    assert slide.has_labels(section(multi=slide.flat_files(tmp_path), labels=labels))


def test_labels_by_field_and_cell_alone(tmp_path: Path) -> None:
    slide = Slide(*SQUARE)
    table = pd.DataFrame({"fov": slide.fov, "cell_ID": slide.number, "what the pathologist saw": slide.label})
    data = section(multi=slide.flat_files(tmp_path), labels=str(csv(table, tmp_path / "labels.csv")))
    assert slide.has_labels(data)


@pytest.mark.parametrize("field_first", [True, False])
def test_cells_in_either_order_find_their_places(tmp_path: Path, field_first: bool) -> None:
    slide = Slide(*WIDE)
    path = h5ad(tmp_path / "s.h5ad", slide.names(field_first))
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        data = section({"rna": path}, spatial=slide.positions(tmp_path))
    assert slide.has_places(data, field_first)
    assert any("are exchanged ('3_8' is '8_3' there)" in str(one.message) for one in said) is not field_first


def test_cells_that_match_places_in_both_orders_are_refused(tmp_path: Path) -> None:
    slide = Slide(*SQUARE)
    path = h5ad(tmp_path / "s.h5ad", slide.names(False))
    message = (
        "metadata_file.csv: its cells can be those .* give the columns fov and cell_ID in the table of cells .obs."
    )
    with pytest.raises(InputError, match=message):
        section({"rna": path}, spatial=slide.positions(tmp_path))


@pytest.mark.parametrize("field_first", [True, False])
def test_the_column_of_fields_tells_the_order_of_cells(tmp_path: Path, field_first: bool) -> None:
    """As squidpy writes them: obs has the fields as text."""
    slide = Slide(*SQUARE)
    obs = {"fov": pd.Categorical(slide.fov.astype(str)), "cell_ID": slide.number}
    path = h5ad(tmp_path / "s.h5ad", slide.names(field_first), obs)
    data = section(
        {"rna": path}, spatial=slide.positions(tmp_path), labels=slide.labels(tmp_path, field_first, fov=slide.fov)
    )
    assert slide.has_places(data, field_first)
    assert slide.has_labels(data, field_first)


def test_two_files_that_agree_in_their_own_names_are_taken_at_their_word(tmp_path: Path) -> None:
    """Rows and columns of an array, say, of which nobody exchanges any."""
    slide = Slide(*SQUARE)
    path = h5ad(tmp_path / "s.h5ad", slide.names(True), obsm={"spatial": slide.at})
    with warnings.catch_warnings():
        warnings.simplefilter("error", InputWarning)
        assert slide.has_labels(section({"rna": path}, labels=slide.labels(tmp_path, True)))


def test_symmetric_names_are_the_same_in_both_orders(tmp_path: Path) -> None:
    slide = Slide(*SQUARE)
    table = pd.DataFrame({"barcode": ["1_1", "3_3", "4_4"], "label": ["a", "b", "c"]})
    data = section(multi=slide.flat_files(tmp_path), labels=str(csv(table, tmp_path / "labels.csv")))
    assert data.obs["label"][["1_1", "3_3", "4_4", "1_2"]].tolist() == ["a", "b", "c", ""]


def test_labels_by_the_names_of_atomx(tmp_path: Path) -> None:
    """Of the names "c_1_4_5" only the section's own columns tell to which cell "4_5" they belong."""
    slide = Slide(*WIDE)
    counts = np.random.default_rng(0).poisson(3, (len(slide.fov), 3)) + 1
    values = pd.DataFrame(counts, columns=["Actb", "Gad1", "Sst"]).assign(NegPrb1=counts[:, 0])
    folder = machines.cosmx(tmp_path / "flat", slide.fov, slide.number, values, slide.at, atomx=True)
    table = pd.DataFrame({"cell": machines.atomx_names(slide.fov, slide.number), "label": slide.label})
    with pytest.warns(InputWarning, match="its rows are matched by the column"):
        data = section(multi=folder, labels=str(csv(table, tmp_path / "labels.csv")))
    assert slide.has_labels(data)
