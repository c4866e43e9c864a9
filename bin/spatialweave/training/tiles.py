"""Tissue cut into tiles, so that a training holds only some spots at a time, and every spot keeps its neighbours.

Everything that a network gathers for a spot lies within a few steps of the spatial graph. A part of the dataset is a
few tiles from anywhere in it. Around them lies a halo as deep as the network reaches; its spots are gathered from but
do not count. The whole dataset is one part without a halo. docs/scale.md explains what stays exact.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from spatialweave.graphs.matrices import among, with_self
from spatialweave.io.dataset import ALL_AT_ONCE, Modality
from spatialweave.io.notices import warn
from spatialweave.nn.propagation import Propagation, neighbour_mean
from spatialweave.settings import option

if TYPE_CHECKING:
    from scipy import sparse

    from spatialweave.io.dataset import Dataset
    from spatialweave.training.run import Run

BATCH_SPOTS, PART_SPOTS = 32_768, 8_192
"""Spots of an update by tiles, and most spots of a part; searches within a part run among these."""

PARTS_PER_UPDATE = 4
"""Least number of parts of an update: smaller batches have smaller parts. As many processes can share an update."""

TILES_PER_PART = 4
"""Number of tiles per part. More, smaller tiles make a part more like the whole dataset, and its halo larger."""


@dataclass(frozen=True)
class TileConfig:
    """Setting of methods that can be trained by tiles."""

    batch_spots: int | None = option(
        None,
        f"Spots of one update, by tiles; 0: all at once; auto: all up to {ALL_AT_ONCE:,}, {BATCH_SPOTS:,} of more.",
        low=0,
        none="auto",
    )


@dataclass
class Patch:
    """Spots that go through a network together.

    Attributes
    ----------
    number
        Number of the part, from 0.
    dataset
        Dataset of these spots, with their modalities and spatial graphs.
    n_all
        Number of spots of the dataset that it was cut from.
    rows
        Their rows in that dataset (int64, ascending); None = it is the whole dataset.
    steps
        Steps of each spot from the nearest counted spot, along the spatial graph: 0 = it counts; None = all count.
    share
        The counted spots as a fraction of those of all parts.
    """

    number: int
    dataset: Dataset
    n_all: int
    device: str
    rows: np.ndarray | None = None
    steps: np.ndarray | None = None
    share: float = 1.0

    @cached_property
    def core(self) -> Tensor | None:
        """The counted spots (int64); None = all."""
        return None if self.steps is None else torch.as_tensor(np.flatnonzero(self.steps == 0), device=self.device)

    @cached_property
    def _places(self) -> Tensor:
        """The rows, on the device."""
        return torch.as_tensor(self.rows, device=self.device)

    @cached_property
    def neighbours(self) -> Propagation:
        """The mean over the spatial neighbours and the spot itself."""
        return neighbour_mean(with_self(self.dataset.spatial_graph()), device=self.device)

    def counted(self, x: Tensor) -> Tensor:
        """Return the rows of `x` (spots x anything) of the counted spots; it may be on another device than the part."""
        return x if self.core is None else x[self.core.to(x.device)]

    def taken(self, x: Tensor) -> Tensor:
        """Return the rows of this part's spots from a table of the whole dataset (spots x anything)."""
        return x if self.rows is None else x[self._places.to(x.device)]

    def within(self, steps: int) -> np.ndarray:
        """Return the spots at most this many steps from a counted one (bool)."""
        return np.ones(self.dataset.n_spots, dtype=bool) if self.steps is None else self.steps <= steps

    def only(self, dataset: Dataset, spots: np.ndarray) -> Patch:
        """Restrict the part to a `dataset` that has only its rows `spots` (ascending), with the same share.

        No edge may join them to others. The result has no spots if the part has none of them.
        """
        if self.rows is None or self.steps is None:
            return replace(self, dataset=dataset, n_all=dataset.n_spots)
        place = np.searchsorted(spots, self.rows)
        inside = spots[np.minimum(place, len(spots) - 1)] == self.rows
        rows = place[inside]
        return replace(self, dataset=local(dataset, rows), n_all=dataset.n_spots, rows=rows, steps=self.steps[inside])


