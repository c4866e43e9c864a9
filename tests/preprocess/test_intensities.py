"""Intensities, from the input file to the latents: quality control and transformation of their own."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from spatialweave.errors import InputError
from spatialweave.io import contract
from spatialweave.io.count_matrix import in_memory
from spatialweave.io.section import SectionInput, read_section
from spatialweave.platforms import platform
from spatialweave.preprocess.dataset import preprocess
from spatialweave.preprocess.intensities import IntensitySettings, prepare
from spatialweave.preprocess.recipe import read_recipe
from spatialweave.qc.section import check_section
from spatialweave.qc.thresholds import defaults

pytestmark = pytest.mark.filterwarnings("ignore")

RNG = np.random.default_rng(0)
STAINS = np.round(RNG.gamma(2.0, 0.02, (36, 6)) * (RNG.random((36, 6)) < 0.8), 4)
STAINS[0] = 0
SETTINGS = IntensitySettings(0, 3, None, "arcsinh", False)
SMART = Path(__file__).resolve().parents[2] / "assets" / "preprocess" / "smart.yml"


def expected(values: np.ndarray) -> np.ndarray:
    """arcsinh of every value in units of the median of what is above 0 in its column."""
    columns = [np.arcsinh(column / np.median(column[column > 0])) for column in values.T]
    return np.column_stack(columns)


def test_arcsinh_in_units_of_the_median_whatever_the_gain() -> None:
    prepared = prepare(sparse.csr_matrix(STAINS), SETTINGS)
    np.testing.assert_allclose(in_memory(prepared.values).toarray(), expected(STAINS))
    brighter = prepare(sparse.csr_matrix(STAINS * [1, 10, 1e4, 1, 1, 3]), SETTINGS)
    np.testing.assert_allclose(in_memory(brighter.values).toarray(), expected(STAINS))
    assert [step["step"] for step in prepared.steps] == ["detected_features", "arcsinh"]


def test_features_that_vary_most_are_kept_in_their_order() -> None:
    variances = expected(STAINS).var(axis=0)
    prepared = prepare(sparse.csr_matrix(STAINS), replace(SETTINGS, variable_features=2))
    assert prepared.values.features.tolist() == sorted(np.argsort(variances)[-2:].tolist())
    np.testing.assert_allclose(in_memory(prepared.values).toarray(), expected(STAINS)[:, prepared.values.features])


def test_log_ratios_and_no_transformation() -> None:
    ratios = prepare(sparse.csr_matrix(STAINS), replace(SETTINGS, transform="clr"))
    np.testing.assert_allclose(
        in_memory(ratios.values).toarray(), np.log1p(STAINS / np.exp(np.log1p(STAINS).mean(axis=0)))
    )
    as_given = prepare(sparse.csr_matrix(STAINS), replace(SETTINGS, transform="none", scale=True))
    np.testing.assert_allclose(in_memory(as_given.values).toarray(), STAINS / STAINS.std(axis=0, ddof=1))


def test_as_counts_of_rna_they_have_one_total_and_variable_features() -> None:
    """As SpatialFuser treats them; the spot of zeros stays one."""
    prepared = prepare(sparse.csr_matrix(STAINS), replace(SETTINGS, transform="as_rna", variable_features=6))
    totals = STAINS.sum(axis=1, keepdims=True)
    shares = np.divide(STAINS, totals, out=np.zeros_like(STAINS), where=totals > 0)
    np.testing.assert_allclose(in_memory(prepared.values).toarray(), np.log1p(1e4 * shares), rtol=1e-5)
    few = prepare(sparse.csr_matrix(STAINS), replace(SETTINGS, transform="as_rna", variable_features=2))
    assert few.values.shape == (36, 2)


def section(folder: Path, name: str = "s", counted: bool = False) -> Path:
    """A section of stained proteins; `counted`: of whole numbers that are said to be counts."""
    values = np.round(STAINS * 1000) if counted else STAINS
    data = ad.AnnData(
        sparse.csr_matrix(values),
        obs=pd.DataFrame(index=[f"c{i:02d}" for i in range(36)]),
        var=pd.DataFrame(index=[f"CD{i}" for i in range(6)]),
        obsm={"spatial": np.column_stack([np.arange(36) % 6, np.arange(36) // 6]).astype(float)},
    )
    data.write_h5ad(folder / "adt.h5ad")
    said = {"adt": "counts"} if counted else {}
    row = SectionInput("d", name, {"adt": folder / "adt.h5ad"}, platform="codex", measured=said)
    contract.write(read_section(row), folder / f"{name}.section.h5mu")
    return folder / f"{name}.section.h5mu"


def test_only_spots_without_any_intensity_fail_a_threshold_of_counts(tmp_path: Path) -> None:
    """The sums of the spots here are below 1, the default of --adt-min-counts."""
    with pytest.warns(match="--adt-min-counts has no effect"):
        result = check_section(section(tmp_path), defaults() | {"adt_min_counts": 5.0})
    assert STAINS.sum(axis=1).max() < 1
    assert result.verdicts["adt"].kept_spots.tolist() == [False] + [True] * 35


def test_latents_of_a_section_and_of_several(tmp_path: Path) -> None:
    paths = [section(tmp_path, name) for name in ("a", "b")]
    for number in (1, 2):
        latents = preprocess(paths[:number], SMART, 0, tmp_path / "counts.h5mu", components=3)
        steps = [step["step"] for step in json.loads(latents["adt"].uns["preprocess"])["steps"]]
        assert steps[:4] == ["detected_features", "arcsinh", "scale", "pca"]
        scaled = expected(np.vstack([STAINS] * number))
        scaled = (scaled - scaled.mean(axis=0)) / scaled.std(axis=0, ddof=1)
        if number == 1:
            found = latents["adt"].obsm["X_latent"]
            _, singular, _ = np.linalg.svd(scaled)
            np.testing.assert_allclose(np.linalg.norm(found, axis=0), singular[:3], rtol=1e-4)
    joined = contract.read_h5mu(tmp_path / "counts.h5mu", "counts")
    assert contract.is_intensities("adt", joined["adt"].uns)


def test_counts_and_intensities_are_not_joined(tmp_path: Path) -> None:
    paths = [section(tmp_path, "a"), section(tmp_path, "b", counted=True)]
    with pytest.raises(InputError, match="sections hold different kinds of values: a intensities, b counts"):
        preprocess(paths, SMART, 0)


def test_a_recipe_that_says_nothing_about_intensities(tmp_path: Path) -> None:
    (tmp_path / "r.yml").write_text("modalities: {adt: {min_spots: 1, clr_per: spot, scale: true, components: 2}}\n")
    recipe = read_recipe(tmp_path / "r.yml")
    assert recipe.settings("adt", platform("codex"), 1).components == 2
    with pytest.raises(InputError, match="has no options for intensities"):
        recipe.settings("adt", platform("codex"), 1, is_intensities=True)
    (tmp_path / "r.yml").write_text((tmp_path / "r.yml").read_text() + "intensities: {transform: sinh}\n")
    with pytest.raises(InputError, match=r"'intensities.transform': 'sinh' is not a choice"):
        read_recipe(tmp_path / "r.yml")
