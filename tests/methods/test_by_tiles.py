"""Training by tiles: what is local equals training on all spots at once, and the tissue is found."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy import sparse
from sklearn.metrics import adjusted_rand_score
from torch import Tensor, nn

from spatialweave.domains.mixture import tied_mixture
from spatialweave.errors import InputError
from spatialweave.graphs.build import build_graphs, feature_distances
from spatialweave.graphs.recipe import FeatureRecipe, GraphRecipe, SpatialRecipe
from spatialweave.io.dataset import Dataset, Modality
from spatialweave.methods import mcgate, smart, smart_ms, spabalance, spamca, spamo
from spatialweave.nn.cluster_heads import instance_loss
from spatialweave.nn.losses import triplet_loss
from spatialweave.training.batches import Batches
from spatialweave.training.masking import ScaledInputs, scale_inputs
from spatialweave.training.part_graphs import PartGraphs
from spatialweave.training.run import Run
from spatialweave.training.tiles import Patch, Tiling

Tissue = Callable[..., Dataset]
BATCH = 120


def gradients(network: nn.Module, losses: Sequence[Tensor]) -> list[Tensor]:
    """Of the sum of the losses in every parameter, zero where none reaches it."""
    found = torch.autograd.grad(sum(losses), list(network.parameters()), allow_unused=True)
    return [torch.zeros_like(own) if one is None else one for one, own in zip(found, network.parameters(), strict=True)]


def both_ways(dataset: Dataset, config: smart.Config, run: Run) -> tuple[ScaledInputs, list[Tiling]]:
    """The same inputs, and the dataset as one part and as many."""
    whole, parts = (Tiling(dataset, spots, 1, run) for spots in (0, BATCH))
    assert parts.n_parts > 8
    scaled = scale_inputs(whole, config, run)
    scaled.modalities = [replace(one, rounds=2) for one in scaled.modalities]
    return scaled, [whole, parts]


def no_triplets(scaled: ScaledInputs) -> list[np.ndarray]:
    return [np.empty((3, 0), dtype=np.int64) for _ in scaled.modalities]


@pytest.mark.parametrize("encoder", ["sage", "gcn", "gat", "graph"])
@pytest.mark.parametrize("missing", [0.0, 0.3])
def test_gradients_of_all_parts_add_up_to_those_of_all_spots(
    tissue: Tissue, run: Run, encoder: str, missing: float
) -> None:
    dataset = tissue(side=24, missing=missing)
    config = smart.Config(encoder=encoder, triplet_weight=0.0)
    scaled, tilings = both_ways(dataset, config, run)
    network = smart.Smart(scaled.widths, config)
    network.reset_parameters(run.torch_generator())
    terms = smart.loss_terms(network, {"rna": 1.0, "adt": 1.0}, config)
    found = []
    for tiling in tilings:
        # Of a part the squared errors are divided by the number of masked spots that it is expected to have.
        expected = [1.0, 1.0]
        if not tiling.whole:
            drawn = scaled.at(tilings[0].patch(0, 0)).mask(1)
            expected = [0.5 * one.present.sum() / (one.present & drawn).sum() for one in scaled.modalities]
        losses = []
        for patch in tiling.patches(smart.reach(scaled, config)):
            values = terms(1, smart.make_batch(patch, scaled, no_triplets(scaled), [0, 0], config))
            own = [
                values[f"reconstruction_{name}"] * factor for name, factor in zip(("rna", "adt"), expected, strict=True)
            ]
            losses.append(patch.share * sum(own))
        found.append(gradients(network, losses))
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(other, one, rtol=1e-5, atol=1e-5 * float(one.abs().max()))


@pytest.mark.parametrize("encoder", ["sage", "gcn"])
def test_a_halo_that_is_too_thin_is_noticed(tissue: Tissue, run: Run, encoder: str) -> None:
    """The same embedding by parts as of all spots at once, but not with a step less."""
    dataset = tissue(side=24)
    config = smart.Config(encoder=encoder)
    scaled, (whole, parts) = both_ways(dataset, config, run)
    network = smart.Smart(scaled.widths, config)
    network.reset_parameters(run.torch_generator())

    def tables(tiling: Tiling, depth: int) -> dict[str, np.ndarray]:
        def make(patch: Patch) -> smart.Batch:
            return smart.make_batch(patch, scaled, no_triplets(scaled), [0, 0], config)

        return Batches(tiling, make, depth).everywhere(lambda batch: smart.embedded(network, batch))

    depth = smart.reach(scaled, config)
    expected, found, thin = tables(whole, 0), tables(parts, depth), tables(parts, depth - 1)
    assert set(found) == {smart.EMBEDDING, "rna", "adt"}
    for name, values in expected.items():
        np.testing.assert_allclose(found[name], values, rtol=1e-5, atol=1e-5)
    assert any(not np.allclose(thin[name], values, rtol=1e-5, atol=1e-5) for name, values in expected.items())


def test_triplets_that_are_fixed_give_the_same_loss(tissue: Tissue, run: Run) -> None:
    """Triplets of parts, and the same ones all at once, in an embedding whose scale is 1 everywhere.

    The proteins are measured in a third of the tissue, so that most parts have few of their triplets.
    """
    dataset = tissue(side=24)
    adt = dataset.modalities[1]
    dataset.modalities[1] = replace(adt, present=adt.present & (dataset.coordinates[:, 1] < 8))
    config = smart.Config(batch_spots=BATCH)
    scaled, (whole, parts) = both_ways(dataset, config, run)
    depth, rng = smart.reach(scaled, config), run.numpy_generator()
    z = torch.randn(dataset.n_spots, 5, generator=run.torch_generator())
    patches = list(parts.patches(depth))
    triplets = [smart.mine(scaled.at(patch).modalities, patch, config, rng) for patch in patches]
    totals = [sum(found[m].shape[1] for found in triplets) for m in range(2)]
    sizes = [found[1].shape[1] for found in triplets]
    assert min(totals) > 0 and min(sizes) < max(sizes) / 4
    losses = torch.zeros(2)
    everywhere: list[list[np.ndarray]] = [[], []]
    for patch, found in zip(patches, triplets, strict=True):
        assert patch.rows is not None and patch.steps is not None
        batch = smart.make_batch(patch, scaled, found, totals, config)
        losses += patch.share * torch.stack(triplet_terms(batch, z[patch.rows]))
        for m, own in enumerate(found):
            assert not patch.steps[own].any()
            everywhere[m].append(patch.rows[own])
    joined = [np.concatenate(own, axis=1) for own in everywhere]
    batch = smart.make_batch(whole.patch(0, 0), scaled, joined, totals, config)
    torch.testing.assert_close(losses, torch.stack(triplet_terms(batch, z)))


def triplet_terms(batch: smart.Batch, z: torch.Tensor) -> list[torch.Tensor]:
    """The weighted triplet loss of both modalities."""
    near, far, *others = (
        torch.linalg.vector_norm(x + 1e-6, dim=1)
        for x in batch.triplets(z).split([size for size in batch.sizes for _ in range(2)])
    )
    return [
        weight * triplet_loss(*distances, 1.0)
        for weight, distances in zip(batch.triplet_weights, [(near, far), others], strict=True)
    ]


def test_a_term_of_spots_with_two_modalities_is_that_of_all_spots(tissue: Tissue, run: Run) -> None:
    """SpaMCA's agreement on single spots, of proteins that most parts hardly have."""
    dataset = tissue(side=24)
    adt = dataset.modalities[1]
    present = (dataset.coordinates[:, 1] < 4) | (np.arange(dataset.n_spots) % 50 == 0)
    dataset.modalities[1] = replace(adt, present=present)
    scaled, (whole, parts) = both_ways(dataset, smart.Config(), run)
    first, second = torch.randn(2, dataset.n_spots, 5, generator=run.torch_generator())
    total = torch.zeros(())
    for patch in parts.patches(2):
        inputs = scaled.at(patch)
        own = [patch.counted(patch.taken(x)) for x in (first, second, torch.as_tensor(present))]
        total += patch.share * inputs.weight(0, 1) * instance_loss(*own)
    assert scaled.at(whole.patch(0, 0)).weight(0, 1) == 1
    torch.testing.assert_close(total, instance_loss(first, second, torch.as_tensor(present)))


