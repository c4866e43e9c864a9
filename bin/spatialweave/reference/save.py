"""Saving of a trained run as a folder that labels new sections."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from spatialweave import __version__
from spatialweave.domains.labels import refine
from spatialweave.errors import InputError
from spatialweave.io.contract import DONOR, MEASURED, read_h5mu
from spatialweave.io.dataset import Dataset, read_dataset
from spatialweave.io.embeddings import read_embedding, training_record
from spatialweave.io.files import read_json
from spatialweave.io.graph_file import SPATIAL_GRAPH
from spatialweave.io.joined_counts import read_joined_counts
from spatialweave.io.result_tables import NAMES, OF_MODEL
from spatialweave.io.run_names import run_of_file
from spatialweave.io.spot_tables import read_domains
from spatialweave.modalities import MODALITY_KINDS
from spatialweave.preprocess.by_model import known_counts
from spatialweave.preprocess.frozen import FEATURES, FrozenPreparation, read_frozen
from spatialweave.preprocess.new_sections import ReferenceClusters, reference_clusters
from spatialweave.reference.evidence import evidence, held_out_variation
from spatialweave.reference.gaussians import Gaussians, gaussians, weighted_gaussians
from spatialweave.reference.likeness import farthest, held_out_distances, held_out_groups, quantiles

if TYPE_CHECKING:
    import mudata
    import pandas as pd
    from scipy import sparse

EM_STEPS = 500
CONVERGED = 1e-9
"""EM ends when no probability changes by more than this."""

EMBEDDING = "embedding"
"""Name of the embedding among the distances from a reference."""


@dataclass(frozen=True)
class RunFiles:
    """Files of one run, by the stages that wrote them."""

    latents: Path
    counts: Path
    graph: Path
    embedding: Path
    domains: Path
    clustering: Path
    state: Path
    names: Path | None = None


def model_of(files: RunFiles, module: str) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Build the description and the arrays of a model (:mod:`spatialweave.io.saved_model`).

    Parameters
    ----------
    module
        The method's module.

    Raises
    ------
    InputError
        When a file cannot be used, the files are not from one run, or latents cannot be computed from other counts.
    """
    dataset = read_dataset(files.latents, files.graph, graphs=[SPATIAL_GRAPH])
    latents = read_h5mu(files.latents, "latents")
    embedding = read_embedding(files.embedding, dataset.obs.index, keys=(), spots_of=str(files.latents))
    counts, _ = read_joined_counts(files.counts)
    domains = read_domains(files.domains, dataset.obs)
    clustering = read_json(files.clustering)
    training = training_record(embedding)
    values = np.asarray(embedding.X, dtype=np.float64)

    mixture, agreement = frozen_mixture(values, domains - 1, dataset, clustering)
    spots = dataset.obs
    groups = held_out_groups(spots["section"].to_numpy().astype(str), _donors(counts, spots.index), dataset.coordinates)
    n_domains = int(domains.max())
    distances = {EMBEDDING: held_out_distances(values, domains - 1, n_domains, groups)}
    # New spots are assigned by the mixture, but their distances are to the domains, as those of the reference's spots.
    arrays = _arrays("mixture", mixture) | _arrays(EMBEDDING, gaussians(values, domains - 1, n_domains))
    arrays |= {f"state.{name}": value for name, value in _state(files.state).items()}
    modalities: dict[str, Any] = {}
    inputs = _Inputs(dataset, counts, domains - 1, groups, int(training["seed"]))
    correct = bool(latents.uns["spatialweave"].get("harmony", False))
    for name, part in latents.mod.items():
        frozen = read_frozen(f"{files.latents}, modality {name}", part.uns)
        clusters = reference_clusters(np.asarray(part.obsm["X_latent"]), inputs.seed)
        described, own_arrays, own_distances = _modality(name, frozen, clusters, inputs, correct)
        modalities[name] = described
        arrays |= own_arrays
        distances |= own_distances
    of_reference = {name: quantiles(one) for name, one in distances.items()}
    arrays |= {f"calibration.{name}": one for name, one in of_reference.items()}
    arrays["calibration.combined"] = quantiles(farthest(distances, of_reference))
    description = {
        "spatialweave": __version__,
        "method": str(training["method"]),
        "module": module,
        "preset": str(training.get("preset", "")),
        "settings": training["config"],
        "seed": int(training["seed"]),
        "dataset": dataset.name,
        "sections": dataset.sections,
        "spots": dataset.n_spots,
        "platform": dataset.platform,
        "layout": dataset.layout,
        "recipe": dataset.recipe,
        "graph": dataset.graph_recipe,
        "correct_sections": correct,
        "modalities": modalities,
        "domains": {
            "number": n_domains,
            "sizes": np.bincount(domains, minlength=n_domains + 1)[1:].tolist(),
            "names": _names(files.names, run_of_file(files.domains, ".domains.csv")),
            "clustering": str(clustering.get("clustering", "")),
            "refine": int(clustering.get("refine_rounds", 0)),
            "agreement": agreement,
        },
        "training": {"receptive_field": training.get("receptive_field", {}), "epochs": training.get("epochs", 0)},
    }
    return description, arrays


