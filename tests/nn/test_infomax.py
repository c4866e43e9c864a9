"""The infomax loss and its discriminator against torch's own and closed forms."""

from __future__ import annotations

import math

import pytest
import torch
from scipy import sparse
from torch import nn
from torch.nn import functional

from spatialweave.graphs.matrices import gcn_normalise, symmetrise
from spatialweave.nn.gcn import gcn_propagation
from spatialweave.nn.infomax import Discriminator, infomax_loss, neighbourhood_infomax


@pytest.fixture
def discriminator() -> Discriminator:
    module = Discriminator(5)
    module.reset_parameters(torch.Generator().manual_seed(3))
    with torch.no_grad():
        module.bias.fill_(0.7)
    return module


def test_discriminator_equals_torch_bilinear(discriminator: Discriminator) -> None:
    reference = nn.Bilinear(5, 5, 1)
    reference.load_state_dict({"weight": discriminator.weight[None], "bias": discriminator.bias})
    encodings, summaries = torch.randn(20, 5), torch.randn(20, 5)
    torch.testing.assert_close(discriminator(encodings, summaries), reference(encodings, summaries)[:, 0])
    # One summary for all spots.
    everywhere = reference(encodings, summaries[:1].expand(20, 5))[:, 0]
    torch.testing.assert_close(discriminator(encodings, summaries[0]), everywhere)


def test_initial_weights_are_xavier_uniform() -> None:
    module = Discriminator(40)
    module.reset_parameters(torch.Generator().manual_seed(0))
    bound = math.sqrt(6 / 80)
    assert 0.9 * bound < module.weight.abs().max().item() <= bound
    assert module.weight.mean().abs().item() < 0.01
    assert module.bias.item() == 0
    module.reset_parameters(torch.Generator().manual_seed(0), bilinear=True)
    bound = 1 / math.sqrt(40)
    assert 0.9 * bound < module.weight.abs().max().item() <= bound
    assert 0 < module.bias.abs().item() <= bound


def test_loss_is_the_mean_cross_entropy_of_both_kinds() -> None:
    true, shuffled = torch.randn(30), torch.randn(30)
    expected = functional.binary_cross_entropy_with_logits(
        torch.cat([true, shuffled]), torch.cat([torch.ones(30), torch.zeros(30)])
    )
    torch.testing.assert_close(infomax_loss(true, shuffled), expected)


def test_loss_at_its_ends() -> None:
    same = torch.zeros(4)
    assert infomax_loss(same, same).item() == pytest.approx(math.log(2))
    far = torch.full((4,), 200.0)
    assert infomax_loss(far, -far).item() == pytest.approx(0, abs=1e-30)
    # Everything taken for its opposite: the loss is the size of the logit, and stays finite.
    assert infomax_loss(-far, far).item() == pytest.approx(200)


def test_gradient(discriminator: Discriminator) -> None:
    module = discriminator.double()
    true, shuffled, summary = (torch.randn(6, 5, dtype=torch.float64, requires_grad=True) for _ in range(3))

    def loss(*_: torch.Tensor) -> torch.Tensor:
        return infomax_loss(module(true, summary), module(shuffled, summary))

    assert torch.autograd.gradcheck(loss, (true, shuffled, summary, module.weight, module.bias))


def test_neighbourhood_infomax_by_dense_algebra(discriminator: Discriminator, graph: sparse.csr_matrix) -> None:
    joined = symmetrise(graph)
    true, shuffled = torch.randn(40, 5), torch.randn(40, 5)
    dense = torch.as_tensor(gcn_normalise(joined).toarray())
    expected = torch.zeros(())
    for own, other in ((true, shuffled), (shuffled, true)):
        mean = dense @ own / dense.sum(dim=1, keepdim=True)
        summary = torch.sigmoid(mean / mean.norm(dim=1, keepdim=True))
        logits = torch.cat([((x @ discriminator.weight) * summary).sum(dim=1) + 0.7 for x in (own, other)])
        answers = (torch.arange(80) < 40).float()
        expected += functional.binary_cross_entropy_with_logits(logits, answers)
    got = neighbourhood_infomax(discriminator, true, shuffled, gcn_propagation(joined))
    torch.testing.assert_close(got, expected)


def test_learns_to_distinguish_encodings_of_a_neighbourhood_from_others() -> None:
    generator = torch.Generator().manual_seed(1)
    kinds = torch.randn(2, 5, generator=generator)[torch.arange(60) % 2]
    encodings = kinds + 0.1 * torch.randn(60, 5, generator=generator)
    # Every other spot gets an encoding of the other kind.
    shuffled = encodings.roll(1, dims=0)
    module = Discriminator(5)
    module.reset_parameters(generator)
    optimiser = torch.optim.Adam(module.parameters(), lr=0.05)
    for _ in range(100):
        optimiser.zero_grad()
        loss = infomax_loss(module(encodings, kinds), module(shuffled, kinds))
        loss.backward()
        optimiser.step()
    assert loss.item() < 0.05