def agreement(dataset: Dataset, embedding: np.ndarray) -> float:
    return adjusted_rand_score(dataset.obs["label"], tied_mixture(embedding, 3, seed=0).labels)


def test_smart_by_tiles_finds_the_layers_and_repeats_itself(tissue: Tissue, run: Run) -> None:
    dataset = tissue(side=40)
    config = smart.Config(batch_spots=400, epochs=60)
    fitted = smart.fit(dataset, config, run)
    assert fitted.record["parts"] == 16 and fitted.record["parts_per_update"] == 4
    assert fitted.embedding.shape == (1600, 32) and fitted.denoised["adt"].shape == (1600, 9)
    assert agreement(dataset, fitted.embedding) > 0.95
    assert fitted.record["triplets"]["rna"] > 500
    np.testing.assert_array_equal(smart.fit(dataset, config, run).embedding, fitted.embedding)
    other = smart.fit(dataset, config, replace(run, seed=run.seed + 1))
    assert not np.allclose(other.embedding, fitted.embedding)


def test_smart_ms_by_tiles_joins_sections(split: Tissue, run: Run) -> None:
    dataset = split(side=40, offset=2.0)
    config = smart_ms.Config(batch_spots=600, epochs=60)
    fitted = smart_ms.fit(dataset, config, run)
    assert fitted.record["parts"] == 11 and fitted.record["triplets"]["rna"] > 200
    assert agreement(dataset, fitted.embedding) > 0.9


