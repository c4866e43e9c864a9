"""Preprocessing of a whole dataset: its sections become latents by a recipe."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from spatialweave.errors import InputError
from spatialweave.io.contract import PRECOMPUTED, TRUE_SPATIAL, is_intensities, join_modalities, stamp
from spatialweave.io.notices import warn
from spatialweave.preprocess import adt, harmony
from spatialweave.preprocess.frozen import FEATURES, FROZEN, LSI, PCA, FrozenPreparation, frozen_uns
from spatialweave.preprocess.join import JoinedModality, JoinedSections, join_sections, write_joined
from spatialweave.preprocess.matrices import column_sums
from spatialweave.preprocess.pca import PrincipalComponents, features_themselves, principal_components
from spatialweave.preprocess.preparations import preparation_of
from spatialweave.preprocess.prepared import PreparationSettings, Prepared
from spatialweave.preprocess.recipe import Recipe, SectionsSettings, read_recipe

if TYPE_CHECKING:
    import anndata
    import mudata
    import pandas as pd


def preprocess(
    sections: Sequence[Path],
    recipe_path: Path,
    seed: int,
    counts_path: Path | None = None,
    variable_features: int | None = None,
    components: int | None = None,
) -> mudata.MuData:
    """Turn the raw counts of a dataset's sections into latents; departures from the recipe cause a warning.

    Parameters
    ----------
    sections
        Section files, in the order of the stack.
    counts_path
        File for the joined raw counts.
    variable_features, components
        Numbers of variable features and of components, instead of the recipe's.

    Returns
    -------
    The content of a latents file, as in docs/design.md.

    Raises
    ------
    InputError
        When a section or the recipe cannot be used, or a modality has no features left, or none that varies.
    """
    recipe = read_recipe(recipe_path).changed(variable_features, components)
    dataset = join_sections(sections)
    facts = {"dataset": dataset.dataset, "platform": dataset.platform.name, "layout": dataset.layout}
    settings = _settings(recipe, dataset)
    joining = recipe.sections
    if joining is None:
        joining = SectionsSettings(harmony=False)
        if dataset.n_sections > 1:
            warn(str(recipe_path), "has no block 'sections': latents are not corrected by section (harmony: false)")
    latent: dict[str, anndata.AnnData] = {}
    for name in settings:
        latent[name] = _latent(name, dataset.counts[name], settings[name], joining, seed)
    if counts_path is not None:
        # Written last: after a pass over the files, canonical counts are known to be such and are copied.
        write_joined(dataset, counts_path)
    uns = {"spatialweave": stamp("latents", recipe=recipe.name, harmony=joining.harmony, **facts)}
    latents = join_modalities(latent, dataset.obs, dataset.coordinates, uns)
    if dataset.true_coordinates is not None:
        latents.obsm[TRUE_SPATIAL] = dataset.true_coordinates
    return latents


def _settings(recipe: Recipe, dataset: JoinedSections) -> dict[str, PreparationSettings]:
    """Return the settings of each modality; dimensions may depend on the number of proteins."""
    intensities = {name: is_intensities(name, joined.data.uns) for name, joined in dataset.counts.items()}
    facts = (dataset.platform, dataset.n_sections)
    n_proteins = None
    if "adt" in dataset.counts:
        min_spots = recipe.settings("adt", *facts, is_intensities=intensities["adt"]).min_spots
        n_proteins = adt.panel_size(dataset.counts["adt"].counts, min_spots)
    return {name: recipe.settings(name, *facts, n_proteins, intensities[name]) for name in dataset.counts}


def _latent(
    name: str, joined: JoinedModality, settings: PreparationSettings, joining: SectionsSettings, seed: int
) -> anndata.AnnData:
    """Return one modality's latent, its map back to features, and in uns['preprocess'] the record of the steps."""
    import anndata
    import pandas as pd

    if PRECOMPUTED in joined.data.obsm:
        return _precomputed(joined.data)
    try:
        prepared = preparation_of(name, is_intensities(name, joined.data.uns)).prepare(joined.counts, settings)
        # Latents that a preparation makes itself are not a linear map of features, so they have no loadings.
        components, scores = None, prepared.scores
        if scores is None:
            if settings.n_components == 0:
                components = features_themselves(prepared.values)
            else:
                components = principal_components(prepared.values, settings.n_components, seed)
            scores = components.scores
    except InputError as error:
        raise InputError(f"modality {name}, {error.where}", error.found, error.expected, error.fix) from None
    record: dict[str, Any] = {
        "steps": prepared.steps,
        "n_spots": joined.data.n_obs,
        "n_features_in": joined.data.n_vars,
        "n_features": prepared.values.shape[1],
        "n_dims": scores.shape[1],
        "notes": prepared.notes,
    }
    corrected, step, note = harmony.correct(scores, joined.sections, joining, seed)
    latent = anndata.AnnData(obs=pd.DataFrame(index=joined.data.obs_names), obsm={"X_latent": corrected})
    latent.uns[FROZEN] = frozen_uns(_frozen(prepared, components, joined.data.var_names, settings.n_components == 0))
    if components is not None:
        if settings.n_components > 0:
            record["steps"] += [{"step": "pca", "components": scores.shape[1], "centred": True}]
            record["variance_ratio"] = [round(float(fraction), 6) for fraction in components.variance_ratio]
        record["notes"] += [components.note] if components.note else []
        latent = _with_loadings(latent, prepared, components, joined.data.var_names)
    record["steps"] += [step] if step else []
    record["notes"] += [note] if note else []
    for line in record["notes"]:
        warn(f"modality {name}", line)
    latent.uns["preprocess"] = json.dumps(record, sort_keys=True)
    return latent


