"""Latents and normalised values that the user declares, from the input file to the latents."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import anndata as ad
import mudata as md
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from spatialweave.errors import InputError
from spatialweave.io import contract
from spatialweave.io.dataset import read_dataset
from spatialweave.io.joined_counts import read_joined_counts
from spatialweave.io.section import SectionInput, read_section
from spatialweave.preprocess.dataset import preprocess
from spatialweave.qc.section import check_section
from spatialweave.qc.thresholds import MIN_SPOTS, MIN_SPOTS_DEFAULT, SPOT_THRESHOLDS

SPOTS = [f"b{i:02d}" for i in range(30)]
RECIPE = "modalities:\n  atac: {min_spots: 1, method: tf_idf, target_sum: 10000, components: 3}\n"
THRESHOLDS = {one.name: one.bound.default for one in SPOT_THRESHOLDS} | {MIN_SPOTS: MIN_SPOTS_DEFAULT}
RNG = np.random.default_rng(0)
LSI = RNG.normal(size=(30, 4)).astype(np.float32)
PEAKS = np.round(RNG.gamma(1.0, 0.1, (30, 12)) * (RNG.random((30, 12)) < 0.4), 3)
PEAKS[:, 8:] = 0
PEAKS[:4] = 0
PEAKS[:4, 8:] = 0.25
LEAST = 5


def peaks(path: Path, **obsm: Any) -> Path:
    """A file of normalised peaks with tables of the spots."""
    data = ad.AnnData(
        sparse.csr_matrix(PEAKS),
        obs=pd.DataFrame(index=SPOTS),
        var=pd.DataFrame(index=[f"chr1:{100 * i}-{100 * i + 50}" for i in range(12)]),
        obsm={"spatial": np.column_stack([np.arange(30) % 6, np.arange(30) // 6]).astype(float), **obsm},
    )
    data.write_h5ad(path)
    return path


def section(folder: Path, precomputed: dict[str, str], name: str = "s", **obsm: Any) -> Path:
    row = SectionInput("d", name, {"atac": peaks(folder / "atac.h5ad", **obsm)}, precomputed=precomputed)
    contract.write(read_section(row), folder / f"{name}.section.h5mu")
    return folder / f"{name}.section.h5mu"


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    (tmp_path / "recipe.yml").write_text(RECIPE)
    return tmp_path / "recipe.yml"


@pytest.mark.filterwarnings("ignore")
def test_declared_latents_are_the_latents(tmp_path: Path, recipe: Path) -> None:
    path = section(tmp_path, {"atac": "X_lsi"}, X_lsi=LSI)
    # Peaks in few spots go, and spots that have no others with them; sums of normalised values fail no threshold.
    filtered = check_section(path, THRESHOLDS | {"atac_min_counts": 1e6, MIN_SPOTS: LEAST})
    kept = PEAKS[:, (PEAKS > 0).sum(axis=0) >= LEAST].sum(axis=1) > 0
    assert 20 < kept.sum() < 30
    contract.write(filtered.section, tmp_path / "filtered.section.h5mu", counts=filtered.counts)
    latents = preprocess([tmp_path / "filtered.section.h5mu"], recipe, 0, tmp_path / "c.h5mu")
    contract.write(latents, tmp_path / "l.h5mu")
    (atac,) = read_dataset(tmp_path / "l.h5mu").modalities
    np.testing.assert_array_equal(atac.latent, LSI[kept])
    record = json.loads(md.read_h5mu(tmp_path / "l.h5mu")["atac"].uns["preprocess"])
    assert record["steps"] == [{"step": "precomputed", "obsm": "X_lsi"}] and record["n_dims"] == 4
    counts, _ = read_joined_counts(tmp_path / "c.h5mu")
    np.testing.assert_allclose(counts["atac"].X.toarray(), PEAKS[kept][:, :8], rtol=1e-6)


@pytest.mark.filterwarnings("ignore")
def test_declared_values_go_through_the_recipe(tmp_path: Path, recipe: Path) -> None:
    found = preprocess([section(tmp_path, {"atac": ""}, X_lsi=LSI)], recipe, 0)
    assert found["atac"].obsm["X_latent"].shape == (30, 3)
    assert [step["step"] for step in json.loads(found["atac"].uns["preprocess"])["steps"]][1] == "tf_idf"


@pytest.mark.filterwarnings("ignore")
def test_declared_values_of_several_sections_are_joined_but_latents_are_not(tmp_path: Path, recipe: Path) -> None:
    both = [section(tmp_path, {"atac": ""}, name, X_lsi=LSI) for name in ("s1", "s2")]
    assert preprocess(both, recipe, 0, tmp_path / "c.h5mu")["atac"].n_obs == 60
    assert read_joined_counts(tmp_path / "c.h5mu")[0]["atac"].n_obs == 60
    mixed = [both[0], section(tmp_path, {"atac": "X_lsi"}, "s3", X_lsi=LSI)]
    with pytest.raises(InputError, match="modality atac: several sections, one of them with precomputed latents"):
        preprocess(mixed, recipe, 0)


@pytest.mark.parametrize(
    ("precomputed", "obsm", "message"),
    [
        ({}, {}, "is not a whole number"),
        ({"atac": "X_lsi"}, {}, r"has no obsm\['X_lsi'\]; expected one of spatial"),
        ({"atac": "X_lsi"}, {"X_lsi": np.full((30, 4), np.nan)}, r"obsm\['X_lsi'\], spot 1.* not finite"),
        ({"atac": "X_lsi"}, {"X_lsi": sparse.csr_matrix(LSI)}, r"table in obsm\['X_lsi'\].*sparse"),
        ({"rna": ""}, {}, "is not a whole number"),
        ({"atac": "", "rna": ""}, {}, "--precomputed: the section has no rna; expected one of atac"),
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_what_cannot_be_used_is_named(
    tmp_path: Path, precomputed: dict[str, str], obsm: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        section(tmp_path, precomputed, **obsm)
