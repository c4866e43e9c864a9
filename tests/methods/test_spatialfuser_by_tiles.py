"""SpatialFuser by tiles: what is local and the pairs of sections equal those of all spots at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.metrics import adjusted_rand_score
from torch import Tensor

from spatialweave.domains.mixture import tied_mixture
from spatialweave.io.dataset import Dataset
from spatialweave.matching.match import match
from spatialweave.methods import spatialfuser
from spatialweave.mining.beyond_window import within
from spatialweave.nn.over_spots import fixed, noted
from spatialweave.training import matched_pairs
from spatialweave.training.run import Run
from spatialweave.training.section_encoders import SectionsBatch, encode
from spatialweave.training.sections import restricted

from .spatialfuser_setup import SHORT, SetUp, Split, set_up

BATCH = 160
LOCAL = replace(SHORT, alpha=0.0, n_hidden="8")


def with_a_small_section(split: Split, names: Sequence[tuple[str, ...]]) -> Dataset:
    """The second section covers a quarter of the first, so that some parts lack it."""
    dataset = split(names, side=24)
    assert dataset.aligned is not None
    first = (dataset.obs["section"] == "a").to_numpy()
    return restricted(dataset, np.flatnonzero(first | (dataset.aligned < 12).all(axis=1)))


def both_ways(dataset: Dataset, config: spatialfuser.Config, run: Run) -> tuple[SetUp, SetUp]:
    """Before the first epoch, all spots at once and by tiles; with the same weights."""
    whole, parts = (set_up(dataset, replace(config, batch_spots=spots), run) for spots in (0, BATCH))
    assert len(whole.batches) == 1 and len(parts.batches) > 8
    assert {len(batch.groups) for batch in parts.batches} == {1, 2}
    return whole, parts


def measured(training: SetUp) -> dict[str, list[Tensor]]:
    """By encoder what it measures over all spots."""
    (batch,) = training.batches
    found = {}
    for one in batch.groups:
        with noted() as notes:
            one.encoder.network(torch.cat(one.inputs.seen(batch.mask(1)[one.rows]), dim=1), one.encoder.around)
        found[one.group.name] = notes
    return found


def test_gradients_of_all_parts_add_up_to_those_of_all_spots(
    split: Split, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the reconstruction in the pre-training, where batch normalisation is by the same numbers in all parts."""
    dataset = with_a_small_section(split, (("rna",), ("adt",)))
    trainings = both_ways(dataset, LOCAL, run)
    statistics = measured(trainings[0])
    of_method = spatialfuser.encode

    def encode_with_them(batch: SectionsBatch, mask: Tensor) -> list:
        found = []
        for one in batch.groups:
            with fixed(statistics[one.group.name]):
                found += of_method(SectionsBatch(batch.patch, [one]), mask)
        return found

    monkeypatch.setattr(spatialfuser, "encode", encode_with_them)
    masked = trainings[0].batches[0].mask(1).numpy()
    found = []
    for training in trainings:
        losses = []
        for batch in training.batches:
            values = training.terms(1, batch)
            for modality in dataset.modalities:
                # Of a part squared errors are divided by the number of masked spots that it is expected to have.
                whole = batch.patch.rows is None
                factor = 1.0 if whole else 0.5 * modality.present.sum() / (modality.present & masked).sum()
                losses.append(batch.patch.share * factor * values[f"reconstruction_{modality.name}"])
        parameters = [*training.network.encoders.parameters(), *training.network.fusion.parameters()]
        found.append(torch.autograd.grad(sum(losses), parameters))
    for one, other in zip(*found, strict=True):
        assert one.abs().max() > 1e-6
        torch.testing.assert_close(other, one, rtol=1e-4, atol=1e-5 * float(one.abs().max()))


def test_spots_of_a_halo_do_not_count_in_the_norms(split: Split, run: Run) -> None:
    """A spot of a halo changes the embedding of the spots within the encoder's reach, and of no others."""
    _, parts = both_ways(with_a_small_section(split, (("rna",), ("adt",))), LOCAL, run)
    batch = next(batch for batch in parts.batches if len(batch.groups) == 2)
    mask = torch.zeros_like(batch.mask(1))
    before = [encoded.embedding for encoded in encode(batch, mask)]
    for one, embedding in zip(batch.groups, before, strict=True):
        patch, inputs = one.inputs.patch, one.known
        assert patch.core is not None and patch.steps is not None
        halo = int(patch.steps.argmax())
        for modality in inputs.modalities:
            modality.features[halo] += 1000
        reached = within(patch.dataset.spatial_graph(), one.group.reach)[:, [halo]].toarray()[:, 0] > 0
        far = patch.core[~torch.from_numpy(reached)[patch.core]]
        (encoded,) = encode(SectionsBatch(batch.patch, [one]), mask)
        assert len(far) and not torch.allclose(encoded.embedding[halo], embedding[halo])
        torch.testing.assert_close(encoded.embedding[far], embedding[far])


