"""How many domains an embedding supports, where the user does not say."""

from __future__ import annotations

from typing import Any

import numpy as np

from spatialweave.domains.labels import check_embedding
from spatialweave.domains.mixture import tied_mixture

MAX_SPOTS = 5000
"""Above this the criterion is computed on a random subset: the number of domains needs no more, and 20 fits do."""

N_RANDOM = 1


def choose_n_domains(embedding: np.ndarray, max_domains: int, seed: int) -> tuple[int, list[dict[str, Any]]]:
    """The number of domains from 2 to `max_domains` with the highest ICL of the tied mixture; ties to the lower.

    ICL rather than BIC: embeddings of tissue are smooth, not Gaussian, and BIC keeps splitting one domain into
    overlapping components, which ICL's entropy term forbids.

    Returns
    -------
    The number, and one row per candidate with its n_domains, log_likelihood, bic and icl (higher is better).
    """
    values = check_embedding(embedding, 1)
    if len(values) > MAX_SPOTS:
        values = values[np.sort(np.random.default_rng(seed).choice(len(values), MAX_SPOTS, replace=False))]
    table = []
    for n_domains in range(min(2, len(values)), min(max_domains, len(values)) + 1):
        fit = tied_mixture(values, n_domains, seed, n_random=N_RANDOM)
        row = {"n_domains": n_domains, "log_likelihood": fit.log_likelihood, "bic": fit.bic, "icl": fit.icl}
        table.append(row)
        if fit.n_found < n_domains:
            # No more distinct groups of spots than that: larger numbers give empty domains only.
            break
    best = max(table, key=lambda row: (row["icl"], -row["n_domains"]))
    return int(best["n_domains"]), table
