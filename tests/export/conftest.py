"""An integrated file of two sections whose content the tests know."""

from __future__ import annotations

import json
from pathlib import Path

import anndata
import mudata
import numpy as np
import pandas as pd
import pytest
from PIL import Image
from scipy import sparse

from spatialweave.io.contract import join_modalities, stamp, write
from spatialweave.io.tissue_image import TissueImage, images_uns

BARCODES = ["AAA-1", "CCC-1", "GGG-1", "TTT-1"]
SPOTS = [f"{section}:{barcode}" for section in ("one", "two") for barcode in BARCODES]
RNA = np.arange(24).reshape(8, 3) % 5
ADT = {"one:AAA-1": [7, 0], "one:GGG-1": [0, 9], "two:CCC-1": [1, 2]}
SMART = ["1", "10", "2", "2", "1", "1", "1", "1"]
WEAVE = ["2", "2", "1", "1", "2", "2", "1", "1"]
LABELS = ["cortex", "", "hilum", "hilum", "cortex", "cortex", "hilum", ""]
COLOURS = {
    "label": ["#000001", "#000002"],
    "smart_1": ["#0072B2", "#E69F00", "#009E73"],
    "weave_1": ["#E69F00", "#0072B2"],
}


def categories(values: list[str], names: list[str]) -> pd.Categorical:
    return pd.Categorical([value or None for value in values], names)


def content() -> mudata.MuData:
    """Eight spots; three of them have proteins, one of which is called as a gene is."""
    obs = pd.DataFrame(
        {
            "barcode": BARCODES * 2,
            "section": ["one"] * 4 + ["two"] * 4,
            "meta_donor": ["P1"] * 4 + ["P2"] * 4,
            "label": categories(LABELS, ["cortex", "hilum"]),
            "smart_1": categories(SMART, ["1", "2", "10"]),
            "weave_1": categories(WEAVE, ["1", "2"]),
        },
        index=SPOTS,
    )
    genes = pd.DataFrame({"gene_ids": ["ENSG1", "ENSG2", "ENSG3"]}, index=["CD3", "ACTB", "5'X"])
    rna = anndata.AnnData(sparse.csr_matrix(RNA, dtype=np.float32), pd.DataFrame(index=SPOTS), genes)
    proteins = pd.DataFrame(index=["CD3", "IgG"])
    # In another order than the spots of the dataset.
    measured = list(ADT)[::-1]
    adt = anndata.AnnData(
        sparse.csr_matrix([ADT[spot] for spot in measured], dtype=np.float32), pd.DataFrame(index=measured), proteins
    )
    runs = [{"method": "smart", "seed": 1}, {"method": "weave", "seed": 1}]
    uns = {"spatialweave": stamp("integrated", dataset="tissue"), "runs": json.dumps(runs)}
    uns |= {"parameters": json.dumps({"seeds": 1}), "versions": json.dumps({"python": "3"})}
    uns |= {f"{column}_colors": np.array(colours, dtype=object) for column, colours in COLOURS.items()}
    data = join_modalities({"rna": rna, "adt": adt}, obs, np.arange(16.0).reshape(8, 2), uns)
    data.obsm["X_smart_1"] = np.arange(24, dtype=np.float32).reshape(8, 3)
    umap = np.arange(16, dtype=np.float32).reshape(8, 2)
    # A spot that was not drawn.
    umap[1] = np.nan
    data.obsm["X_umap_smart_1"] = umap
    data.obsm["spatial_aligned"] = np.arange(16.0).reshape(8, 2) + 100
    data.obs["smart_1_pseudotime"] = [*np.arange(7) / 7, np.nan]
    data.obsm["confidence_weave_1"] = pd.DataFrame({"confidence": np.arange(8) / 8, "entropy": 0.0}, index=SPOTS)
    data.uns.update(images_uns({"one": TissueImage.of_pixels(picture(), 4.0, (8.0, -4.0), 1.5)}))
    edges = sparse.block_diag([np.diag([1.0, 2, 3], 1)] * 2, format="csr")
    data.obsp["spatial_distances"] = edges
    data.obsp["spatial_connectivities"] = ((edges + edges.T) > 0).astype(np.float64)
    return data


def picture() -> Image.Image:
    """Each pixel has its column as red and its row as green."""
    rows, columns = np.mgrid[:40, :60].astype(np.uint8)
    return Image.fromarray(np.stack([columns, rows, np.zeros_like(rows)], axis=2))


@pytest.fixture
def integrated(tmp_path: Path) -> Path:
    path = tmp_path / "integrated.h5mu"
    write(content(), path)
    return path
