"""The control against the same arithmetic written out spot by spot."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from spatialweave.errors import InputError
from spatialweave.methods import pca_smooth
from spatialweave.presets import read_preset
from spatialweave.training.session import fit_preset


def by_hand(dataset, rounds: int) -> np.ndarray:
    """Mean over self and neighbours that have a value, spot by spot."""
    adjacency = dataset.graphs["spatial_connectivities"].toarray() != 0
    blocks = []
    for modality in dataset.modalities:
        measured = modality.latent[modality.present]
        scale = np.sqrt(measured.var(axis=0).sum())
        values = {i: (modality.latent[i] - measured.mean(axis=0)) / scale for i in np.flatnonzero(modality.present)}
        for _ in range(rounds):
            new = {}
            for i in range(dataset.n_spots):
                have = [values[j] for j in [i, *np.flatnonzero(adjacency[i])] if j in values]
                if have:
                    new[i] = np.mean(have, axis=0)
            values = new
        zero = np.zeros(modality.latent.shape[1])
        blocks.append(np.stack([values.get(i, zero) for i in range(dataset.n_spots)]))
    return np.concatenate(blocks, axis=1)


@pytest.mark.parametrize("rounds", [0, 1, 2, 3])
@pytest.mark.parametrize("missing", [0.0, 0.4])
def test_equals_hand_arithmetic(tissue, run, rounds, missing):
    dataset = tissue(missing=missing)
    fitted = pca_smooth.fit(dataset, pca_smooth.Config(rounds=rounds), run)
    assert fitted.embedding.dtype == np.float32
    np.testing.assert_allclose(fitted.embedding, by_hand(dataset, rounds), atol=1e-5)


def test_modalities_weigh_the_same_whatever_their_scale(tissue, run):
    dataset = tissue()
    dataset.modalities[0].latent *= 1000
    embedding = pca_smooth.fit(dataset, pca_smooth.Config(rounds=0), run).embedding
    assert embedding[:, :8].var(axis=0).sum() == pytest.approx(1, rel=1e-4)
    assert embedding[:, 8:].var(axis=0).sum() == pytest.approx(1, rel=1e-4)


def test_a_spot_out_of_reach_is_the_mean(tissue, run):
    dataset = tissue()
    dataset.modalities[1].present[:] = False
    dataset.modalities[1].present[143] = True
    embedding = pca_smooth.fit(dataset, pca_smooth.Config(), run).embedding
    assert not embedding[:, 8:].any()  # one measured spot has no variance either
    assert np.isfinite(embedding).all()


def test_placeholders_have_no_influence(tissue, run):
    clean, dirty = tissue(missing=0.4), tissue(missing=0.4)
    dirty.modalities[1].latent[~dirty.modalities[1].present] = 1e6
    first, second = (pca_smooth.fit(dataset, pca_smooth.Config(), run).embedding for dataset in (clean, dirty))
    np.testing.assert_array_equal(first, second)


def test_one_modality_is_embedded_as_if_there_were_no_other(tissue, run):
    both = tissue(missing=0.3)
    alone = pca_smooth.fit(both, pca_smooth.Config(modality="adt"), run).embedding
    np.testing.assert_array_equal(alone, pca_smooth.fit(both, pca_smooth.Config(), run).embedding[:, 8:])
    with pytest.raises(InputError, match=r"has no modality 'atac'; expected .*adt"):
        pca_smooth.fit(both, pca_smooth.Config(modality="atac"), run)


def test_a_missing_graph_is_refused(tissue, run):
    dataset = tissue()
    del dataset.graphs["spatial_connectivities"]
    with pytest.raises(InputError, match="spatial_connectivities"):
        pca_smooth.fit(dataset, pca_smooth.Config(), run)


def test_a_dataset_of_more_spots_than_the_preset_allows_is_refused(tissue, run, project):
    dataset = tissue(side=6)
    preset = read_preset(project / "assets" / "methods" / "pca_smooth.yml")
    assert fit_preset(dataset, replace(preset, most_spots=36), run).embedding.shape[0] == 36
    with pytest.raises(InputError, match=r"has 36 spots; expected 35 at most for .*leave pca_smooth out of --methods"):
        fit_preset(dataset, replace(preset, most_spots=35), run)
    assert read_preset(project / "assets" / "methods" / "graphst.yml").most_spots == 20_000
