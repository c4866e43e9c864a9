"""Latents of new sections from counts with a saved model; only the shift of each section is fitted."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

from spatialweave.errors import InputError
from spatialweave.io.contract import MEASURED, PRECOMPUTED
from spatialweave.io.count_matrix import to_csr
from spatialweave.io.notices import warn
from spatialweave.io.saved_model import AGAIN, SavedModel
from spatialweave.modalities import MODALITY_KINDS
from spatialweave.preprocess.common_features import columns_among
from spatialweave.preprocess.frozen import PCA, FrozenPreparation
from spatialweave.preprocess.harmony import MIN_SPOTS
from spatialweave.preprocess.join import JoinedModality, JoinedSections, join_sections, write_joined
from spatialweave.preprocess.latents import Loadings, modality_latents
from spatialweave.preprocess.new_sections import ReferenceClusters

if TYPE_CHECKING:
    import anndata
    import mudata
    import pandas as pd

FEWEST = 0.5
"""Sections with a smaller fraction of the features behind the model's latents are refused."""

NOTABLE = 0.9
"""Sections with a smaller fraction cause a warning."""


def preprocess_by_model(sections: Sequence[Path], model: SavedModel, counts_path: Path | None = None) -> mudata.MuData:
    """Turn the raw counts of new sections into latents in the same way as those of the model's dataset.

    Parameters
    ----------
    sections
        Section files, in the order of the stack.
    counts_path
        File for the joined raw counts.

    Raises
    ------
    InputError
        When the sections lack a modality of the model or too many of its features, or hold other kinds of values.
    """
    dataset = join_sections(sections)
    _check_platform(model, dataset)
    preparations = frozen_preparations(model)
    missing = [name for name in preparations if name not in dataset.counts]
    if missing:
        found = f"no section has the modality '{missing[0]}'"
        raise InputError(f"dataset '{dataset.dataset}'", found, "all of " + ", ".join(preparations))
    for name in [name for name in dataset.counts if name not in preparations]:
        warn(f"modality {name}", f"is left out: the model has only {', '.join(preparations)}")
    if counts_path is not None:
        write_joined(dataset, counts_path)
    latents = {name: _latents(name, dataset.counts[name], frozen, model) for name, frozen in preparations.items()}
    return dataset.latents(latents, str(model.description["recipe"]), bool(model.description["correct_sections"]))


def frozen_preparations(model: SavedModel) -> dict[str, FrozenPreparation]:
    """Return the model's preparation of latents for each modality."""
    preparations = {}
    for name, plain in model.description["modalities"].items():
        where = f"{model.where}, modality {name}"
        if name not in MODALITY_KINDS or not isinstance(plain, dict):
            raise InputError(where, "is not a known modality", ", ".join(MODALITY_KINDS), AGAIN)
        try:
            preparations[name] = FrozenPreparation.of_parts(plain, model.part(f"preprocess.{name}"))
        except ValueError as error:
            raise InputError(where, f"cannot be used ({error})", "content written by --save_model", AGAIN) from error
    if not preparations:
        raise InputError(str(model.where), "has no modality", "at least one", AGAIN)
    return preparations


def known_counts(
    modality: str, frozen: FrozenPreparation, counts: sparse.csr_matrix, names: pd.Index
) -> tuple[sparse.csr_matrix, list[str]]:
    """Return counts of the features that a model knows, and their names in the model; see :func:`known_features`."""
    pick, known = known_features(modality, frozen, names)
    return to_csr(counts @ pick), known


