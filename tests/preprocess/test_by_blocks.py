"""Latents do not depend on how many spots are read at a time."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from scipy import sparse

from spatialweave.io import count_matrix
from spatialweave.io.contract import read_h5mu
from spatialweave.preprocess import intensities, pca
from spatialweave.preprocess.dataset import preprocess
from spatialweave.preprocess.frozen import read_frozen
from spatialweave.preprocess.intensities import IntensitySettings, prepare

RECIPES = {
    "scaled": ("{min_spots: 2, variable_features: 40, target_sum: 10000, scale: true, components: 5}",
               "{min_spots: 1, clr_per: protein, scale: true, components: 4}",
               "{min_spots: 1, method: tf_idf, target_sum: 10000, components: 5}"),
    "plain": ("{min_spots: 0, variable_features: all, target_sum: 10000, scale: false, components: 5}",
              "{min_spots: 1, clr_per: none, scale: false, components: 0}",
              "{min_spots: 1, method: lsi, target_sum: 10000, components: 5}"),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("covariance", [True, False], ids=["covariance", "ARPACK"])
@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize("n_sections", [1, 2])
def test_latents_and_counts_are_the_same_in_any_blocks(
    recipe: str,
    n_sections: int,
    covariance: bool,
    write_section: Callable[..., Path],
    recipe_file: Callable[[str], Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rng = np.random.default_rng(0)
    spots = [f"b{i:03d}" for i in range(90)]
    groups = np.arange(90) % 3
    paths = []
    for number in range(n_sections):
        parts = {
            name: (spots[: 90 - 5 * place], [f"f{j}" for j in range(width - number)],
                   rng.poisson(rng.gamma(1, 1, (3, width))[groups])[: 90 - 5 * place, number:])
            for place, (name, width) in enumerate((("rna", 60), ("adt", 12), ("atac", 50)))
        }  # fmt: skip
        paths.append(write_section(parts, section=f"s{number}"))
    rna, adt, atac = RECIPES[recipe]
    modalities = f"modalities: {{rna: {rna}, adt: {adt}, atac: {atac}}}\nsections: {{harmony: false}}\n"
    if covariance:
        monkeypatch.setattr(pca, "COVARIANCE_SPOTS", 1)
        monkeypatch.setattr(pca, "SPOTS_PER_FEATURE", 1)
    found = []
    for entries in (4_000_000, 50):
        monkeypatch.setattr(count_matrix, "BLOCK_ENTRIES", entries)
        latents = preprocess(paths, recipe_file(modalities), 0, tmp_path / f"{entries}.counts.h5mu")
        found.append((latents, read_h5mu(tmp_path / f"{entries}.counts.h5mu", "counts")))
    (one, counts), (other, same) = found
    for name in ("rna", "adt", "atac"):
        np.testing.assert_allclose(other[name].obsm["X_latent"], one[name].obsm["X_latent"], atol=1e-5)
        assert other[name].uns["preprocess"] == one[name].uns["preprocess"]
        assert (same[name].X != counts[name].X).nnz == 0
        (_, mine), (_, theirs) = (read_frozen("f", part[name].uns).parts() for part in (one, other))
        for key, values in mine.items():
            np.testing.assert_allclose(theirs[key], values, rtol=1e-6, atol=1e-6)


def test_medians_are_exact_in_any_groups_of_features(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(0).gamma(2.0, 1.0, (50, 9)).astype(np.float32)
    values[values < 1] = 0
    values[:, 4] = 0
    monkeypatch.setattr(count_matrix, "BLOCK_ENTRIES", 20)
    monkeypatch.setattr(intensities, "VALUES_AT_ONCE", 60)
    found = prepare(sparse.csr_matrix(values), IntensitySettings(0, 3, None, "arcsinh", False)).values.operations[0]
    expected = [1 / np.median(own[own > 0]) if own.any() else 1.0 for own in values.T.astype(np.float64)]
    np.testing.assert_array_equal(found.numbers, expected)
