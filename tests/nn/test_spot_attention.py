"""Attention over neighbourhood and landmarks against torch's attention over all spots."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy import sparse
from torch import Tensor
from torch.nn import functional

from spatialweave.nn.attention import SpotAttention, choose_landmarks
from spatialweave.nn.edges import EdgeGraph

N_SPOTS = 40
EVERYONE = torch.arange(N_SPOTS)


def attention(heads: int = 1, n_keys: int = 6) -> SpotAttention:
    module = SpotAttention(8, n_keys, heads)
    module.reset_parameters(torch.Generator().manual_seed(3))
    return module


def by_torch(module: SpotAttention, receiving: Tensor, sending: Tensor, bias: Tensor | None = None) -> Tensor:
    """torch's own attention; `bias` (spots x spots) is added to the scores."""

    def split(x: Tensor) -> Tensor:
        return x.unflatten(1, (module.heads, -1)).transpose(0, 1)

    query, key, value = split(module.query(receiving)), split(module.key(sending)), split(module.value(sending))
    gathered = functional.scaled_dot_product_attention(query, key, value, attn_mask=bias)
    result: Tensor = module.output(gathered.transpose(0, 1).flatten(1))
    return result


@pytest.fixture
def rows() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    receiving = 3 * torch.randn(N_SPOTS, 8, generator=generator)
    return receiving, 3 * torch.randn(N_SPOTS, 6, generator=generator)


@pytest.mark.parametrize("heads", [1, 4])
@pytest.mark.parametrize("with_near", [False, True])
def test_with_every_spot_a_landmark_it_is_exact(
    graph: sparse.csr_matrix, rows: tuple[Tensor, Tensor], heads: int, with_near: bool
) -> None:
    module = attention(heads)
    near = EdgeGraph(graph) if with_near else None
    receiving, sending = (x.clone().requires_grad_() for x in rows)
    probe = torch.randn(N_SPOTS, 8)
    ours, theirs = module(receiving, sending, near, EVERYONE), by_torch(module, receiving, sending)
    torch.testing.assert_close(ours, theirs)
    # The key's bias adds the same to all scores of a spot: its gradient is zero but for rounding.
    wanted = [receiving, sending, *(p for name, p in module.named_parameters() if name != "key.bias")]
    gradients = [torch.autograd.grad((y * probe).sum(), wanted) for y in (ours, theirs)]
    for got, expected in zip(*gradients, strict=True):
        torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("heads", [1, 2])
def test_landmarks_represent_an_equal_part_of_what_is_not_near(
    graph: sparse.csr_matrix, rows: tuple[Tensor, Tensor], heads: int
) -> None:
    module, landmarks = attention(heads), torch.tensor([0, 5, 7, 20, 33])
    dense = torch.as_tensor(graph.toarray() > 0)
    weight = dense.float()
    for i in range(N_SPOTS):
        far = [j for j in landmarks.tolist() if not dense[i, j]]
        weight[i, far] = (N_SPOTS - int(dense[i].sum())) / len(far)
    # Every spot is stood for: near ones and their number of landmarks make up all spots.
    assert weight.sum(dim=1).tolist() == pytest.approx([N_SPOTS] * N_SPOTS)
    torch.testing.assert_close(
        module(*rows, EdgeGraph(graph), landmarks), by_torch(module, *rows, bias=weight.log()), rtol=1e-4, atol=1e-5
    )


def test_landmarks_alone_are_attention_over_the_landmarks(rows: tuple[Tensor, Tensor]) -> None:
    module, landmarks = attention(), torch.tensor([2, 3, 31])
    bias = torch.full((N_SPOTS, N_SPOTS), -math.inf)
    bias[:, landmarks] = 0
    torch.testing.assert_close(module(*rows, None, landmarks), by_torch(module, *rows, bias=bias))


def test_large_scores_do_not_overflow(graph: sparse.csr_matrix, rows: tuple[Tensor, Tensor]) -> None:
    module = attention()
    receiving, sending = (100 * x for x in rows)
    torch.testing.assert_close(
        module(receiving, sending, EdgeGraph(graph), EVERYONE),
        by_torch(module, receiving, sending),
        rtol=1e-3,
        atol=1e-2,
    )


def test_a_spot_that_is_near_everyone(rows: tuple[Tensor, Tensor]) -> None:
    everyone = EdgeGraph(sparse.csr_matrix(np.ones((N_SPOTS, N_SPOTS))))
    module = attention()
    torch.testing.assert_close(module(*rows, everyone, torch.tensor([1, 2])), by_torch(module, *rows))


def test_gradient_by_finite_differences(graph: sparse.csr_matrix) -> None:
    module = SpotAttention(4, 4, heads=2).double()
    near, landmarks = EdgeGraph(graph[:10, :10].tocsr()), torch.tensor([0, 3, 4, 8])
    x, y = (torch.randn(10, 4, dtype=torch.float64, requires_grad=True) for _ in range(2))
    # The sum over edges is stored in float32 ones, which are exact.
    assert torch.autograd.gradcheck(lambda a, b: module(a, b, near, landmarks), (x, y))


def test_dropout_keeps_the_mean_and_only_acts_in_training(
    graph: sparse.csr_matrix, rows: tuple[Tensor, Tensor]
) -> None:
    module = SpotAttention(8, 6, dropout=0.3)
    near, landmarks = EdgeGraph(graph), torch.tensor([0, 5, 7, 20, 33])
    torch.manual_seed(1)
    with torch.no_grad():
        draws = torch.stack([module(*rows, near, landmarks) for _ in range(3000)])
        module.eval()
        still = module(*rows, near, landmarks)
        torch.testing.assert_close(still, module(*rows, near, landmarks), rtol=0, atol=0)
    assert draws.std(dim=0).mean() > 0.01
    assert ((draws.mean(dim=0) - still).abs() < 6 * draws.std(dim=0) / math.sqrt(3000) + 1e-6).all()


def test_order_of_the_spots_does_not_matter(graph: sparse.csr_matrix, rows: tuple[Tensor, Tensor]) -> None:
    module, landmarks = attention(), torch.tensor([0, 5, 7, 20, 33])
    order = torch.randperm(N_SPOTS, generator=torch.Generator().manual_seed(4))
    position = torch.argsort(order)
    mixed = EdgeGraph(graph[order.numpy()][:, order.numpy()].tocsr())
    got = module(rows[0][order], rows[1][order], mixed, position[landmarks])
    torch.testing.assert_close(got, module(*rows, EdgeGraph(graph), landmarks)[order])


def test_near_landmarks_by_hand() -> None:
    near = EdgeGraph(sparse.csr_matrix(np.array([[0, 1, 1], [0, 0, 0], [1, 0, 0]])))
    assert near.sends(torch.tensor([0, 2])).tolist() == [[False, True], [False, False], [True, False]]


def test_landmarks_are_distinct_seeded_and_all_where_there_are_no_more() -> None:
    one, two, other = (choose_landmarks(1000, 64, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2))
    assert len(one.unique()) == 64 and torch.equal(one, one.sort().values) and torch.equal(one, two)
    assert one.min() >= 0 and one.max() < 1000 and not torch.equal(one, other)
    assert choose_landmarks(5, 5, torch.Generator()).tolist() == choose_landmarks(5, 9, torch.Generator()).tolist()
    assert choose_landmarks(5, 9, torch.Generator()).tolist() == [0, 1, 2, 3, 4]
