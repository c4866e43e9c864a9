"""Tiles: every spot counts once, halos are as deep as asked for, updates take every part equally often."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import sparse
from scipy.sparse.csgraph import dijkstra

from spatialweave.graphs.matrices import among, symmetrise
from spatialweave.graphs.spatial import knn
from spatialweave.io.dataset import Dataset, Modality
from spatialweave.nn.over_spots import counted, over_spots
from spatialweave.training.batches import Batches
from spatialweave.training.run import Run
from spatialweave.training.tiles import Patch, Tiling, cut, local, with_halo


@pytest.fixture
def dataset() -> Dataset:
    """Two sections of 40 x 30 and 20 x 20 spots with RNA; a spot's latent is its number."""
    corners = [(40, 30), (20, 20)]
    points = np.concatenate([np.argwhere(np.ones(corner)) for corner in corners]).astype(float)
    section = np.repeat(["a", "b"], [1200, 400])
    distances = knn(points, section, 4)
    latent = np.arange(1600, dtype=np.float32)[:, None]
    obs = pd.DataFrame({"section": section}, index=pd.Index(np.arange(1600).astype(str)))
    graphs = {"spatial_distances": distances, "spatial_connectivities": symmetrise(distances)}
    return Dataset("two", obs, points, [Modality("rna", latent, np.ones(1600, dtype=bool))], graphs, "square")


def test_tiles_are_of_one_size_compact_and_cover_every_spot_once() -> None:
    points = np.random.default_rng(0).random((5000, 2)) * [3, 1]
    tiles = cut(points, 24)
    assert sorted(np.concatenate(tiles)) == list(range(5000))
    assert {len(rows) for rows in tiles} <= {208, 209}
    # A square of a 24th of the area has sides of 0.35.
    assert max(np.ptp(points[rows], axis=0).max() for rows in tiles) < 0.6


def test_halo_is_all_within_reach_with_the_true_number_of_steps(dataset: Dataset) -> None:
    graph, core = dataset.spatial_graph(), np.array([3, 600, 601, 1300])
    rows, steps = with_halo(graph, core, 5, dataset.scratch)
    assert (dataset.scratch == -1).all()
    truth = dijkstra(graph, unweighted=True, indices=core).min(axis=0)
    np.testing.assert_array_equal(rows, np.flatnonzero(truth <= 5))
    np.testing.assert_array_equal(steps, truth[rows])


def test_parts_hold_every_spot_once_and_every_section(dataset: Dataset, run: Run) -> None:
    tiling = Tiling(dataset, 400, 10, run)
    assert tiling.n_parts == 16 and not tiling.whole
    assert sorted(np.concatenate(tiling.parts)) == list(range(1600))
    for patch in tiling.patches(3):
        assert {"a", "b"} == set(dataset.obs["section"].iloc[tiling.parts[patch.number]])
        assert patch.rows is not None and patch.core is not None
        np.testing.assert_array_equal(patch.rows[patch.core], tiling.parts[patch.number])
        np.testing.assert_array_equal(patch.dataset.modalities[0].latent[:, 0], patch.rows)
        np.testing.assert_array_equal(patch.dataset.obs.index, dataset.obs.index[patch.rows])
        graph = dataset.spatial_graph()[patch.rows][:, patch.rows]
        assert (patch.dataset.spatial_graph() != graph).nnz == 0
    assert sum(patch.share for patch in tiling.patches(0)) == pytest.approx(1)
    again, other = Tiling(dataset, 400, 10, run), Tiling(dataset, 400, 10, replace(run, seed=run.seed + 1))
    assert all(np.array_equal(*pair) for pair in zip(tiling.parts, again.parts, strict=True))
    assert not all(np.array_equal(*pair) for pair in zip(tiling.parts, other.parts, strict=True))


def test_tiles_through_all_sections_keep_together_what_lies_over_each_other(dataset: Dataset, run: Run) -> None:
    """The second section lies over a corner of the first; in its own coordinates it would be elsewhere."""
    rows = dataset.section_rows()
    dataset.aligned, dataset.coordinates = dataset.coordinates, dataset.coordinates.copy()
    dataset.coordinates[rows["b"]] += 100
    below = rows["a"][(dataset.aligned[rows["a"]] < 20).all(axis=1)]
    np.testing.assert_array_equal(dataset.aligned[below], dataset.aligned[rows["b"]])
    together = []
    for through in (True, False):
        tiling = Tiling(dataset, 800, 10, run, through_sections=through)
        part = tiling.part_of_spots()
        assert tiling.n_parts == 8 and sorted(np.concatenate(tiling.parts)) == list(range(1600))
        assert max(map(len, tiling.parts)) <= 204
        for number, own in enumerate(tiling.parts):
            assert (part[own] == number).all()
        together.append((part[below] == part[rows["b"]]).mean())
    assert together[0] > 0.9 and together[1] < 0.3


def test_a_part_of_some_of_the_spots_is_as_cut_from_their_dataset(dataset: Dataset, run: Run) -> None:
    spots = dataset.section_rows()["b"]
    own = local(dataset, spots)
    for patch in Tiling(dataset, 400, 10, run).patches(3):
        assert patch.rows is not None and patch.steps is not None
        part = patch.only(own, spots)
        assert part.share == patch.share and part.n_all == 400
        core = np.searchsorted(spots, np.intersect1d(patch.rows[patch.steps == 0], spots))
        rows, steps = with_halo(own.spatial_graph(), core, 3, own.scratch)
        np.testing.assert_array_equal(part.rows, rows)
        np.testing.assert_array_equal(part.steps, steps)
        np.testing.assert_array_equal(part.dataset.obs.index, own.obs.index[rows])
    whole = Tiling(dataset, 0, 10, run).patch(0, 0).only(own, spots)
    assert whole.dataset is own and whole.rows is None and whole.share == 1


