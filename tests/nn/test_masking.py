"""Averages over visible spots, what a network sees of masked ones, and the receptive field that predicts them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import sparse

from spatialweave.nn.masking import explained_by_neighbours, network_input, smallest_sufficient, visible_average
from spatialweave.nn.propagation import Propagation, neighbour_mean


def path_graph(n_spots: int) -> sparse.csr_matrix:
    """Spots in a row, each beside the next."""
    return sparse.diags([1.0, 1.0], [-1, 1], shape=(n_spots, n_spots), format="csr")


def averaging(graph: sparse.csr_matrix) -> Propagation:
    return neighbour_mean((graph + sparse.identity(graph.shape[0])).tocsr())


def test_average_counts_visible_spots_only() -> None:
    values = torch.tensor([[1.0], [100.0], [3.0], [5.0]])
    visible = torch.tensor([True, False, True, True])
    average = visible_average(values, visible, averaging(path_graph(4)), rounds=1)
    # Spot 0 sees itself; 1 sees 0 and 2; 2 sees itself and 3; 3 sees 2 and itself.
    assert average[:, 0].tolist() == pytest.approx([1.0, 2.0, 4.0, 4.0])
    nobody = visible_average(values, torch.zeros(4, dtype=torch.bool), averaging(path_graph(4)), rounds=2)
    assert nobody.tolist() == [[0.0]] * 4


def test_without_rounds_a_visible_spot_keeps_its_value_and_a_masked_one_takes_its_neighbours() -> None:
    values = torch.tensor([[1.0], [100.0], [3.0]])
    seen = network_input(values, torch.tensor([True, False, True]), averaging(path_graph(3)), rounds=0)
    assert seen[:, 0].tolist() == pytest.approx([1.0, 2.0, 3.0])


def test_a_masked_spots_own_value_never_reaches_its_prediction() -> None:
    values = torch.randn(30, 4, generator=torch.Generator().manual_seed(0))
    mask = torch.arange(30) % 3 == 0
    changed = torch.where(mask[:, None], values + 50, values)
    for rounds in (0, 1, 3):
        one, two = (network_input(x, ~mask, averaging(path_graph(30)), rounds) for x in (values, changed))
        torch.testing.assert_close(one, two)


@pytest.mark.parametrize(("width", "wide"), [(3, False), (200, True)])
def test_receptive_field_grows_with_the_domains(width: int, wide: bool) -> None:
    # Noisy stripes along a row of spots: averaging over stripes of 3 is harmful beyond one round, over 200 it is not.
    rng = np.random.default_rng(0)
    stripes = rng.normal(size=(1200 // width, 6)).repeat(width, axis=0)
    noise = 3.0 if wide else 0.3
    values = torch.as_tensor(stripes + noise * rng.normal(size=stripes.shape), dtype=torch.float32)
    everywhere = torch.ones(1200, dtype=torch.bool)
    explained = explained_by_neighbours(values, everywhere, averaging(path_graph(1200)), 6, rng)
    rounds = smallest_sufficient(explained, 0.9)
    assert (rounds >= 4) if wide else (rounds == 1)


def test_pure_noise_is_not_explained() -> None:
    rng = np.random.default_rng(1)
    values = torch.as_tensor(rng.normal(size=(2000, 5)), dtype=torch.float32)
    everywhere = torch.ones(2000, dtype=torch.bool)
    assert explained_by_neighbours(values, everywhere, averaging(path_graph(2000)), 3, rng).max() < 0.01
