"""Small files with the names, slots and columns that the files of the published datasets have, and what is in them.

Where counts, labels and coordinates are is written down here once more, from docs/datasets.md and not from the
samplesheets, so that a samplesheet that declares something else is found out.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass, field
from pathlib import Path

import anndata
import h5py
import numpy as np
import pandas as pd
from scipy import sparse

SIDE = 14
MODALITIES = ("rna", "adt", "atac", "histone", "metabolite")
N_FEATURES = {"rna": 90, "adt": 12, "atac": 80, "histone": 80, "metabolite": 25}


@dataclass(frozen=True)
class Layout:
    """What the files of a dataset are like.

    Attributes
    ----------
    slots
        Modality -> the slot with the counts; X of a file with another slot has log values. `ranks`, `fractions`: X has
        no counts.
    spots
        How the spots lie: `visium` (pixels), `array` (rows and columns of a Visium slide), `grid`, `cells`.
    labels
        "" (there are none), `obs:COLUMN` of the first file, `csv:COLUMN` beside a column of barcodes, or `list`.
    numbered
        Spots are called by numbers and stored in another order.
    lsi
        The modality whose file has latents in obsm['X_lsi'].
    """

    slots: dict[str, str] = field(default_factory=lambda: {"rna": "X"})
    spots: str = "grid"
    labels: str = ""
    numbered: bool = False
    lsi: str = ""


RNA_ADT = {"rna": "X", "adt": "X"}
RNA_PEAKS = {"rna": "X", "atac": "fractions", "histone": "fractions"}
LAYOUTS = {
    "axolotl_telencephalon_stereo_seq": Layout({"rna": "layers/counts"}, "cells", "obs:Annotation"),
    "bladder_cancer_codex": Layout({"adt": "fractions"}, "cells", "obs:Region"),
    "dlpfc_visium": Layout(spots="visium", labels="obs:Region"),
    "human_breast_cancer_visium_cytassist": Layout(RNA_ADT, "visium"),
    "human_glioblastoma_visium_cytassist": Layout(RNA_ADT, "visium"),
    "human_lymph_node_a1_visium_cytassist": Layout(RNA_ADT, "visium", "csv:manual-anno"),
    "human_lymph_node_d1_visium_cytassist": Layout(RNA_ADT, "visium"),
    "human_tonsil_visium_cytassist": Layout(RNA_ADT, "visium", "obs:final_annot"),
    "mouse_brain_p22_atac_rna": Layout(RNA_PEAKS, labels="obs:ATAC_clusters", lsi="atac"),
    "mouse_brain_p22_histone_rna": Layout(RNA_PEAKS),
    "mouse_cerebellum_magic_plato_maldi": Layout(
        {"rna": "layers/raw", "adt": "raw", "metabolite": "layers/raw"}, labels="obs:cluster"
    ),
    "mouse_cortex_baristaseq": Layout(spots="cells", labels="obs:layer"),
    "mouse_cortex_osmfish": Layout({"rna": "ranks"}, "cells", "obs:Region"),
    "mouse_embryo_brain_misar": Layout({"rna": "X", "atac": "X"}, labels="csv:cluster"),
    "mouse_embryo_e13_atac_rna": Layout({"rna": "X", "atac": "fractions"}, labels="obs:Joint_clusters"),
    "mouse_spleen_spots": Layout(RNA_ADT, "array"),
    "mouse_thymus_stereo_cite": Layout(RNA_ADT),
    "simulated_rna_adt_atac": Layout(
        {"rna": "layers/counts", "adt": "layers/counts", "atac": "layers/counts"}, labels="list", numbered=True
    ),
}


@dataclass(frozen=True)
class Section:
    """One row of a samplesheet: its cells, and what was written for it."""

    row: dict[str, str]
    values: dict[str, pd.DataFrame]
    labels: pd.Series | None
    coordinates: pd.DataFrame


def rows(folder: Path) -> list[dict[str, str]]:
    """The rows of a dataset's samplesheet."""
    with (folder / "samplesheet.csv").open(newline="") as stream:
        return list(csv.DictReader(stream))


def write(folder: Path, base: Path) -> list[Section]:
    """Write the files of a dataset's samplesheet under `base`, each file once."""
    layout = LAYOUTS[folder.name]
    files: dict[str, Section] = {}
    return [_section(row, layout, base, files) for row in rows(folder)]