@pytest.mark.parametrize("batch", [1, 5, 1599])
def test_tiles_may_be_single_spots(dataset: Dataset, run: Run, batch: int) -> None:
    tiling = Tiling(dataset, batch, 10, run, tiles_per_part=32)
    assert sorted(np.concatenate(tiling.parts)) == list(range(1600)) and min(map(len, tiling.parts)) > 0


@pytest.mark.parametrize(("batch", "updates", "taken"), [(400, 8, 4), (800, 3, 4), (200, 3, 11), (300, 40, 4)])
def test_every_part_is_taken_equally_often(dataset: Dataset, run: Run, batch: int, updates: int, taken: int) -> None:
    tiling = Tiling(dataset, batch, updates, run)
    assert tiling.per_update == taken
    numbers = [tiling.of_update(update) for update in range(1, updates + 1)]
    # No part twice, also where an order of all of them ends within an update.
    assert [len(set(own)) for own in numbers] == [taken] * updates
    counts = Counter(number for own in numbers for number in own)
    assert set(counts) == set(range(tiling.n_parts)) and max(counts.values()) - min(counts.values()) <= 1
    # What an update takes does not depend on those before it.
    assert Tiling(dataset, batch, updates, run).of_update(updates) == tiling.of_update(updates)


@pytest.mark.parametrize(("batch_spots", "n_parts"), [(None, 1), (0, 1), (1600, 1), (1599, 4)])
def test_small_datasets_are_one_part_unless_told(
    dataset: Dataset, run: Run, batch_spots: int | None, n_parts: int
) -> None:
    tiling = Tiling(dataset, batch_spots, 10, run)
    assert tiling.n_parts == n_parts
    if n_parts == 1:
        patch = tiling.patch(0, 5)
        assert patch.dataset is dataset and patch.share == 1 and patch.within(0).all()


def test_large_datasets_are_cut_without_being_told(dataset: Dataset, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("spatialweave.training.tiles.ALL_AT_ONCE", 1599)
    monkeypatch.setattr("spatialweave.training.tiles.BATCH_SPOTS", 800)
    monkeypatch.setattr("spatialweave.training.tiles.PART_SPOTS", 200)
    tiling = Tiling(dataset, None, 10, run)
    assert (tiling.n_parts, tiling.per_update) == (8, 4)


def test_what_is_made_of_every_spot_comes_back_in_its_row(dataset: Dataset, run: Run) -> None:
    """Sums over two rounds of neighbours, whose spots are two steps away, by parts and at once."""

    def make(patch: Patch) -> tuple[sparse.csr_matrix, torch.Tensor]:
        return patch.dataset.spatial_graph(), torch.as_tensor(patch.dataset.modalities[0].latent)

    def sums(batch: tuple[sparse.csr_matrix, torch.Tensor]) -> dict[str, torch.Tensor]:
        graph, latent = batch
        return {"sums": torch.as_tensor(graph @ (graph @ latent.numpy()))}

    whole, parts, short = (
        Batches(Tiling(dataset, spots, 1, run), make, reach).everywhere(sums)["sums"]
        for spots, reach in ((0, 0), (300, 2), (300, 1))
    )
    np.testing.assert_array_equal(parts, whole)
    assert (short != whole).any()


def test_weights_of_an_update_follow_the_spots(dataset: Dataset, run: Run) -> None:
    tiling = Tiling(dataset, 700, 1, run)
    batches: Batches[Patch] = Batches(tiling, lambda patch: patch, 0)
    weights = {patch.number: weight for weight, patch in batches.of_update(1)}
    assert sum(weights.values()) == pytest.approx(1)
    assert weights == {number: pytest.approx(len(rows) / 1600) for number, rows in enumerate(tiling.parts)}


@pytest.mark.parametrize("n_rows", [0, 1, 40])
def test_entries_among_rows_are_those_of_scipy(n_rows: int) -> None:
    rng = np.random.default_rng(n_rows)
    graph = sparse.random(90, 90, 0.1, "csr", dtype=np.float32, rng=rng)
    graph.data[::5] = 0
    rows = np.sort(rng.choice(90, n_rows, replace=False))
    scratch = np.full(90, -1, dtype=np.int32)
    found, expected = among(graph, rows, scratch), graph[rows][:, rows].tocsr()
    assert (scratch == -1).all()
    assert found.shape == expected.shape and found.dtype == expected.dtype
    for name in ("indptr", "indices", "data"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))


def test_statistics_leave_out_the_halo(dataset: Dataset, run: Run) -> None:
    tiling = Tiling(dataset, 400, 1, run)

    def mean(patch: Patch) -> dict[str, torch.Tensor]:
        latent = torch.as_tensor(patch.dataset.modalities[0].latent)
        return {"mean": over_spots(counted(latent).mean(dim=0)).expand(len(latent), 1)}

    batches: Batches[Patch] = Batches(tiling, lambda patch: patch, 3)
    own = {number: rows.mean() for number, rows in enumerate(tiling.parts)}
    for _, patch in batches.of_update(1):
        assert mean(patch)["mean"][0].item() == pytest.approx(own[patch.number])
    (found,) = batches.statistics(mean)
    assert found.item() == pytest.approx(np.mean([own[number] for number in range(8)]))
    latent = torch.arange(3.0)
    assert counted(latent) is latent
