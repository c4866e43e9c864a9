"""Known domains of spots, used only for scoring; "" = unlabelled."""

from __future__ import annotations

import difflib
from pathlib import Path

import numpy as np
import pandas as pd

from spatialweave.errors import InputError
from spatialweave.io import tables
from spatialweave.io.cell_names import key_columns, matched_names, row_names
from spatialweave.io.column_names import BARCODE_NAMES, LABEL_NAMES
from spatialweave.io.measurement import plain_text
from spatialweave.io.notices import warn
from spatialweave.io.spot_names import no_match

UNLABELLED = ("", "nan", "na", "n/a", "<na>", "none", "null")
"""Texts (any case) that other programs write where a spot has no label."""


def check_labels(option: str, observations: dict[str, pd.DataFrame]) -> None:
    """Refuse labels that cannot be found, before any counts are read; arguments as in :func:`find_labels`."""
    if _is_table(option):
        _read_table(Path(option))
    elif _is_list(option):
        _read_list(Path(option))
    else:
        _holders(option, observations)


def find_labels(option: str, observations: dict[str, pd.DataFrame], spots: pd.Index) -> np.ndarray:
    """Return the labels of `spots`: from a table or list if `option` ends like one, or from the obs column `option`.

    Parameters
    ----------
    option
        Path of a table with the columns barcode and label, path of a .txt with one label per line, or the name of a
        column.
    observations
        The obs of each file, in the order of the file; files are searched in order.

    Returns
    -------
    Plain strings, one per spot; "" where unlabelled.
    """
    if _is_table(option):
        return _from_table(Path(option), observations, spots)
    if _is_list(option):
        return _from_list(Path(option), observations, spots)
    return _from_columns(option, observations, spots)


def clean(values: pd.Series) -> np.ndarray:
    """Convert labels to plain strings: missing labels become "", whole floats lose their ".0"."""
    if values.dtype.kind == "f":
        values = values.map(lambda value: "" if pd.isna(value) else f"{value:.15g}")
    texts = (plain_text(value).strip() for value in values.astype(object))
    return np.array(["" if text.lower() in UNLABELLED else text for text in texts], dtype=object)


def label_column(option: str) -> str:
    """Return the name of the column of labels: of obs, or of a text table with a single column beside the barcodes.

    "" for any other table, whose labels are in a column of :data:`~spatialweave.io.column_names.LABEL_NAMES`.
    """
    if _is_list(option) or (_is_table(option) and not Path(option).is_file()):
        return ""
    if not _is_table(option):
        return option
    header = tables.read_header(Path(option)) if tables.is_text_table(Path(option)) else []
    others = [name for name in header if name.lower() not in BARCODE_NAMES]
    return others[0] if len(others) == 1 else ""


def _is_table(option: str) -> bool:
    return option.lower().endswith((*tables.TEXT_SUFFIXES, ".parquet")) and not _is_list(option)


def _is_list(option: str) -> bool:
    """Return whether labels are in a list: a .txt whose first line does not name a column of barcodes among others."""
    if not option.lower().endswith((".txt", ".txt.gz")):
        return False
    path = Path(option)
    header = tables.read_header(path) if path.is_file() and path.stat().st_size else []
    return len(header) < 2 or not any(name and name.lower() in BARCODE_NAMES for name in header)


def _read_table(path: Path) -> tuple[pd.DataFrame, np.ndarray, str]:
    """Return a table under its barcodes, their labels, and the name of the column of labels."""
    tables.check_file(path, "a table with the columns barcode and label")
    table = tables.read_strings(path)
    keys = key_columns(path, table)
    others = [str(column) for column in table.columns if column not in keys]
    label = tables.find_column(path, table, LABEL_NAMES, required=len(others) != 1) or others[0]
    return table.set_axis(row_names(path, table)), clean(table[label]), label