def _donors(counts: mudata.MuData, spots: pd.Index) -> np.ndarray:
    """Return the donor of every spot as text, "" where the samplesheet names none."""
    if DONOR not in counts.obs:
        return np.full(len(spots), "")
    return counts.obs[DONOR].reindex(spots).astype(object).fillna("").to_numpy().astype(str)


@dataclass(frozen=True)
class _Inputs:
    """What the references of all modalities are computed from.

    Attributes
    ----------
    domains
        From 0, one per spot.
    groups
        The group of each spot that is held out with it.
    """

    dataset: Dataset
    counts: mudata.MuData
    domains: np.ndarray
    groups: np.ndarray
    seed: int


def _modality(
    name: str, frozen: FrozenPreparation, clusters: ReferenceClusters | None, inputs: _Inputs, correct: bool
) -> tuple[dict[str, Any], dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Return a modality's description, arrays, and distances of all spots from the reference.

    Parameters
    ----------
    correct
        Whether the latents were corrected for differences between sections; those of new sections are, too.
    """
    n_spots, n_domains = inputs.dataset.n_spots, int(inputs.domains.max()) + 1
    rows, matrix, present, graph, sections = transformed(name, frozen, inputs.counts, inputs.dataset)
    domains, groups = inputs.domains[rows], inputs.groups[rows]
    found = evidence(frozen, matrix, present, graph, sections, clusters if correct else None)
    latents = found.latents - found.shift
    variation = found.variation
    if frozen.projection != FEATURES:
        variation = held_out_variation(frozen, matrix, graph, sections, groups, inputs.seed)
    plain, own_arrays = frozen.parts()
    description = {
        **plain,
        "measured": str(inputs.counts.mod[name].uns.get(MEASURED, MODALITY_KINDS[name].values)),
        "explained": _known(variation.explained_fraction()),
        "shared": _known(variation.per_spot),
        "corrected": clusters is not None,
    }
    arrays = {f"preprocess.{name}.{key}": value for key, value in own_arrays.items()}
    if clusters is not None:
        arrays |= {f"clusters.{name}.{key}": value for key, value in vars(clusters).items()}
    arrays |= _arrays(f"latent.{name}", gaussians(latents, domains, n_domains))
    distances = {
        f"latent_{name}": on_all(held_out_distances(latents, domains, n_domains, groups), rows, n_spots),
        f"unexplained_{name}": on_all(variation.unexplained, rows, n_spots),
    }
    return description, arrays, distances


def frozen_mixture(
    values: np.ndarray, domains: np.ndarray, dataset: Dataset, clustering: Mapping[str, Any]
) -> tuple[Gaussians, float]:
    """Fit the mixture that assigns domains to new spots; also return the fraction of the run's spots it reproduces.

    For mclust the mixture is recovered by EM from the domains; for other clusterings it consists of the Gaussians of
    their domains. The candidate that reproduces more spots is used. Refinement over neighbours is part of the
    assignment.

    Parameters
    ----------
    values
        The embedding, spots x dimensions.
    domains
        From 0, one per spot.
    """
    first = gaussians(values, domains, int(domains.max()) + 1)
    candidates = [first]
    if str(clustering.get("clustering", "")).startswith("mclust"):
        candidates.append(_em(values, first))
    rounds = int(clustering.get("refine_rounds", 0))
    graph = dataset.spatial_graph()
    returned = [float(np.mean(assigned(one, values, graph, rounds)[0] == domains)) for one in candidates]
    best = int(np.argmax(returned))
    return candidates[best], round(returned[best], 6)


def assigned(
    mixture: Gaussians, values: np.ndarray, graph: sparse.csr_matrix, rounds: int
) -> tuple[np.ndarray, np.ndarray]:
    """Assign every spot to a domain (from 0), and return its probability of being in it.

    Parameters
    ----------
    rounds
        Rounds of refinement by a vote of the neighbours; a spot that it moves gets the probability of its new domain.
    """
    probabilities = mixture.probabilities(values)
    domains = refine(probabilities.argmax(axis=1), graph, rounds)
    return domains, probabilities[np.arange(len(domains)), domains]


def _em(values: np.ndarray, mixture: Gaussians) -> Gaussians:
    before = mixture.probabilities(values)
    for _ in range(EM_STEPS):
        mixture = weighted_gaussians(values, before)
        after = mixture.probabilities(values)
        if np.abs(after - before).max() < CONVERGED:
            break
        before = after
    return mixture


def _known(number: float) -> float | None:
    return number if np.isfinite(number) else None


def transformed(
    name: str, frozen: FrozenPreparation, counts: mudata.MuData, dataset: Dataset
) -> tuple[np.ndarray, sparse.csr_matrix, np.ndarray, sparse.csr_matrix, np.ndarray]:
    """Return the inputs of the evidence of a modality: rows of its spots, values, features, graph, and sections."""
    part = counts.mod[name]
    rows = dataset.obs.index.get_indexer(part.obs_names)
    if (rows < 0).any():
        raise InputError(f"counts, modality {name}", "has spots that the latents lack", "files of one dataset")
    matrix, found = frozen.transformed(*known_counts(name, frozen, part.X.tocsr(), part.var_names))
    graph = dataset.spatial_graph()[rows][:, rows].tocsr()
    return rows, matrix, found, graph, dataset.obs["section"].to_numpy().astype(str)[rows]


def on_all(values: np.ndarray, rows: np.ndarray, n_spots: int) -> np.ndarray:
    """Return values of some spots for all spots, NaN for the others."""
    result = np.full(n_spots, np.nan)
    result[rows] = values
    return result


def _arrays(prefix: str, found: Gaussians) -> dict[str, np.ndarray]:
    return {f"{prefix}.{name}": value for name, value in vars(found).items()}


def _state(path: Path) -> dict[str, np.ndarray]:
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        return dict(load_file(path))
    except (SafetensorError, OSError, ValueError) as error:
        raise InputError(str(path), f"is not readable ({error})", "what train.py --state wrote") from error


def _names(path: Path | None, run: str) -> list[dict[str, Any]]:
    """Return the rows of the table of names for the domains that have one, with the columns of OF_MODEL."""
    if path is None:
        return []
    table = NAMES.read(path)
    own = table[(table["run"] == run) & table["named"]][OF_MODEL]
    # Through JSON, which has no numpy types.
    rows: list[dict[str, Any]] = json.loads(own.to_json(orient="records"))
    return rows
