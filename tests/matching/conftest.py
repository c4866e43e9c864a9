"""Simulated pairs of sections, aligned, with an embedding's stand-in and the truth."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
import pytest
from scipy.spatial import cKDTree

from spatialweave import simulate


@dataclass(frozen=True)
class Pair:
    """Two aligned sections: embedding, aligned coordinates, true coordinates, domains; spacing of the coarser one."""

    embedding_a: np.ndarray
    embedding_b: np.ndarray
    points_a: np.ndarray
    points_b: np.ndarray
    true_a: np.ndarray
    true_b: np.ndarray
    domain_a: np.ndarray
    domain_b: np.ndarray
    spacing: float


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.fixture(scope="session")
def aligned_pair() -> Callable[..., Pair]:
    """A pair of the `pair` preset's tissue (weak signal) after an alignment that is 0.3 spots off."""

    @cache
    def build(pattern: str = "blocks", seed: int = 1, error: float = 0.3, **moving: Any) -> Pair:
        tissue = replace(simulate.SERIES["pair"].tissue, pattern=pattern)
        fixed = simulate.SimulatedSection("section1")
        usual: dict[str, Any] = {"rotation": 37.0, "shift": (5.0, -3.0), "cut": 0.15, "cut_angle": 20.0, "thin": 0.7}
        second = simulate.SimulatedSection("section2", **(usual | moving))
        sections = simulate.simulate_series(simulate.SectionSeries(tissue, (fixed, second)), seed)
        first, other = sections["section1"], sections["section2"]
        coordinates = [np.asarray(section["rna"].obsm["spatial"]) for section in (first, other)]
        true = [np.asarray(section["rna"].obsm["spatial_true"]) for section in (first, other)]
        truth = simulate.between(tissue, fixed, second)
        turn = np.random.default_rng(seed).uniform(0.0, 2.0 * np.pi)
        moved = coordinates[1] @ truth[:2, :2].T + truth[:2, 2] + error * np.array([np.cos(turn), np.sin(turn)])
        latents = np.hstack([_latents(first[name].X, other[name].X) for name in first])
        halves = np.split(latents, [len(coordinates[0])])
        # Each spot and its six nearest, which blurs as the embeddings of graph networks do.
        around = [cKDTree(points).query(points, 7)[1] for points in coordinates]
        embedding = [half[near].mean(axis=1) for half, near in zip(halves, around, strict=True)]
        domains = [section["rna"].obs["label"].to_numpy() for section in (first, other)]
        return Pair(*embedding, coordinates[0], moved, *true, *domains, max(1.0, second.spacing))

    return build


def _latents(counts_a, counts_b) -> np.ndarray:
    """20 components of the log-normalised counts of both sections together."""
    from sklearn.decomposition import PCA

    counts = np.vstack([counts_a.toarray(), counts_b.toarray()])
    depth = counts.sum(axis=1, keepdims=True)
    latents = PCA(20, random_state=0).fit_transform(np.log1p(counts / depth * np.median(depth)))
    return (latents / latents.std()).astype(np.float32)


@dataclass(frozen=True)
class Quality:
    """How matches compare with the truth (see :func:`quality`)."""

    right: float
    found: float
    wrongly_accepted: float


@pytest.fixture(scope="session")
def quality() -> Callable[..., Quality]:
    """Judge accepted pairs.

    right: fraction of the pairs that are within 1.5 spacings of each other in truth. found: fraction of the spots with
    a match that are accepted; a spot has one if a spot of the other section is within 1 spacing of its true
    coordinates, and where the spacings differ only the coarser section's spots are considered. wrongly_accepted:
    fraction of the spots without a match that are accepted.
    """

    def judge(pair: Pair, a: np.ndarray, b: np.ndarray) -> Quality:
        limit = pair.spacing * (1.0 + 1e-9)
        has_a = cKDTree(pair.true_b).query(pair.true_a)[0] <= limit
        has_b = cKDTree(pair.true_a).query(pair.true_b)[0] <= limit
        taken_a = np.isin(np.arange(len(has_a)), a)
        taken_b = np.isin(np.arange(len(has_b)), b)
        n_a, n_b = (np.median(cKDTree(points).query(points, 2)[0][:, 1]) for points in (pair.true_a, pair.true_b))
        judged = [(has_a, taken_a)] * int(n_a >= n_b - 1e-6) + [(has_b, taken_b)] * int(n_b >= n_a - 1e-6)
        found = np.concatenate([taken[has] for has, taken in judged])
        without = np.concatenate([taken_a[~has_a], taken_b[~has_b]])
        distance = np.linalg.norm(pair.true_a[a] - pair.true_b[b], axis=1)
        assert len(without) > 50
        return Quality(float((distance <= 1.5 * limit).mean()), float(found.mean()), float(without.mean()))

    return judge
