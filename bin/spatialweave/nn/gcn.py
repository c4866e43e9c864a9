"""Graph convolution (Kipf and Welling, ICLR 2017) as products with D^-1/2 (A + I) D^-1/2."""

from __future__ import annotations

import torch
from scipy import sparse
from torch import Tensor, nn

from spatialweave.graphs.matrices import gcn_normalise
from spatialweave.nn.propagation import Propagation


def gcn_propagation(graph: sparse.csr_matrix, device: torch.device | str = "cpu") -> Propagation:
    """Return the product with D^-1/2 (A + I) D^-1/2 of an undirected graph."""
    return Propagation(gcn_normalise(graph), device=device)


class GcnLayer(nn.Module):
    """Layer y = A x W without bias; the product with A is taken on the side with fewer columns."""

    def __init__(self, n_inputs: int, n_outputs: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(n_inputs, n_outputs))

    def reset_parameters(self, generator: torch.Generator) -> None:
        """Set the initial weights: Xavier uniform."""
        nn.init.xavier_uniform_(self.weight, generator=generator)

    def forward(self, x: Tensor, graph: Propagation) -> Tensor:
        """Map `x` (spots x inputs) to spots x outputs."""
        n_inputs, n_outputs = self.weight.shape
        return graph(x @ self.weight) if n_outputs < n_inputs else graph(x) @ self.weight
