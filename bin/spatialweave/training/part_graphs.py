"""Feature graphs and landmarks of the parts of a dataset, among each part's own spots."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from scipy import sparse

from spatialweave.errors import InputError
from spatialweave.graphs.build import feature_distances
from spatialweave.graphs.matrices import symmetrise
from spatialweave.graphs.recipe import FeatureRecipe
from spatialweave.nn.attention import choose_landmarks
from spatialweave.settings import configure

if TYPE_CHECKING:
    from torch import Tensor

    from spatialweave.training.run import Run
    from spatialweave.training.tiles import Patch, Tiling


class PartGraphs:
    """Builder of the feature graphs of parts; the whole dataset has those of its file, if there are any.

    They are built once per part with the recipe in the file: nearest spots are searched within the part.

    Parameters
    ----------
    depth
        Spots of the halo up to this many steps away take part; nothing is known about those further out.
    """

    def __init__(self, tiling: Tiling, depth: int) -> None:
        self.depth = depth
        self._distances: dict[tuple[int, str], sparse.csr_matrix] = {}
        dataset = tiling.dataset
        settings = dataset.graph_recipe.get("features")
        self._recipe = configure(FeatureRecipe, "graph", settings) if settings else None
        if not tiling.whole and self._recipe is None:
            found = "does not say how feature graphs are built, which training by tiles builds for every part"
            raise InputError("graph", found, "one built with the recipe 'tissue'", "or batch_spots=0: all at once")
        self._given = tiling.whole and all(f"{one.name}_distances" in dataset.graphs for one in dataset.modalities)

    def added(self, patch: Patch) -> Patch:
        """Return the same part with its feature graphs."""
        if self._given or self._recipe is None:
            return patch
        near, spatial = patch.within(self.depth), patch.dataset.spatial_graph()
        graphs = dict(patch.dataset.graphs)
        for modality in patch.dataset.modalities:
            key = patch.number, modality.name
            if key not in self._distances:
                known = replace(modality, present=modality.present & near)
                # A modality may be missing in a whole part.
                several = known.present.sum() > 1
                found = feature_distances(known, self._recipe, spatial) if several else sparse.csr_matrix(spatial.shape)
                self._distances[key] = found.astype("float32")
            graphs[f"{modality.name}_distances"] = self._distances[key]
            graphs[f"{modality.name}_connectivities"] = symmetrise(self._distances[key])
        return replace(patch, dataset=replace(patch.dataset, graphs=graphs))


def landmarks_of(patch: Patch, of_all: Tensor, run: Run) -> Tensor:
    """Return random spots that represent all others in the attention: of the whole dataset, or from a part's own spots.

    At inference by parts, landmarks of several parts represent all spots (:mod:`spatialweave.nn.over_spots`).
    """
    if patch.core is None:
        return of_all.to(patch.device)
    generator = run.generator(patch.number, "landmarks")
    return patch.core[choose_landmarks(len(patch.core), len(of_all), generator).to(patch.device)]
