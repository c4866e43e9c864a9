"""What joins sections, against closed forms: pairs, triplets, directions."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist

from spatialweave.nn.fusion import Partners, direction_loss


def test_direction_loss_is_the_mean_over_all_pairs() -> None:
    rng = np.random.default_rng(0)
    first, second = (torch.tensor(rng.normal(0.3, 1, (n, 5)), requires_grad=True) for n in (7, 11))
    expected = cdist(first.detach(), second.detach(), "cosine").mean()
    loss = direction_loss(first, second)
    assert loss.item() == pytest.approx(expected, abs=1e-12)
    assert torch.autograd.gradcheck(direction_loss, (first, second))


def test_pair_losses_by_hand() -> None:
    """Spots on a line; 0 and 1 match, 2 is far from 0 in its section and 3 from 1 in its own."""
    embedding = torch.tensor([[0.0], [2.0], [2.5], [9.0]])
    partners = Partners(np.array([0]), np.array([1]), np.array([2, 3, 0, 1]), "cpu")
    near, apart = partners.losses(embedding, margin=1.0)
    assert near.item() == pytest.approx(2.0, abs=1e-5)
    # 2 - 2.5 + 1 for spot 0; spot 1 has its far spot 7 away, which is enough.
    assert apart.item() == pytest.approx(0.5, abs=1e-5)


def test_no_pairs_no_loss() -> None:
    nobody = np.empty(0, dtype=np.int64)
    embedding = torch.randn(4, 2, requires_grad=True)
    near, apart = Partners(nobody, nobody, np.arange(4), "cpu").losses(embedding, 1.0)
    (near + apart).backward()
    assert near.item() == apart.item() == 0 and (embedding.grad == 0).all()
