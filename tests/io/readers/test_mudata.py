"""MuData files come back with their counts, coordinates and labels."""

from __future__ import annotations

from pathlib import Path

import mudata
import numpy as np
import pandas as pd
import pytest

from spatialweave.io import contract
from spatialweave.io.notices import InputWarning

from .reading import adata, section

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning", "ignore::DeprecationWarning")


def test_h5mu_with_shared_coordinates_labels_and_unequal_spots(tissue, tmp_path: Path, holds) -> None:
    rna, adt = adata(tissue)[:15].copy(), adata(tissue, "adt")[5:].copy()
    del rna.obsm["spatial"], adt.obsm["spatial"]
    data = mudata.MuData({"RNA": rna, "prot": adt, "hto": adt.copy()})
    coordinates = pd.DataFrame(tissue.coordinates, index=tissue.spots).loc[data.obs_names].to_numpy()
    data.obsm["spatial"] = coordinates
    data.obs["region"] = [f"r{name[4]}" for name in data.obs_names]
    data.write(tmp_path / "all.h5mu")
    with pytest.warns(InputWarning, match="'hto' is none of"):
        result = section(multi=tmp_path / "all.h5mu", labels="region")
    holds(result, tissue, "rna", tissue.spots[:15])
    holds(result, tissue, "adt", tissue.spots[5:])
    assert set(result.mod) == {"rna", "adt"}
    assert dict(zip(result.obs_names, result.obs["label"], strict=True)) == {s: f"r{s[4]}" for s in tissue.spots}
    contract.write(result, tmp_path / "out.h5mu")
    back = contract.read_h5mu(tmp_path / "out.h5mu", "section")
    present = {name: set(back.obs_names[np.ravel(back.obsm[name])]) for name in ("rna", "adt")}
    assert present == {"rna": set(tissue.spots[:15]), "adt": set(tissue.spots[5:])}
    holds(back, tissue, "adt", tissue.spots[5:])


def test_h5mu_with_names_that_mudata_made_unique(tissue, tmp_path: Path, holds) -> None:
    """By MuData.var_names_make_unique, if modalities have features of one name."""
    data = mudata.MuData({"rna": adata(tissue), "prot": adata(tissue, "adt")})
    for name, part in data.mod.items():
        part.var_names = [f"{name}:{feature}" for feature in part.var_names]
    data.mod["rna"].layers["raw_counts"] = data.mod["rna"].X
    data.update()
    data.write(tmp_path / "m.h5mu")
    for layers in ({}, {"rna": "raw_counts"}):
        result = section(multi=tmp_path / "m.h5mu", layers=layers)
        holds(result, tissue, "rna")
        holds(result, tissue, "adt")


def test_h5mu_with_coordinates_in_the_shared_columns(tissue, tmp_path: Path, holds) -> None:
    parts = {"rna": adata(tissue), "prot": adata(tissue, "adt")[5:].copy()}
    for part in parts.values():
        del part.obsm["spatial"]
    data = mudata.MuData(parts)
    data.obs["x"], data.obs["y"] = pd.DataFrame(tissue.coordinates, index=tissue.spots).loc[data.obs_names].to_numpy().T
    data.write(tmp_path / "m.h5mu")
    result = section(multi=tmp_path / "m.h5mu")
    holds(result, tissue, "rna")
    holds(result, tissue, "adt", tissue.spots[5:])