@pytest.fixture
def recipe() -> dict[str, Any]:
    """Of the feature graphs of the tissue."""
    return {"features": {"k": 6, "metric": "correlation", "rounds": 1}}


@pytest.mark.parametrize("method", [spamca, spabalance, spamo, mcgate])
def test_every_method_finds_the_layers_by_tiles(tissue: Tissue, run: Run, recipe: dict[str, Any], method: Any) -> None:
    dataset = replace(tissue(side=40), graph_recipe=recipe)
    config = method.Config(batch_spots=800, epochs=40)
    fitted = method.fit(dataset, config, run)
    assert (fitted.record["parts"], fitted.record["parts_per_update"]) == (8, 4)
    assert agreement(dataset, fitted.embedding) > 0.9
    for table in (*fitted.extras.values(), *fitted.denoised.values()):
        assert len(table) == 1600 and np.isfinite(np.asarray(table)).all()
    np.testing.assert_array_equal(method.fit(dataset, config, run).embedding, fitted.embedding)


@pytest.mark.parametrize("method", [spamca, spabalance, spamo])
def test_tiles_need_the_recipe_of_the_feature_graphs(tissue: Tissue, run: Run, method: Any) -> None:
    with pytest.raises(InputError, match="batch_spots=0"):
        method.fit(tissue(), method.Config(batch_spots=40), run)


def test_feature_graphs_of_a_part_join_its_own_spots_only(tissue: Tissue, run: Run, recipe: dict[str, Any]) -> None:
    dataset = replace(tissue(side=24, missing=0.2), graph_recipe=recipe)
    tiling = Tiling(dataset, BATCH, 1, run)
    part_graphs = PartGraphs(tiling, depth=2)
    for plain in tiling.patches(6):
        patch = part_graphs.added(plain)
        near, present = patch.within(2), patch.dataset.modalities[1].present
        graph = patch.dataset.feature_distances("adt")
        joined = np.diff(graph.indptr) > 0
        np.testing.assert_array_equal(joined, near & present)
        assert set(graph.indices) <= set(np.flatnonzero(near & present))
        # As GRAPH builds it on a dataset of these spots; the halo is deeper than the rounds of averaging.
        rows = patch.rows[joined]
        alone = feature_distances(
            Modality("adt", dataset.modalities[1].latent[rows], np.ones(len(rows), dtype=bool)),
            FeatureRecipe(**recipe["features"]),
            dataset.spatial_graph()[rows][:, rows],
        )
        np.testing.assert_array_equal(np.flatnonzero(joined)[alone.indices], graph.indices)


