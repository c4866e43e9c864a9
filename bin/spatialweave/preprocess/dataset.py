"""Preprocessing of a whole dataset: its sections become latents by a recipe."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from spatialweave.errors import InputError
from spatialweave.io.contract import PRECOMPUTED, is_intensities
from spatialweave.io.notices import warn
from spatialweave.preprocess import adt, harmony
from spatialweave.preprocess.frozen import FEATURES, LSI, PCA, FrozenPreparation
from spatialweave.preprocess.join import JoinedModality, JoinedSections, join_sections, write_joined
from spatialweave.preprocess.latents import Loadings, modality_latents
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
    settings = _settings(recipe, dataset)
    joining = recipe.sections
    if joining is None:
        joining = SectionsSettings(harmony=False)
        if dataset.n_sections > 1:
            warn(str(recipe_path), "has no block 'sections': latents are not corrected by section (harmony: false)")
    latents = {name: _latents(name, dataset.counts[name], own, joining, seed) for name, own in settings.items()}
    if counts_path is not None:
        # Written last: after a pass over the files, canonical counts are known to be such and are copied.
        write_joined(dataset, counts_path)
    return dataset.latents(latents, recipe.name, joining.harmony)


def _settings(recipe: Recipe, dataset: JoinedSections) -> dict[str, PreparationSettings]:
    """Return the settings of each modality; dimensions may depend on the number of proteins."""
    intensities = {name: is_intensities(name, joined.data.uns) for name, joined in dataset.counts.items()}
    facts = (dataset.platform, dataset.n_sections)
    n_proteins = None
    if "adt" in dataset.counts:
        min_spots = recipe.settings("adt", *facts, is_intensities=intensities["adt"]).min_spots
        n_proteins = adt.panel_size(dataset.counts["adt"].counts, min_spots)
    return {name: recipe.settings(name, *facts, n_proteins, intensities[name]) for name in dataset.counts}


def _latents(
    name: str, joined: JoinedModality, settings: PreparationSettings, joining: SectionsSettings, seed: int
) -> anndata.AnnData:
    """Return one modality's latents, with their map back to features and the record of the steps."""
    if PRECOMPUTED in joined.data.obsm:
        return _precomputed(name, joined.data)
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
    loadings = None
    if components is not None:
        if settings.n_components > 0:
            record["steps"] += [{"step": "pca", "components": scores.shape[1], "centred": True}]
            record["variance_ratio"] = [round(float(fraction), 6) for fraction in components.variance_ratio]
        record["notes"] += [components.note] if components.note else []
        loadings = _loadings(prepared, components, joined.data.var_names)
    record["steps"] += [step] if step else []
    record["notes"] += [note] if note else []
    frozen = _frozen(prepared, components, joined.data.var_names, settings.n_components == 0)
    return modality_latents(name, joined.data.obs_names, corrected, record, frozen, loadings)


def _precomputed(name: str, data: anndata.AnnData) -> anndata.AnnData:
    """Return the latents of a modality from its section file, unchanged and without loadings."""
    values = np.ascontiguousarray(data.obsm[PRECOMPUTED], dtype=np.float32)
    record = {
        "steps": [{"step": "precomputed", "obsm": str(data.uns[PRECOMPUTED])}],
        "n_spots": data.n_obs,
        "n_features_in": data.n_vars,
        "n_features": data.n_vars,
        "n_dims": values.shape[1],
        "notes": [],
    }
    return modality_latents(name, data.obs_names, values, record)


def _loadings(prepared: Prepared, components: PrincipalComponents, names: pd.Index) -> Loadings:
    """Return the map back to the features that vary."""
    varying = components.varying
    return Loadings(
        names[prepared.values.features[varying]], components.loadings, components.mean, prepared.divisors[varying]
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
