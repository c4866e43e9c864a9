"""Pairs of matched spots of consecutive sections, found again every few epochs in the embedding during training."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from spatialweave.errors import InputError
from spatialweave.io.notices import warn
from spatialweave.matching.candidates import shared_spacing
from spatialweave.matching.match import match
from spatialweave.mining.remote import remote_spots
from spatialweave.nn.fusion import Partners

if TYPE_CHECKING:
    from spatialweave.io.dataset import Dataset
    from spatialweave.matching.settings import MatchSettings
    from spatialweave.training.run import Run
    from spatialweave.training.tiles import Patch, Tiling


@dataclass
class JoinedSpots:
    """Links between sections in a part of the dataset, or in all of it.

    Attributes
    ----------
    partners
        The matched spots, and a far spot for every spot.
    weight
        Matched pairs per spot, relative to the whole dataset. The mean over pairs of all parts, each with its weight
        and its fraction of the spots, is the mean over all pairs.
    sections
        For each two sections that are joined and have spots here, the rows of these spots.
    """

    partners: Partners
    weight: float
    sections: list[tuple[Tensor, Tensor]]


class PairFinder(nn.Module):
    """Finder that keeps the pairs of matched spots, and a far spot for every spot, up to date between epochs.

    Spots of the whole dataset are matched; a part has the pairs with both ends in it. It is a module of the network so
    that a checkpoint holds its buffers.

    Parameters
    ----------
    tiling
        Tiling of the dataset.
    joined
        Pairs of sections to match.
    n_dims
        Dimensions of the embedding.
    settings
        Settings of the matching; far spots are farther than its radius (in spot spacings).
    epochs, every
        Number of epochs that use pairs, and number of epochs after which pairs are searched again.

    Attributes
    ----------
    matched, counts
        Buffers: the embedding used to find the current pairs (spots x dimensions), and the number of pairs found by
        each search (searches x pairs of sections).
    """

    matched: Tensor
    counts: Tensor

    def __init__(
        self,
        tiling: Tiling,
        joined: Sequence[tuple[str, str]],
        n_dims: int,
        settings: MatchSettings,
        epochs: int,
        every: int,
        run: Run,
    ) -> None:
        super().__init__()
        dataset = tiling.dataset
        self.aligned = aligned_coordinates(dataset)
        self.joined, self.sections = list(joined), dataset.section_rows()
        self.settings, self.every, self.run = settings, every, run
        self._part = tiling.part_of_spots()
        self._section = np.empty(dataset.n_spots, dtype=np.int64)
        for number, rows in enumerate(self.sections.values()):
            self._section[rows] = number
        self._radii = self._far_from()
        self._found_after = -1
        self._n_pairs = 0
        self._pairs: dict[int, np.ndarray] = {}
        self._in_part: dict[int, JoinedSpots] = {}
        self.register_buffer("matched", torch.zeros(dataset.n_spots, n_dims))
        self.register_buffer("counts", torch.zeros(-(-epochs // every), len(self.joined), dtype=torch.int64))

    def _far_from(self) -> dict[str, float]:
        """Return for each section the distance beyond which spots are far: the largest radius of its pairs."""
        radii = dict.fromkeys(self.sections, 0.0)
        for pair in self.joined:
            unit = shared_spacing(*(self.aligned[self.sections[name]] for name in pair))
            for name in pair:
                radii[name] = max(radii[name], self.settings.radius * unit)
        return radii

    @torch.no_grad()
    def prepare(self, done: int, embed: Callable[[], Tensor], patch: Patch) -> JoinedSpots | None:
        """Return what joins the sections in a part after `done` epochs that use pairs.

        The result is None if no sections are joined, or if `done` is negative. Pairs are found in the embedding of all
        spots after the last multiple of `every` epochs, which `embed` computes.
        """
        if done < 0 or not self.joined:
            return None
        found_after = done - done % self.every
        if found_after != self._found_after:
            if found_after == done:
                self.matched.copy_(embed())
            # Otherwise a checkpoint was resumed, which holds the embedding that the pairs were found in.
            first, second, counts = self.find(self.matched.cpu().numpy())
            self._n_pairs, self._pairs = len(first), self.by_part(first, second)
            self.counts[found_after // self.every] = torch.tensor(counts)
            self._found_after, self._in_part = found_after, {}
        if patch.number not in self._in_part:
            first, second = self._pairs.get(patch.number, np.empty((2, 0), dtype=np.int64))
            self._in_part[patch.number] = self.within(patch, first, second, self._n_pairs, found_after)
        return self._in_part[patch.number]

    def find(self, embedding: np.ndarray) -> tuple[np.ndarray, np.ndarray, list[int]]:
        """Find pairs of the sections that are joined.

        Returns
        -------
        The rows of their first and of their second spots, without pairs whose spots are in different parts; and the
        number of pairs of each two sections, with those.
        """
        first, second = [], []
        for a, b in self.joined:
            rows_a, rows_b = self.sections[a], self.sections[b]
            coordinates = self.aligned[rows_a], self.aligned[rows_b]
            found = match(embedding[rows_a], embedding[rows_b], *coordinates, self.settings)
            first.append(rows_a[found.a[found.accepted]])
            second.append(rows_b[found.b[found.accepted]])
        ends = np.concatenate(first), np.concatenate(second)
        inside = self._part[ends[0]] == self._part[ends[1]]
        counts = [len(pairs) for pairs in first]
        for (a, b), count in zip(self.joined, counts, strict=True):
            self.run.log(f"{a}--{b}: {count} pairs of matched spots")
            if count == 0:
                warn(f"sections {a}--{b}", "no spots match, so nothing joins them; do they overlap?")
        if not inside.all():
            self.run.log(f"{inside.mean():.1%} of all pairs are within a part")
        return ends[0][inside], ends[1][inside], counts

    def by_part(self, first: np.ndarray, second: np.ndarray) -> dict[int, np.ndarray]:
        """Return the pairs (2 x pairs, in their order) of every part that has any, by its number."""
        part = self._part[first]
        order = np.argsort(part, kind="stable")
        numbers, starts = np.unique(part[order], return_index=True)
        pieces = np.split(np.stack([first, second])[:, order], starts[1:], axis=1)
        return dict(zip(numbers.tolist(), pieces, strict=False))

    def within(self, patch: Patch, first: np.ndarray, second: np.ndarray, n_pairs: int, moment: int) -> JoinedSpots:
        """Join a part by its pairs (rows of both spots in the dataset), `n_pairs` in all, and add far spots of it."""
        rows = np.arange(patch.n_all) if patch.rows is None else patch.rows
        counted = np.flatnonzero(patch.within(0))
        here, there = (counted[np.searchsorted(rows[counted], ends)] for ends in (first, second))
        rng = self.run.numpy_generator(moment, *([] if patch.rows is None else [patch.number]))
        far = np.arange(len(rows))
        own = {}
        section = self._section[rows[counted]]
        for number, name in enumerate(self.sections):
            own[name] = spots = counted[section == number]
            if len(spots):
                far[spots] = spots[remote_spots(self.aligned[rows[spots]], self._radii[name], rng)]
        partners = Partners(here, there, far, self.run.device)
        weight = float(len(first) / (patch.share * n_pairs)) if n_pairs else 1.0
        sections = [
            (torch.as_tensor(own[a], device=self.run.device), torch.as_tensor(own[b], device=self.run.device))
            for a, b in self.joined
            if len(own[a]) and len(own[b])
        ]
        return JoinedSpots(partners, weight, sections)


def aligned_coordinates(dataset: Dataset) -> np.ndarray:
    """Return the aligned coordinates (spots x 2); refuse a dataset without them."""
    if dataset.aligned is None:
        fix = "let the alignment stage run before, and give its coordinates to this one"
        raise InputError(f"dataset '{dataset.name}'", "its sections are not aligned", "aligned coordinates", fix)
    return dataset.aligned
