"""Statistics over spots: noted in the order in which they are taken, joined, and given back in that order."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from spatialweave.nn.attention import SpotAttention, ViewAttention
from spatialweave.nn.over_spots import SpotNorm, are_fixed, counting, fixed, joined, noted, over_spots
from spatialweave.nn.strength import spread


def test_means_and_rows_of_several_parts() -> None:
    parts = [torch.tensor([[0.0, 2.0], [4.0, 2.0]]), torch.tensor([[0.0, 0.0], [2.0, 6.0]])]
    passes = []
    for x in parts:
        with noted() as notes:
            over_spots(x.mean(dim=0))
            over_spots(x[:1])
        passes.append(notes)
    means, rows = joined(passes)
    assert means.tolist() == [1.5, 2.5] and rows.tolist() == [[0, 2], [0, 0]]
    with fixed([means, rows]):
        assert are_fixed() and over_spots(torch.zeros(2)).tolist() == [1.5, 2.5]
        assert over_spots(torch.zeros(1, 2)).tolist() == [[0, 2], [0, 0]]
    assert not are_fixed() and over_spots(torch.zeros(2)).tolist() == [0, 0]


def test_statistics_of_a_failed_pass_do_not_stay() -> None:
    with pytest.raises(ZeroDivisionError), fixed([torch.ones(2)]):
        raise ZeroDivisionError
    with pytest.raises(ZeroDivisionError), noted():
        raise ZeroDivisionError
    assert over_spots(torch.zeros(2)).tolist() == [0, 0]


def test_normalisation_is_torchs_unless_statistics_are_given() -> None:
    x, generator = torch.randn(40, 3), torch.Generator().manual_seed(0)
    norm, reference = SpotNorm(3, eps=1e-3), nn.BatchNorm1d(3, eps=1e-3)
    with torch.no_grad():
        for own, other in zip(norm.parameters(), reference.parameters(), strict=True):
            own.copy_(torch.rand(3, generator=generator))
            other.copy_(own)
    torch.testing.assert_close(norm(x), reference(x))
    with noted() as notes:
        norm(x)
    # A part with other spots is normalised by the noted mean and variance.
    with fixed(notes):
        torch.testing.assert_close(norm(x[:5] + 1), _normalised(x[:5] + 1, x, norm))


def _normalised(x: torch.Tensor, by: torch.Tensor, norm: nn.BatchNorm1d) -> torch.Tensor:
    return (x - by.mean(dim=0)) / (by.var(dim=0, correction=0) + norm.eps).sqrt() * norm.weight + norm.bias


def test_a_spot_is_the_same_in_every_part_once_statistics_are_given() -> None:
    attention, generator = SpotAttention(6, 6, heads=2), torch.Generator().manual_seed(1)
    attention.reset_parameters(generator)
    x = torch.randn(60, 6, generator=generator)

    def network(spots: torch.Tensor) -> torch.Tensor:
        own = spots / spread(spots)
        return attention(own, own, None, torch.arange(10))

    passes = []
    for part in (x[:30], x[30:]):
        with noted() as notes:
            network(part)
        passes.append(notes)
    statistics = joined(passes)
    with fixed(statistics):
        whole = network(x)
    with fixed(statistics):
        part = network(x[20:50])
    torch.testing.assert_close(part, whole[20:50])
    assert not torch.allclose(network(x[20:50]), network(x)[20:50], atol=1e-3)


def test_spots_that_do_not_count_leave_every_statistic_alone() -> None:
    """Counted rows are mapped as if the others, which lie far off, were not there."""
    generator = torch.Generator().manual_seed(3)
    x = torch.randn(30, 4, generator=generator)
    core = torch.arange(0, 30, 2)
    x[1::2] = 50 + 10 * x[1::2]
    views, norm = ViewAttention(4, scaled=True), SpotNorm(4)
    views.reset_parameters(generator)
    with counting(core):
        found = [norm(x)[core], views([x, 2 * x])[1][core], spread(x)]
        with counting(None):
            assert spread(x) > 10
    expected = [norm(x[core]), views([x[core], 2 * x[core]])[1], spread(x[core])]
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other)
    with pytest.raises(ZeroDivisionError), counting(core):
        raise ZeroDivisionError
    assert spread(x) > 10
