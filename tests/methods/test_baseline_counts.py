"""What totalVI and MultiVI are given; the models themselves run in tests/baselines."""

from __future__ import annotations

import numpy as np
import pytest

from spatialweave.baselines.scvi_tools import count_data
from spatialweave.baselines.spots import on_all_spots
from spatialweave.errors import InputError


def counted(dataset):
    """The dataset with counts in place of its latents."""
    rng = np.random.default_rng(8)
    for modality in dataset.modalities:
        modality.latent = rng.poisson(3, modality.latent.shape).astype(np.float32) * modality.present[:, None]
    return dataset


def test_counts_are_those_of_the_spots_with_rna_and_neighbours_stand_in_for_single_spots(tissue):
    dataset = counted(tissue(missing=0.3))
    rna, adt = dataset.modalities
    rna.present[7] = False
    measured, counts = count_data(dataset, ("rna", "adt"))
    np.testing.assert_array_equal(measured, rna.present)
    assert counts["rna"].obs_names.equals(dataset.obs.index[measured])
    np.testing.assert_array_equal(counts["rna"].X.toarray(), rna.latent[measured])
    np.testing.assert_array_equal(counts["adt"].X[adt.present[measured]], adt.latent[measured & adt.present])
    spot = np.flatnonzero(~adt.present & measured)[0]
    neighbours = [i for i in dataset.spatial_graph()[spot].indices if adt.present[i]]
    expected = np.round(adt.latent[neighbours].mean(axis=0))
    np.testing.assert_array_equal(counts["adt"].X[measured[:spot].sum()], expected)


def test_a_modality_that_a_section_lacks_is_zero_there_and_sections_are_batches(split):
    dataset = counted(split((("rna", "adt"), ("rna",))))
    _, counts = count_data(dataset, ("rna", "adt"))
    assert set(counts["rna"].obs["batch"]) == {"a", "b"}
    lacking = (counts["adt"].obs["batch"] == "b").to_numpy()
    assert not counts["adt"].X[lacking].any() and counts["adt"].X[~lacking].any()


def test_what_is_no_count_or_not_there_is_refused(tissue):
    dataset = counted(tissue())
    with pytest.raises(InputError, match="has no atac; expected rna, atac"):
        count_data(dataset, ("rna", "atac"))
    dataset.modalities[1].latent[3, 3] = 0.5
    with pytest.raises(InputError, match="adt holds values that are not counts"):
        count_data(dataset, ("rna", "adt"))


def test_spots_without_rna_take_the_embedding_of_their_neighbours(tissue):
    dataset = tissue()
    measured = np.ones(dataset.n_spots, dtype=bool)
    measured[50] = False
    embedding = np.random.default_rng(9).normal(size=(dataset.n_spots, 4)).astype(np.float32)
    found = on_all_spots(dataset, measured, embedding[measured])
    np.testing.assert_array_equal(found[measured], embedding[measured])
    np.testing.assert_allclose(found[50], embedding[dataset.spatial_graph()[50].indices].mean(axis=0), rtol=1e-5)