def test_pairs_of_all_parts_are_those_of_all_spots(split: Split, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Matched among all spots; a part has those of which it has both ends, and far spots of its own."""
    dataset = with_a_small_section(split, (("rna",), ("rna",)))
    drawn: list[tuple[np.ndarray, ...]] = []
    partners = matched_pairs.Partners
    monkeypatch.setattr(matched_pairs, "Partners", lambda *given: drawn.append(given[:3]) or partners(*given))
    rng = np.random.default_rng(0)
    embedding = rng.normal(size=(dataset.n_spots, 8)).astype(np.float32)
    tiling = spatialfuser.make_tiling(dataset, replace(LOCAL, batch_spots=BATCH), run)
    finder = spatialfuser.pair_finder(tiling, LOCAL, run)
    first, second, (count,) = finder.find(embedding)
    rows, points = dataset.section_rows(), dataset.aligned
    assert points is not None
    expected = match(embedding[rows["a"]], embedding[rows["b"]], points[rows["a"]], points[rows["b"]], finder.settings)
    pairs = np.column_stack([rows["a"][expected.a], rows["b"][expected.b]])[expected.accepted]
    part = tiling.part_of_spots()
    inside = part[pairs[:, 0]] == part[pairs[:, 1]]
    assert count == len(pairs) and 0.5 < inside.mean() < 1
    np.testing.assert_array_equal(np.column_stack([first, second]), pairs[inside])
    found = finder.by_part(first, second)
    z = torch.as_tensor(embedding)
    total = torch.zeros(2)
    for patch in tiling.patches(2):
        first, second = found.get(patch.number, np.empty((2, 0), dtype=np.int64))
        joined = finder.within(patch, first, second, inside.sum(), 0)
        assert patch.rows is not None and patch.steps is not None
        near, _ = joined.partners.losses(z[patch.rows], 1.0)
        total += patch.share * joined.weight * torch.stack([near, torch.ones(())])
        far = drawn[-1][2]
        section = dataset.obs["section"].to_numpy()[patch.rows]
        for name in ("a", "b"):
            own = np.flatnonzero((patch.steps == 0) & (section == name))
            assert np.isin(far[own], own).all()
            apart = np.linalg.norm(points[patch.rows[own]] - points[patch.rows[far[own]]], axis=1)
            assert len(own) < 10 or (apart > 3.0).all()
    near = (z[pairs[inside, 0]] - z[pairs[inside, 1]]).norm(dim=1).mean()
    torch.testing.assert_close(total, torch.stack([near, torch.ones(())]), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("names", [(("rna",), ("rna",)), (("rna",), ("adt",))])
def test_by_tiles_it_finds_the_layers_and_nearly_the_pairs(split: Split, run: Run, names: Sequence) -> None:
    dataset = split(names, side=32)
    config = spatialfuser.Config(epochs=60, fusion_epochs=40)
    whole, tiles = (spatialfuser.fit(dataset, replace(config, batch_spots=spots), run) for spots in (0, 512))
    assert (tiles.record["parts"], tiles.record["parts_per_update"]) == (8, 4)
    label = dataset.obs["label"]
    agreement = [adjusted_rand_score(label, tied_mixture(one.embedding, 3, seed=0).labels) for one in (whole, tiles)]
    assert min(agreement) > 0.8
    rows, points = dataset.section_rows(), dataset.aligned
    assert points is not None
    found = []
    for fitted in (whole, tiles):
        sections = [fitted.embedding[rows[name]] for name in ("a", "b")]
        matches = match(*sections, points[rows["a"]], points[rows["b"]], config.rules().pairs)
        found.append(set(zip(matches.a[matches.accepted], matches.b[matches.accepted], strict=True)))
    both, one, other = len(found[0] & found[1]), *map(len, found)
    # Of the pairs of all at once nearly all; and few others, by Dice's coefficient.
    assert both > 0.9 * one > 90 and 2 * both > 0.8 * (one + other)
    for table in (*tiles.extras.values(), *tiles.denoised.values()):
        assert len(table) == dataset.n_spots and np.isfinite(np.asarray(table)).all()
    assert all((latent != 0).any(axis=1).all() for latent in tiles.denoised.values())


def test_a_batch_of_all_spots_is_all_at_once(split: Split, run: Run) -> None:
    dataset = split()
    found = [spatialfuser.fit(dataset, replace(SHORT, batch_spots=n), run) for n in (None, 0, dataset.n_spots)]
    for one in found:
        assert one.record["parts"] == 1
        np.testing.assert_array_equal(one.embedding, found[0].embedding)


def test_resumed_equals_undisturbed(split: Split, run: Run, tmp_path: Path) -> None:
    """Between two searches of pairs, with parts that lack a section."""
    dataset = with_a_small_section(split, (("rna",), ("rna", "adt")))
    config = replace(SHORT, batch_spots=BATCH)
    expected = spatialfuser.fit(dataset, config, run)
    stopped = replace(run, checkpoint=tmp_path / "state.pt", checkpoint_seconds=0.0, identity="same")
    spatialfuser.fit(dataset, replace(config, fusion_epochs=4), stopped)
    lines: list[str] = []
    resumed = spatialfuser.fit(dataset, config, replace(stopped, log=lines.append))
    assert any("resuming after epoch 8" in line for line in lines)
    np.testing.assert_array_equal(resumed.embedding, expected.embedding)
    assert resumed.record["losses"] == expected.record["losses"]
    assert resumed.record["pairs"] == expected.record["pairs"]
