"""Writers of what machines deliver, from the public descriptions of their formats; they use no reader."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import h5py
import numpy as np
import pandas as pd

from ..conftest import tenx_h5

Fragment = tuple[str, int, int, str]
Spectrum = Callable[[int], tuple[np.ndarray, np.ndarray]]


def xenium(
    folder: Path, cells: Sequence[str], features: list[tuple[str, str]], values: np.ndarray, at: np.ndarray
) -> Path:
    """A Xenium output folder; values that are no whole numbers are stored as floats."""
    folder.mkdir()
    path = tenx_h5(folder / "cell_feature_matrix.h5", list(cells), features, values)
    if (values != np.floor(values)).any():
        with h5py.File(path, "r+") as file:
            del file["matrix/data"]
            file["matrix/data"] = values[values != 0].astype(np.float32)
    table = pd.DataFrame({"cell_id": cells, "x_centroid": at[:, 0], "y_centroid": at[:, 1]})
    table.to_parquet(folder / "cells.parquet")
    (folder / "experiment.xenium").write_text("{}")
    return folder


def atomx_names(fov: np.ndarray, number: np.ndarray) -> list[str]:
    """Names of the cells of the first slide."""
    return [f"c_1_{field}_{cell}" for field, cell in zip(fov, number, strict=True)]


def cosmx(
    folder: Path,
    fov: np.ndarray,
    number: np.ndarray,
    values: pd.DataFrame,
    at: np.ndarray,
    ending: str = ".csv",
    cell_first: bool = False,
    quoted: bool = False,
    atomx: bool = False,
) -> Path:
    """Flat files of CosMx, with a row for what is outside of cells in each field.

    AtoMx 1.3.2 writes the names of cells beside their numbers, in two columns.
    """
    folder.mkdir()
    keys = {"cell_ID": number, "fov": fov} if cell_first else {"fov": fov, "cell_ID": number}
    table = pd.concat([pd.DataFrame(keys), values], axis=1)
    fields = list(np.unique(fov))
    outside = pd.DataFrame({"fov": fields, "cell_ID": 0, **dict.fromkeys(values.columns, 50)})[table.columns]
    style = {"index": False, "quoting": 2 if quoted else 0}
    pd.concat([outside, table]).to_csv(folder / f"Run1_exprMat_file{ending}", **style)
    cells = pd.DataFrame(
        {
            "fov": fov,
            "Area": 100 + number,
            "cell_ID": number,
            "CenterX_local_px": 1,
            "CenterY_local_px": 1,
            "CenterX_global_px": at[:, 0],
            "CenterY_global_px": at[:, 1],
            "cell_type": np.where(fov == fields[0], "a", "b"),
        }
    )
    if atomx:
        cells.insert(0, "cell", atomx_names(fov, number))
        cells.insert(3, "cell_id", cells["cell"])
        cells.insert(4, "slide_ID", 1)
    cells.iloc[::-1].to_csv(folder / f"Run1_metadata_file{ending}", **style)
    return folder


def merscope(
    folder: Path,
    cells: Sequence[str],
    values: pd.DataFrame,
    at: np.ndarray,
    entity: str | None = "EntityID",
    prefix: str = "",
) -> Path:
    """A MERSCOPE output folder; without a name of the column of cells as its older software writes it."""
    folder.mkdir()
    values.set_axis(pd.Index(cells, name="cell")).to_csv(folder / f"{prefix}cell_by_gene.csv")
    table = pd.DataFrame(
        {"fov": 3, "volume": 5.5, "center_x": at[:, 0], "center_y": at[:, 1], "min_x": 0.0},
        index=pd.Index(cells, name=entity),
    )
    table.iloc[::-1].to_csv(folder / f"{prefix}cell_metadata.csv")
    return folder


def gef(
    path: Path,
    genes: Sequence[str],
    records: pd.DataFrame,
    *sizes: int,
    name: str = "gene",
    resolution: int | None = 500,
) -> Path:
    """A .gef of square bins of these sizes from records (gene, x, y, count) that are ordered by gene."""
    with h5py.File(path, "w") as file:
        for size in sizes or (1,):
            at = records.assign(x=records["x"] // size * size, y=records["y"] // size * size)
            at = at.groupby(["gene", "x", "y"], as_index=False)["count"].sum()
            group = file.create_group(f"geneExp/bin{size}")
            kinds = [("x", "<i4"), ("y", "<i4"), ("count", "<u2")]
            rows = list(at[["x", "y", "count"]].itertuples(index=False, name=None))
            group["expression"] = np.array(rows, dtype=kinds)
            if resolution is not None:
                group["expression"].attrs["resolution"] = np.array([resolution], dtype=np.uint32)
            counts = at["gene"].value_counts().reindex(range(len(genes)), fill_value=0).to_numpy()
            table = np.zeros(len(genes), dtype=[(name, "S64"), ("offset", "<u4"), ("count", "<u4")])
            table[name], table["count"], table["offset"] = genes, counts, np.cumsum(counts) - counts
            group["gene"] = table
    return path


def imzml(folder: Path, pixels: Sequence[tuple[int, int]], spectrum: Spectrum, depth: int = 1, **how: object) -> Path:
    """An .imzML with its .ibd, by pyimzml's writer."""
    from pyimzml.ImzMLWriter import ImzMLWriter

    folder.mkdir(exist_ok=True)
    with ImzMLWriter(str(folder / "S.imzML"), **how) as writer:
        for i, (x, y) in enumerate(pixels):
            writer.addSpectrum(*spectrum(i), (x, y, 1 + i % depth))
    return folder / "S.imzML"


def fragments_text(listed: Sequence[Fragment], comments: str = "# id=S\n# reference=x\n", more: str = "\t1") -> str:
    """A file of fragments as text."""
    return comments + "".join("\t".join(map(str, fragment)) + more + "\n" for fragment in listed)
