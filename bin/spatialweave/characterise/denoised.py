"""Comparison of denoised and measured markers as classifiers of domains: ROC curves, purity and coverage."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from spatialweave.characterise.features import FeatureValues
from spatialweave.characterise.markers import MarkerTests
from spatialweave.characterise.rounding import short
from spatialweave.characterise.sources import LABEL, Characterised, CharacterisedRun
from spatialweave.characterise.split import SplitSpots
from spatialweave.domains.matching import FOUND_AGAIN, jaccard, match_classes, overlap_table
from spatialweave.domains.palette import MATCHED_SHARE
from spatialweave.io.contract import check_kind, readable
from spatialweave.io.embeddings import DENOISED_LATENT, TRAIN_AGAIN
from spatialweave.io.loadings import Loadings, read_loadings
from spatialweave.io.result_tables import ALL
from spatialweave.io.run_names import run_id
from spatialweave.io.stage_checks import check_same_spots
from spatialweave.results.runs import run_files
from spatialweave.sampling import random_subset

MARKERS = 3
"""Markers of each domain and modality that are compared: the best that the recipe of the denoising run kept."""

MOST_SPOTS = 50_000
"""In larger datasets a random subset of this size is compared."""

CURVE_POINTS = 40
"""Number of points of a curve in the table."""

FEWEST = 10
"""Curves need at least this many spots inside and outside."""

MEASURED, DENOISED = "measured", "denoised"

DOMAIN, HELD_OUT = "domain", "held out"
"""Truths to compare with: the domain in the run, or the domain of the nearest spots, found without the spot itself."""


@dataclass(frozen=True)
class Denoiser:
    """Run that denoises.

    Attributes
    ----------
    id
        E.g. ``smart.seed1``.
    recipe
        Recipe of its latents.
    """

    id: str
    path: Path
    recipe: str
    modalities: tuple[str, ...]


@dataclass(frozen=True)
class Truth:
    """Which spots belong to a domain by one definition; `known` marks the spots for which it is defined (both bool)."""

    inside: np.ndarray
    known: np.ndarray


def denoisers(files: Path, run: str, spots: Any) -> list[Denoiser]:
    """Return the run itself if it denoises; otherwise (e.g. for the consensus) the first such seed of each method.

    Parameters
    ----------
    spots
        Names of the dataset's spots; the files must have the same.
    """
    found: dict[str, Denoiser] = {}
    for path, method, seed, kind in run_files(files):
        if kind != "h5ad":
            continue
        denoiser = _denoiser(path, run_id(method, seed), spots)
        if denoiser is not None and denoiser.id == run:
            return [denoiser]
        if denoiser is not None:
            found.setdefault(method, denoiser)
    return list(found.values())


def _denoiser(path: Path, name: str, spots: Any) -> Denoiser | None:
    import h5py
    from anndata.io import read_elem

    with readable(path, ".h5ad"), h5py.File(path, "r") as file:
        uns = read_elem(file["uns"])
        check_kind(path, uns, "embedding")
        keys = [key for key in file["obsm"] if key.startswith(DENOISED_LATENT)] if "obsm" in file else []
        if not keys:
            return None
        check_same_spots(path, read_elem(file["obs"]).index, spots, TRAIN_AGAIN)
        recipe = str(uns["spatialweave"].get("recipe", ""))
        return Denoiser(name, path, recipe, tuple(key.removeprefix(DENOISED_LATENT) for key in keys))


def denoised_rows(
    files: Path,
    sources: Characterised,
    run: CharacterisedRun,
    tables: list[tuple[FeatureValues, MarkerTests]],
    split: SplitSpots,
    seed: int,
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return the rows of the tables DENOISED_AUC and DENOISED_CURVES of one run, for every run that denoises for it."""
    rows = random_subset(sources.dataset.n_spots, MOST_SPOTS, seed)
    truths = list(_truths(sources, run, split))
    areas: list[dict[str, Any]] = []
    curves: list[dict[str, Any]] = []
    for denoiser in denoisers(files, run.id, sources.dataset.obs.index):
        path = files / f"{denoiser.recipe}.latents.h5mu"
        loadings = read_loadings(path) if path.exists() else {}
        for table, tests in tables:
            if table.modality not in denoiser.modalities or table.modality not in loadings:
                continue
            measured = rows[table.present[rows]]
            latent = _latent(denoiser, table.modality)[measured]
            features = _best(tests, loadings[table.modality])
            for domain, numbers in features.items():
                values = _values(table, loadings[table.modality], latent, measured, numbers)
                facts = {"run": run.id, "denoised_by": denoiser.id, "modality": table.modality, "domain": domain + 1}
                for kind, truth in ((kind, of[domain]) for kind, of in truths if domain in of):
                    known = truth.known[measured]
                    inside = truth.inside[measured][known]
                    if min(inside.sum(), (~inside).sum()) < FEWEST:
                        continue
                    names = [table.names[number] for number in numbers]
                    compared = {source: part[known] for source, part in values.items()}
                    areas += _areas(facts | {"truth": kind}, names, compared, inside)
                    curves += _curves(facts | {"truth": kind}, compared, inside)
    return areas, curves


