"""A whole dataset: sections and a recipe in, latents out."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spatialweave.errors import InputError
from spatialweave.io.contract import stamp
from spatialweave.io.notices import warn
from spatialweave.preprocess import adt, chromatin, metabolite, rna
from spatialweave.preprocess.pca import principal_components
from spatialweave.preprocess.prepared import Prepared
from spatialweave.preprocess.recipe import Settings, read_recipe
from spatialweave.preprocess.sections import Counts, build, read_sections

if TYPE_CHECKING:
    import anndata
    import mudata
    from scipy import sparse

PREPARE: dict[str, Callable[[sparse.csr_matrix, Settings], Prepared]] = {
    "rna": rna.prepare,
    "adt": adt.prepare,
    "atac": chromatin.prepare,
    "histone": chromatin.prepare,
    "metabolite": metabolite.prepare,
}


def preprocess(sections: Sequence[Path], recipe_path: Path, seed: int) -> mudata.MuData:
    """Turn the raw counts of a dataset's sections into latents; what did not go as the recipe asks is warned of.

    Returns
    -------
    The latents, as docs/design.md describes that kind of file.

    Raises
    ------
    InputError
        When a section or the recipe cannot be used, or a modality has no feature left or none that varies.
    """
    recipe = read_recipe(recipe_path)
    dataset = read_sections(sections)
    settings = {name: recipe.settings(name, dataset.platform, dataset.n_sections) for name in dataset.counts}
    parts: dict[str, anndata.AnnData] = {}
    for name in settings:
        # Popped, so that the counts of a modality are freed before the next one needs room.
        parts[name] = _latent(name, dataset.counts.pop(name), settings[name], seed)
    facts = stamp(
        "latents", dataset=dataset.dataset, platform=dataset.platform.name, layout=dataset.layout, recipe=recipe.name
    )
    return build(parts, dataset.obs, dataset.spatial, {"spatialweave": facts})


def _latent(name: str, counts: Counts, settings: Settings, seed: int) -> anndata.AnnData:
    """One modality's latent, with the record of how it came about in uns['preprocess']."""
    import anndata
    import pandas as pd

    try:
        prepared = PREPARE[name](counts.matrix, settings)
        components = principal_components(prepared.matrix, settings.components, seed)
    except InputError as error:
        raise InputError(f"modality {name}, {error.where}", error.found, error.expected, error.fix) from None
    notes = prepared.notes + ([components.note] if components.note else [])
    for note in notes:
        warn(f"modality {name}", note)
    n_dims = components.scores.shape[1]
    record: dict[str, Any] = {
        "steps": [*prepared.steps, {"step": "pca", "components": n_dims, "centred": True}],
        "n_spots": counts.matrix.shape[0],
        "n_features_in": counts.matrix.shape[1],
        "n_features": prepared.matrix.shape[1],
        "n_dims": n_dims,
        "variance_ratio": [round(float(share), 6) for share in components.variance_ratio],
        "notes": notes,
    }
    return anndata.AnnData(
        obs=pd.DataFrame(index=counts.spots),
        obsm={"X_latent": components.scores},
        uns={"preprocess": json.dumps(record, sort_keys=True)},
    )
