"""SpatialFuser's loss terms by hand, and the matched spots that they draw together."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist
from sklearn.neighbors import NearestNeighbors

from spatialweave.io.layout import spacing
from spatialweave.matching.match import match
from spatialweave.methods import mcgate, spatialfuser
from spatialweave.training import matched_pairs
from spatialweave.training.masking import random_mask
from spatialweave.training.mcgate_encoder import Encoded
from spatialweave.training.run import Run
from spatialweave.training.sections import restricted

from .spatialfuser_setup import SHORT, Split, set_up


def test_all_terms_of_an_epoch_by_hand(split: Split, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two sections of RNA, which share an encoder, and one of proteins; all consecutive pairs are joined."""
    dataset = split((("rna",), ("rna",), ("adt",)))
    config = replace(SHORT, epochs=0, margin=0.7, fusion_weight=0.2, direction_weight=0.3)
    training = set_up(dataset, config, run)
    encoded: list[list[Encoded]] = []
    drawn: list[tuple[np.ndarray, ...]] = []
    encode, partners = spatialfuser.encode, matched_pairs.Partners
    monkeypatch.setattr(spatialfuser, "encode", lambda *given: encoded.append(encode(*given)) or encoded[-1])
    monkeypatch.setattr(matched_pairs, "Partners", lambda *given: drawn.append(given[:3]) or partners(*given))
    (batch,) = training.batches
    found = training.terms(1, batch)

    fused = training.network([own.embedding for own in encoded[-1]], batch)
    embedding = fused.detach().numpy().astype(np.float64)
    mask = random_mask(dataset.n_spots, config.mask_fraction, run, 1)
    expected = {}
    for group, own, fraction in zip(batch.groups, encoded[-1], (2 / 3, 1 / 3), strict=True):
        rebuilt = group.encoder.network.decode(fused[group.rows], own.around, own.attention).detach()
        (one,) = group.inputs.modalities
        of = mask[group.rows]
        expected[f"reconstruction_{one.name}"] = fraction * float(((rebuilt - one.features)[of] ** 2).mean())
    unit = embedding.std(axis=0, ddof=1).mean()
    ((first, second, far),) = drawn
    near, far_first, far_second = (
        np.linalg.norm(embedding[i] - embedding[j], axis=1) / unit
        for i, j in ((first, second), (first, far[first]), (second, far[second]))
    )
    expected["pairs"] = 0.2 * near.mean()
    expected["triplet"] = 0.2 * sum(np.maximum(0, 0.7 + near - away).mean() for away in (far_first, far_second))
    a, b, c = dataset.section_rows().values()
    angles = [cdist(embedding[one], embedding[other], "cosine").mean() for one, other in ((a, b), (b, c))]
    expected["direction"] = 0.2 * 0.3 * float(np.mean(angles))
    assert {name: value.item() for name, value in found.items()} == pytest.approx(expected, rel=1e-4)
    assert min(expected.values()) > 0


def test_published_scale_is_the_sum_of_sections_then_what_joins_them_weighs_one(split: Split, run: Run) -> None:
    """Before the fusion all terms are those of two sections summed; from it on they are four times as large."""
    found = {}
    for steady in (True, False):
        config = replace(SHORT, epochs=1, fusion_weight=0.25, steady=steady)
        training = set_up(split((("rna",), ("adt",))), config, run)
        found[steady] = [
            {name: one.item() for name, one in training.terms(epoch, *training.batches).items()} for epoch in (1, 2)
        ]
    for factor, mean, published in zip((2, 4), found[True], found[False], strict=True):
        assert published == pytest.approx({name: factor * value for name, value in mean.items()}, rel=1e-5)
    assert found[False][0]["pairs"] == 0 < found[False][1]["pairs"]


