"""New sections brought to a reference's latents."""

from __future__ import annotations

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from spatialweave.preprocess.new_sections import ReferenceClusters, reference_clusters


@pytest.fixture
def tissue() -> tuple[np.ndarray, np.ndarray]:
    """Latents of 600 spots in three groups, and the group of each."""
    rng = np.random.default_rng(3)
    centres = 6 * np.array([[1.0, 0, 0, 0], [0, 1.0, 0, 0], [0, 0, 1.0, 0]])
    group = np.arange(600) % 3
    return (centres[group] + rng.normal(size=(600, 4))).astype(np.float32), group


def test_the_reference_itself_stays(tissue):
    latent, _ = tissue
    np.testing.assert_allclose(reference_clusters(latent, 1).corrected(latent), latent, atol=1e-5)


def test_a_shift_is_taken_away(tissue):
    latent, _ = tissue
    shift = np.array([0.8, -0.5, 0.3, 1.0])
    clusters = reference_clusters(latent[:300], 1)
    moved = latent[300:] + shift
    corrected = clusters.corrected(moved)
    assert np.abs((corrected - latent[300:]).mean(axis=0)).max() < 0.15
    np.testing.assert_allclose(clusters.common_shift(moved), shift, atol=0.3)


def test_one_cluster_by_hand():
    # One cluster of 10 spots with mean 1; 5 new spots with mean 3: (N F - n C) / ((N + n)(n + 1) - n^2) = 100 / 65.
    clusters = ReferenceClusters(np.array([[1.0]]), np.array([10.0]), np.array([[10.0]]))
    np.testing.assert_allclose(clusters.corrected(np.full((5, 1), 3.0)), np.full((5, 1), 3 - 100 / 65), rtol=1e-6)


def test_a_foreign_part_does_not_move_the_common_shift(tissue):
    latent, group = tissue
    clusters = reference_clusters(latent[:300], 1)
    new = latent[300:].copy()
    new[group[300:] == 2] += 20
    assert np.abs(clusters.common_shift(new)).max() < 1
    assert np.abs(new.mean(axis=0) - latent[:300].mean(axis=0)).max() > 5


def test_spots_without_counts_stay_at_zero(tissue):
    latent, _ = tissue
    new = np.concatenate([latent[:50] + 1, np.zeros((2, 4), dtype=np.float32)])
    assert not reference_clusters(latent, 1).corrected(new)[50:].any()


def test_clusters_do_not_depend_on_the_number_of_threads():
    rng = np.random.default_rng(0)
    latent = rng.normal(size=(4000, 12))
    found = []
    for threads in (1, 2):
        with threadpool_limits(limits=threads):
            found.append(reference_clusters(latent, 1))
    for name in ("centres", "sizes", "sums"):
        np.testing.assert_array_equal(getattr(found[0], name), getattr(found[1], name))


def test_too_few_spots():
    assert reference_clusters(np.ones((10, 3)), 1) is None