def _from_table(path: Path, observations: dict[str, pd.DataFrame], spots: pd.Index) -> np.ndarray:
    table, labels, label = _read_table(path)
    names = matched_names(str(path), table, spots, observations.values())
    rows = names.get_indexer(spots)
    if (rows < 0).all():
        raise no_match(str(path), names, spots)
    unknown = int((~names.isin(spots)).sum())
    if unknown:
        warn(str(path), f"{unknown} of {len(names)} rows name no spot of the section and are left out")
    spot_labels = np.where(rows < 0, "", labels[rows])
    if not (spot_labels != "").any():
        raise InputError(f"{path}, column '{label}'", "holds no label", "the domain of at least one spot")
    return np.asarray(spot_labels, dtype=object)


def _read_list(path: Path) -> np.ndarray:
    """Return the labels of a list, one per line."""
    tables.check_file(path, "a list with one label per line")
    with tables.open_text(path) as stream:
        lines = stream.read().rstrip().splitlines()
    values = clean(pd.Series(lines, dtype=object))
    if not (values != "").any():
        raise InputError(str(path), "holds no label", "one label per line")
    return values


def _from_list(path: Path, observations: dict[str, pd.DataFrame], spots: pd.Index) -> np.ndarray:
    """Return labels from a list with one line per spot of a file, in its order or, if spots are numbers, by number."""
    values = _read_list(path)
    names = next((obs.index for obs in observations.values() if len(obs) == len(values)), None)
    fix = "write barcodes and labels to a CSV"
    if names is None:
        counts = " or ".join(str(n) for n in dict.fromkeys(len(obs) for obs in observations.values()))
        raise InputError(
            str(path), f"has {len(values)} lines", f"one per spot of a file of the section ({counts})", fix
        )
    if 1 < len(values) == len(set(values) - {""}):
        raise InputError(str(path), f"{len(values)} different labels in {len(values)} lines", "one label per line", fix)
    numbers = pd.to_numeric(pd.Series(names.to_numpy(dtype=object)), errors="coerce").to_numpy(dtype=float)
    if np.array_equal(np.sort(numbers), np.arange(len(numbers))):
        # Simulated spots are named by their line and may be stored in any order.
        values = values[numbers.astype(np.int64)]
    rows = names.get_indexer(spots)
    return np.asarray(np.where(rows < 0, "", values[rows]), dtype=object)


def _holders(column: str, observations: dict[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """Return the files whose obs has the column; at least one must have it."""
    holders = {where: obs for where, obs in observations.items() if column in obs.columns}
    if not holders:
        names = sorted({str(name) for obs in observations.values() for name in obs.columns})
        near = difflib.get_close_matches(column, names, n=3, cutoff=0.5) or names[:8]
        raise InputError(
            ", ".join(observations),
            f"obs has no column '{column}' for the labels",
            "one of its columns (" + (", ".join(f"'{name}'" for name in near) or "it has none") + ")",
            "name one of them, or give a CSV with the columns barcode and label",
        )
    return holders


def _from_columns(column: str, observations: dict[str, pd.DataFrame], spots: pd.Index) -> np.ndarray:
    labels = np.full(len(spots), "", dtype=object)
    source = np.full(len(spots), "", dtype=object)
    holders = _holders(column, observations)
    for where, obs in holders.items():
        rows = spots.get_indexer(obs.index)
        values = clean(obs[column])
        clash = (labels[rows] != "") & (values != "") & (labels[rows] != values)
        if clash.any():
            first = int(clash.argmax())
            raise InputError(
                f"{where}, obs column '{column}'",
                f"spot '{obs.index[first]}' is '{values[first]}' here, "
                f"'{labels[rows][first]}' in {source[rows][first]}",
                "one label per spot",
            )
        labelled = values != ""
        labels[rows[labelled]] = values[labelled]
        source[rows[labelled]] = where
    if not (labels != "").any():
        raise InputError(f"{next(iter(holders))}, obs column '{column}'", "holds no label", "the domains of spots")
    return labels
