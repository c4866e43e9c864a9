"""The metrics of one run of a method, from its files to the rows of metrics.csv."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pandas as pd

from spatialweave.domains.labels import check_embedding
from spatialweave.errors import InputError
from spatialweave.io.contract import read_h5ad
from spatialweave.io.dataset import read_dataset
from spatialweave.io.embeddings import training_record
from spatialweave.metrics.evaluate import evaluate

DOMAIN_COLUMNS = ("barcode", "section", "domain")
COLUMNS = ("dataset", "method", "seed", "clustering", "n_domains", "metric", "value")


def metrics_table(
    embedding_file: Path,
    domains_file: Path,
    latents_file: Path,
    graph_file: Path,
    clustering: str,
    coordinates_file: Path | None = None,
) -> pd.DataFrame:
    """The metrics of one run of a method as a tidy table.

    A metric that is undefined (silhouette of a single domain, agreement without labels) has no row. `n_domains` is the
    number of domains with at least one spot.

    Raises
    ------
    InputError
        When a file cannot be used, or the files are not of the same spots.
    """
    dataset = read_dataset(latents_file, graph_file, coordinates_file)
    if "spatial_connectivities" not in dataset.graphs:
        raise InputError(str(graph_file), "obsp has no 'spatial_connectivities'", fix="build the graph again")
    data = read_h5ad(embedding_file, "embedding")
    if not data.obs_names.equals(dataset.obs.index):
        raise InputError(
            str(embedding_file), f"its spots are not those of {latents_file}", fix="train again on these latents"
        )
    embedding = check_embedding(np.asarray(data.X), 1, str(embedding_file))
    domains = read_domains(domains_file, dataset.obs)
    record = training_record(data)
    method, seed = str(record["method"]), int(record["seed"])
    found = evaluate(dataset, embedding, domains, seed)
    facts = (dataset.name, method, seed, clustering, len(np.unique(domains)))
    return pd.DataFrame([(*facts, name, value) for name, value in found.items()], columns=list(COLUMNS))


def read_domains(path: Path, obs: pd.DataFrame) -> np.ndarray:
    """The domain of every spot of `obs` (columns barcode and section), as integers, whatever the order in the file."""
    try:
        with warnings.catch_warnings():
            # Lines with more cells than the header would lose them with no more than a warning.
            warnings.simplefilter("error", pd.errors.ParserWarning)
            table = pd.read_csv(path, dtype=str, keep_default_na=False, index_col=False)
    except (OSError, ValueError, pd.errors.ParserWarning) as error:
        raise InputError(str(path), f"is not a readable CSV file ({error})") from error
    missing = [column for column in DOMAIN_COLUMNS if column not in table]
    if missing:
        raise InputError(str(path), f"has no column '{missing[0]}'", "columns " + ", ".join(DOMAIN_COLUMNS))
    good = table["domain"].str.fullmatch(r"[1-9][0-9]{0,8}").to_numpy(dtype=bool)
    if not good.all():
        row = int(np.flatnonzero(~good)[0])
        raise InputError(
            f"{path}, line {row + 2}, column 'domain'", f"value '{table['domain'].iloc[row]}'", "a whole number from 1"
        )
    spots = pd.MultiIndex.from_frame(table[["section", "barcode"]])
    if not spots.is_unique:
        row = int(np.flatnonzero(spots.duplicated())[0])
        raise InputError(
            f"{path}, line {row + 2}",
            f"barcode '{table['barcode'].iloc[row]}' stands twice in its section",
            "each spot once",
        )
    wanted = pd.MultiIndex.from_frame(obs[["section", "barcode"]].astype(str))
    rows = spots.get_indexer(wanted)
    if (rows < 0).any():
        absent = obs["barcode"].astype(str).iloc[int(np.flatnonzero(rows < 0)[0])]
        raise InputError(
            str(path), f"{int((rows < 0).sum())} spots have no domain, the first is '{absent}'", "every spot"
        )
    if len(spots) > len(wanted):
        raise InputError(str(path), f"holds {len(spots)} spots, the latents {len(wanted)}", "the same spots")
    return table["domain"].to_numpy()[rows].astype(np.int64)