def _precomputed(data: anndata.AnnData) -> anndata.AnnData:
    """Return the latent of a modality from its section file, unchanged and without loadings."""
    import anndata
    import pandas as pd

    values = np.ascontiguousarray(data.obsm[PRECOMPUTED], dtype=np.float32)
    record = {
        "steps": [{"step": "precomputed", "obsm": str(data.uns[PRECOMPUTED])}],
        "n_spots": data.n_obs,
        "n_features_in": data.n_vars,
        "n_features": data.n_vars,
        "n_dims": values.shape[1],
        "notes": [],
    }
    latent = anndata.AnnData(obs=pd.DataFrame(index=data.obs_names), obsm={"X_latent": values})
    latent.uns["preprocess"] = json.dumps(record, sort_keys=True)
    return latent


def _with_loadings(
    latent: anndata.AnnData, prepared: Prepared, components: PrincipalComponents, names: pd.Index
) -> anndata.AnnData:
    """Add the map back to features to a latent: loadings, means and divisors of the features behind it."""
    import anndata
    import pandas as pd

    divisors = prepared.divisors[components.varying]
    var = pd.DataFrame(
        {"mean": components.mean, "scale": divisors}, index=names[prepared.values.features[components.varying]]
    )
    return anndata.AnnData(
        obs=latent.obs, var=var, obsm=dict(latent.obsm), varm={"loadings": components.loadings}, uns=dict(latent.uns)
    )


def _frozen(
    prepared: Prepared, components: PrincipalComponents | None, names: pd.Index, themselves: bool
) -> FrozenPreparation:
    """Return the preparation that makes the latents of other spots in the same way."""
    values = prepared.values
    n_spots, n_features = values.shape
    mean = np.empty(n_features)
    if components is None or themselves or not components.varying.all():
        mean = column_sums(values) / n_spots
    if components is None:
        projection = LSI
        matrix = np.empty((n_features, 0)) if prepared.projection is None else prepared.projection
    elif themselves:
        projection, matrix = FEATURES, np.empty((n_features, 0))
    else:
        projection, matrix = PCA, np.zeros((n_features, components.loadings.shape[1]))
        matrix[components.varying] = components.loadings
        mean[components.varying] = components.mean
    named = (names[values.features].astype(str).tolist(), names[values.detected].astype(str).tolist())
    return FrozenPreparation(*named, values.operations, projection, matrix, mean)
