"""The result of every reader: one matrix of a file, before any check of its values."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from spatialweave.errors import InputError

if TYPE_CHECKING:
    from scipy import sparse

    from spatialweave.io.stored_counts import Opener
    from spatialweave.io.tissue_image import TissueImage

Loader = Callable[[], "tuple[sparse.spmatrix | Opener, pd.DataFrame]"]


@dataclass
class Coordinates:
    """Coordinates (`values`: float64, spots x 2; NaN = unknown) of the spots `names`, and their source (`where`).

    `table` holds all columns of a table of coordinates, one row per spot. `global_by_name` is True if the names of the
    columns show that they are positions on the slide and not inside a field of view. `micrometres` is the length of a
    unit, if a file beside them gives it.
    """

    names: pd.Index
    values: np.ndarray
    where: str
    unit: str = "unknown"
    table: pd.DataFrame | None = None
    global_by_name: bool = False
    micrometres: float | None = None

    def at(self, rows: np.ndarray) -> Coordinates:
        """Return the coordinates of the spots at `rows` (positions)."""
        table = None if self.table is None else self.table.iloc[rows]
        return replace(self, names=self.names[rows], values=self.values[rows], table=table)


@dataclass
class Measurement:
    """One matrix of a file, not yet checked.

    Attributes
    ----------
    where
        The file (and the part of it), for messages.
    obs
        One row per spot, index = barcodes.
    slots
        Slots that may hold raw counts, in the order in which they are searched: slot name -> function that returns the
        matrix (spots x features), or an opener of it to read by blocks, and the table of its features. Loading is
        deferred so that only the slot in use is in memory.
    layers
        Further matrices of the same features that the user may name, by the names of their layers.
    frames
        Loads tables of its spots that have names of columns, and may be another modality, by their obsm keys.
    absent
        Slots that were searched and are not in the file, for messages.
    coordinates
        One row per row of `obs`.
    on_slide
        Positions on the slide, one row per row of `obs`, if the file holds them besides `coordinates`.
    libraries
        The libraries whose images or positions the file holds.
    modality
        Its modality, if the file names it; else it is found from ``feature_types`` of the features or the option.
    tables
        Loads a table of its spots (spots x columns) by the obsm key, in formats that have obsm.
    turned
        Returns the same matrix with its columns as spots, in formats that do not show which axis holds the spots.
    image
        Loads the image of the section with this name, None if there is none, in formats with images.
    """

    where: str
    obs: pd.DataFrame
    slots: dict[str, Loader]
    layers: dict[str, Loader] = field(default_factory=dict)
    frames: dict[str, Loader] = field(default_factory=dict)
    absent: list[str] = field(default_factory=list)
    coordinates: Coordinates | None = None
    on_slide: Coordinates | None = None
    libraries: tuple[str, ...] = ()
    modality: str | None = None
    platform: str | None = None
    rows: np.ndarray | None = None
    tables: Callable[[str], np.ndarray] | None = None
    turned: Callable[[], Measurement] | None = None
    image: Callable[[str], TissueImage | None] | None = None

    def keep(self, rows: np.ndarray) -> None:
        """Restrict the measurement to the spots at `rows` (positions, ascending)."""
        # Counts are read in the order of their file.
        assert (np.diff(rows) > 0).all()
        self.obs = self.obs.iloc[rows]
        self.coordinates = None if self.coordinates is None else self.coordinates.at(rows)
        self.on_slide = None if self.on_slide is None else self.on_slide.at(rows)
        self.rows = rows if self.rows is None else self.rows[rows]


@contextmanager
def reading(path: Path | str, what: str, fix: str = "write or copy the file again") -> Iterator[None]:
    """Turn any exception of a library that cannot read a file into an :class:`InputError`.

    Libraries raise exceptions of every kind on damaged files, so all are caught, except for a lack of memory.
    """
    try:
        yield
    except (InputError, MemoryError):
        raise
    except FileNotFoundError as error:
        raise InputError(str(path), "no such file or folder", what) from error
    except Exception as error:
        detail = " ".join(str(error).split())[:200] or type(error).__name__
        raise InputError(str(path), f"is not a readable {what} ({detail})", fix=fix) from error


def plain_names(names: Any, where: str, axis: str) -> pd.Index:
    """Return names as plain Python strings in an object index; missing or empty names are refused."""
    values = [plain_text(value) for value in np.asarray(names, dtype=object)]
    for position, value in enumerate(values):
        if not value.strip():
            raise InputError(where, f"{axis} {position + 1} has no name", "a name for each", "name it")
    return pd.Index(values, dtype=object)


def plain_text(value: Any) -> str:
    """Return a value as text, "" if it is missing; files can hold a list, a record or bytes per spot."""
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    return "" if pd.api.types.is_scalar(value) and pd.isna(value) else str(value).replace("\0", "")


UNWRITABLE = ("", ".", "_index")
"""Names of columns that are empty or have a special meaning in HDF5 or AnnData."""


def plain_frame(frame: pd.DataFrame, index: pd.Index) -> pd.DataFrame:
    """Return a copy of `frame` with only bool, integer, float and plain string columns, under `index`.

    Categories, nullable and Arrow-backed columns become plain (missing text is "", missing numbers are NaN), so that
    later stages and other versions of the libraries can read the file. Columns whose names cannot be written are left
    out.
    """
    columns: dict[str, np.ndarray] = {}
    for name, column in zip(frame.columns.astype(str), (frame.iloc[:, i] for i in range(frame.shape[1])), strict=True):
        key = name.replace("/", "_")
        if key in columns or key in UNWRITABLE:
            continue
        columns[key] = plain_column(column)
    return pd.DataFrame(columns, index=index)


def plain_column(column: pd.Series) -> np.ndarray:
    """Return the values of one column as bool, integer, float or plain strings ("" where missing)."""
    dtype = column.dtype
    if isinstance(dtype, np.dtype) and dtype.kind in "biuf":
        return column.to_numpy()
    if pd.api.types.is_bool_dtype(dtype) and not isinstance(dtype, pd.CategoricalDtype) and not column.hasnans:
        return column.to_numpy(dtype=bool)
    if pd.api.types.is_numeric_dtype(dtype):
        return column.to_numpy(dtype=np.float64, na_value=np.nan)
    return np.array([plain_text(value) for value in column.astype(object)], dtype=object)
