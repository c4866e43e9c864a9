"""Writing of a simulated tissue as a Visium library of Space Ranger: matrix, positions of spots, tissue images."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from spatialweave.errors import InputError
from spatialweave.io.files import atomic_path, write_csv, write_json
from spatialweave.modalities import MODALITY_KINDS
from spatialweave.simulate import histology
from spatialweave.simulate.tissue import LABEL, Tissue, check, simulate_spots

if TYPE_CHECKING:
    import anndata
    import pandas as pd

PITCH = 140
"""Pixels of the full image per spot spacing, which is 100 micrometres."""

SPOT, FIDUCIAL = 0.65, 1.05
"""Diameters of spots and fiducials in Space Ranger's files, in spot spacings."""

HIRES, LOWRES = 2000, 600
"""Largest number of pixels on the longer side of the images, as in Space Ranger."""

DETAIL = 24
"""Pixels of the larger image per spot spacing; fewer if the image would be larger than :data:`HIRES`."""


def write_visium(spec: Tissue, seed: int, out_dir: Path, dataset: str) -> None:
    """Simulate a tissue on Visium's hexagonal lattice, and write it with an image, labels and a samplesheet.

    Spots without tissue are only in the table of positions. The labels are a table of barcode and label.

    Raises
    ------
    InputError
        For an invalid tissue, and for a tissue that lacks a modality at some spots: a matrix of Space Ranger has all
        features at all spots.
    """
    import pandas as pd

    check(spec)
    if any(spec.missing.values()):
        raise InputError("--missing", "given with --image", "all modalities at all spots of a Space Ranger folder")
    row, place = np.divmod(np.arange(spec.rows * spec.cols), spec.cols)
    lattice = np.column_stack([place + 0.5 * (row % 2), row])
    barcodes = np.array([f"spot_{r:04d}x{c:04d}-1" for r, c in zip(row, place, strict=True)])
    inside = histology.outline(spec, lattice)
    tissue = simulate_spots(spec, seed, barcodes[inside], lattice[inside])
    folder = f"{dataset}_outs"
    x, y = ((lattice * (1, histology.ROW_HEIGHT) + histology.MARGIN) * PITCH).round().astype(int).T
    positions = pd.DataFrame({
        "barcode": barcodes, "in_tissue": inside.astype(int), "array_row": row, "array_col": 2 * place + row % 2,
        "pxl_row_in_fullres": y, "pxl_col_in_fullres": x,
    })  # fmt: skip
    with atomic_path(out_dir / folder) as outs:
        (outs / "spatial").mkdir(parents=True)
        _write_matrix(outs / "filtered_feature_bc_matrix.h5", tissue)
        write_csv(outs / "spatial" / "tissue_positions.csv", positions)
        _write_images(outs / "spatial", spec, seed)
    labels = next(iter(tissue.values())).obs[LABEL]
    write_csv(out_dir / f"{dataset}_labels.csv", labels.rename_axis("barcode").reset_index())
    line = {"dataset": dataset, "section": "section1", "multi": folder, "labels": f"{dataset}_labels.csv"}
    write_csv(out_dir / "samplesheet.csv", pd.DataFrame([line | {"platform": "visium", "n_domains": spec.n_domains}]))


def _write_matrix(path: Path, tissue: Mapping[str, anndata.AnnData]) -> None:
    """Write a 10x HDF5 file, version 3; its spots are columns, so rows of our matrices are its compressed columns."""
    import h5py
    from scipy import sparse

    counts = sparse.hstack([data.X for data in tissue.values()], format="csr")
    names = [name for data in tissue.values() for name in data.var_names]
    kinds = [MODALITY_KINDS[modality].feature_type for modality, data in tissue.items() for _ in data.var_names]
    columns = {"id": names, "name": names, "feature_type": kinds, "genome": [""] * len(names)}
    with h5py.File(path, "w") as file:
        matrix = file.create_group("matrix")
        matrix["barcodes"] = _text(next(iter(tissue.values())).obs_names)
        matrix["shape"] = np.array(counts.shape[::-1], dtype=np.int32)
        for name, values in (("data", counts.data), ("indices", counts.indices), ("indptr", counts.indptr)):
            kind = np.int64 if name != "data" else np.int32
            matrix.create_dataset(name, data=values.astype(kind), compression="gzip")
        features = matrix.create_group("features")
        for name, texts in columns.items():
            features[name] = _text(texts)


def _text(values: pd.Index | list[str]) -> np.ndarray:
    return np.array([str(value).encode() for value in values], dtype="S")


def _write_images(folder: Path, spec: Tissue, seed: int) -> None:
    """Write both images and their scale factors: pixels of an image per pixel of the full image."""
    longest = max(spec.cols, histology.ROW_HEIGHT * spec.rows) + 2 * histology.MARGIN
    hires = histology.draw(spec, seed, min(DETAIL, HIRES / longest))
    factors = {"spot_diameter_fullres": SPOT * PITCH, "fiducial_diameter_fullres": FIDUCIAL * PITCH}
    scale = min(DETAIL, HIRES / longest) / PITCH
    lowres = min(1.0, LOWRES / max(hires.size))
    for name, factor in (("hires", 1.0), ("lowres", lowres)):
        size = (round(hires.width * factor), round(hires.height * factor))
        hires.resize(size).save(folder / f"tissue_{name}_image.png")
        factors[f"tissue_{name}_scalef"] = scale * factor
    write_json(folder / "scalefactors_json.json", factors)
