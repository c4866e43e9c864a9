"""What the published training of MCGATE and SpatialFuser has beside the default."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import sparse
from torch.nn import functional

from spatialweave.errors import InputError
from spatialweave.graphs.matrices import symmetrise
from spatialweave.io.dataset import Dataset, Modality
from spatialweave.methods import mcgate, spatialfuser
from spatialweave.methods.mcgate import Config
from spatialweave.mining.beyond_window import within
from spatialweave.nn.edges import EdgeGraph
from spatialweave.nn.graph_attention import AttentionWeights, GraphAttention, Neighbourhood
from spatialweave.nn.mcgate import Mcgate
from spatialweave.settings import configure, parse_overrides
from spatialweave.training.masking import as_measured
from spatialweave.training.mcgate_encoder import McgateEncoder, long_range_partners
from spatialweave.training.run import Run

from .inputs import prepare_inputs
from .spatialfuser_setup import SHORT, Split, set_up

Tissue = Callable[..., Dataset]


def test_input_may_be_the_latents_as_they_are(tissue: Tissue, run: Run) -> None:
    dataset = tissue(names=("rna",), missing=0.3)
    rng = np.random.default_rng(0)
    values = (rng.gamma(2, 1, (144, 5)) + np.arange(5)).astype(np.float32)
    values[:, 4] = 7  # does not vary
    present = rng.random(144) < 0.8
    one = Modality("rna", np.where(present[:, None], values, 0), present)
    features, centre, factor = as_measured(one)
    np.testing.assert_array_equal(features, one.latent)
    assert not centre.any() and factor.tolist() == [1, 1, 1, 1, 1]
    dataset.modalities[0] = one
    config = Config(unit_scale=False, scale_power=1, mask_fraction=0, max_rounds=0)
    (given,) = prepare_inputs(dataset, config, run).modalities
    np.testing.assert_array_equal(given.features.numpy(), features)
    np.testing.assert_array_equal(given.to_latents(given.features), one.latent)


@pytest.mark.parametrize(("heads", "blocks"), [(4, 4), (2, 1), (1, 1)])
def test_stacked_start_has_the_spread_of_the_released_tensors(heads: int, blocks: int) -> None:
    """W [heads, in, out] and V [heads, 2, d, 1], or without the first axis for one; Xavier normal of gain sqrt(2)."""
    n_in, n_out = 600, 240
    layer = GraphAttention(n_in, n_out, heads, split=blocks > 1)
    layer.reset_parameters(torch.Generator().manual_seed(0), stacked=True)
    a, b, d = n_in // blocks, n_out // blocks, n_out // heads
    fans = (a * b + blocks * b) if blocks > 1 else a + b
    assert layer.weight.std().item() == pytest.approx((2 * 2 / fans) ** 0.5, rel=0.03)
    fans = (2 * d + heads * d) if heads > 1 else d + 2
    scores = torch.stack([layer.receiver, layer.sender])
    assert scores.std().item() == pytest.approx((2 * 2 / fans) ** 0.5, rel=0.15)
    assert (layer.receiver != layer.sender).all()


def test_settings_by_the_names_of_the_released_code() -> None:
    given = [
        "lr=0.001", "encoder_mlp=false", "fusion_epoch=7", "match_step_size=3", "beta_dir=0.3", "epochs=5",
        "tau=0.2", "m_top_K=4", "epsilon=0.7",
    ]  # fmt: skip
    config = configure(spatialfuser.Config, "spatialfuser", parse_overrides(given))
    assert (config.schedule().learning_rate, config.schedule().epochs) == (0.001, 5 + 7)
    assert (config.feed_forward, config.match_step, config.direction_weight) == (False, 3, 0.3)
    pairs = config.rules().pairs
    assert (pairs.temperature, pairs.top, pairs.epsilon) == (0.2, 4, 0.7)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("K", "the parameter --n_neighbours"),
        ("n_svgs", "the parameter --variable_features"),
        # A fraction of the section's width, and a list that ends with the embedding's width: not what ours are.
        ("roi_radius", "'radius', perhaps"),
        ("hidden", "'n_hidden', perhaps"),
    ],
)
def test_settings_of_the_released_code_that_are_others_here(name: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        configure(spatialfuser.Config, "spatialfuser", {name: "10"})


def test_output_elu_follows_the_last_map(tissue: Tissue, run: Run) -> None:
    dataset = tissue()
    rebuilt = []
    for output_elu in (False, True):
        config = Config(n_dims=8, heads=2, n_hidden="12", output_elu=output_elu)
        inputs = prepare_inputs(dataset, config, run)
        network = Mcgate(dataset.n_spots, sum(inputs.widths), config)
        network.reset_parameters(run.torch_generator())
        encoder = mcgate.McgateEncoder(dataset, network, config, run)
        own = encoder.encode(torch.cat(inputs.seen(), dim=1))
        rebuilt.append(network.decode(own.embedding, own.around, own.attention).detach())
    assert rebuilt[0].min() < -1 < rebuilt[1].min()
    torch.testing.assert_close(rebuilt[1], functional.elu(rebuilt[0]))


def test_long_range_partners_by_hand() -> None:
    """Spot 0 has partners 1 and 2, of which 2 has more attention; spot 1 has 0; spot 2 has none but itself."""
    graph = EdgeGraph(sparse.csr_matrix(np.array([[1.0, 1, 1], [1, 1, 0], [0, 0, 1]])))
    weights = AttentionWeights(torch.zeros(6, 1), torch.tensor([[0.5], [0.2], [0.3], [0.6], [0.4], [1.0]]))
    around, spots = Neighbourhood(graph, None, graph, alpha=0.4), pd.Index(["a", "b", "c"])
    table = long_range_partners(around, weights, spots, 2)
    assert list(table) == ["1", "2"] and table.index.equals(spots)
    assert table.to_numpy().tolist() == [[2, 1], [0, -1], [-1, -1]]
    of_dataset = long_range_partners(around, weights, spots, 2, np.array([5, 7, 9]))
    assert of_dataset.to_numpy().tolist() == [[9, 7], [5, -1], [-1, -1]]


def test_long_range_partners_are_mutual_and_far(split: Split, run: Run) -> None:
    """Of any section of a shared encoder; without long-range attention there is no table."""
    dataset = split()
    fitted = spatialfuser.fit(dataset, SHORT, run)
    partners = fitted.extras["long_range"].to_numpy()
    found = {(i, int(j)) for i, row in enumerate(partners) for j in row if j >= 0}
    assert len(found) > 20 and found == {(j, i) for i, j in found}
    far = within(dataset.spatial_graph(), SHORT.beyond)
    assert all(far[i, j] == 0 for i, j in found)
    section = dataset.obs["section"].to_numpy()
    assert any(section[i] != section[j] for i, j in found)
    assert "long_range" not in spatialfuser.fit(dataset, replace(SHORT, alpha=0.0), run).extras


@pytest.mark.parametrize(("beyond", "found"), [(1, False), (2, True)])
def test_one_step_leads_to_a_spots_own_neighbours_only(tissue: Tissue, run: Run, beyond: int, found: bool) -> None:
    """Spots 0, 1 and 2 at 0, 1 and -1.5 degrees; 1 has 0 as its neighbour, and no other spot has any.

    Beyond own neighbours the nearest are 0 -> 1 -> 2 -> 0, of which none is mutual. Of edges of either direction, 0 may
    not have 1 either: 0 and 2 are each other's nearest. All other spots are 20 degrees apart and far from these.
    """
    dataset = tissue(side=4, names=("rna",))
    directed = sparse.csr_matrix(([1.0], ([1], [0])), shape=(16, 16))
    dataset.graphs = {"spatial_distances": directed, "spatial_connectivities": symmetrise(directed)}
    config = Config(n_dims=4, heads=1, alpha=0.5, n_nearest=1, beyond=beyond)
    encoder = McgateEncoder(dataset, Mcgate(16, 8, config), config, run)
    angle = np.deg2rad(np.concatenate([[0, 1, -1.5], 50 + 20 * np.arange(13)]))
    assert encoder.expansion is not None
    mutual = encoder.expansion.pairs(torch.as_tensor(np.stack([np.cos(angle), np.sin(angle)], axis=1)))
    pairs = set(zip(*(ends.tolist() for ends in mutual.nonzero()), strict=True))
    assert {(0, 2), (2, 0)} & pairs == ({(0, 2), (2, 0)} if found else set())
    assert not {(0, 1), (1, 0), (1, 2), (2, 1)} & pairs


def test_three_layers_and_widths_of_single_encoders(split: Split, run: Run) -> None:
    dataset = split((("rna",), ("adt",)))
    config = replace(SHORT, n_hidden="16-12", encoder_hidden="adt:none")
    training = set_up(dataset, config, run)
    assert [len(group.network.layers) for group in training.groups] == [3, 1]
    fitted = spatialfuser.fit(dataset, config, run)
    assert fitted.embedding.shape == (196, 8) and np.isfinite(fitted.embedding).all()


def test_encoders_and_map_have_step_sizes_of_their_own(split: Split, run: Run) -> None:
    """Without a step size a part stays as it began."""
    dataset = split((("rna",), ("adt",)))
    config = replace(SHORT, encoder_rates="adt:0", fusion_rate=0.5)
    training = set_up(dataset, config, run)
    groups = spatialfuser.parameter_groups(training.network, training.groups, config)
    assert [group["lr"] for group in groups] == [0.003, 0.0, 0.5]
    covered = {id(one) for group in groups for one in group["params"]}
    assert covered == {id(one) for one in training.network.parameters()}
    by_section = replace(config, encoder_rates="b:1e-4")
    rates = [group.learning_rate for group in set_up(dataset, by_section, run).groups]
    assert rates == [0.003, 0.0001]
    # A map that hardly moves against one that does.
    still, moved = (
        spatialfuser.fit(dataset, replace(SHORT, epochs=0, fusion_rate=rate, encoder_rates="rna:0+adt:0"), run)
        for rate in (0.0, 0.05)
    )
    before = spatialfuser.fit(dataset, replace(SHORT, epochs=0, fusion_epochs=0), run)
    assert np.abs(still.embedding - moved.embedding).max() > 0.1
    # The encoders' batch statistics and patterns are those of the input, whatever was trained before.
    assert np.abs(still.embedding - before.embedding).mean() < 0.5 * np.abs(moved.embedding - before.embedding).mean()


@pytest.mark.parametrize(
    ("setting", "value", "message"),
    [
        ("encoder_rates", "rna", "NAME:VALUE"),
        ("encoder_rates", "rns:0.1", r"'rns' is not known here.*'rna'"),
        ("encoder_rates", "rna:fast", "'fast'"),
        ("encoder_rates", "rna:-1", "'-1'"),
        ("encoder_hidden", "rna:wide", "'wide'"),
    ],
)
def test_settings_of_single_encoders_are_checked(
    split: Split, run: Run, setting: str, value: str, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        spatialfuser.fit(split(), replace(SHORT, **{setting: value}), run)
