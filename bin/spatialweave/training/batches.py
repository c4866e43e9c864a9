"""Batches of a training: parts of the dataset, prepared one by one, and results computed for all spots."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from functools import lru_cache
from typing import Any, Generic, Protocol, TypeVar

import numpy as np
import torch
from torch import Tensor

from spatialweave.io.dataset import ALL_AT_ONCE
from spatialweave.nn.over_spots import Notes, counting, fixed, joined, noted
from spatialweave.training.tiles import Patch, Tiling

B = TypeVar("B")

EMBEDDING = "embedding"
"""Name of the embedding among the tables that a network computes for every spot."""

MEASURED_PARTS = 8
"""Number of parts whose statistics over spots are used for all parts at inference."""


class Source(Protocol):
    """Source of the batches of :func:`spatialweave.training.loop.train`.

    Attributes
    ----------
    parts_of_update
        Number of batches of an update in all processes together.
    """

    parts_of_update: int

    def of_update(self, number: int) -> Iterator[tuple[float, Any]]:
        """Yield this process's batches of an update (counted from 1); the weights of all batches sum to 1."""


class AllAtOnce:
    """Source for terms that hold all spots themselves: one batch, None, in every update."""

    parts_of_update = 1

    def of_update(self, number: int) -> Iterator[tuple[float, None]]:
        """Yield the one batch."""
        yield 1.0, None


class Batches(Generic[B]):
    """Parts of a tiling, each converted to what a method's loss terms and network take.

    Parameters
    ----------
    make
        Converts a part with its halo. Results are kept for as many spots as may be trained on at once.
    reach
        Depth of the halo in steps of the spatial graph: how far the network gathers for a spot and its losses.

    Attributes
    ----------
    whole
        Whether there is only one batch, of all spots.
    """

    def __init__(self, tiling: Tiling, make: Callable[[Patch], B], reach: int) -> None:
        self._tiling = tiling
        self.whole = tiling.whole
        self.parts_of_update = tiling.per_update
        # A halo has about as many spots as its part.
        kept = max(1, ALL_AT_ONCE * tiling.n_parts // (2 * tiling.dataset.n_spots))

        @lru_cache(maxsize=kept)
        def made(number: int) -> tuple[Patch, B]:
            patch = tiling.patch(number, reach)
            return patch, make(patch)

        self._made = made

    def part(self, number: int) -> B:
        """Return the batch of a part."""
        return self._made(number)[1]

    def of_update(self, number: int) -> Iterator[tuple[float, B]]:
        """Yield this process's batches of an update (counted from 1), weighted by their fraction of counted spots."""
        taken = self._tiling.of_update(number)
        sizes = [1 if self._tiling.whole else len(self._tiling.parts[k]) for k in taken]
        for size, k in self._tiling.run.team.own(list(zip(sizes, taken, strict=True))):
            if not self._tiling.whole:
                # Dropout depends only on update and part, not on what was drawn before.
                torch.manual_seed(self._tiling.run.generator(number, f"part {k}").initial_seed())
            patch, batch = self._made(k)
            with counting(patch.core):
                yield size / sum(sizes), batch

    @torch.no_grad()
    def everywhere(
        self, function: Callable[[B], Mapping[str, Tensor]], statistics: Notes | None = None
    ) -> dict[str, np.ndarray]:
        """Apply `function` to all parts, without gradient; return its tables of all spots (spots x columns, by name).

        It maps a batch to tables of all spots in the batch. The rows that count are kept, as float32 or whole numbers.
        Statistics over spots (:mod:`spatialweave.nn.over_spots`) are the given ones or, with several parts, those of
        :meth:`statistics`.
        """
        result: dict[str, np.ndarray] = {}
        if statistics is None:
            statistics = [] if self._tiling.whole else self.statistics(function)
        for number in self._tiling.run.team.own(range(self._tiling.n_parts)):
            patch, batch = self._made(number)
            with fixed(statistics) if statistics else nullcontext(), counting(patch.core):
                tables = function(batch)
            for name, values in tables.items():
                counted = patch.counted(values)
                rows = (counted.float() if counted.is_floating_point() else counted).cpu().numpy()
                if self._tiling.whole:
                    result[name] = rows
                    continue
                if name not in result:
                    result[name] = np.zeros((patch.n_all, *rows.shape[1:]), dtype=rows.dtype)
                result[name][self._tiling.parts[number]] = rows
        return self._tiling.run.team.summed(result)

    @torch.no_grad()
    def statistics(self, function: Callable[[B], Mapping[str, Tensor]]) -> Notes:
        """Measure the statistics over spots that `function` uses, in the first :data:`MEASURED_PARTS` parts together.

        Parts for which it returns no table are skipped. The result is empty if it uses no statistics.
        """
        passes: list[Notes] = []
        for number in range(self._tiling.n_parts):
            patch, batch = self._made(number)
            with noted() as notes, counting(patch.core):
                found = function(batch)
            if not found:
                continue
            if not notes:
                break
            passes.append(notes)
            if len(passes) == MEASURED_PARTS:
                break
        return joined(passes)
