"""Latents that are the features themselves, as SpatialFuser takes them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import sparse

from spatialweave.errors import InputError
from spatialweave.io.count_matrix import in_memory
from spatialweave.platforms import platform
from spatialweave.preprocess import adt, chromatin, rna
from spatialweave.preprocess.adt import AdtSettings
from spatialweave.preprocess.chromatin import ChromatinSettings
from spatialweave.preprocess.dataset import preprocess
from spatialweave.preprocess.intensities import IntensitySettings
from spatialweave.preprocess.recipe import SectionsSettings, read_recipe
from spatialweave.preprocess.rna import RnaSettings


def logged(counts: np.ndarray) -> np.ndarray:
    return np.log1p(1e4 * counts / counts.sum(axis=1, keepdims=True))


def test_latents_are_the_log_values(write_section: Callable[..., Path], recipe_file: Callable[[str], Path]) -> None:
    rng = np.random.default_rng(0)
    genes, proteins = rng.poisson(2, (20, 9)) + 1, rng.poisson(6, (20, 4)) + 1
    genes[:, 5] = 0
    spots = [f"b{i:02d}" for i in range(20)]
    section = write_section(
        {"rna": (spots, [f"g{j}" for j in range(9)], genes), "adt": (spots, list("pqrs"), proteins)}
    )
    recipe = recipe_file(
        "modalities:\n"
        "  rna: {min_spots: 0, variable_features: all, target_sum: 10000, scale: false, components: 0}\n"
        "  adt: {min_spots: 0, clr_per: none, scale: false, components: 0}\n"
        "sections: {harmony: false}\n"
    )
    data = preprocess([section], recipe, seed=0)
    for name, counts in (("rna", genes), ("adt", proteins)):
        part = data[name]
        np.testing.assert_allclose(part.obsm["X_latent"], logged(counts), rtol=1e-5)
        assert part.obsm["X_latent"].dtype == np.float32
        back = part.obsm["X_latent"] @ part.varm["loadings"].T + part.var["mean"].to_numpy()
        np.testing.assert_allclose(back * part.var["scale"].to_numpy(), logged(counts), rtol=1e-5)
        record = json.loads(part.uns["preprocess"])
        assert [step["step"] for step in record["steps"]] == ["detected_features", "normalise_total", "log1p"]
        assert record["n_dims"] == counts.shape[1] and "variance_ratio" not in record


def test_chromatin_as_rna() -> None:
    counts = sparse.csr_matrix(np.random.default_rng(0).negative_binomial(1, 0.3, (120, 80)).astype(np.float32))
    found = chromatin.prepare(counts, ChromatinSettings(1, 0, "as_rna", 1e4, 20))
    expected = rna.prepare(counts, RnaSettings(1, 0, 20, 1e4, False))
    assert found.values.shape == (120, 20)
    assert (in_memory(found.values) != in_memory(expected.values)).nnz == 0
    np.testing.assert_array_equal(found.values.features, expected.values.features)
    assert found.scores is None


def test_proteins_without_ratios_keep_zeros_and_totals() -> None:
    counts = np.array([[1.0, 3.0, 0.0], [0.0, 0.0, 5.0], [0.0, 0.0, 0.0]])
    found = in_memory(adt.prepare(sparse.csr_matrix(counts), AdtSettings(0, 0, "none", False)).values).toarray()
    np.testing.assert_allclose(np.expm1(found), [[2500, 7500, 0], [0, 0, 10_000], [0, 0, 0]], rtol=1e-6)


@pytest.mark.parametrize(("name", "genes"), [("visium", 3000), ("osmfish", None)])
def test_the_published_recipe(project: Path, name: str, genes: int | None) -> None:
    recipe = read_recipe(project / "assets" / "preprocess" / "spatialfuser.yml")
    assert recipe.settings("rna", platform(name), 1) == RnaSettings(0, 0, genes, 1e4, False)
    for modality in ("adt", "atac", "histone", "metabolite"):
        assert recipe.settings(modality, platform(name), 2).components == 0
    stains = recipe.settings("adt", platform("codex"), 1, is_intensities=True)
    assert stains == IntensitySettings(0, 0, 3000, "as_rna", False)
    assert recipe.sections == SectionsSettings(harmony=False)


def test_counts_are_kept_as_counted(project: Path) -> None:
    counts = sparse.csr_matrix(np.random.default_rng(1).negative_binomial(1, 0.3, (120, 80)).astype(np.float32))
    recipe = read_recipe(project / "assets" / "preprocess" / "counts.yml")
    chosen = rna.prepare(counts, replace(recipe.settings("rna", platform("visium"), 1), variable_features=20))
    assert len(chosen.values.features) == 20
    values = in_memory(chosen.values).toarray()
    np.testing.assert_array_equal(values, counts.toarray()[:, chosen.values.features])
    proteins = adt.prepare(counts, recipe.settings("adt", platform("visium"), 1, 80))
    expected = counts.toarray()[:, proteins.values.features]
    np.testing.assert_array_equal(in_memory(proteins.values).toarray(), expected)
    peaks = recipe.settings("atac", platform("visium"), 1)
    as_rna = chromatin.prepare(counts, replace(peaks, variable_features=20))
    np.testing.assert_array_equal(in_memory(as_rna.values).toarray(), values)
    with pytest.raises(InputError, match="is counts; expected a number, for the method tf_idf"):
        chromatin.prepare(counts, replace(peaks, method="tf_idf"))
