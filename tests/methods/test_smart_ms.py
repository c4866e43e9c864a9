"""SMART-MS: triplets across sections against a brute-force count, and sections that come together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import sparse
from scipy.spatial.distance import cdist
from sklearn.metrics import adjusted_rand_score
from sklearn.neighbors import NearestNeighbors

from spatialweave.domains.mixture import tied_mixture
from spatialweave.errors import InputError
from spatialweave.graphs import features
from spatialweave.io.dataset import Dataset, Modality
from spatialweave.methods import smart, smart_ms, smart_ms_paper
from spatialweave.mining.across_sections import cross_pairs, mine_cross_triplets
from spatialweave.presets import read_preset
from spatialweave.training.hidden_inputs import prepare_inputs
from spatialweave.training.run import Run
from spatialweave.training.sections import restricted
from spatialweave.training.session import fit_preset

Tissue = Callable[..., Dataset]
Stack = Callable[..., Dataset]

SHORT = smart_ms.Config(epochs=10, n_hidden=16, n_dims=8, within_sections=True)


@pytest.fixture
def stack(tissue: Tissue) -> Stack:
    """(modalities of each section, offset of the second, side) -> sections of one tissue with noise of their own."""

    def make(names: Sequence[tuple[str, ...]] = (("rna",), ("rna",)), offset: float = 0.0, side: int = 12) -> Dataset:
        rng = np.random.default_rng(5)
        every = tuple(name for name in ("rna", "adt") if any(name in own for own in names))
        parts = [tissue(side=side, names=every) for _ in names]
        sections = np.repeat(list("abcdef"[: len(parts)]), side * side)
        modalities = []
        for m, name in enumerate(every):
            latent = np.concatenate([part.modalities[m].latent for part in parts])
            latent = latent + rng.normal(size=latent.shape) + offset * (sections == "b")[:, None]
            present = np.repeat([name in own for own in names], side * side)
            modalities.append(Modality(name, (latent * present[:, None]).astype(np.float32), present))
        obs = pd.concat([part.obs for part in parts]).assign(section=sections)
        obs.index = pd.Index(obs["section"] + ":" + obs["barcode"])
        graphs = {
            key: sparse.block_diag([part.graphs[key] for part in parts], format="csr")
            for key in ("spatial_distances", "spatial_connectivities")
        }
        return Dataset("stack", obs, np.concatenate([part.coordinates for part in parts]), modalities, graphs, "square")

    return make


def from_other_section(dataset: Dataset, embedding: np.ndarray) -> float:
    """Share of the 10 nearest spots that are of another section; half where two equal sections are mixed."""
    section = dataset.obs["section"].to_numpy().astype(str)
    scaled = (embedding - embedding.mean(axis=0)) / embedding.std(axis=0)
    nearest = NearestNeighbors(n_neighbors=11).fit(scaled).kneighbors(scaled, return_distance=False)[:, 1:]
    return float((section[nearest] != section[:, None]).mean())


def brute_force(points: np.ndarray, sections: np.ndarray, n_nearest: int) -> set[tuple[int, int]]:
    """All (i, j) of different sections, each among the other's nearest in the other's section."""
    distance = cdist(points, points)

    def nearest(i: int, section: int) -> np.ndarray:
        own = np.flatnonzero(sections == section)
        return own[np.argsort(distance[i, own])[:n_nearest]]

    return {
        (i, int(j))
        for i in range(len(points))
        for section in set(sections.tolist()) - {int(sections[i])}
        for j in nearest(i, section)
        if i in nearest(j, int(sections[i]))
    }


@pytest.fixture
def scattered() -> tuple[np.ndarray, np.ndarray]:
    """Points of three sections of different sizes, in mixed order."""
    rng = np.random.default_rng(1)
    return rng.normal(size=(90, 4)).astype(np.float32), rng.choice(3, size=90, p=[0.5, 0.3, 0.2])


@pytest.mark.parametrize("n_nearest", [1, 3])
def test_pairs_are_those_of_a_brute_force_search(scattered: tuple[np.ndarray, np.ndarray], n_nearest: int) -> None:
    points, sections = scattered
    pairs = list(zip(*(found.tolist() for found in cross_pairs(points, sections, n_nearest)), strict=True))
    assert len(pairs) == len(set(pairs)) > 40
    assert set(pairs) == brute_force(points, sections, n_nearest)


def test_published_anchors_are_the_half_from_the_lower_section(scattered: tuple[np.ndarray, np.ndarray]) -> None:
    points, sections = scattered
    everyone = np.arange(len(points))
    both, first = (
        mine_cross_triplets(points, sections, 2, 0.6, np.random.default_rng(0), everyone, side)
        for side in (True, False)
    )
    expected = brute_force(points, sections, 2)
    assert set(zip(both[0].tolist(), both[1].tolist(), strict=True)) == expected
    assert set(zip(first[0].tolist(), first[1].tolist(), strict=True)) == {
        (i, j) for i, j in expected if sections[i] < sections[j]
    }
    assert 2 * first.shape[1] == both.shape[1]


def test_no_positive_of_the_own_section_and_no_negative_of_another(scattered: tuple[np.ndarray, np.ndarray]) -> None:
    points, sections = scattered
    found = mine_cross_triplets(points, sections, 2, 0.5, np.random.default_rng(0), np.arange(90))
    assert (sections[found[0]] != sections[found[1]]).all()
    assert (sections[found[0]] == sections[found[2]]).all()
    distance = cdist(points, points)
    for anchor, _, negative in found.T:
        own = np.flatnonzero(sections == sections[anchor])
        n_far = int(0.5 * (len(own) - 1))
        assert distance[anchor, negative] >= np.sort(distance[anchor, own])[-n_far] - 1e-5


def test_names_and_order_of_sections_do_not_matter(scattered: tuple[np.ndarray, np.ndarray]) -> None:
    points, sections = scattered
    renamed = np.array([7, 2, 30])[sections]
    order = np.random.default_rng(2).permutation(90)
    expected = set(zip(*map(np.ndarray.tolist, cross_pairs(points, sections, 2)), strict=True))
    assert set(zip(*map(np.ndarray.tolist, cross_pairs(points, renamed, 2)), strict=True)) == expected
    first, second = cross_pairs(points[order], sections[order], 2)
    assert set(zip(order[first].tolist(), order[second].tolist(), strict=True)) == expected


def test_approximate_search_finds_nearly_all(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    points, sections = rng.normal(size=(9000, 6)).astype(np.float32), np.arange(9000) % 2
    exact = set(zip(*map(np.ndarray.tolist, cross_pairs(points, sections, 2)), strict=True))
    monkeypatch.setattr(features, "EXACT_LIMIT", 1000)
    monkeypatch.setattr(features, "LISTS_PROBED", 4)
    found = set(zip(*map(np.ndarray.tolist, cross_pairs(points, sections, 2)), strict=True))
    assert found != exact and len(found & exact) > 0.97 * len(exact)


def test_sections_too_small_for_triplets_are_survived() -> None:
    points = np.arange(12, dtype=np.float32).reshape(4, 3)
    found = mine_cross_triplets(points, np.array([0, 1, 1, 1]), 2, 0.6, np.random.default_rng(0), np.arange(4))
    # The only spot of section 0 has no negative; the others may have it as a positive.
    assert set(found[0].tolist()) <= {1, 2, 3} and set(found[1].tolist()) <= {0}
    assert mine_cross_triplets(points, np.zeros(4, int), 2, 0.6, np.random.default_rng(0), np.arange(4)).shape == (3, 0)


def test_triplets_within_sections_are_those_of_each_alone(stack: Stack, run: Run) -> None:
    dataset = stack()
    sections, graph = dataset.section_rows(), dataset.graphs["spatial_connectivities"]
    inputs = prepare_inputs(dataset, SHORT, run)
    one, neighbours = inputs.modalities[0], inputs.neighbours
    args = (one, sections, graph, neighbours)
    across = smart_ms.mine(*args, replace(SHORT, within_sections=False), run.numpy_generator())
    both = smart_ms.mine(*args, SHORT, run.numpy_generator())
    np.testing.assert_array_equal(both[:, : across.shape[1]], across)
    section = smart_ms.section_numbers(sections)
    assert (section[across[0]] != section[across[1]]).all()
    inside = both[:, across.shape[1] :]
    assert inside.shape[1] > 50 and (section[inside] == section[inside[0]]).all()
    # The first section's own pairs are those that SMART finds in it; features are scaled by both, to a common factor.
    own = restricted(dataset, sections["a"])
    alone = prepare_inputs(own, SHORT, run)
    same_scale = replace(alone.modalities[0], features=one.features[: own.n_spots])
    found = smart.mine(same_scale, own.graphs["spatial_connectivities"], alone.neighbours, SHORT, run.numpy_generator())
    in_first = inside[:, section[inside[0]] == 0]
    assert set(map(tuple, in_first[:2].T.tolist())) == set(map(tuple, found[:2].T.tolist()))


def test_every_weight_gets_a_gradient(stack: Stack, run: Run) -> None:
    dataset = stack((("rna", "adt"), ("rna",)))
    inputs = prepare_inputs(dataset, SHORT, run)
    sections, graph = dataset.section_rows(), dataset.graphs["spatial_connectivities"]
    triplets = [
        smart_ms.mine(one, sections, graph, inputs.neighbours, SHORT, run.numpy_generator())
        for one in inputs.modalities
    ]
    network = smart.Smart(inputs.widths, SHORT.n_hidden, SHORT.n_dims)
    network.reset_parameters(run.torch_generator())
    values = smart.loss_terms(network, inputs, triplets, SHORT)(1)
    torch.stack(list(values.values())).sum().backward()
    assert set(values) == {"reconstruction_rna", "reconstruction_adt", "triplet_rna", "triplet_adt"}
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().sum() > 0, name
    # Only the first section has proteins, so that their triplets are all within it.
    assert set(triplets[1].ravel().tolist()) <= set(sections["a"].tolist())


def test_sections_mix_and_share_their_domains(stack: Stack, run: Run) -> None:
    dataset = stack(offset=1.0)
    joined = smart_ms.fit(dataset, smart_ms.Config(epochs=80, triplet_weight=1.0), run)
    apart = smart_ms.fit(dataset, smart_ms.Config(epochs=80, triplet_weight=0.0), run)
    assert from_other_section(dataset, joined.embedding) > from_other_section(dataset, apart.embedding) + 0.05
    labels = tied_mixture(joined.embedding, 3, seed=0).labels
    assert adjusted_rand_score(dataset.obs["label"], labels) > 0.9


@pytest.mark.parametrize("changed", [{"anchors": "first"}, {"within_sections": False}, {"n_nearest_across": 5}])
def test_every_choice_changes_the_result(stack: Stack, run: Run, changed: dict) -> None:
    one, two = (smart_ms.fit(stack(), config, run) for config in (SHORT, replace(SHORT, **changed)))
    assert one.record["triplets"] != two.record["triplets"]
    assert np.abs(one.embedding - two.embedding).max() > 1e-4


def test_same_seed_same_embedding(stack: Stack, run: Run) -> None:
    one, two = (smart_ms.fit(stack(), SHORT, run) for _ in range(2))
    np.testing.assert_array_equal(one.embedding, two.embedding)
    assert one.embedding.shape == (288, 8) and one.record["variant"] == "tuned"
    assert set(one.denoised) == {"rna"} and one.denoised["rna"].shape == (288, 8)


def test_a_dataset_of_one_section_is_refused(tissue: Tissue, run: Run) -> None:
    for module in (smart_ms, smart_ms_paper):
        with pytest.raises(InputError, match=r"one section.*'smart'"):
            module.fit(tissue(), module.Config(), run)


def test_sections_without_a_modality_in_common_are_refused(stack: Stack, run: Run) -> None:
    with pytest.raises(InputError, match=r"section 'b'.*only adt there.*'spatialfuser'"):
        smart_ms.fit(stack((("rna",), ("adt",))), SHORT, run)
    # In two halves that each have company.
    halves = stack((("rna",), ("adt",), ("rna",), ("adt",)))
    with pytest.raises(InputError, match=r"section 'b', 'd'.*only adt there"):
        smart_ms.fit(halves, SHORT, run)
    # Where one section has both, all are joined, whatever their order.
    joined = stack((("rna",), ("adt",), ("rna", "adt")))
    smart_ms.check_shared(joined, joined.section_rows())


@pytest.mark.parametrize("preset", ["hexagonal", "tonsil"])
def test_published_presets_run(stack: Stack, run: Run, project: Path, preset: str) -> None:
    dataset = stack((("rna", "adt"), ("rna", "adt"), ("rna", "adt")))
    published = read_preset(project / "assets" / "methods" / "smart_ms_paper.yml")
    fitted = fit_preset(dataset, published, run, preset, ["epochs=3"])
    assert fitted.embedding.shape == (432, 64) and np.isfinite(fitted.embedding).all()
    t = fitted.record["config"]["n_nearest"]
    section = smart_ms.section_numbers(dataset.section_rows())
    for one in dataset.modalities:
        expected = {(i, j) for i, j in brute_force(one.latent, section, t) if i < j}
        assert fitted.record["triplets"][one.name] == len(expected)
