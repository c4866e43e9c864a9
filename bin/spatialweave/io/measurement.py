"""What every reader returns: one modality as a file holds it, before any check of its values."""

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
    """The coordinates (`values`: float64, spots x 2; NaN = unknown) of the spots `names`, and where they were read.

    `table` has what a table of coordinates says beside them, one row per spot; `global_by_name` says that by the names
    of their columns they are positions on the slide and not inside a field of view.
    """

    names: pd.Index
    values: np.ndarray
    where: str
    unit: str = "unknown"
    table: pd.DataFrame | None = None
    global_by_name: bool = False

    def at(self, rows: np.ndarray) -> Coordinates:
        """The coordinates of the spots at `rows` (positions)."""
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
        Where raw counts may be, in the order to look: slot name -> function that loads the matrix (spots x features),
        or what opens it to be read by blocks, and the table of its features. Loading is put off so that only the slot
        in use is ever in memory.
    layers
        Further matrices that may be named, by the names of their layers.
    absent
        Slots that were looked for and are not in the file, for messages.
    coordinates
        One row per row of `obs`.
    on_slide
        Likewise, positions on the slide, where the file holds such beside `coordinates`.
    libraries
        The libraries of which the file says that it holds images or positions.
    modality
        Its modality, where the file says so; else it is found from ``feature_types`` of the features or the option.
    tables
        Loads a table of its spots (spots x columns) by the obsm key, in formats that have such.
    turned
        Gives the same matrix with its columns as spots, in formats that do not say which are which.
    image
        Loads the image of the section of this name, None where there is none, in formats that have such.
    """

    where: str
    obs: pd.DataFrame
    slots: dict[str, Loader]
    layers: dict[str, Loader] = field(default_factory=dict)
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
    """Turn whatever a format's library raises on a file it cannot read into an :class:`InputError`.

    The libraries raise exceptions of every kind on damaged files, so all are meant; running out of memory is not.
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
    """Names as plain Python strings in an object index; missing or empty ones are refused."""
    values = [plain_text(value) for value in np.asarray(names, dtype=object)]
    for position, value in enumerate(values):
        if not value.strip():
            raise InputError(where, f"{axis} {position + 1} has no name", "a name for each", "name it")
    return pd.Index(values, dtype=object)


def plain_text(value: Any) -> str:
    """A value as text, "" where it is missing; files can hold a list, a record or bytes per spot."""
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    return "" if pd.api.types.is_scalar(value) and pd.isna(value) else str(value).replace("\0", "")


UNWRITABLE = ("", ".", "_index")
"""Names of columns that mean something else to HDF5 or AnnData, or nothing."""


def plain_frame(frame: pd.DataFrame, index: pd.Index) -> pd.DataFrame:
    """A copy of `frame` with bool, integer, float and plain string columns only, under `index`.

    Categories, nullable and Arrow-backed columns become plain ones (text: "" where missing; numbers: NaN), since
    later stages and other versions of the libraries must be able to read the file. Columns that cannot be written under
    their names are left out.
    """
    columns: dict[str, np.ndarray] = {}
    for name, column in zip(frame.columns.astype(str), (frame.iloc[:, i] for i in range(frame.shape[1])), strict=True):
        key = name.replace("/", "_")
        if key in columns or key in UNWRITABLE:
            continue
        columns[key] = plain_column(column)
    return pd.DataFrame(columns, index=index)


def plain_column(column: pd.Series) -> np.ndarray:
    """The values of one column as bool, integer, float or plain strings ("" where missing)."""
    dtype = column.dtype
    if isinstance(dtype, np.dtype) and dtype.kind in "biuf":
        return column.to_numpy()
    if pd.api.types.is_bool_dtype(dtype) and not isinstance(dtype, pd.CategoricalDtype) and not column.hasnans:
        return column.to_numpy(dtype=bool)
    if pd.api.types.is_numeric_dtype(dtype):
        return column.to_numpy(dtype=np.float64, na_value=np.nan)
    return np.array([plain_text(value) for value in column.astype(object)], dtype=object)
