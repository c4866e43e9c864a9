"""Pairs of matched spots of consecutive sections, found again every few epochs by the embedding as it is learned."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from spatialweave.alignment.matching import match
from spatialweave.errors import InputError
from spatialweave.io.layout import spacing
from spatialweave.io.notices import warn
from spatialweave.mining.remote import remote_spots
from spatialweave.nn.fusion import Partners

if TYPE_CHECKING:
    from spatialweave.alignment.match_settings import MatchSettings
    from spatialweave.io.dataset import Dataset
    from spatialweave.training.run import Run


class PairFinder(nn.Module):
    """Keeps the pairs of matched spots, and a far spot for every spot, up to date between epochs.

    A module of the network for its buffers, which a checkpoint then holds.

    Parameters
    ----------
    dataset
        With aligned coordinates.
    joined
        Pairs of sections to match.
    n_dims
        Of the embedding.
    settings
        How spots are matched; far spots are farther than its radius (in spot spacings).
    epochs, every
        How many epochs use pairs, and after how many they are found again.

    Attributes
    ----------
    matched, counts
        Buffers: the embedding that the present pairs were found in (spots x dimensions), and how many pairs each search
        found (searches x pairs of sections).
    """

    matched: Tensor
    counts: Tensor

    def __init__(
        self,
        dataset: Dataset,
        joined: Sequence[tuple[str, str]],
        n_dims: int,
        settings: MatchSettings,
        epochs: int,
        every: int,
        run: Run,
    ) -> None:
        super().__init__()
        if dataset.aligned is None:
            fix = "let the alignment stage run before, and give its coordinates to this one"
            raise InputError(f"dataset '{dataset.name}'", "its sections are not aligned", "aligned coordinates", fix)
        self.joined, self.sections, self.aligned = list(joined), dataset.section_rows(), dataset.aligned
        self.settings, self.every, self.run = settings, every, run
        self.partners: Partners | None = None
        self._found_after = -1
        self.register_buffer("matched", torch.zeros(dataset.n_spots, n_dims))
        self.register_buffer("counts", torch.zeros(-(-epochs // every), len(self.joined), dtype=torch.int64))

    @torch.no_grad()
    def prepare(self, done: int, embed: Callable[[], Tensor]) -> Partners | None:
        """The pairs after `done` epochs that use pairs; None if no sections are joined, or if `done` is negative.

        They are those of the embedding after the last multiple of `every` epochs.
        """
        if done < 0 or not self.joined:
            return None
        found_after = done - done % self.every
        if found_after != self._found_after:
            if found_after == done:
                self.matched.copy_(embed())
            # Else a checkpoint was resumed, which holds the embedding that they were found in.
            self.partners, counts = self.find(self.matched.cpu().numpy(), found_after)
            self.counts[found_after // self.every] = torch.tensor(counts)
            self._found_after = found_after
        return self.partners

    def find(self, embedding: np.ndarray, moment: int) -> tuple[Partners, list[int]]:
        """Pairs of the sections that are joined, with a far spot for every spot; and how many pairs each has."""
        rng = self.run.numpy_generator(moment)
        first, second, far = [], [], np.arange(len(embedding))
        for a, b in self.joined:
            rows_a, rows_b = self.sections[a], self.sections[b]
            coordinates = self.aligned[rows_a], self.aligned[rows_b]
            found = match(embedding[rows_a], embedding[rows_b], *coordinates, self.settings)
            first.append(rows_a[found.a[found.accepted]])
            second.append(rows_b[found.b[found.accepted]])
        for rows in self.sections.values():
            points = self.aligned[rows]
            far[rows] = rows[remote_spots(points, self.settings.radius * spacing(points), rng)]
        counts = [len(pairs) for pairs in first]
        for (a, b), count in zip(self.joined, counts, strict=True):
            self.run.log(f"{a}--{b}: {count} pairs of matched spots")
            if count == 0:
                warn(f"sections {a}--{b}", "no spots match, so nothing joins them; do they overlap?")
        return Partners(np.concatenate(first), np.concatenate(second), far, self.run.device), counts
