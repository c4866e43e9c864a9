"""A whole dataset: sections and a recipe in, latents out."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spatialweave.errors import InputError
from spatialweave.io.contract import TRUE_PLACE, stamp
from spatialweave.io.notices import warn
from spatialweave.preprocess import adt, chromatin, harmony, metabolite, rna
from spatialweave.preprocess.pca import Components, principal_components
from spatialweave.preprocess.prepared import Prepared
from spatialweave.preprocess.recipe import Recipe, SectionsSettings, Settings, read_recipe
from spatialweave.preprocess.sections import Counts, Sections, build, read_sections

if TYPE_CHECKING:
    import anndata
    import mudata
    import pandas as pd
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
    settings = _settings(recipe, dataset)
    joining = recipe.sections
    if joining is None:
        joining = SectionsSettings(harmony=False)
        if dataset.n_sections > 1:
            warn(str(recipe_path), "says nothing about sections: their latents are not corrected (harmony: false)")
    parts: dict[str, anndata.AnnData] = {}
    for name in settings:
        # Popped, so that the counts of a modality are freed before the next one needs room.
        parts[name] = _latent(name, dataset.counts.pop(name), settings[name], joining, seed)
    facts = stamp(
        "latents", dataset=dataset.dataset, platform=dataset.platform.name, layout=dataset.layout, recipe=recipe.name
    )
    latents = build(parts, dataset.obs, dataset.coordinates, {"spatialweave": facts})
    if dataset.spatial_true is not None:
        latents.obsm[TRUE_PLACE] = dataset.spatial_true
    return latents


def _settings(recipe: Recipe, dataset: Sections) -> dict[str, Settings]:
    """How each modality is treated; widths may depend on the number of proteins."""
    n_proteins = None
    if "adt" in dataset.counts:
        min_spots = recipe.settings("adt", dataset.platform, dataset.n_sections).min_spots
        n_proteins = adt.panel_size(dataset.counts["adt"].matrix, min_spots)
    return {name: recipe.settings(name, dataset.platform, dataset.n_sections, n_proteins) for name in dataset.counts}


def _latent(name: str, counts: Counts, settings: Settings, joining: SectionsSettings, seed: int) -> anndata.AnnData:
    """One modality's latent, the way back to its features, and in uns['preprocess'] the record of how it came about."""
    import anndata
    import pandas as pd

    try:
        prepared = PREPARE[name](counts.matrix, settings)
        # Latents that a preparation makes itself are no linear map of features: no loadings lead back.
        components, scores = None, prepared.scores
        if scores is None:
            components = principal_components(prepared.matrix, settings.components, seed)
            scores = components.scores
    except InputError as error:
        raise InputError(f"modality {name}, {error.where}", error.found, error.expected, error.fix) from None
    record: dict[str, Any] = {
        "steps": prepared.steps,
        "n_spots": counts.matrix.shape[0],
        "n_features_in": counts.matrix.shape[1],
        "n_features": prepared.matrix.shape[1],
        "n_dims": scores.shape[1],
        "notes": prepared.notes,
    }
    corrected, step, note = harmony.correct(scores, counts.sections, joining, seed)
    latent = anndata.AnnData(obs=pd.DataFrame(index=counts.spots), obsm={"X_latent": corrected})
    if components is not None:
        record["steps"] += [{"step": "pca", "components": scores.shape[1], "centred": True}]
        record["notes"] += [components.note] if components.note else []
        record["variance_ratio"] = [round(float(share), 6) for share in components.variance_ratio]
        latent = _with_loadings(latent, prepared, components, counts.features)
    record["steps"] += [step] if step else []
    record["notes"] += [note] if note else []
    for line in record["notes"]:
        warn(f"modality {name}", line)
    latent.uns["preprocess"] = json.dumps(record, sort_keys=True)
    return latent


def _with_loadings(
    latent: anndata.AnnData, prepared: Prepared, components: Components, names: pd.Index
) -> anndata.AnnData:
    """The same latent with the way back to its features: loadings, means and divisors of those that took part."""
    import anndata
    import pandas as pd

    divisors = prepared.divisors[components.varying]
    var = pd.DataFrame({"mean": components.mean, "scale": divisors}, index=names[prepared.features[components.varying]])
    return anndata.AnnData(obs=latent.obs, var=var, obsm=dict(latent.obsm), varm={"loadings": components.loadings})