def known_features(modality: str, frozen: FrozenPreparation, names: pd.Index) -> tuple[sparse.csr_matrix, list[str]]:
    """Return the matrix that maps counts to the features that a model knows, and their names in the model.

    Several features that mean the same are summed.

    Raises
    ------
    InputError
        When too few of the features behind the latents are present.
    """
    import pandas as pd

    known = pd.Index(dict.fromkeys([*frozen.features, *frozen.detected]), dtype=object)
    columns = columns_among(modality, known, names)
    present = np.unique(columns[columns >= 0])
    shared = float(np.isin(np.arange(len(frozen.features)), present).mean())
    if shared < FEWEST:
        examples = f"'{names[0]}' in the sections, '{known[0]}' in the model"
        raise InputError(
            f"modality {modality}",
            f"has {shared:.0%} of the {len(frozen.features)} features behind the model's latents (e.g. {examples})",
            f"at least {FEWEST:.0%}",
            "name the features as in the model's dataset",
        )
    if shared < NOTABLE:
        text = f"has {shared:.0%} of the {len(frozen.features)} features behind the model's latents"
        warn(f"modality {modality}", f"{text}; the others are set to their mean in the model's dataset")
    place = np.full(len(known), -1, dtype=np.int64)
    place[present] = np.arange(len(present))
    kept = np.flatnonzero(columns >= 0)
    pick = sparse.csr_matrix(
        (np.ones(len(kept), np.float32), (kept, place[columns[kept]])), shape=(len(columns), len(present))
    )
    return pick, known[present].tolist()


def _check_platform(model: SavedModel, dataset: JoinedSections) -> None:
    """Warn of a platform other than the model's: its counts differ in more than depth."""
    for fact, own in (("platform", dataset.platform.name), ("layout", dataset.layout)):
        of_model = str(model.description[fact])
        if own != of_model:
            warn(f"dataset '{dataset.dataset}'", f"its {fact} is {own}, and that of the model {of_model}")
            return


def _latents(name: str, joined: JoinedModality, frozen: FrozenPreparation, model: SavedModel) -> anndata.AnnData:
    import pandas as pd

    data = joined.data
    if PRECOMPUTED in data.uns or PRECOMPUTED in data.obsm:
        raise InputError(f"modality {name}", "is declared as precomputed", "raw counts or intensities, as the model's")
    measured = str(data.uns.get(MEASURED, MODALITY_KINDS[name].values))
    wanted = str(model.description["modalities"][name].get("measured"))
    if measured != wanted:
        raise InputError(f"modality {name}", f"holds {measured}", f"{wanted}, as the model's dataset")
    pick, names = known_features(name, frozen, data.var_names)
    # Each spot's latents depend only on its own counts, so blocks can be transformed one by one.
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
    loadings = None
    if frozen.projection == PCA:
        matrix = np.ascontiguousarray(frozen.matrix, dtype=np.float32)
        loadings = Loadings(pd.Index(frozen.features, dtype=object), matrix, frozen.mean, _divisors(frozen))
    return modality_latents(name, data.obs_names, scores, record, frozen, loadings)


def _divisors(frozen: FrozenPreparation) -> np.ndarray:
    """Return the divisors of features after the logarithm; 1 if they were not scaled."""
    last = frozen.operations[-1] if frozen.operations else None
    if last is None or last.name != "columns":
        return np.ones(len(frozen.features))
    return np.divide(1.0, last.numbers, out=np.ones(len(last.numbers)), where=last.numbers != 0)


def clusters_of(model: SavedModel, name: str, n_dims: int) -> ReferenceClusters | None:
    """Return the clusters of a modality's latents to which new sections are corrected; None without correction."""
    if not model.description["correct_sections"] or not model.description["modalities"][name].get("corrected"):
        return None
    centres = model.array(f"clusters.{name}.centres", None, n_dims)
    sizes = model.array(f"clusters.{name}.sizes", len(centres))
    return ReferenceClusters(centres, sizes, model.array(f"clusters.{name}.sums", len(centres), n_dims))


def _corrected(
    scores: np.ndarray, sections: np.ndarray, clusters: ReferenceClusters, record: dict[str, Any]
) -> np.ndarray:
    """Remove the shift of every section that has enough spots to estimate it; add steps and notes to the record."""
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
            f"not corrected to the reference, fewer than {MIN_SPOTS} spots: section {', '.join(small)}"
        )
    return scores