def _section(row: dict[str, str], layout: Layout, base: Path, files: dict[str, Section]) -> Section:
    named = "".join(row.get(column, "") for column in (*MODALITIES, "multi"))
    if named in files:
        return Section(row, files[named].values, files[named].labels, files[named].coordinates)
    rng = np.random.default_rng(len(files))
    points = _points(layout.spots, rng)
    names = [f"{i:04d}" if layout.numbered else f"SPOT{i:03d}-1" for i in range(len(points))]
    half = points > points.mean(axis=0)
    domain = half[:, 0].astype(int) + 2 * half[:, 1]
    labels = pd.Series([f"region {d}" for d in domain], names)
    coordinates = pd.DataFrame(points, names, ["x", "y"])
    order = rng.permutation(names) if layout.numbered else np.array(names)
    given = [m for m in MODALITIES if row.get(m)] or list(layout.slots)
    values = {m: _values(m, layout.slots[m], domain, names, rng) for m in given}
    if row.get("multi"):
        _write_outs(base / row["multi"], values, coordinates)
    for number, modality in enumerate(m for m in given if row.get(m)):
        obs = pd.DataFrame(index=order)
        if layout.labels.startswith("obs:") and not number:
            obs[layout.labels[4:]] = pd.Categorical(labels[order])
        _write_h5ad(base / row[modality], values[modality].loc[order], layout, modality, obs, coordinates.loc[order])
    kind, _, column = layout.labels.partition(":")
    if kind in ("csv", "list"):
        path = base / row["labels"]
        if kind == "csv":
            labels.rename(column).rename_axis("barcode").sample(frac=1, random_state=1).to_csv(path)
        else:
            path.write_text("".join(f"{label}\n" for label in labels))
    files[named] = Section(row, values, labels if layout.labels else None, coordinates)
    return files[named]


def _points(kind: str, rng: np.random.Generator) -> np.ndarray:
    """x and y of SIDE x SIDE spots."""
    y, x = np.divmod(np.arange(SIDE * SIDE), SIDE)
    if kind in ("visium", "array"):
        spacing = 100 if kind == "visium" else 1
        return spacing * np.column_stack([40 + x + 0.5 * (y % 2), np.sqrt(0.75) * y])
    points = 50.0 * np.column_stack([x, y])
    return points + rng.uniform(-20, 20, points.shape) if kind == "cells" else points


def _values(modality: str, slot: str, domain: np.ndarray, names: list[str], rng: np.random.Generator) -> pd.DataFrame:
    """Values of which a third follows the four domains."""
    n = N_FEATURES[modality]
    means = np.full((4, n), 2.0)
    for d in range(4):
        means[d, d : n // 3 : 4] = 12.0
    values = rng.poisson(means[domain]).astype(float)
    values[:, 0] += 1
    if slot == "ranks":
        values = pd.DataFrame(values).rank().to_numpy()
    if slot == "fractions":
        values = values / values.sum(axis=1, keepdims=True) * 7
    columns = {
        "rna": [f"Gene{i}" for i in range(n)],
        "adt": [f"CD{i}" for i in range(n)],
        "metabolite": [f"mz{100 + i}.5" for i in range(n)],
    }.get(modality, [f"chr1-{1000 * i}-{1000 * i + 500}" for i in range(n)])
    return pd.DataFrame(values, names, columns)


def _write_h5ad(
    path: Path, values: pd.DataFrame, layout: Layout, modality: str, obs: pd.DataFrame, coordinates: pd.DataFrame
) -> None:
    slot = layout.slots[modality]
    counts = sparse.csr_matrix(values.to_numpy(np.float32))
    log = counts.log1p()
    data = anndata.AnnData(counts, obs, pd.DataFrame(index=values.columns))
    data.obsm["spatial"] = coordinates.to_numpy()
    if layout.spots == "array":
        # Of a slide's columns every row has the even or the odd ones; rows come first.
        data.obsm["spatial"] = np.rint(coordinates[["y", "x"]] / [np.sqrt(0.75), 0.5]).to_numpy()
    if layout.lsi == modality:
        data.obsm["X_lsi"] = values.to_numpy()[:, :8]
    if slot == "raw":
        data.raw = data.copy()
        data = data[:, ::2].copy()
        data.X = log[:, ::2]
    elif slot.startswith("layers/"):
        data.layers[slot.removeprefix("layers/")] = counts
        data.X = log
        data.uns["log1p"] = {}
    path.parent.mkdir(parents=True, exist_ok=True)
    data.write_h5ad(path)


def _write_outs(folder: Path, values: dict[str, pd.DataFrame], coordinates: pd.DataFrame) -> None:
    """The 10x .h5 and the unpacked folder `spatial` of a download, under the names that 10x gives them."""
    (folder / "spatial").mkdir(parents=True, exist_ok=True)
    joined = pd.concat(values.values(), axis=1)
    kinds = {"rna": "Gene Expression", "adt": "Antibody Capture"}
    types = [kinds[modality] for modality, part in values.items() for _name in part.columns]
    stored = sparse.csr_matrix(joined.to_numpy(np.int32))
    with h5py.File(folder / f"{folder.name}_filtered_feature_bc_matrix.h5", "w") as file:
        matrix = file.create_group("matrix")
        matrix["barcodes"] = np.array(joined.index, dtype="S")
        matrix["data"], matrix["indices"], matrix["indptr"] = stored.data, stored.indices, stored.indptr
        matrix["shape"] = np.array(joined.shape[::-1], dtype=np.int32)
        features = matrix.create_group("features")
        features["id"] = features["name"] = np.array(joined.columns, dtype="S")
        features["feature_type"] = np.array(types, dtype="S")
    y, x = np.divmod(np.arange(len(joined)), SIDE)
    positions = pd.DataFrame({"barcode": joined.index, "in_tissue": 1, "array_row": y, "array_col": 2 * x + y % 2})
    positions["pxl_row_in_fullres"] = coordinates["y"].to_numpy().round()
    positions["pxl_col_in_fullres"] = coordinates["x"].to_numpy()
    positions.to_csv(folder / "spatial" / "tissue_positions.csv", index=False)
