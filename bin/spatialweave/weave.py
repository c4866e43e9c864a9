"""weave: the consensus domains of the runs of a dataset, read from their files and written as those of one more run."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from spatialweave.domains.consensus import Consensus, consensus
from spatialweave.io.dataset import Dataset, read_spots
from spatialweave.io.embeddings import MATCHED_RUNS
from spatialweave.io.notices import warn
from spatialweave.io.result_tables import WEAVE, WOVEN
from spatialweave.io.run_names import run_id
from spatialweave.io.spot_tables import domains_table, read_domains_of_runs
from spatialweave.training.run import peak_memory, versions
from spatialweave.training.session import NOTHING_TRAINED

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Woven:
    """Consensus of a dataset's runs, in the form of its files.

    Attributes
    ----------
    dataset
        The dataset, for its spots.
    embedding
        float32, spots x dimensions: the spectral embedding of the consensus.
    table
        The domains with their confidence (table :data:`~spatialweave.io.result_tables.WOVEN`).
    per_spot
        Further tables by obsm key: ``confidence``, ``support`` and the domains of all runs under the consensus's
        numbers.
    record
        Record in place of a training record.
    """

    dataset: Dataset
    embedding: np.ndarray
    table: pd.DataFrame
    per_spot: dict[str, pd.DataFrame]
    record: dict[str, Any]


def weave(domain_files: Sequence[Path], latents_file: Path, n_domains: int, seed: int) -> Woven:
    """Compute the consensus of the runs of a dataset.

    Parameters
    ----------
    domain_files
        One per run, named ``<method>.seed<k>.domains.csv``.
    latents_file
        Latents of the dataset, for its spots.

    Raises
    ------
    InputError
        When a file cannot be used, has other spots or is given twice, or there are fewer than three files.
    """
    started = time.monotonic()
    dataset = read_spots(latents_file)
    domains = read_domains_of_runs(domain_files, dataset.obs)
    runs = [run_id(*run) for run in domains]
    result = consensus(list(domains.values()), n_domains, seed)
    if result.by_vote:
        found = "the runs agree more with each other than with their spectral consensus"
        warn("consensus", f"{found}, as where domains differ much in size: it is their plurality vote instead")
    table, per_spot = spot_tables(dataset.obs, runs, result)
    record = {
        **NOTHING_TRAINED,
        "method": WEAVE,
        "preset": "",
        "config": {"n_domains": n_domains, "runs": ", ".join(runs), "by_vote": result.by_vote},
        "consensus_of": dict(zip(runs, np.round(agreement_of_runs(result), 4).tolist(), strict=True)),
        "seed": seed,
        "device": "cpu",
        "seconds": round(time.monotonic() - started, 3),
        **peak_memory("cpu"),
        "versions": versions(),
    }
    return Woven(dataset, result.embedding.astype(np.float32), table, per_spot, record)


def agreement_of_runs(consensus: Consensus) -> np.ndarray:
    """Return, per run, the fraction of spots that it places in the domain of the consensus."""
    return np.asarray((consensus.matched == consensus.labels[:, None]).mean(axis=0))


def spot_tables(obs: pd.DataFrame, runs: list[str], found: Consensus) -> tuple[pd.DataFrame, dict[str, pd.DataFrame]]:
    """Return the table of domains, and the tables per spot that the embedding file holds besides the embedding.

    Parameters
    ----------
    obs
        The spots, with the columns barcode and section.
    runs
        Names of the runs, in the order of `found`.
    """
    import pandas as pd

    confidence = {"confidence": found.confidence, "agreement": found.agreement, "entropy": found.entropy}
    table = domains_table(obs, found.labels).assign(
        **{name: np.round(values, 4) for name, values in confidence.items()},
        next_domain=np.where(found.runner_up > 0, found.runner_up.astype(str), ""),
    )
    domains = [str(domain) for domain in range(1, found.support.shape[1] + 1)]
    per_spot = {
        "confidence": pd.DataFrame(confidence, index=obs.index, dtype=np.float32),
        "support": pd.DataFrame(found.support, obs.index, domains, dtype=np.float32),
        MATCHED_RUNS: pd.DataFrame(found.matched, obs.index, runs, dtype=np.int32),
    }
    return table[WOVEN.columns], per_spot
