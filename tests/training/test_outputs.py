"""What goes into the embedding file beside the embedding: tables, denoised latents and features; what is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import anndata
import mudata
import numpy as np
import pandas as pd
import pytest

from spatialweave.io import contract
from spatialweave.io.dataset import Dataset, read_dataset
from spatialweave.io.embeddings import write_embedding
from spatialweave.io.loadings import Loadings, read_loadings
from spatialweave.method import Fitted
from spatialweave.training import outputs

N_SPOTS = 12


@pytest.fixture
def latents(tmp_path: Path) -> Path:
    """Latents of RNA (30 genes behind 3 dimensions) and protein, of which the loadings are not known."""
    rng = np.random.default_rng(1)
    names = [f"s{i}" for i in range(N_SPOTS)]
    obs = pd.DataFrame(index=names)
    rna = anndata.AnnData(
        obs=obs,
        var=pd.DataFrame(
            {"mean": rng.normal(size=30), "scale": rng.gamma(2, 1, 30)}, index=[f"g{j}" for j in range(30)]
        ),
        obsm={"X_latent": rng.normal(size=(N_SPOTS, 3)).astype(np.float32)},
        varm={"loadings": rng.normal(size=(30, 3)).astype(np.float32)},
    )
    adt = anndata.AnnData(obs=obs, obsm={"X_latent": np.ones((N_SPOTS, 2), np.float32)})
    mudata.set_options(pull_on_update=False)
    data = mudata.MuData({"rna": rna, "adt": adt})
    data.obs = pd.DataFrame({"barcode": names, "section": "s"}, index=names)
    data.obsm["spatial"] = np.zeros((N_SPOTS, 2))
    data.uns["spatialweave"] = contract.stamp("latents", dataset="d", layout="square", recipe="r")
    contract.write(data, tmp_path / "x.latents.h5mu")
    return tmp_path / "x.latents.h5mu"


def weights(
    dataset: Dataset, values: tuple[Any, ...] = (0.25, 0.75), names: tuple[str, ...] = ("rna", "adt")
) -> pd.DataFrame:
    return pd.DataFrame(np.tile(values, (N_SPOTS, 1)), dataset.obs.index, list(names))


def test_entries_survive_the_embedding_file(latents: Path, tmp_path: Path) -> None:
    dataset = read_dataset(latents)
    denoised = {name.name: name.latent * np.float32(0.5) for name in dataset.modalities}
    fitted = Fitted(np.zeros((N_SPOTS, 2), np.float32), {}, {"modality_weights": weights(dataset)}, denoised)
    entries = outputs.per_spot(fitted, dataset, latents)
    assert sorted(entries) == ["denoised_latent_adt", "denoised_latent_rna", "denoised_rna", "modality_weights"]
    write_embedding(tmp_path / "e.h5ad", dataset, fitted.embedding, {"method": "m", "seed": 1}, entries)
    back = contract.read_h5ad(tmp_path / "e.h5ad", "embedding")
    assert back.uns["spatialweave"]["recipe"] == "r"
    assert back.obsm["modality_weights"].to_numpy().tolist() == [[0.25, 0.75]] * N_SPOTS
    assert back.obsm["modality_weights"].columns.tolist() == ["rna", "adt"]
    np.testing.assert_array_equal(back.obsm["denoised_latent_rna"], denoised["rna"])
    rna = mudata.read_h5mu(latents)["rna"]
    features = back.obsm["denoised_rna"]
    assert features.shape == (N_SPOTS, outputs.N_FEATURES)
    for gene, values in features.items():
        row = rna.var_names.get_loc(gene)
        prepared = denoised["rna"] @ rna.varm["loadings"][row] + rna.var["mean"].iloc[row]
        np.testing.assert_allclose(values, prepared * rna.var["scale"].iloc[row], rtol=1e-4, atol=1e-5)


def test_the_embedding_by_own_sections_goes_along(latents: Path) -> None:
    dataset = read_dataset(latents)
    own = np.arange(2.0 * N_SPOTS, dtype=np.float64).reshape(N_SPOTS, 2)
    fitted = Fitted(np.zeros((N_SPOTS, 2), np.float32), {}, own=own)
    entries = outputs.per_spot(fitted, dataset, latents)
    np.testing.assert_array_equal(entries["own_section"], own)
    assert entries["own_section"].dtype == np.float32
    for wrong in (own[:, :1], own * np.nan):
        with pytest.raises(RuntimeError, match="own sections"):
            outputs.per_spot(Fitted(fitted.embedding, {}, own=wrong), dataset, latents)


def test_a_method_that_says_nothing_more_needs_no_latents() -> None:
    fitted = Fitted(np.zeros((N_SPOTS, 2), np.float32), {})
    assert outputs.per_spot(fitted, Dataset("d", pd.DataFrame(), np.zeros((0, 2)), []), Path("nowhere")) == {}


def test_features_chosen_are_those_of_largest_prepared_variance(latents: Path) -> None:
    rna = read_loadings(latents)["rna"]
    latent = np.random.default_rng(5).normal(size=(50, 3)) @ np.diag([3, 1, 0.1])
    dense = latent @ rna.matrix.T + rna.mean
    np.testing.assert_allclose(rna.variance(latent), dense.var(axis=0), rtol=1e-5)
    table = outputs.denoised_features(latent, rna, pd.RangeIndex(50).astype(str))
    expected = np.argsort(-dense.var(axis=0))[: outputs.N_FEATURES]
    assert table.columns.tolist() == [f"g{j}" for j in expected]
    np.testing.assert_allclose(table.to_numpy(), (dense * rna.scale)[:, expected], rtol=1e-4, atol=1e-5)


def test_names_that_hdf5_cannot_hold(tmp_path: Path) -> None:
    names = ["PC(16:0/18:1)", "_index", ".", "a/b", "a_b", "last"]
    loadings = Loadings(pd.Index(names), np.arange(6, 0, -1, dtype=np.float32)[:, None], np.zeros(6), np.ones(6))
    spots = pd.Index(["x", "y"])
    table = outputs.denoised_features(np.array([[1.0], [2.0]]), loadings, spots)
    assert table.columns.tolist() == ["PC(16:0_18:1)", "a_b", "last"]
    assert table.loc["y"].tolist() == [12, 6, 2]  # of "a/b" and "a_b" the first by variance
    data = anndata.AnnData(obs=pd.DataFrame(index=spots), obsm={"t": table})
    data.write(tmp_path / "t.h5ad")
    pd.testing.assert_frame_equal(anndata.read_h5ad(tmp_path / "t.h5ad").obsm["t"], table)


def shuffled(table: pd.DataFrame) -> pd.DataFrame:
    return table.iloc[::-1]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda d: {"modality_weights": weights(d, (0.5, 0.6))}, "rows that sum to 1.1 to 1.1 instead of 1"),
        (lambda d: {"cluster_probabilities": weights(d, (0.2, 0.2))}, "rows that sum to 0.4"),
        (lambda d: {"view_weights": weights(d, (0.5, 1.6))}, "instead of fractions, 0 to 1"),
        (lambda d: {"modality_weights": weights(d, (0.5, np.nan))}, "not finite numbers"),
        (lambda d: {"other": weights(d, ("a", "b"))}, "not finite numbers"),
        (lambda d: {"other": weights(d, names=("x", "x"))}, "columns without names, with the same one"),
        (lambda d: {"other": weights(d, names=("x", "a/b"))}, "unusable ones"),
        (lambda d: {"other": shuffled(weights(d))}, "is not a table with one row per spot"),
        (lambda d: {"other": weights(d).to_numpy()}, "is not a table with one row per spot"),
    ],
)
def test_extras_that_cannot_be_are_a_defect_of_the_method(
    latents: Path, make: Callable[[Dataset], dict[str, Any]], message: str
) -> None:
    dataset = read_dataset(latents)
    with pytest.raises(RuntimeError, match=message):
        outputs.per_spot(Fitted(np.zeros((N_SPOTS, 2)), {}, make(dataset)), dataset, latents)


def test_numbers_of_spots_stay_whole(latents: Path) -> None:
    """float32 has no odd numbers above 2^24."""
    dataset = read_dataset(latents)
    tables = {"long_range": weights(dataset, (2**24 + 1, -1), ("1", "2")), "other": weights(dataset, (0.5, 1))}
    found = outputs.per_spot(Fitted(np.zeros((N_SPOTS, 2)), {}, tables), dataset, latents)
    assert found["long_range"].iloc[0].tolist() == [2**24 + 1, -1]
    assert {str(kind) for kind in found["other"].dtypes} == {"float32"}


def test_views_need_not_sum_to_1(latents: Path) -> None:
    dataset = read_dataset(latents)
    table = weights(dataset, (0.5, 0.5, 0.9, 0.1), ("rna spatial", "rna features", "adt spatial", "adt features"))
    assert "view_weights" in outputs.per_spot(
        Fitted(np.zeros((N_SPOTS, 2)), {}, {"view_weights": table}), dataset, latents
    )


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("atac", np.zeros((N_SPOTS, 3)), "a modality that the dataset does not have: rna, adt"),
        ("rna", np.zeros((N_SPOTS, 2)), r"the shape \(12, 2\) instead of \(12, 3\)"),
        ("rna", np.full((N_SPOTS, 3), np.inf), "not finite"),
    ],
)
def test_denoised_latents_that_do_not_fit_are_a_defect_of_the_method(
    latents: Path, name: str, values: np.ndarray, message: str
) -> None:
    with pytest.raises(RuntimeError, match=message):
        fitted = Fitted(np.zeros((N_SPOTS, 2)), {}, denoised={name: values})
        outputs.per_spot(fitted, read_dataset(latents), latents)
