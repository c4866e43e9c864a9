"""The R package mclust in a subprocess; values and labels are exchanged as CSV files in a temporary folder."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np

from spatialweave.errors import InputError

SCRIPT = """\
args <- commandArgs(trailingOnly = TRUE)
if (!requireNamespace("mclust", quietly = TRUE)) quit(status = 3)
suppressPackageStartupMessages(library(mclust))
values <- as.matrix(read.csv(args[1], header = FALSE))
set.seed(as.integer(args[4]))
fit <- Mclust(values, G = as.integer(args[3]), modelNames = "EEE", verbose = FALSE)
if (is.null(fit)) quit(status = 4)
write.csv(data.frame(domain = fit$classification), args[2], row.names = FALSE)
"""
NO_PACKAGE, NO_FIT = 3, 4
N_COMPONENTS = 20
"""Number of principal components. In many dimensions mclust's own initial partition puts nearly all spots into one
domain; the methods' publications reduce to 20."""
WHERE = "--clustering mclust_r"
INSTEAD = "or use the clustering 'mclust', the same model without R"


def mclust_r(embedding: np.ndarray, n_domains: int, seed: int) -> np.ndarray:
    """Cluster the first 20 principal components by ``Mclust(modelNames = "EEE")``, with mclust's initial partition.

    Returns its labels (1..K).

    Raises
    ------
    InputError
        When Rscript or the package is not installed, when mclust cannot fit the model, or when R fails.
    """
    program = shutil.which("Rscript")
    if program is None:
        raise InputError(WHERE, "Rscript is not on the PATH", fix=f"install R with the package mclust, {INSTEAD}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        script, values, labels = folder / "fit.R", folder / "embedding.csv", folder / "labels.csv"
        script.write_text(SCRIPT, encoding="utf-8")
        np.savetxt(values, _components(embedding), delimiter=",", fmt="%.9g")
        command = [program, "--vanilla", str(script), str(values), str(labels), str(n_domains), str(seed)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode == NO_PACKAGE:
            raise InputError(WHERE, "the R package mclust is not installed", fix=f"install it in R, {INSTEAD}")
        if done.returncode == NO_FIT:
            raise InputError(WHERE, f"mclust found no EEE model with {n_domains} domains", fix=INSTEAD[3:])
        if done.returncode != 0:
            last = (done.stderr.strip().splitlines() or ["no message"])[-1]
            raise InputError(WHERE, f"R ended with code {done.returncode}: {last}", fix=f"repair R, {INSTEAD}")
        found = np.loadtxt(labels, delimiter=",", skiprows=1, dtype=np.float64, ndmin=1).astype(np.int64)
    if len(found) != len(embedding):
        raise InputError(WHERE, f"R gave {len(found)} labels for {len(embedding)} spots", fix=f"repair R, {INSTEAD}")
    return found


def _components(embedding: np.ndarray) -> np.ndarray:
    """Return the embedding's first 20 principal components, or the embedding itself if it has no more dimensions."""
    if min(embedding.shape) <= N_COMPONENTS:
        return embedding
    from sklearn.decomposition import PCA

    return np.asarray(PCA(N_COMPONENTS, svd_solver="full").fit_transform(embedding))
