"""Input of a graph network from one modality: features on the device, and which spots have it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy import sparse
from torch import Tensor, nn

from spatialweave.nn.convolutions import Kind, messages
from spatialweave.nn.propagation import neighbour_mean

if TYPE_CHECKING:
    from spatialweave.io.dataset import Modality


class ModalityInput:
    """Features, presence and masked sums over neighbours of one modality.

    Only spots that have the modality send messages. A spot without it enters with the mean of its neighbours that have
    it. If no neighbour has it, its encoding is the mean encoding, which holds nothing about the spot.

    Attributes
    ----------
    name
        Name of the modality.
    features
        float32, spots x dimensions; spots without the modality are filled as above (zero if that is impossible).
    present
        bool, one per spot: whether it was measured; None = everywhere.
    sums
        Argument that convolutions gather by, over the neighbours that have the modality.
    """

    def __init__(
        self, modality: Modality, graph: sparse.csr_matrix, device: torch.device | str, kind: Kind = "sage"
    ) -> None:
        complete = bool(modality.present.all())
        # Values of spots without the modality must not matter, not even NaN.
        measured = np.where(modality.present[:, None], modality.latent, np.float32(0))
        self.name = modality.name
        senders = None if complete else modality.present
        neighbours = neighbour_mean(graph, senders, device)
        self.sums = neighbours if kind == "sage" else messages(kind, graph, senders, device)
        self.features = torch.as_tensor(measured, device=device)
        self.present = None if complete else torch.as_tensor(modality.present, device=device)
        self._reached: Tensor | None = None
        if self.present is not None:
            self.features = torch.where(self.present[:, None], self.features, neighbours(self.features))
            self._reached = self.present | (neighbours(self.present.float()[:, None])[:, 0] > 0)

    @property
    def n_dims(self) -> int:
        """Number of dimensions of the features."""
        return self.features.shape[1]

    def encode(self, encoder: nn.Module) -> Tensor:
        """Encode all spots with an encoder that takes features and sums over neighbours."""
        encodings = encoder(self.features, self.sums)
        if self.present is None or self._reached is None:
            return encodings
        weights = self.present.to(encodings.dtype) / self.present.sum()
        return torch.where(self._reached[:, None], encodings, weights @ encodings)
