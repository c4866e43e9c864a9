"""A Visium library as Space Ranger writes it, simulated, with an image of the tissue drawn from its domains."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image, ImageDraw
from scipy import sparse
from scipy.io import mmwrite

PITCH = 138.0
"""Pixels of the full image from the centre of a spot to the next: 100 micrometres."""

SCALE = 0.15
"""Pixels of the hires image per pixel of the full one."""

DIAMETER = 89.5
COLOURS = ((214, 140, 190), (160, 90, 160), (235, 190, 215))
"""About those of H&E staining, one per domain."""


def lattice(n_rows: int = 16, n_columns: int = 14) -> pd.DataFrame:
    """Spots on Visium's hexagonal lattice: barcode, row, column, x and y in pixels, and domain."""
    rows = []
    for row in range(n_rows):
        for place in range(n_columns):
            column = 2 * place + row % 2
            x, y = 700 + column * PITCH / 2, 900 + row * PITCH * np.sqrt(3) / 2
            domain = 0 if np.hypot(row - n_rows / 2, place - n_columns / 2) < n_rows / 4 else 1 + (row >= n_rows / 2)
            rows.append((f"S{row:02d}X{place:02d}-1", row, column, x, y, domain))
    return pd.DataFrame(rows, columns=["barcode", "row", "column", "x", "y", "domain"])


def tissue(spots: pd.DataFrame, scale: float = SCALE, size: tuple[int, int] | None = None) -> Image.Image:
    """White glass with a disc in its domain's colour at every spot; the discs touch."""
    if size is None:
        width, height = spots["x"].max() + 600, spots["y"].max() + 900
        size = (round(width * scale), round(height * scale))
    image = Image.new("RGB", size, (244, 240, 242))
    draw = ImageDraw.Draw(image)
    radius = 0.6 * PITCH * scale
    for x, y, domain in spots[["x", "y", "domain"]].itertuples(index=False):
        draw.ellipse((x * scale - radius, y * scale - radius, x * scale + radius, y * scale + radius), COLOURS[domain])
    return image


def factors() -> dict[str, float]:
    """Space Ranger's scale factors."""
    return {
        "tissue_hires_scalef": SCALE,
        "tissue_lowres_scalef": SCALE / 4,
        "spot_diameter_fullres": DIAMETER,
        "fiducial_diameter_fullres": 144.5,
    }


def counts(spots: pd.DataFrame, n_genes: int = 60, seed: int = 0) -> sparse.csr_matrix:
    """Each gene is raised in one of the domains."""
    rates = 1.0 + 8.0 * (np.arange(n_genes)[None, :] % 3 == spots["domain"].to_numpy()[:, None])
    return sparse.csr_matrix(np.random.default_rng(seed).poisson(rates))


def write_outs(folder: Path, spots: pd.DataFrame | None = None) -> Path:
    """Write an outs folder with matrix, positions, both images and scale factors; returns the folder."""
    spots = lattice() if spots is None else spots
    matrix = folder / "filtered_feature_bc_matrix"
    matrix.mkdir(parents=True)
    values = counts(spots)
    with gzip.open(matrix / "matrix.mtx.gz", "wb") as stream:
        mmwrite(stream, values.T.tocoo())
    genes = "".join(f"ENSG{i}\tGene{i}\tGene Expression\n" for i in range(values.shape[1]))
    for name, text in (("features.tsv.gz", genes), ("barcodes.tsv.gz", "\n".join(spots["barcode"]) + "\n")):
        with gzip.open(matrix / name, "wt") as stream:
            stream.write(text)
    spatial = folder / "spatial"
    spatial.mkdir()
    positions = pd.DataFrame(
        {
            "barcode": spots["barcode"],
            "in_tissue": 1,
            "array_row": spots["row"],
            "array_col": spots["column"],
            "pxl_row_in_fullres": spots["y"].round().astype(int),
            "pxl_col_in_fullres": spots["x"].round().astype(int),
        }
    )
    positions.to_csv(spatial / "tissue_positions.csv", index=False)
    tissue(spots).save(spatial / "tissue_hires_image.png")
    tissue(spots, SCALE / 4).save(spatial / "tissue_lowres_image.png")
    (spatial / "scalefactors_json.json").write_text(json.dumps(factors()))
    return folder
