"""Frozen preprocessing: the same counts give the same latents, by the numbers of the dataset they were fitted to."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from spatialweave.errors import InputError
from spatialweave.preprocess import by_model
from spatialweave.preprocess.common_features import columns_among
from spatialweave.preprocess.dataset import _frozen
from spatialweave.preprocess.frozen import CHANGES, PCA, FrozenPreparation, Operation, frozen_uns, read_frozen
from spatialweave.preprocess.pca import features_themselves, principal_components
from spatialweave.preprocess.preparations import OF_INTENSITIES, preparation_of

SETTINGS = {
    "rna": ("rna", {"min_spots": 5, "variable_features": 20, "target_sum": 1e4, "scale": True}),
    "rna unscaled": ("rna", {"min_spots": 0, "variable_features": None, "target_sum": 1e4, "scale": False}),
    "rna counts": ("rna", {"min_spots": 0, "variable_features": 20, "target_sum": None, "scale": False}),
    "adt protein": ("adt", {"min_spots": 1, "clr_per": "protein", "scale": True}),
    "adt spot": ("adt", {"min_spots": 1, "clr_per": "spot", "scale": True}),
    "adt none": ("adt", {"min_spots": 1, "clr_per": "none", "scale": False}),
    "atac tf_idf": ("atac", {"min_spots": 1, "method": "tf_idf", "target_sum": 1e4}),
    "atac lsi": ("atac", {"min_spots": 1, "method": "lsi", "target_sum": 1e4}),
    "metabolite": ("metabolite", {"min_spots": 1, "target_sum": 1e4, "scale": True}),
    "arcsinh": ("intensities", {"min_spots": 0, "variable_features": 15, "transform": "arcsinh", "scale": True}),
    "clr": ("intensities", {"min_spots": 0, "variable_features": 15, "transform": "clr", "scale": True}),
}


def counts(n_spots: int = 90, n_features: int = 40, seed: int = 0) -> sparse.csr_matrix:
    rng = np.random.default_rng(seed)
    rates = rng.gamma(1.0, 2.0, n_features) * (1 + 3 * (np.arange(n_spots)[:, None] % 3 == np.arange(n_features) % 3))
    return sparse.csr_matrix(rng.poisson(rates).astype(np.float32))


def fitted(case: str, components: int = 6) -> tuple[np.ndarray, FrozenPreparation, sparse.csr_matrix, list[str]]:
    """Latents as PREPROCESS makes them, how they are frozen, and the counts with the names of their features."""
    modality, options = SETTINGS[case]
    preparation = OF_INTENSITIES if modality == "intensities" else preparation_of(modality)
    matrix = counts()
    names = pd.Index([f"g{k}" for k in range(matrix.shape[1])])
    prepared = preparation.prepare(matrix, preparation.settings(components=components, **options))
    found = None
    scores = prepared.scores
    if scores is None:
        found = (
            principal_components(prepared.values, components, 0) if components else features_themselves(prepared.values)
        )
        scores = found.scores
    return scores, _frozen(prepared, found, names, components == 0), matrix, list(names)


@pytest.mark.parametrize("case", SETTINGS)
def test_the_same_counts_give_the_same_latents(case: str) -> None:
    scores, frozen, matrix, names = fitted(case)
    again = frozen.latents(*frozen.transformed(matrix, names))
    assert again.dtype == np.float32
    np.testing.assert_allclose(again, scores, atol=1e-5 * np.abs(scores).max())


@pytest.mark.parametrize("case", SETTINGS)
def test_a_spot_does_not_depend_on_the_others(case: str) -> None:
    scores, frozen, matrix, names = fitted(case)
    some = frozen.latents(*frozen.transformed(matrix[10:14], names))
    np.testing.assert_allclose(some, scores[10:14], atol=1e-5 * np.abs(scores).max())


@pytest.mark.parametrize("case", SETTINGS)
def test_the_order_of_features_does_not_matter(case: str) -> None:
    scores, frozen, matrix, names = fitted(case)
    order = np.random.default_rng(1).permutation(len(names))
    again = frozen.latents(*frozen.transformed(matrix[:, order], [names[k] for k in order]))
    np.testing.assert_allclose(again, scores, atol=1e-5 * np.abs(scores).max())


def test_features_themselves() -> None:
    scores, frozen, matrix, names = fitted("rna", components=0)
    np.testing.assert_allclose(frozen.latents(*frozen.transformed(matrix, names)), scores, atol=1e-5)


def test_a_missing_feature_takes_its_mean_and_its_part_of_the_totals() -> None:
    # Two features, of a quarter and three quarters of the counts; the values stay as they are but for the total.
    frozen = FrozenPreparation(
        ["a", "b"],
        ["a", "b"],
        [Operation("total", 8.0, "all", np.array([0.25, 0.75]))],
        "pca",
        np.array([[1.0, 0.0], [0.0, 1.0]]),
        np.array([2.0, 6.0]),
    )
    whole = frozen.latents(*frozen.transformed(sparse.csr_matrix([[1.0, 3.0]]), ["a", "b"]))
    np.testing.assert_allclose(whole, [[0.0, 0.0]])
    # Without b the total of a alone is a quarter of 8; b is at its mean, 0 in the latents.
    part = frozen.latents(*frozen.transformed(sparse.csr_matrix([[5.0]]), ["a"]))
    np.testing.assert_allclose(part, [[0.0, 0.0]])


@pytest.mark.parametrize("case", SETTINGS)
def test_as_it_is_stored(case: str) -> None:
    _, frozen, matrix, names = fitted(case)
    again = read_frozen("file", {"frozen": frozen_uns(frozen)})
    np.testing.assert_array_equal(
        again.latents(*again.transformed(matrix, names)), frozen.latents(*frozen.transformed(matrix, names))
    )


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"features": []}, "features is empty"),
        ({"features": ["a", "a"]}, "a name twice"),
        ({"features": "ab"}, "not a list of names"),
        ({"projection": "pickle"}, "'pickle' is not known"),
        ({"operations": {}}, "operations is not a list"),
        ({"operations": [{"name": "exec"}]}, "operation 0 is 'exec'"),
        ({"operations": [{"name": "total", "target": -1.0, "of": "all"}]}, "the target -1.0"),
        ({"operations": [{"name": "columns"}]}, "numbers of the shape (0,), not (2,)"),
    ],
)
def test_what_contradicts_itself(change: dict, words: str) -> None:
    plain = {"features": ["a", "b"], "detected": [], "operations": [], "projection": "pca", **change}
    with pytest.raises(ValueError, match=words.replace("(", r"\(").replace(")", r"\)")):
        FrozenPreparation.of_parts(plain, {"matrix": np.ones((2, 1)), "mean": np.zeros(2)})


@pytest.mark.parametrize("before", [[], ["log1p"]])
def test_scales_of_features_are_those_of_the_last_operation(before: list[str]) -> None:
    """Latents of images are only scaled: what maps them back must know it."""
    operations = [*map(Operation, before), Operation("columns", numbers=np.array([0.5, 0.0, 4.0]))]
    own = FrozenPreparation(list("abc"), [], operations, PCA, np.eye(3), np.zeros(3))
    assert by_model._divisors(own).tolist() == [2.0, 1.0, 0.25]
    assert by_model._divisors(replace(own, operations=[Operation("log1p")])).tolist() == [1.0, 1.0, 1.0]


def test_latents_that_say_nothing_of_counts() -> None:
    with pytest.raises(InputError, match="does not hold the preparation of its latents"):
        read_frozen("r.latents.h5mu, modality rna", {})


def test_an_operation_without_numbers_gets_none(monkeypatch: pytest.MonkeyPatch) -> None:
    given = []
    monkeypatch.setitem(CHANGES, "log1p", lambda _, numbers: given.append(numbers))
    monkeypatch.setitem(CHANGES, "columns", lambda _, numbers: given.append(numbers))
    operations = [Operation("log1p"), Operation("columns", numbers=np.array([2.0, 3.0, 4.0]))]
    prepared = FrozenPreparation(["a", "b", "c"], [], operations, PCA, np.eye(3), np.zeros(3))
    # Feature b is missing.
    prepared.transformed(sparse.csr_matrix(np.ones((2, 2))), ["c", "a"])
    assert [numbers.tolist() for numbers in given] == [[], [2.0, 4.0]]


def test_names_of_features() -> None:
    known = pd.Index(["Actb", "ENSG00000000001.5", "Gapdh"])
    found = columns_among("rna", known, pd.Index(["GAPDH", "other", "ensg00000000001.7", "Actb"]))
    assert found.tolist() == [2, -1, 1, 0]


def test_peaks_by_overlap() -> None:
    known = pd.Index(["chr1:100-200", "chr1:300-400", "chr2:100-200"])
    others = pd.Index(["chr1:150-340", "1:390-900", "chr2-10-100", "chr3:1-9", "chr2:199-300"])
    # 50 bases of the first peak and 40 of the second; the end of an interval does not belong to it.
    assert columns_among("atac", known, others).tolist() == [0, 1, -1, -1, 2]


def test_a_peak_within_which_others_begin_is_still_found() -> None:
    known = pd.Index(["chr1:100-5000", "chr1:200-300", "chr1:400-500"])
    assert columns_among("atac", known, pd.Index(["chr1:1000-2000", "chr1:210-290", "chr1:5000-6000"])).tolist()[
        ::2
    ] == [0, -1]
