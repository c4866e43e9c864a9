"""Harmony: correction of the latents of several sections, so that similar spots of different sections are close.

Spots are clustered softly on the unit sphere, with a penalty on clusters that hold few sections. Within each cluster,
the contribution of a section to the latents is estimated by ridge regression and removed (Korsunsky et al., Nature
Methods 16:1289, 2019). harmonypy does the computation; its defaults differ from those of SMART for several sections.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from spatialweave.preprocess.recipe import SectionsSettings

MIN_SPOTS = 30
"""Fewest spots of a section whose contribution can be estimated; also the mean number of spots in a cluster."""

MAX_CLUSTERS = 100
RIDGE = 1.0
CLUSTERING_STEPS = 200
CLUSTERING_TOLERANCE = 1e-5
TOLERANCE = 1e-4
"""Values of harmony-pytorch, used by SMART. Those of harmonypy (4 steps, 1e-3, 1e-2) stop long before sections mix."""


def correct(
    latent: np.ndarray, sections: np.ndarray, settings: SectionsSettings, seed: int
) -> tuple[np.ndarray, dict[str, Any] | None, str | None]:
    """Correct the latents of one modality by section; time and memory are linear in spots.

    Spots with a latent of zero (no counts at all) have no direction and stay zero. The correction shifts every spot by
    the contribution of its section to its clusters, so the loadings still map back to features approximately.

    Parameters
    ----------
    latent
        float32, spots x dimensions.
    sections
        The section of each spot.

    Returns
    -------
    The corrected latents (float32), the step for the record and a note for the user. If there is nothing to correct, or
    correction is not possible, the unchanged latents and no step; the note then gives the reason.
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
    """Return the corrected latents (float32), and the number of rounds."""
    import harmonypy

    result = harmonypy.run_harmony(
        # Dimensions x spots: otherwise harmonypy would transpose a square matrix.
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
