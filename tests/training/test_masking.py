"""What a network sees: masks by seed and epoch, the receptive field of a modality, the terms of masked spots."""

from __future__ import annotations

from dataclasses import replace
from weakref import ref

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import sparse

from spatialweave.io.dataset import Dataset, Modality
from spatialweave.nn.propagation import Propagation, neighbour_mean
from spatialweave.training.masking import (
    InputConfig,
    MaskedInput,
    MaskedInputs,
    ScaledInputs,
    prepare_input,
    random_mask,
)
from spatialweave.training.run import Run
from spatialweave.training.tiles import Patch


def row_of_spots(n_spots: int) -> Propagation:
    """Mean over a spot and those beside it in a row."""
    graph = sparse.diags([1.0, 1.0, 1.0], [-1, 0, 1], shape=(n_spots, n_spots), format="csr")
    return neighbour_mean(graph)


def test_masks_are_by_seed_and_epoch(run: Run) -> None:
    one, again = (random_mask(1000, 0.3, own, epoch=9) for own in (run, replace(run)))
    assert torch.equal(one, again) and 250 < int(one.sum()) < 350
    others = [random_mask(1000, 0.3, run, epoch=10), random_mask(1000, 0.3, replace(run, seed=run.seed + 1), epoch=9)]
    for other in others:
        # Two independent masks have 0.09 of all spots in common, with a standard deviation of 0.009.
        assert 50 < int((one & other).sum()) < 130


def test_masks_do_not_keep_their_run(run: Run) -> None:
    own = replace(run)
    alive = ref(own)
    assert random_mask(10, 0.3, own, epoch=1) is not None
    del own
    assert alive() is None


@pytest.mark.parametrize("width", [9, 40])
def test_the_input_is_averaged_one_round_less_than_predicts_best(run: Run, width: int) -> None:
    rng = np.random.default_rng(0)
    stripes = rng.normal(size=(1200 // width, 6)).repeat(width, axis=0)
    latent = (stripes + rng.normal(size=stripes.shape)).astype(np.float32)
    everywhere = np.ones(len(latent), dtype=bool)
    one = prepare_input(
        Modality("rna", latent, everywhere), row_of_spots(len(latent)), InputConfig(field_fraction=1.0), rng, run.device
    )
    assert len(one.explained) == 6
    # The first entry is that of one round, so that its index is the number of rounds less one.
    assert one.rounds == np.argmax(one.explained)
    assert one.rounds >= 1


def test_latents_as_they_are(run: Run) -> None:
    latent = np.array([[3.0, 1.0], [5.0, 9.0], [7.0, 7.0]], dtype=np.float32)
    config = InputConfig(max_rounds=0, scale_power=0.5, unit_scale=False)
    present = np.array([True, False, True])
    one = prepare_input(Modality("rna", latent, present), row_of_spots(3), config, np.random.default_rng(0), run.device)
    assert one.features.tolist() == [[3, 1], [0, 0], [7, 7]]
    np.testing.assert_array_equal(one.to_latents(one.features)[present], latent[present])


def test_terms_count_masked_and_measured_spots_only(run: Run) -> None:
    features, present = torch.zeros(4, 2), torch.tensor([True, True, False, True])
    one = MaskedInput("adt", features, present, 0, np.empty(0), np.zeros(2), np.ones(2))
    mask = torch.tensor([True, False, True, True])
    reconstructed = torch.tensor([[1.0, 1.0], [100.0, 100.0], [100.0, 100.0], [3.0, 1.0]])
    patch = Patch(0, Dataset("four", pd.DataFrame(index=range(4)), np.zeros((4, 2)), []), 4, run.device)
    some = MaskedInputs([one], 0.5, run, patch, lambda *_: 3).reconstruction_terms([reconstructed], mask)
    assert some["reconstruction_adt"].item() == pytest.approx((1 + 1 + 9 + 1) / 4)
    # Where none are ever masked, all measured spots count.
    every = MaskedInputs([one], 0.0, run, patch, lambda *_: 3).reconstruction_terms([reconstructed], mask)
    assert every["reconstruction_adt"].item() == pytest.approx((2 + 20_000 + 10) / 6)
    # A part with the first two of three measured spots: their squared errors, over two thirds of half of those.
    part = replace(patch, rows=np.arange(4), steps=np.array([0, 0, 0, 1]), share=0.75)
    of_part = MaskedInputs([one], 0.5, run, part, lambda *_: 3).reconstruction_terms([reconstructed], mask)
    assert of_part["reconstruction_adt"].item() == pytest.approx((1 + 1) / (0.75 * 3 * 0.5 * 2))


def test_an_epoch_is_drawn_once_for_all_parts(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = torch.rand(1000, generator=run.generator(4, "masking")) < 0.3
    drawn, rand = [], torch.rand
    monkeypatch.setattr(torch, "rand", lambda *shape, **facts: drawn.append(shape) or rand(*shape, **facts))
    data = Dataset("part", pd.DataFrame(index=range(2)), np.zeros((2, 2)), [])
    for rows in ([0, 1], [5, 900]):
        part = Patch(0, data, 1000, run.device, rows=np.array(rows), steps=np.zeros(2, dtype=np.int16))
        one = MaskedInput("adt", torch.zeros(2, 1), torch.ones(2).bool(), 0, np.empty(0), np.zeros(1), np.ones(1))
        mask = MaskedInputs([one], 0.3, run, part, lambda *_: 1000).mask(4)
        assert torch.equal(mask, expected[torch.tensor(rows)])
    assert len(drawn) == 1


def test_measured_spots_are_counted_in_a_part_and_everywhere(run: Run) -> None:
    present = torch.tensor([[True, True, False, True, True], [True, False, False, True, True]])
    nothing = np.empty(0), np.zeros(1), np.ones(1)
    inputs = ScaledInputs(
        [MaskedInput(name, torch.zeros(5, 1), one, 0, *nothing) for name, one in zip("ab", present, strict=True)],
        0.5,
        run,
    )
    data = Dataset("part", pd.DataFrame(index=range(3)), np.zeros((3, 2)), [])
    part = Patch(0, data, 5, run.device, rows=np.array([0, 1, 3]), steps=np.array([0, 0, 1]), share=0.4)
    here = inputs.at(part)
    assert [inputs.n_measured(0), inputs.n_measured(1), inputs.n_measured(0, 1)] == [4, 3, 3]
    assert [here.counted_with(0).tolist(), here.counted_with(1).tolist()] == [[0, 1], [0]]
    # Two counted spots have a of 0.4 x 4 in an average part, one has both of 0.4 x 3.
    assert here.weight(0) == pytest.approx(2 / 1.6) and here.weight(0, 1) == pytest.approx(1 / 1.2)
