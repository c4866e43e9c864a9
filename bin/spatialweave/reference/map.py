"""Labelling of new sections by a saved model: embedding, domains, and how much spots and sections differ from it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from spatialweave.domains.labels import check_embedding
from spatialweave.errors import InputError
from spatialweave.graphs.recipe import GraphRecipe
from spatialweave.io.dataset import Dataset, read_dataset
from spatialweave.io.joined_counts import read_joined_counts
from spatialweave.io.notices import warn
from spatialweave.io.result_table import TEXT
from spatialweave.io.result_tables import NAMES, OF_MODEL, REFERENCE
from spatialweave.io.saved_model import AGAIN, SavedModel
from spatialweave.io.spot_tables import domains_table
from spatialweave.method import Fitted, load_method, method_names
from spatialweave.preprocess.by_model import clusters_of, frozen_preparations
from spatialweave.reference.evidence import Evidence
from spatialweave.reference.evidence import evidence as evidence_of
from spatialweave.reference.gaussians import Gaussians
from spatialweave.reference.likeness import QUANTILES, UNLIKE, farthest, nearer
from spatialweave.reference.save import EMBEDDING, assigned, on_all, transformed
from spatialweave.reference.verdict import LIKE, SectionLikeness, section_likeness
from spatialweave.settings import configure_recorded
from spatialweave.training.run import describe_device, peak_memory, versions
from spatialweave.training.session import NOTHING_TRAINED

if TYPE_CHECKING:
    from spatialweave.training.run import Run

EXTRA = "reference"
"""obsm key of the table with every spot's probability of its domain and its unlikeness to the reference."""

PROBABILITY, UNLIKENESS = "probability", "unlikeness"


@dataclass
class Mapped:
    """New sections as labelled by a model.

    Attributes
    ----------
    fitted
        As from a training, with the table :data:`EXTRA` and the record.
    domains
        The table LABELLED.
    clustering
        A record as written by CLUSTER.
    sections
        How similar each section is to the reference.
    names
        Rows of the table of names, without the run.
    """

    dataset: Dataset
    fitted: Fitted
    domains: pd.DataFrame
    clustering: dict[str, Any]
    sections: list[SectionLikeness]
    names: list[dict[str, Any]]


@dataclass(frozen=True)
class ModalityEvidence:
    """What one modality says of the new spots.

    Attributes
    ----------
    rows
        Rows of the spots that have it.
    found
        How they compare with the reference.
    far
        bool, one per row: whether its latents are farther from the reference's domains than its own spots are.
    """

    rows: np.ndarray
    found: Evidence
    far: np.ndarray


def map_sections(model: SavedModel, latents: Path, counts: Path, graph: Path, run: Run) -> Mapped:
    """Embed the spots of new sections by a model's network, and assign them to its domains.

    Parameters
    ----------
    latents, counts, graph
        Files of the sections, made by the model's preprocessing and graph recipe.

    Raises
    ------
    InputError
        When the model cannot be used, or the files have other modalities.
    """
    dataset = read_dataset(latents, graph)
    method, config = _method(model)
    run.started = time.monotonic()
    fitted: Fitted = method.embed(dataset, config, run, model.part("state"))
    values = check_embedding(fitted.embedding, 1, "embedding")
    mixture = _gaussians(model, "mixture", values.shape[1])
    refine_rounds, names = domain_facts(model)
    domains, probability = assigned(mixture, values, dataset.spatial_graph(), refine_rounds)

    in_embedding = _gaussians(model, EMBEDDING, values.shape[1]).distance(values)
    unlikeness, evidence = _compared(model, dataset, counts, in_embedding)
    sections = [
        _likeness(section, rows, unlikeness, evidence, model.description["modalities"])
        for section, rows in dataset.section_rows().items()
    ]
    for one in sections:
        if one.verdict != LIKE:
            warn(f"dataset '{dataset.name}'", one.sentence(model.description["dataset"]))
    per_spot = {PROBABILITY: probability, UNLIKENESS: unlikeness}
    fitted.extras[EXTRA] = pd.DataFrame(per_spot, index=dataset.obs.index).astype(np.float32)
    fitted.record = _record(model, fitted, config, run)
    table = domains_table(dataset.obs, domains + 1).assign(
        **{name: column.round(6) for name, column in per_spot.items()}
    )
    clustering = {
        "dataset": dataset.name,
        "clustering": "reference",
        "seed": run.seed,
        "n_domains_asked": len(mixture.weights),
        "n_domains_clustered": len(np.unique(domains)),
        "n_domains": len(np.unique(domains)),
        "refine_rounds": refine_rounds,
        "sizes": np.bincount(domains, minlength=len(mixture.weights)).tolist(),
    }
    return Mapped(dataset, fitted, table, clustering, sections, names)


def _compared(
    model: SavedModel, dataset: Dataset, counts: Path, in_embedding: np.ndarray
) -> tuple[np.ndarray, dict[str, ModalityEvidence]]:
    """Compare the spots with the model's reference.

    Parameters
    ----------
    in_embedding
        Distance of each spot from the reference in the embedding.

    Returns
    -------
    The unlikeness of every spot, and the evidence of each modality.
    """
    distances, evidence = {EMBEDDING: in_embedding}, {}
    joined, _ = read_joined_counts(counts)
    for name, frozen in frozen_preparations(model).items():
        rows, matrix, known, graph, sections = transformed(name, frozen, joined, dataset)
        found = evidence_of(frozen, matrix, known, graph, sections, clusters_of(model, name, frozen.n_dims))
        reference = _gaussians(model, f"latent.{name}", found.latents.shape[1])
        distances[f"latent_{name}"] = on_all(reference.distance(found.latents - found.shift), rows, dataset.n_spots)
        distances[f"unexplained_{name}"] = on_all(found.variation.unexplained, rows, dataset.n_spots)
        far = nearer(reference.distance(found.latents), _quantiles(model, f"latent_{name}")) > UNLIKE
        evidence[name] = ModalityEvidence(rows, found, far)
    of_reference = {name: _quantiles(model, name) for name in distances}
    return nearer(farthest(distances, of_reference), _quantiles(model, "combined")), evidence


