"""Latents of new sections as a saved model makes them of counts: nothing is fitted to the sections but their shift."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

from spatialweave.errors import InputError
from spatialweave.io.contract import MEASURED, PRECOMPUTED, TRUE_SPATIAL, join_modalities, stamp
from spatialweave.io.count_matrix import to_csr
from spatialweave.io.notices import warn
from spatialweave.io.saved_model import AGAIN, SavedModel
from spatialweave.modalities import MODALITY_KINDS
from spatialweave.preprocess.common_features import columns_among
from spatialweave.preprocess.frozen import FROZEN, PCA, FrozenPreparation, frozen_uns
from spatialweave.preprocess.harmony import MIN_SPOTS
from spatialweave.preprocess.join import JoinedModality, join_sections, write_joined
from spatialweave.preprocess.new_sections import ReferenceClusters

if TYPE_CHECKING:
    import anndata
    import mudata
    import pandas as pd

FEWEST = 0.5
"""Sections that have a smaller fraction of the features behind the model's latents are refused."""

NOTABLE = 0.9
"""A smaller fraction than that causes a warning."""


def preprocess_by_model(sections: Sequence[Path], model: SavedModel, counts_path: Path | None = None) -> mudata.MuData:
    """Turn the raw counts of new sections into latents as those of the model's dataset were made.

    Parameters
    ----------
    sections
        Section files, in the order of the stack.
    counts_path
        Where to write the joined raw counts.

    Raises
    ------
    InputError
        When the sections lack a modality of the model or too many of its features, or were measured otherwise.
    """
    dataset = join_sections(sections)
    facts = {"dataset": dataset.dataset, "platform": dataset.platform.name, "layout": dataset.layout}
    _check_platform(model, facts)
    preparations = frozen_preparations(model)
    missing = [name for name in preparations if name not in dataset.counts]
    if missing:
        found = f"no section has the modality '{missing[0]}'"
        raise InputError(f"dataset '{dataset.dataset}'", found, "all of " + ", ".join(preparations))
    for name in [name for name in dataset.counts if name not in preparations]:
        warn(f"modality {name}", f"is left out: the model knows {', '.join(preparations)}")
    if counts_path is not None:
        write_joined(dataset, counts_path)
    correct = bool(model.description["correct_sections"])
    latent = {name: _latent(name, dataset.counts[name], frozen, model) for name, frozen in preparations.items()}
    uns = {"spatialweave": stamp("latents", recipe=str(model.description["recipe"]), harmony=correct, **facts)}
    latents = join_modalities(latent, dataset.obs, dataset.coordinates, uns)
    if dataset.true_coordinates is not None:
        latents.obsm[TRUE_SPATIAL] = dataset.true_coordinates
    return latents


def frozen_preparations(model: SavedModel) -> dict[str, FrozenPreparation]:
    """How the model makes latents, by modality."""
    found = {}
    for name, plain in model.description["modalities"].items():
        where = f"{model.where}, modality {name}"
        if name not in MODALITY_KINDS or not isinstance(plain, dict):
            raise InputError(where, "is not a modality that is known here", ", ".join(MODALITY_KINDS), AGAIN)
        try:
            found[name] = FrozenPreparation.of_parts(plain, model.part(f"preprocess.{name}"))
        except ValueError as error:
            raise InputError(where, f"cannot be used ({error})", "what --save_model wrote", AGAIN) from error
    if not found:
        raise InputError(str(model.where), "knows no modality", "at least one", AGAIN)
    return found


def known_counts(
    modality: str, frozen: FrozenPreparation, counts: sparse.csr_matrix, names: pd.Index
) -> tuple[sparse.csr_matrix, list[str]]:
    """The counts of the features that a model knows, and these by its names; as :func:`known_features` says."""
    pick, known = known_features(modality, frozen, names)
    return to_csr(counts @ pick), known


def known_features(modality: str, frozen: FrozenPreparation, names: pd.Index) -> tuple[sparse.csr_matrix, list[str]]:
    """What counts are multiplied by to have the features that a model knows, and these by its names.

    Several features that mean one are summed.

    Raises
    ------
    InputError
        When too few of the features behind the latents are there.
    """
    import pandas as pd

    known = pd.Index(dict.fromkeys([*frozen.features, *frozen.detected]), dtype=object)
    columns = columns_among(modality, known, names)
    there = np.unique(columns[columns >= 0])
    shared = float(np.isin(np.arange(len(frozen.features)), there).mean())
    if shared < FEWEST:
        examples = "; ".join(f"{who} '{own[0]}'" for who, own in (("there", names), ("in the model", known)))
        raise InputError(
            f"modality {modality}",
            f"has {shared:.0%} of the {len(frozen.features)} features behind the model's latents (e.g. {examples})",
            f"at least {FEWEST:.0%}",
            "give features the names that the model's dataset has",
        )
    if shared < NOTABLE:
        text = f"has {shared:.0%} of the {len(frozen.features)} features behind the model's latents"
        warn(f"modality {modality}", f"{text}; the others take their mean there")
    place = np.full(len(known), -1, dtype=np.int64)
    place[there] = np.arange(len(there))
    kept = np.flatnonzero(columns >= 0)
    pick = sparse.csr_matrix(
        (np.ones(len(kept), np.float32), (kept, place[columns[kept]])), shape=(len(columns), len(there))
    )
    return pick, known[there].tolist()