def test_embeddings_cannot_come_together_by_shrinking(split: Split, run: Run) -> None:
    """The scale that distances are measured in has a gradient: no term of the pairs gains by scaling the embedding."""
    dataset = split((("rna",), ("adt",)))
    training = set_up(dataset, replace(SHORT, epochs=0, fusion_weight=1.0), run)
    values = training.terms(1, *training.batches)
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
    tiling = spatialfuser.make_tiling(dataset, config, run)
    finder = spatialfuser.pair_finder(tiling, config, run)
    *pairs, counts = finder.find(embedding)
    assert finder.within(tiling.patch(0, 0), *pairs, sum(counts), 0).weight == 1
    ((first, second, far),) = drawn
    rows = list(sections.values())
    expected = []
    for a, b in ((rows[0], rows[1]), (rows[1], rows[2])):
        found = match(embedding[a], embedding[b], dataset.aligned[a], dataset.aligned[b], config.rules().pairs)
        assert 0 < found.accepted.sum() < len(found.accepted)
        expected += [(a[i], b[j]) for i, j in zip(found.a[found.accepted], found.b[found.accepted], strict=True)]
    assert list(zip(first, second, strict=True)) == expected and sum(counts) == len(expected)
    assert (config.rules().pairs.radius, config.rules().pairs.top) == (2.0, 2)
    for own in rows:
        assert np.isin(far[own], own).all()
        spaced = np.median(NearestNeighbors(n_neighbors=2).fit(dataset.aligned[own]).kneighbors()[0][:, 0])
        assert (np.linalg.norm(dataset.aligned[own] - dataset.aligned[far[own]], axis=1) > 2.0 * spaced).all()


@pytest.mark.parametrize("shared", [True, False])
def test_every_weight_gets_a_gradient(split: Split, run: Run, shared: bool) -> None:
    config = replace(SHORT, epochs=2, step=1, shared_encoder=shared)
    training = set_up(split((("rna", "adt"), ("rna", "adt"))), config, run)
    network, (batch,) = training.network, training.batches
    before = training.terms(1, batch)
    assert before["pairs"] == before["triplet"] == before["direction"] == 0
    training.terms(2, batch)
    values = training.terms(3, batch)
    torch.stack(list(values.values())).sum().backward()
    assert set(values) == {"reconstruction_rna", "reconstruction_adt", "pairs", "triplet", "direction"}
    assert all(value > 0 for value in values.values())
    assert len(network.encoders) == (1 if shared else 2)
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().max() > 1e-7, name


@pytest.mark.parametrize("join_shared", [True, False])
def test_what_joins_sections_trains(split: Split, run: Run, join_shared: bool) -> None:
    """The map and encoders of their own always; one that sections share by its setting."""
    config = replace(SHORT, epochs=0, join_shared=join_shared)
    training = set_up(split((("rna",), ("rna",), ("adt",))), config, run)
    values = training.terms(1, *training.batches)
    (values["pairs"] + values["triplet"] + values["direction"]).backward()
    trained = [group.network.layers[0].attention.weight.grad is not None for group in training.groups]
    assert [group.names for group in training.groups] == [["a", "b"], ["c"]]
    assert trained == [join_shared, True]
    assert training.network.fusion.weight.grad.abs().max() > 1e-4


@pytest.mark.parametrize("shared", [True, False])
def test_pre_training_of_one_encoder_is_mcgate(split: Split, run: Run, shared: bool) -> None:
    """Without fusion, and with the map still the identity, the loss of the first epoch is that of the encoders."""
    dataset = split()
    fused = spatialfuser.fit(dataset, replace(SHORT, epochs=1, fusion_epochs=0, shared_encoder=shared), run)
    alone = mcgate.Config(epochs=1, step=2, n_dims=8, heads=2, alpha=0.3, temperature=SHORT.temperature)
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


def test_far_spots_are_beyond_the_radius_of_matching_in_both_sections(
    split: Split, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The radius is in spacings of the coarser section, for the finer one, too."""
    dataset = split()
    assert dataset.aligned is not None
    rows = dataset.section_rows()
    aligned = dataset.aligned.copy()
    aligned[rows["b"]] *= 2
    dataset = replace(dataset, aligned=aligned)
    asked: list[float] = []

    def remote_spots(points: np.ndarray, radius: float, rng: np.random.Generator) -> np.ndarray:
        asked.append(radius)
        return np.arange(len(points))

    monkeypatch.setattr(matched_pairs, "remote_spots", remote_spots)
    config = replace(SHORT, radius=1.5)
    tiling = spatialfuser.make_tiling(dataset, config, run)
    finder = spatialfuser.pair_finder(tiling, config, run)
    nothing = np.empty(0, dtype=np.int64)
    finder.within(tiling.patch(0, 0), nothing, nothing, 0, 0)
    coarser = spacing(aligned[rows["b"]])
    assert coarser > spacing(aligned[rows["a"]])
    assert asked == pytest.approx([1.5 * coarser] * 2)