def _record(model: SavedModel, fitted: Fitted, config: Any, run: Run) -> dict[str, Any]:
    """Return the record of an embedding without training."""
    description = model.description
    source = {key: description[key] for key in ("dataset", "sections", "spots", "method", "spatialweave")}
    return {
        **NOTHING_TRAINED,
        **fitted.record,
        "method": REFERENCE,
        "preset": "",
        "config": asdict(config),
        "seed": run.seed,
        "device": describe_device(run),
        "seconds": round(time.monotonic() - run.started, 3),
        **peak_memory(run.device),
        "versions": versions(),
        "reference": source,
    }


def _likeness(
    section: str,
    rows: np.ndarray,
    unlikeness: np.ndarray,
    evidence: Mapping[str, ModalityEvidence],
    described: Mapping[str, Any],
) -> SectionLikeness:
    """Return the verdict on a section.

    Parameters
    ----------
    rows
        Rows of its spots.
    unlikeness
        Unlikeness of all spots.
    described
        Modality -> its description in the model.
    """
    explained, far, of_reference = {}, {}, {}
    for name, own in evidence.items():
        here = np.isin(own.rows, rows)
        expected = _number(described[name].get("shared")) * own.found.features
        like = np.flatnonzero(here & (unlikeness[own.rows] <= UNLIKE))
        explained[name] = own.found.variation.explained_fraction(like, expected)
        far[name] = float(own.far[here].mean()) if here.any() else 0.0
        of_reference[name] = _number(described[name].get("explained"))
        # A section without a modality is not judged on it.
        if not here.any():
            del explained[name]
    return section_likeness(section, unlikeness[rows], explained, of_reference, far)


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else np.nan


def _gaussians(model: SavedModel, name: str, n_dims: int) -> Gaussians:
    weights = model.array(f"{name}.weights", None)
    means = model.array(f"{name}.means", len(weights), n_dims)
    covariance = model.array(f"{name}.covariance", n_dims, n_dims)
    where = f"{model.where}, {name}"
    if not len(weights) or (weights < 0).any() or not np.isclose(weights.sum(), 1, atol=1e-6):
        raise InputError(f"{where}.weights", "are not fractions that sum to 1", "the weights of domains", AGAIN)
    try:
        np.linalg.cholesky(covariance)
    except np.linalg.LinAlgError as error:
        raise InputError(f"{where}.covariance", "is not positive definite", "a covariance", AGAIN) from error
    return Gaussians(weights, means, covariance)


def _quantiles(model: SavedModel, name: str) -> np.ndarray:
    values = model.array(f"calibration.{name}", QUANTILES)
    if (np.diff(values) < 0).any():
        raise InputError(f"{model.where}, calibration.{name}", "decreases", "quantiles in order", AGAIN)
    return values


def check_model(model: SavedModel) -> None:
    """Raise an InputError for a model that cannot be used, as far as this can be seen without spots.

    Raises
    ------
    InputError
        The message names the problem.
    """
    _method(model)
    preparations = frozen_preparations(model)
    domain_facts(model)
    configure_recorded(GraphRecipe, f"{model.where}, graph", model.description["graph"])
    number = model.description["domains"].get("number")
    n_classes = len(model.array("mixture.weights", None))
    if number != n_classes:
        expected = f"{n_classes}, those of the mixture"
        raise InputError(f"{model.where}, domains", f"number is {number!r}", expected, AGAIN)
    n_dims = model.array("mixture.means", n_classes, None).shape[1]
    for name in ("mixture", EMBEDDING):
        _gaussians(model, name, n_dims)
    for name in (EMBEDDING, "combined"):
        _quantiles(model, name)
    for name, frozen in preparations.items():
        clusters_of(model, name, frozen.n_dims)
        _gaussians(model, f"latent.{name}", frozen.n_dims)
        for kind in ("latent", "unexplained"):
            _quantiles(model, f"{kind}_{name}")


def _method(model: SavedModel) -> tuple[Any, Any]:
    """Return the method's module and its settings."""
    module = model.description["module"]
    if module not in method_names() or not hasattr(method := load_method(module), "embed"):
        problem = f"the method '{module}' cannot embed spots that it was not trained on"
        raise InputError(str(model.where), problem, "a model of a method that can", AGAIN)
    where = f"{model.where}, settings"
    return method, configure_recorded(method.Config, where, model.description["settings"])


def domain_facts(model: SavedModel) -> tuple[int, list[dict[str, Any]]]:
    """Return the rounds of refinement, and the rows of the table of names, with the columns of OF_MODEL."""
    described = model.description["domains"]
    where = f"{model.where}, domains"
    rounds, names = described.get("refine", 0), described.get("names", [])
    if type(rounds) is not int or not 0 <= rounds <= 100:
        raise InputError(where, f"refine is {rounds!r}", "0 to 100 rounds", AGAIN)
    columns = {column: NAMES.cells[column] for column in OF_MODEL}
    if not isinstance(names, list) or not all(isinstance(row, dict) and row.keys() == columns.keys() for row in names):
        raise InputError(where, "names are not rows of a table of names", ", ".join(columns), AGAIN)
    for row in names:
        for column, value in row.items():
            if not isinstance(value, str if columns[column] is TEXT else int | float):
                raise InputError(where, f"names have {value!r} as {column}", columns[column].expected, AGAIN)
    return rounds, names