def test_feature_graphs_that_the_file_lacks_are_built(
    tissue: Tissue, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The graph file of a large dataset has none; trained on all at once it is embedded as with them."""
    dataset = tissue(side=16)
    plan = GraphRecipe(SpatialRecipe("knn", 4), FeatureRecipe(k=5, metric="correlation", rounds=1))
    files = [build_graphs(dataset, plan)]
    monkeypatch.setattr("spatialweave.graphs.build.ALL_AT_ONCE", dataset.n_spots - 1)
    files.append(build_graphs(dataset, plan))
    assert len(files[0].obsp) == 6 and set(files[1].obsp) == {"spatial_distances", "spatial_connectivities"}
    found = []
    for file in files:
        given = replace(dataset, graphs=dict(file.obsp), graph_recipe=json.loads(file.uns["recipe"]))
        found.append(spamca.fit(given, spamca.Config(epochs=5, max_rounds=1), run).embedding)
    np.testing.assert_array_equal(found[1], found[0])


@pytest.mark.parametrize("present", [0, 1])
def test_a_part_may_lack_a_modality(tissue: Tissue, run: Run, recipe: dict[str, Any], present: int) -> None:
    dataset = replace(tissue(side=24), graph_recipe=recipe)
    kept = np.arange(dataset.n_spots) < present
    dataset.modalities[1] = Modality("adt", dataset.modalities[1].latent * kept[:, None], kept)
    tiling = Tiling(dataset, BATCH, 1, run)
    part_graphs = PartGraphs(tiling, depth=2)
    for patch in tiling.patches(6):
        assert part_graphs.added(patch).dataset.feature_graph("adt").nnz == 0


def test_the_spatial_view_of_spamca_is_exact(tissue: Tissue, run: Run) -> None:
    dataset = tissue(side=24)
    # Feature graphs without edges are the same in every part.
    empty = sparse.csr_matrix((dataset.n_spots, dataset.n_spots))
    config = spamca.Config(instance_weight=0.0, cluster_weight=0.0, target_weight=0.0)
    scaled, tilings = both_ways(dataset, config, run)
    network = spamca.SpaMca(scaled.widths, 8, 4, scaled=False)
    network.reset_parameters(run.torch_generator())
    found = []
    for tiling in tilings:
        losses = []
        for patch in tiling.patches(scaled.reach + spamca.LAYERS):
            own = replace(patch.dataset, graphs=dict(patch.dataset.graphs))
            for name in ("rna", "adt"):
                own.graphs[f"{name}_connectivities"] = empty[: own.n_spots, : own.n_spots]
            batch = spamca.make_batch(replace(patch, dataset=own), scaled)
            values = spamca.loss_terms(network, config)(1, batch)
            drawn = scaled.at(tilings[0].patch(0, 0)).mask(1)
            factor = 1.0 if tiling.whole else 0.5 * dataset.n_spots / float(drawn.sum())
            losses += [patch.share * factor * values[f"reconstruction_{name}"] for name in ("rna", "adt")]
        found.append(gradients(network, losses))
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(other, one, rtol=1e-5, atol=1e-5 * float(one.abs().max()))


def test_mcgate_by_tiles_looks_for_long_range_neighbours_in_each_part(tissue: Tissue, run: Run, tmp_path: Path) -> None:
    dataset = tissue(side=40)
    config = mcgate.Config(batch_spots=800, epochs=14, step=4)
    fitted = mcgate.fit(dataset, config, run)
    partners = fitted.extras["long_range"].to_numpy()
    tiling = Tiling(dataset, 800, 14, run)
    part = np.empty(1600, dtype=int)
    for number, rows in enumerate(tiling.parts):
        part[rows] = number
    spot, column = np.nonzero(partners >= 0)
    other = partners[spot, column]
    # A partner is of the same part, or of its halo: a step or two away from it.
    apart = part[spot] != part[other]
    assert len(spot) > 800 and apart.mean() < 0.5
    points = dataset.coordinates
    for a, b in zip(spot[apart], other[apart], strict=True):
        assert np.abs(points[part == part[a]] - points[b]).sum(axis=1).min() <= 1
    # Resumed between two searches it ends the same.
    stopped = replace(run, checkpoint=tmp_path / "state.pt", checkpoint_seconds=0.0, identity="same")
    mcgate.fit(dataset, replace(config, epochs=10), stopped)
    resumed = mcgate.fit(dataset, config, stopped)
    np.testing.assert_array_equal(resumed.embedding, fitted.embedding)


def test_the_graph_loss_of_spamo_is_of_the_spots_that_count(
    tissue: Tissue, run: Run, recipe: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever the halo's rows of the learned graphs are: 0.5 off in every edge of the others is all that it sees."""
    graph_losses: list[tuple[float, float]] = []
    loss_terms = spamo.loss_terms

    def terms(network: spamo.Spamo, config: spamo.Config, run: Run) -> Any:
        usual = loss_terms(network, config, run)

        def moved(epoch: int, batch: spamo.Batch) -> dict[str, Tensor]:
            core = batch.inputs.patch.core
            assert core is not None and len(core) < batch.inputs.n_spots
            lengths = []
            for graph in batch.learned:
                counts = torch.isin(graph.edges.receivers, core)
                graph.target.copy_(graph.weights().detach() + torch.where(counts, 0.5, 100.0))
                lengths.append(0.5 * float(counts.sum()) ** 0.5)
            values = usual(epoch, batch)
            expected = config.graph_weight * np.mean(lengths) / len(core) ** 0.5
            graph_losses.append((values["graph"].item(), expected))
            return values

        return moved

    monkeypatch.setattr(spamo, "loss_terms", terms)
    dataset = replace(tissue(side=24), graph_recipe=recipe)
    spamo.fit(dataset, spamo.Config(epochs=1, batch_spots=BATCH), run)
    found, expected = zip(*graph_losses, strict=True)
    np.testing.assert_allclose(found, expected, rtol=1e-4)