class Tiling:
    """Parts of a dataset, and the parts of each update.

    Tiles are combined to parts at random, once, by the run's seed. Each tile is of one section, and sections are
    distributed evenly; or each tile goes through all sections, as they lie over each other. Updates take the parts in a
    random order, with a new order when all have been taken, and no part twice.

    Parameters
    ----------
    batch_spots
        Setting of :class:`TileConfig`.
    updates
        Number of updates: an update takes as many parts as are needed to see every spot once.
    tiles_per_part
        Default: :data:`TILES_PER_PART`.
    through_sections
        Whether a tile goes through all sections; this needs aligned coordinates.
    """

    def __init__(
        self,
        dataset: Dataset,
        batch_spots: int | None,
        updates: int,
        run: Run,
        tiles_per_part: int = TILES_PER_PART,
        through_sections: bool = False,
    ) -> None:
        self.dataset, self.run = dataset, run
        n_spots = dataset.n_spots
        if batch_spots is None:
            batch_spots = 0 if n_spots <= ALL_AT_ONCE else BATCH_SPOTS
        self.parts: list[np.ndarray] = []
        self.per_update = 1
        self._taken: list[int] = []
        if not 0 < batch_spots < n_spots:
            run.team.disband(f"all {n_spots} spots are trained on at once; set batch_spots, to train by tiles")
        else:
            part_spots = min(-(-batch_spots // PARTS_PER_UPDATE), PART_SPOTS)
            self.parts = make_parts(dataset, part_spots, tiles_per_part, run, through_sections)
            wanted = max(round(batch_spots / part_spots), -(-len(self.parts) // max(updates, 1)))
            self.per_update = min(wanted, len(self.parts))
            if run.team.size > self.per_update and run.team.rank == 0:
                found = f"{run.team.size} processes share {self.per_update} parts of an update, so that some idle"
                warn("--processes", f"{found}; a larger batch_spots gives them more")
            passes = updates * self.per_update / len(self.parts)
            run.log(
                f"by tiles: {n_spots} spots in {len(self.parts)} parts, {self.per_update} an update, "
                f"each taken {passes:.3g} times"
            )

    @property
    def whole(self) -> bool:
        """Whether all spots are trained on at once."""
        return not self.parts

    @property
    def n_parts(self) -> int:
        """Number of parts, 1 if all spots are trained on at once."""
        return max(len(self.parts), 1)

    def patch(self, number: int, reach: int) -> Patch:
        """Return a part with a halo of that many steps; the whole dataset if all spots are trained on at once."""
        if self.whole:
            return Patch(0, self.dataset, self.dataset.n_spots, self.run.device)
        return self._around(number, self.parts[number], reach)

    def patches(self, reach: int) -> Iterator[Patch]:
        """Iterate over all parts, one after the other."""
        return (self.patch(number, reach) for number in range(self.n_parts))

    def sample(self, n_spots: int, reach: int) -> Patch:
        """Return the first parts, with about that many spots, as one part."""
        if self.whole:
            return self.patch(0, reach)
        n_parts = -(-n_spots * len(self.parts) // self.dataset.n_spots)
        return self._around(0, np.sort(np.concatenate(self.parts[:n_parts])), reach)

    def of_update(self, number: int) -> list[int]:
        """Return the numbers of the parts of an update; updates count from 1."""
        if self.whole:
            return [0]
        end = number * self.per_update
        while len(self._taken) < end:
            self._taken += self._next_order()
        return self._taken[end - self.per_update : end]

    def part_of_spots(self) -> np.ndarray:
        """Return the number of every spot's part (int64)."""
        part = np.zeros(self.dataset.n_spots, dtype=np.int64)
        for number, rows in enumerate(self.parts):
            part[rows] = number
        return part

    def record(self) -> dict[str, int]:
        """Return the training record: the number of parts, and how many an update takes."""
        return {"parts": self.n_parts, "parts_per_update": self.per_update}

    def _next_order(self) -> list[int]:
        """Return all parts in random order; last those already taken by the update in which the order begins."""
        done = len(self._taken)
        of_this_update = set(self._taken[done - done % self.per_update :])
        generator = self.run.generator(done // self.n_parts, "parts")
        order: list[int] = torch.randperm(self.n_parts, generator=generator).tolist()
        return sorted(order, key=lambda part: part in of_this_update)

    def _around(self, number: int, core: np.ndarray, reach: int) -> Patch:
        rows, steps = with_halo(self.dataset.spatial_graph(), core, reach, self.dataset.scratch)
        n_all = self.dataset.n_spots
        return Patch(number, local(self.dataset, rows), n_all, self.run.device, rows, steps, len(core) / n_all)


def make_parts(
    dataset: Dataset, part_spots: int, tiles_per_part: int, run: Run, through_sections: bool = False
) -> list[np.ndarray]:
    """Return the rows of each part (ascending): tiles of or through all sections, shared out evenly at random."""
    n_parts = -(-dataset.n_spots // part_spots)
    generator = run.generator(0, "tiles")
    stacks, points = list(dataset.section_rows().values()), dataset.coordinates
    if through_sections and dataset.aligned is not None:
        stacks, points = [np.arange(dataset.n_spots)], dataset.aligned
    tiles: list[np.ndarray] = []
    for rows in stacks:
        n_tiles = min(len(rows), -(-len(rows) * n_parts * tiles_per_part // dataset.n_spots))
        own = cut(points[rows], n_tiles)
        tiles += [rows[own[k]] for k in torch.randperm(n_tiles, generator=generator).tolist()]
    return [np.sort(np.concatenate(tiles[number::n_parts])) for number in range(n_parts)]


def cut(coordinates: np.ndarray, n_tiles: int) -> list[np.ndarray]:
    """Cut spots into compact tiles of equal size, give or take one, by repeated halving across the longer side.

    Parameters
    ----------
    coordinates
        Spots x 2.
    n_tiles
        At most the number of spots.

    Returns
    -------
    int64, one array of rows per tile.
    """

    def divide(rows: np.ndarray, n_pieces: int) -> list[np.ndarray]:
        if n_pieces == 1:
            return [rows]
        points = coordinates[rows]
        order = rows[np.argsort(points[:, np.argmax(np.ptp(points, axis=0))], kind="stable")]
        first = n_pieces // 2
        middle = len(rows) * first // n_pieces
        return divide(order[:middle], first) + divide(order[middle:], n_pieces - first)

    return divide(np.arange(len(coordinates)), n_tiles)


def with_halo(
    graph: sparse.csr_matrix, core: np.ndarray, reach: int, scratch: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows of spots at most `reach` steps from one of `core` (int64, ascending), and the steps of each.

    `scratch` (int32) is -1 for every spot of the graph, and so again at the end: the work is that of the part.
    """
    scratch[core] = 0
    found = [core]
    for step in range(1, reach + 1):
        nearby = graph[found[-1]].indices
        found.append(np.unique(nearby[scratch[nearby] < 0]))
        scratch[found[-1]] = step
    rows = np.sort(np.concatenate(found)).astype(np.int64)
    steps = scratch[rows].astype(np.int16)
    scratch[rows] = -1
    return rows, steps


def local(dataset: Dataset, rows: np.ndarray) -> Dataset:
    """Return the dataset of those spots, with all modalities and the spatial graphs between them; no other graphs."""
    return replace(
        dataset,
        obs=dataset.obs.iloc[rows],
        coordinates=dataset.coordinates[rows],
        modalities=[Modality(one.name, one.latent[rows], one.present[rows]) for one in dataset.modalities],
        graphs={
            key: among(graph, rows, dataset.scratch)
            for key, graph in dataset.graphs.items()
            if key.startswith("spatial_")
        },
        aligned=None if dataset.aligned is None else dataset.aligned[rows],
    )