def _truths(sources: Characterised, run: CharacterisedRun, split: SplitSpots) -> Iterator[tuple[str, dict[int, Truth]]]:
    """Yield, by kind, the spots of each domain (from 0): of the run, of held-out spots, of the most similar label."""
    everywhere = np.ones(len(run.codes), dtype=bool)
    yield DOMAIN, {domain: Truth(run.codes == domain, everywhere) for domain in range(run.n_domains)}
    again = np.flatnonzero(split.found_again >= FOUND_AGAIN).tolist()
    yield HELD_OUT, {domain: Truth(split.codes == domain, split.codes >= 0) for domain in again}
    if LABEL not in sources.columns:
        return
    names, codes = np.unique(sources.columns[LABEL], return_inverse=True)
    codes = np.where(names[codes] == "", -1, codes)
    overlap = overlap_table(codes, len(names), run.codes, run.n_domains)
    indices = jaccard(overlap)
    like = {
        domain: int(label)
        for domain, label in enumerate(match_classes(overlap))
        if label >= 0 and indices[label, domain] >= MATCHED_SHARE
    }
    yield LABEL, {domain: Truth(codes == label, codes >= 0) for domain, label in like.items()}


def _latent(denoiser: Denoiser, modality: str) -> np.ndarray:
    import h5py

    with readable(denoiser.path, ".h5ad"), h5py.File(denoiser.path, "r") as file:
        return np.asarray(file["obsm"][DENOISED_LATENT + modality])


def _best(tests: MarkerTests, loadings: Loadings) -> dict[int, list[int]]:
    """Return, by domain (from 0), its best markers (feature numbers) that have loadings, best first."""
    kept = np.isin(np.array(tests.features, dtype=object), loadings.features.to_numpy())
    found = {}
    for domain in range(len(tests.found.sizes)):
        ranked = tests.ranked(domain)
        best = ranked[tests.is_marker[domain, ranked] & kept[ranked]][:MARKERS].tolist()
        if best:
            found[domain] = best
    return found


def _values(
    table: FeatureValues, loadings: Loadings, latent: np.ndarray, rows: np.ndarray, numbers: list[int]
) -> dict[str, np.ndarray]:
    """Return the values of features by source, spots x features."""
    positions = np.array([loadings.features.get_loc(table.names[number]) for number in numbers])
    measured = table.values[:, numbers].tocsr()[rows].toarray()
    return {MEASURED: measured, DENOISED: loadings.log_values(latent, positions)}


def _together(values: np.ndarray) -> np.ndarray:
    """Return one score of several markers: the mean of their standardised values."""
    apart = values.astype(np.float64) - values.mean(axis=0)
    return np.asarray((apart / np.maximum(apart.std(axis=0), 1e-12)).mean(axis=1))


def _areas(
    facts: dict[str, Any], names: list[str], values: dict[str, np.ndarray], inside: np.ndarray
) -> Iterator[dict[str, Any]]:
    from sklearn.metrics import roc_auc_score

    scores = {name: {source: part[:, at] for source, part in values.items()} for at, name in enumerate(names)}
    scores[ALL] = {source: _together(part) for source, part in values.items()}
    for name, by_source in scores.items():
        areas = {f"auc_{source}": short(float(roc_auc_score(inside, own))) for source, own in by_source.items()}
        yield facts | {"feature": name, "spots": len(inside), "inside": int(inside.sum()), **areas}


def _curves(facts: dict[str, Any], values: dict[str, np.ndarray], inside: np.ndarray) -> Iterator[dict[str, Any]]:
    """Yield points of the curves of the markers together, one per threshold above which a spot counts as enriched."""
    from sklearn.metrics import roc_curve

    n_inside, n_outside = int(inside.sum()), int((~inside).sum())
    for source, part in values.items():
        outside_found, inside_found, _ = roc_curve(inside, _together(part), drop_intermediate=False)
        enriched = (inside_found * n_inside + outside_found * n_outside).round().astype(np.int64)
        wanted = np.linspace(0, len(inside), CURVE_POINTS)
        chosen = np.unique(np.searchsorted(enriched, wanted).clip(max=len(enriched) - 1))
        for at in chosen[enriched[chosen] > 0].tolist():
            yield facts | {
                "values": source,
                "enriched": short(enriched[at] / len(inside)),
                "purity": short(float(inside_found[at])),
                "coverage": short(float(inside_found[at]) * n_inside / enriched[at]),
                "outside": short(float(outside_found[at])),
            }
