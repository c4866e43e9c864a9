"""Harmony: latents of several sections brought together, so that similar spots of different sections are close.

Spots are clustered softly on the unit sphere, with a penalty on clusters that hold few sections; within each cluster,
what a section adds to the latents is estimated by ridge regression and taken away (Korsunsky et al., Nature Methods
16:1289, 2019). harmonypy does the work; its defaults differ from those that SMART uses for several sections.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from spatialweave.preprocess.recipe import SectionsSettings

MIN_SPOTS = 30
"""Sections with fewer spots are too small to estimate what they add; also the mean number of spots in a cluster."""

MAX_CLUSTERS = 100
RIDGE = 1.0
CLUSTERING_STEPS = 200
CLUSTERING_TOLERANCE = 1e-5
TOLERANCE = 1e-4
"""As in harmony-pytorch, which SMART uses. harmonypy's own (4 steps, 1e-3, 1e-2) end long before sections mix."""


def correct(
    latent: np.ndarray, sections: np.ndarray, settings: SectionsSettings, seed: int
) -> tuple[np.ndarray, dict[str, Any] | None, str | None]:
    """Correct the latents of one modality by section; time and memory are linear in spots.

    Spots with a latent of zero (no counts at all) have no direction and stay zero. The correction is a shift of every
    spot by what its section adds to its clusters, so that the loadings still lead back to features, approximately.

    Parameters
    ----------
    latent
        float32, spots x dimensions.
    sections
        The section of each spot.

    Returns
    -------
    The corrected latents (float32), the step for the record and a note for the user. Where there is nothing to correct
    or it cannot be done, the latents as they were and no step; the note says why it could not be done.
    """
    names = np.unique(sections)
    if len(names) < 2 or not settings.harmony:
        return latent, None, None
    rows = np.flatnonzero(latent.any(axis=1))
    sizes = {str(name): int((sections[rows] == name).sum()) for name in names}
    smallest = min(sizes, key=lambda name: sizes[name])
    if sizes[smallest] < MIN_SPOTS:
        note = (
            f"the sections were not corrected by Harmony: section '{smallest}' has {sizes[smallest]} spots, and at "
            f"least {MIN_SPOTS} are needed"
        )
        return latent, None, note
    moved, rounds = _harmony(latent[rows], sections[rows], settings, seed)
    if not np.isfinite(moved).all():
        return latent, None, "the sections were not corrected: Harmony gave values that are not finite"
    corrected = latent.copy()
    corrected[rows] = moved
    step = {"step": "harmony", "sections": len(names), "theta": settings.theta, "rounds": rounds}
    return corrected, step, None


def _harmony(latent: np.ndarray, sections: np.ndarray, settings: SectionsSettings, seed: int) -> tuple[np.ndarray, int]:
    """The corrected latents (float32), and the rounds that it took."""
    import harmonypy

    result = harmonypy.run_harmony(
        # Dimensions x spots: a matrix with as many of one as of the other would otherwise be taken for the transpose.
        latent.T,
        {"section": sections},
        "section",
        theta=settings.theta,
        lamb=RIDGE,
        nclust=min(MAX_CLUSTERS, len(latent) // MIN_SPOTS),
        max_iter_harmony=settings.rounds,
        max_iter_kmeans=CLUSTERING_STEPS,
        epsilon_cluster=CLUSTERING_TOLERANCE,
        epsilon_harmony=TOLERANCE,
        verbose=False,
        random_state=seed,
        ncores=1,
    )
    return np.asarray(result.Z_corr, dtype=np.float32), len(result.kmeans_rounds)
