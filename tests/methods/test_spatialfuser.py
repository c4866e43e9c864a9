"""SpatialFuser: its loss terms by hand, matched spots that come together, sections of other modalities."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.spatial.distance import cdist
from sklearn.metrics import adjusted_rand_score
from sklearn.neighbors import NearestNeighbors

from spatialweave.alignment.matching import match, transport_plan
from spatialweave.domains.mixture import tied_mixture
from spatialweave.errors import InputError
from spatialweave.graphs.matrices import from_edges, symmetrise
from spatialweave.io.dataset import Dataset, Modality
from spatialweave.io.notices import InputWarning
from spatialweave.methods import mcgate, spatialfuser
from spatialweave.methods.spatialfuser import Config
from spatialweave.presets import read_preset
from spatialweave.training import matched_pairs
from spatialweave.training.masking import random_mask
from spatialweave.training.run import Run
from spatialweave.training.sections import restricted
from spatialweave.training.session import fit_preset

Tissue = Callable[..., Dataset]
Split = Callable[..., Dataset]

SHORT = Config(
    epochs=4, fusion_epochs=6, match_step=3, step=2, n_dims=8, heads=2, alpha=0.3, join_shared=True, exchange=0
)


@pytest.fixture
def split(tissue: Tissue) -> Split:
    """A tissue whose spots are dealt out to sections at random; each section keeps the modalities named for it."""

    def make(names: Sequence[tuple[str, ...]] = (("rna",), ("rna",)), side: int = 14, offset: float = 0.0) -> Dataset:
        whole = tissue(side=side, names=tuple(dict.fromkeys(name for own in names for name in own)))
        place = np.random.default_rng(6).permutation(np.arange(whole.n_spots) % len(names))
        order = np.argsort(place, kind="stable")
        place, spatial = place[order], whole.coordinates[order]
        modalities = []
        for one in whole.modalities:
            present = np.array([one.name in own for own in names])[place]
            latent = (one.latent[order] + offset * place[:, None]) * present[:, None]
            modalities.append(Modality(one.name, latent.astype(np.float32), present))
        rows, columns, values = [], [], []
        for number in range(len(names)):
            own = np.flatnonzero(place == number)
            distance, nearest = NearestNeighbors(n_neighbors=5).fit(spatial[own]).kneighbors(spatial[own])
            rows.append(own.repeat(4))
            columns.append(own[nearest[:, 1:].ravel()])
            values.append(distance[:, 1:].ravel())
        directed = from_edges(*map(np.concatenate, (rows, columns, values)), whole.n_spots)
        obs = whole.obs.iloc[order].assign(section=np.array(list("abcdef"))[place])
        obs.index = pd.Index(obs["section"] + ":" + obs["barcode"])
        graphs = {"spatial_distances": directed, "spatial_connectivities": symmetrise(directed)}
        # Every section has coordinates of its own; the aligned ones are in one frame.
        return replace(
            whole,
            obs=obs,
            coordinates=spatial + 100 * place[:, None],
            modalities=modalities,
            graphs=graphs,
            aligned=spatial,
        )

    return make


@dataclass
class SetUp:
    """A training before its first epoch."""

    network: spatialfuser.SpatialFuser
    parts: list[spatialfuser.SectionGroup]
    terms: Callable[[int], dict]


def set_up(dataset: Dataset, config: Config, run: Run) -> SetUp:
    """The initial network, its encoders and its loss terms."""
    sections = dataset.section_rows()
    finder = spatialfuser.pair_finder(dataset, config, run)
    parts = spatialfuser.make_parts(dataset, sections, config, run)
    encoders = [part.encoder.network for part in parts]
    network = spatialfuser.SpatialFuser(encoders, finder)
    network.reset_parameters(run.torch_generator())
    return SetUp(network, parts, spatialfuser.loss_terms(network, parts, config, run))


def matched_accuracy(dataset: Dataset, embedding: np.ndarray) -> tuple[float, int]:
    """Share of accepted pairs of the first two sections whose domains are the same, and their number."""
    a, b = list(dataset.section_rows().values())[:2]
    found = match(embedding[a], embedding[b], dataset.aligned[a], dataset.aligned[b])
    label = dataset.obs["label"].to_numpy()
    same = label[a][found.a] == label[b][found.b]
    return float(same[found.accepted].mean()), int(found.accepted.sum())


def test_all_terms_of_an_epoch_by_hand(split: Split, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two sections of RNA, which share an encoder, and one of proteins; all consecutive pairs are joined."""
    dataset = split((("rna",), ("rna",), ("adt",)))
    config = replace(SHORT, epochs=0, margin=0.7, fusion_weight=0.2, direction_weight=0.3)
    training = set_up(dataset, config, run)
    encoded: list[tuple[torch.Tensor, list]] = []
    drawn: list[tuple[np.ndarray, ...]] = []
    encode, partners = spatialfuser.encode, matched_pairs.Partners
    monkeypatch.setattr(spatialfuser, "encode", lambda *given: encoded.append(encode(*given)) or encoded[-1])
    monkeypatch.setattr(matched_pairs, "Partners", lambda *given: drawn.append(given[:3]) or partners(*given))
    found = training.terms(1)

    fused, weights = encoded[-1]
    place = fused.detach().numpy().astype(np.float64)
    mask = random_mask(dataset.n_spots, config.mask_fraction, run, 1)
    expected = {}
    for part, given, fraction in zip(training.parts, weights, (2 / 3, 1 / 3), strict=True):
        rebuilt = part.encoder.network.decode(fused[part.rows], part.encoder.around, given).detach()
        (one,) = part.inputs.modalities
        of = mask[part.rows]
        expected[f"reconstruction_{one.name}"] = fraction * float(((rebuilt - one.features)[of] ** 2).mean())
    unit = place.std(axis=0, ddof=1).mean()
    ((first, second, far),) = drawn
    near, far_first, far_second = (
        np.linalg.norm(place[i] - place[j], axis=1) / unit
        for i, j in ((first, second), (first, far[first]), (second, far[second]))
    )
    expected["pairs"] = 0.2 * near.mean()
    expected["triplet"] = 0.2 * sum(np.maximum(0, 0.7 + near - away).mean() for away in (far_first, far_second))
    a, b, c = dataset.section_rows().values()
    angles = [cdist(place[one], place[other], "cosine").mean() for one, other in ((a, b), (b, c))]
    expected["direction"] = 0.2 * 0.3 * float(np.mean(angles))
    assert {name: value.item() for name, value in found.items()} == pytest.approx(expected, rel=1e-4)
    assert min(expected.values()) > 0


