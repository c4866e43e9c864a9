"""The R package itself, where it is installed."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

from spatialweave.domains.mclust_r import mclust_r
from spatialweave.domains.mixture import tied_mixture

Clouds = Callable[..., tuple[np.ndarray, np.ndarray]]


@pytest.fixture(autouse=True)
def needs_mclust() -> None:
    """Skip where R or its package is absent."""
    program = shutil.which("Rscript")
    if program is None:
        pytest.skip("Rscript is not installed")
    if subprocess.run([program, "-e", "library(mclust)"], capture_output=True, check=False).returncode != 0:
        pytest.skip("the R package mclust is not installed")


def test_r_agrees_with_our_mixture_on_separate_clouds(clouds: Clouds) -> None:
    values, cloud = clouds(400, 6, 4, 4.0)
    found = mclust_r(values, 4, seed=1)
    assert adjusted_rand_score(cloud, found) == pytest.approx(1)
    assert adjusted_rand_score(tied_mixture(values, 4, seed=1).labels, found) == pytest.approx(1)


def test_many_dimensions_are_reduced_before_r_starts(clouds: Clouds) -> None:
    """Five clouds in 64 dimensions: mclust's own start on all of them leaves nearly every spot in one domain."""
    values, cloud = clouds(300, 64, 5, 1.0)
    assert adjusted_rand_score(cloud, mclust_r(values, 5, seed=1)) > 0.95
