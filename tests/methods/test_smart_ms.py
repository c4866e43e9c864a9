"""SMART-MS: triplets across sections against a brute-force count, and sections that come together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import combinations
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
from spatialweave.io.dataset import Dataset, Modality
from spatialweave.methods import smart, smart_ms, smart_ms_paper
from spatialweave.presets import read_preset
from spatialweave.training.run import Run
from spatialweave.training.sections import restricted
from spatialweave.training.session import fit_preset

from .inputs import prepare_inputs

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
    """Fraction of the 10 nearest spots that are of another section; half where two equal sections are mixed."""
    section = dataset.obs["section"].to_numpy().astype(str)
    scaled = (embedding - embedding.mean(axis=0)) / embedding.std(axis=0)
    nearest = NearestNeighbors(n_neighbors=11).fit(scaled).kneighbors(scaled, return_distance=False)[:, 1:]
    return float((section[nearest] != section[:, None]).mean())


def test_triplets_within_sections_are_those_of_each_alone(stack: Stack, run: Run) -> None:
    dataset = stack()
    sections = dataset.section_rows()
    inputs = prepare_inputs(dataset, SHORT, run)
    one = inputs.modalities[0]
    across = smart_ms.mine([one], inputs.patch, replace(SHORT, within_sections=False), run.numpy_generator())[0]
    both = smart_ms.mine([one], inputs.patch, SHORT, run.numpy_generator())[0]
    np.testing.assert_array_equal(both[:, : across.shape[1]], across)
    section = smart_ms.section_numbers(sections)
    assert (section[across[0]] != section[across[1]]).all()
    inside = both[:, across.shape[1] :]
    assert inside.shape[1] > 50 and (section[inside] == section[inside[0]]).all()
    # The first section's own pairs are those that SMART finds in it; features are scaled by both, to a common factor.
    own = restricted(dataset, sections["a"])
    alone = prepare_inputs(own, SHORT, run)
    same_scale = replace(alone.modalities[0], features=one.features[: own.n_spots])
    found = smart.mine([same_scale], alone.patch, SHORT, run.numpy_generator())[0]
    in_first = inside[:, section[inside[0]] == 0]
    assert set(map(tuple, in_first[:2].T.tolist())) == set(map(tuple, found[:2].T.tolist()))


def test_every_weight_gets_a_gradient(stack: Stack, run: Run) -> None:
    dataset = stack((("rna", "adt"), ("rna",)))
    inputs = prepare_inputs(dataset, SHORT, run)
    triplets = smart_ms.mine(inputs.modalities, inputs.patch, SHORT, run.numpy_generator())
    network = smart.Smart(inputs.widths, SHORT)
    network.reset_parameters(run.torch_generator())
    batch = smart.make_batch(inputs.patch, inputs, triplets, [found.shape[1] for found in triplets], SHORT)
    values = smart.loss_terms(network, {"rna": 1.0, "adt": 1.0}, SHORT)(1, batch)
    torch.stack(list(values.values())).sum().backward()
    assert set(values) == {"reconstruction_rna", "reconstruction_adt", "triplet_rna", "triplet_adt"}
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().sum() > 0, name
    # Only the first section has proteins, so that their triplets are all within it.
    assert set(triplets[1].ravel().tolist()) <= set(dataset.section_rows()["a"].tolist())


def test_sections_mix_and_have_the_same_domains(stack: Stack, run: Run) -> None:
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
    assert one.embedding.shape == (288, 8)
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
        expected = 0
        for a, b in combinations(range(3), 2):
            distance = cdist(one.latent[section == a], one.latent[section == b])
            forward, back = np.argsort(distance, axis=1)[:, :t], np.argsort(distance.T, axis=1)[:, :t]
            expected += sum(i in back[j] for i, row in enumerate(forward) for j in row)
        assert fitted.record["triplets"][one.name] == expected