def test_embeddings_cannot_come_together_by_shrinking(split: Split, run: Run) -> None:
    """The scale that distances are measured in has a gradient: no term of the pairs gains by scaling the embedding."""
    dataset = split((("rna",), ("adt",)))
    training = set_up(dataset, replace(SHORT, epochs=0, fusion_weight=1.0), run)
    values = training.terms(1)
    weights = list(training.network.fusion.parameters())
    # A multiple of the map is a multiple of the embedding.
    for name in ("pairs", "triplet"):
        gradients = torch.autograd.grad(values[name], weights, retain_graph=True)
        along = sum((weight * gradient).sum() for weight, gradient in zip(weights, gradients, strict=True))
        assert values[name].item() > 0.1
        assert abs(along.item()) < 1e-3 * values[name].item()


def test_pairs_are_the_accepted_ones_by_the_settings_and_far_spots_are_far(
    split: Split, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = split((("rna",), ("rna",), ("adt",)))
    config = replace(SHORT, radius=2.0, match_temperature=0.3, top=2)
    sections = dataset.section_rows()
    drawn: list[tuple[np.ndarray, ...]] = []
    partners = matched_pairs.Partners
    monkeypatch.setattr(matched_pairs, "Partners", lambda *given: drawn.append(given[:3]) or partners(*given))
    embedding = np.random.default_rng(0).normal(size=(dataset.n_spots, 8)).astype(np.float32)
    finder = spatialfuser.pair_finder(dataset, config, run)
    _, counts = finder.find(embedding, 0)
    ((first, second, far),) = drawn
    rows = list(sections.values())
    expected = []
    for a, b in ((rows[0], rows[1]), (rows[1], rows[2])):
        found = match(embedding[a], embedding[b], dataset.aligned[a], dataset.aligned[b], config.match_settings())
        assert 0 < found.accepted.sum() < len(found.accepted)
        expected += [(a[i], b[j]) for i, j in zip(found.a[found.accepted], found.b[found.accepted], strict=True)]
    assert list(zip(first, second, strict=True)) == expected and sum(counts) == len(expected)
    assert (config.match_settings().radius, config.match_settings().top) == (2.0, 2)
    for own in rows:
        assert np.isin(far[own], own).all()
        spaced = np.median(NearestNeighbors(n_neighbors=2).fit(dataset.aligned[own]).kneighbors()[0][:, 0])
        assert (np.linalg.norm(dataset.aligned[own] - dataset.aligned[far[own]], axis=1) > 2.0 * spaced).all()


@pytest.mark.parametrize("shared", [True, False])
def test_every_weight_gets_a_gradient(split: Split, run: Run, shared: bool) -> None:
    config = replace(SHORT, epochs=2, step=1, shared_encoder=shared)
    training = set_up(split((("rna", "adt"), ("rna", "adt"))), config, run)
    network, terms = training.network, training.terms
    before = terms(1)
    assert before["pairs"] == before["triplet"] == before["direction"] == 0
    terms(2)
    values = terms(3)
    torch.stack(list(values.values())).sum().backward()
    assert set(values) == {"reconstruction_rna", "reconstruction_adt", "pairs", "triplet", "direction"}
    assert all(value > 0 for value in values.values())
    assert len(network.encoders) == (1 if shared else 2)
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().max() > 1e-7, name


@pytest.mark.parametrize("shared", [True, False])
def test_pre_training_of_one_encoder_is_mcgate(split: Split, run: Run, shared: bool) -> None:
    """Without fusion, and with the map still the identity, the loss of the first epoch is that of the encoders."""
    dataset = split()
    fused = spatialfuser.fit(dataset, replace(SHORT, epochs=1, fusion_epochs=0, shared_encoder=shared), run)
    alone = mcgate.Config(epochs=1, step=2, n_dims=8, heads=2, alpha=0.3, mask_fraction=0.5)
    first = fused.record["losses"]["reconstruction_rna"][0]
    if shared:
        assert first == pytest.approx(mcgate.fit(dataset, alone, run).record["losses"]["reconstruction_rna"][0])
    else:
        losses = [
            mcgate.fit(restricted(dataset, rows), alone, run).record["losses"]["total"][0]
            for rows in dataset.section_rows().values()
        ]
        # Other spots are masked and the weights are others.
        assert first == pytest.approx(np.mean(losses), rel=0.25)


@pytest.mark.parametrize("shared", [True, False])
def test_fusion_mixes_the_sections_of_one_tissue(split: Split, run: Run, shared: bool) -> None:
    dataset = split(side=16, offset=1.0)
    config = Config(
        epochs=40, fusion_epochs=40, match_step=10, shared_encoder=shared, join_shared=True, fusion_weight=1, exchange=0
    )
    section = dataset.obs["section"].to_numpy().astype(str)

    def mixed(embedding: np.ndarray) -> float:
        nearest = NearestNeighbors(n_neighbors=11).fit(embedding).kneighbors(embedding, return_distance=False)[:, 1:]
        return float((section[nearest] != section[:, None]).mean())

    fused = spatialfuser.fit(dataset, config, run)
    before = spatialfuser.fit(dataset, replace(config, fusion_epochs=0), run)
    assert mixed(fused.embedding) > mixed(before.embedding) + 0.1
    assert adjusted_rand_score(dataset.obs["label"], tied_mixture(fused.embedding, 3, seed=0).labels) > 0.7
    assert matched_accuracy(dataset, fused.embedding)[0] > 0.9


def test_sections_of_different_modalities(split: Split, run: Run) -> None:
    dataset = split((("rna",), ("adt",)), side=18)
    config, run = Config(epochs=60, fusion_epochs=60, match_step=20), replace(run, seed=0)
    fitted = spatialfuser.fit(dataset, config, run)
    assert fitted.embedding.shape == (324, 32) and np.isfinite(fitted.embedding).all()
    accuracy, n_pairs = matched_accuracy(dataset, fitted.own)
    assert accuracy > 0.9 and n_pairs > 40
    # Nothing but the losses makes domains of one embedding of the two, before sections exchange anything.
    apart = spatialfuser.fit(dataset, replace(config, fusion_weight=0), run)
    drawn, undrawn = (
        adjusted_rand_score(dataset.obs["label"], tied_mixture(own, 3, seed=0).labels)
        for own in (fitted.own, apart.own)
    )
    assert drawn > 0.7 > 0.4 > undrawn
    assert adjusted_rand_score(dataset.obs["label"], tied_mixture(fitted.embedding, 3, seed=0).labels) > 0.8
    # Neither modality can be rebuilt for all spots.
    assert fitted.denoised == {}
    assert set(fitted.record["receptive_field"]) == {"rna, a", "adt, b"}


def test_consecutive_sections_are_matched(split: Split, run: Run) -> None:
    dataset = split((("rna",), ("rna", "adt"), ("rna",)))
    fitted = spatialfuser.fit(dataset, SHORT, run)
    assert list(fitted.record["pairs"]) == ["a--b", "b--c"]
    for counts in fitted.record["pairs"].values():
        # Refreshed after 0 and 3 of the 6 epochs of fusion.
        assert len(counts) == 2 and min(counts) > 10
    # The first and the third section share an encoder, the second has one of its own.
    assert set(fitted.record["receptive_field"]) == {"rna, a and c", "rna, b", "adt, b"}
    assert set(fitted.denoised) == {"rna"} and fitted.denoised["rna"].shape == (196, 8)
    assert (fitted.denoised["rna"] != 0).any(axis=1).all()


@pytest.mark.parametrize(
    "changed",
    [
        {"shared_encoder": False},
        {"match_step": 6},
        {"matching": "published"},
        {"margin": 30.0},
        {"relative": False},
        {"direction_weight": 1.0},
        {"fusion_weight": 1.0},
        {"radius": 1.5},
        {"exchange": 0.5},
        {"join_shared": False},
    ],
)
def test_every_part_changes_the_result(split: Split, run: Run, changed: dict) -> None:
    whole, other = (spatialfuser.fit(split(), config, run) for config in (SHORT, replace(SHORT, **changed)))
    assert np.abs(whole.embedding - other.embedding).max() > 1e-4


def test_sections_that_share_an_encoder_are_not_joined(split: Split, run: Run) -> None:
    """The fusion's epochs are then more of the pre-training; sections with other modalities are drawn to these."""
    config = replace(SHORT, join_shared=False)
    fitted = spatialfuser.fit(split(), config, run)
    longer = spatialfuser.fit(split(), replace(config, epochs=10, fusion_epochs=0), run)
    np.testing.assert_array_equal(fitted.embedding, longer.embedding)
    assert fitted.record["pairs"] == {} and set(fitted.record["losses"]) == {"total", "reconstruction_rna"}

    three = split((("rna",), ("rna",), ("adt",)))
    found, drawn = (spatialfuser.fit(three, one, run).record for one in (config, SHORT))
    assert list(found["pairs"]) == ["b--c"] and min(found["pairs"]["b--c"]) > 10
    assert list(drawn["pairs"]) == ["a--b", "b--c"]
    # The direction loss is a mean over the pairs of sections that are joined.
    assert found["losses"]["direction"][4] != drawn["losses"]["direction"][4] > 0


def test_exchange_joins_a_spots_mean_with_its_counterparts(split: Split, run: Run) -> None:
    """Three sections: those of the middle one take from both sides, and no section from one beyond its neighbour."""
    dataset = split((("rna",), ("rna",), ("rna",)))
    fitted = spatialfuser.fit(dataset, replace(SHORT, exchange=2.0), run)
    assert fitted.own is not None
    settings = replace(SHORT.match_settings(), epsilon=1.0)
    rows = list(dataset.section_rows().values())
    weights = np.eye(dataset.n_spots)
    for a, b in pairwise(rows):
        shares = transport_plan(
            fitted.own[a], fitted.own[b], dataset.aligned[a], dataset.aligned[b], settings
        ).toarray()
        weights[np.ix_(a, b)], weights[np.ix_(b, a)] = 2 * shares, 2 * shares.T
    assert (weights[np.ix_(rows[0], rows[2])] == 0).all() and weights[np.ix_(rows[1], rows[2])].sum() > 10
    expected = weights @ fitted.own / weights.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(fitted.embedding, expected, rtol=1e-4, atol=1e-5)
    alone = spatialfuser.fit(dataset, SHORT, run)
    np.testing.assert_array_equal(alone.embedding, fitted.own)
    assert alone.own is None


def test_names_of_sections_and_frame_do_not_matter(split: Split, run: Run) -> None:
    # No spots lie exactly at the radius, on one side of it or the other as rounding has it.
    dataset, config = split(), replace(SHORT, radius=2.9)
    renamed = replace(dataset, obs=dataset.obs.assign(section=dataset.obs["section"].map({"a": "z", "b": "y"})))
    turned = dataset.aligned @ np.array([[0.6, 0.8], [-0.8, 0.6]]) + 50
    expected = spatialfuser.fit(dataset, config, run).embedding
    np.testing.assert_array_equal(spatialfuser.fit(renamed, config, run).embedding, expected)
    moved = spatialfuser.fit(replace(dataset, aligned=turned), config, run)
    np.testing.assert_allclose(moved.embedding, expected, atol=1e-3)


def test_overfits_a_tiny_pair(split: Split, run: Run) -> None:
    """Where it may see what it rebuilds, and has more dimensions than features."""
    config = Config(
        epochs=200,
        fusion_epochs=100,
        learning_rate=1e-2,
        mask_fraction=0,
        max_rounds=0,
        alpha=0,
        join_shared=True,
        fusion_weight=1,
    )
    values = spatialfuser.fit(split(side=7), config, run).record["losses"]
    assert values["reconstruction_rna"][199] < 0.1 * values["reconstruction_rna"][0]
    assert values["pairs"][-1] < 0.6 * values["pairs"][200]


@pytest.mark.parametrize("killed_at", [3, 5, 6, 8, 10])
def test_resumed_equals_undisturbed(split: Split, run: Run, tmp_path: Path, killed_at: int) -> None:
    """In the pre-training, at the first refresh (5), after it, at the second (8), and in the last epoch."""
    expected = spatialfuser.fit(split(), SHORT, run)

    def kill(line: str) -> None:
        if line.startswith(f"epoch {killed_at:2d}"):
            raise KeyboardInterrupt

    resuming = replace(run, checkpoint=tmp_path / "c.pt", checkpoint_seconds=0.0, progress_seconds=0.0)
    with pytest.raises(KeyboardInterrupt):
        spatialfuser.fit(split(), SHORT, replace(resuming, log=kill))
    lines: list[str] = []
    fitted = spatialfuser.fit(split(), SHORT, replace(resuming, log=lines.append))
    assert any(f"resuming after epoch {killed_at - 1}" in line for line in lines)
    np.testing.assert_array_equal(fitted.embedding, expected.embedding)
    assert fitted.record["losses"] == expected.record["losses"]
    assert fitted.record["pairs"] == expected.record["pairs"]


def test_sections_that_do_not_overlap_are_told_of(split: Split, run: Run) -> None:
    dataset = split()
    apart = dataset.aligned + 1000 * (dataset.obs["section"] == "b").to_numpy()[:, None]
    unjoined = pytest.warns(InputWarning, match="a--b: no spots match, so the sections are not joined")
    config = replace(SHORT, exchange=1.0)
    with unjoined, pytest.warns(InputWarning, match="a--b: no spots match, so nothing joins them"):
        fitted = spatialfuser.fit(replace(dataset, aligned=apart), config, run)
    assert fitted.record["pairs"] == {"a--b": [0, 0]} and np.isfinite(fitted.embedding).all()
    assert fitted.record["losses"]["pairs"] == fitted.record["losses"]["triplet"] == [0.0] * 10
    np.testing.assert_array_equal(fitted.embedding, fitted.own)
    with unjoined:
        spatialfuser.fit(replace(dataset, aligned=apart), replace(config, join_shared=False), run)


def test_attention_is_given_for_every_spot(split: Split, run: Run) -> None:
    dataset = split((("rna",), ("adt",)))
    table = spatialfuser.fit(dataset, SHORT, run).extras["attention"]
    assert table.index.equals(dataset.obs.index)
    np.testing.assert_allclose(table.sum(axis=1), 1, atol=1e-5)


def test_what_it_cannot_use_is_refused(tissue: Tissue, split: Split, run: Run) -> None:
    dataset = split((("rna",), ("adt",)))
    rows = dataset.section_rows()
    with pytest.raises(InputError, match=r"section 'b'.*has one spot"):
        spatialfuser.fit(restricted(dataset, np.append(rows["a"], rows["b"][:1])), SHORT, run)
    with pytest.raises(InputError, match=r"one section.*'mcgate'"):
        spatialfuser.fit(tissue(), SHORT, run)
    with pytest.raises(InputError, match=r"not aligned.*alignment stage"):
        spatialfuser.fit(replace(split(), aligned=None), SHORT, run)


@pytest.mark.parametrize("preset", ["hexagonal", "cells", "stereo_seq"])
@pytest.mark.filterwarnings("ignore:.*no spots match")  # No two of these sections' spots lie at one place.
def test_published_presets_run(split: Split, run: Run, project: Path, preset: str) -> None:
    published = read_preset(project / "assets" / "methods" / "spatialfuser_paper.yml")
    short = ["epochs=2", "fusion_epochs=3", "match_step=2"]
    fitted = fit_preset(split((("rna",), ("adt",))), published, run, None if preset == "hexagonal" else preset, short)
    assert fitted.embedding.shape == (196, 32)
    config = fitted.record["config"]
    assert config["mask_fraction"] == 0 and not config["shared_encoder"] and config["matching"] == "published"