def _check_platform(model: SavedModel, facts: dict[str, str]) -> None:
    """Warn of a platform that the model has not seen: counts of another one differ in more than depth."""
    for fact in ("platform", "layout"):
        own = str(model.description[fact])
        if facts[fact] != own:
            warn(f"dataset '{facts['dataset']}'", f"its {fact} is {facts[fact]}, and that of the model {own}")
            return


def _latent(name: str, joined: JoinedModality, frozen: FrozenPreparation, model: SavedModel) -> anndata.AnnData:
    import anndata
    import pandas as pd

    data = joined.data
    if PRECOMPUTED in data.uns or PRECOMPUTED in data.obsm:
        raise InputError(f"modality {name}", "is declared as precomputed", "raw counts or intensities, as the model's")
    measured = str(data.uns.get(MEASURED, MODALITY_KINDS[name].values))
    wanted = str(model.description["modalities"][name].get("measured"))
    if measured != wanted:
        raise InputError(f"modality {name}", f"holds {measured}", f"{wanted}, as the model's dataset")
    pick, names = known_features(name, frozen, data.var_names)
    # Each spot's latents are made of its own counts alone.
    blocks = (to_csr(block @ pick) for block in joined.counts.blocks())
    scores = np.concatenate([frozen.latents(*frozen.transformed(block, names)) for block in blocks])
    record: dict[str, Any] = {
        "steps": [
            {"step": "saved_model", "dataset": str(model.description["dataset"]), "features": len(frozen.features)}
        ],
        "n_spots": len(scores),
        "n_features_in": data.n_vars,
        "n_features": len(set(names).intersection(frozen.features)),
        "n_dims": scores.shape[1],
        "notes": [],
    }
    clusters = clusters_of(model, name, frozen.n_dims)
    if clusters is not None:
        scores = _corrected(scores, joined.sections, clusters, record)
    latent = anndata.AnnData(obs=pd.DataFrame(index=data.obs_names), obsm={"X_latent": scores})
    if frozen.projection == PCA:
        divisors = _divisors(frozen)
        var = pd.DataFrame({"mean": frozen.mean, "scale": divisors}, index=pd.Index(frozen.features, dtype=object))
        loadings = np.ascontiguousarray(frozen.matrix, dtype=np.float32)
        latent = anndata.AnnData(obs=latent.obs, var=var, obsm=dict(latent.obsm), varm={"loadings": loadings})
    latent.uns[FROZEN] = frozen_uns(frozen)
    for line in record["notes"]:
        warn(f"modality {name}", line)
    latent.uns["preprocess"] = json.dumps(record, sort_keys=True)
    return latent


def _divisors(frozen: FrozenPreparation) -> np.ndarray:
    """What features were divided by after the logarithm, if they were."""
    last = frozen.operations[-1] if frozen.operations else None
    if last is None or last.name != "columns" or len(frozen.operations) == 1:
        return np.ones(len(frozen.features))
    return np.divide(1.0, last.numbers, out=np.ones(len(last.numbers)), where=last.numbers != 0)


def clusters_of(model: SavedModel, name: str, n_dims: int) -> ReferenceClusters | None:
    """The clusters of a modality's latents that new sections are brought to; None where they are not."""
    if not model.description["correct_sections"] or not model.description["modalities"][name].get("corrected"):
        return None
    centres = model.array(f"clusters.{name}.centres", None, n_dims)
    sizes = model.array(f"clusters.{name}.sizes", len(centres))
    return ReferenceClusters(centres, sizes, model.array(f"clusters.{name}.sums", len(centres), n_dims))


def _corrected(
    scores: np.ndarray, sections: np.ndarray, clusters: ReferenceClusters, record: dict[str, Any]
) -> np.ndarray:
    """Every section's shift taken away, as far as it has spots enough to tell; steps and notes go to the record."""
    scores = scores.copy()
    small = []
    for section in dict.fromkeys(sections.tolist()):
        rows = np.flatnonzero(sections == section)
        if len(rows) < MIN_SPOTS:
            small.append(f"'{section}' ({len(rows)} spots)")
            continue
        scores[rows] = clusters.corrected(scores[rows])
    record["steps"].append({"step": "sections_to_reference", "clusters": len(clusters.sizes)})
    if small:
        record["notes"].append(
            f"not brought to the reference, fewer than {MIN_SPOTS} spots: section {', '.join(small)}"
        )
    return scores
