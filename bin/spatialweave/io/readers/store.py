"""AnnData in HDF5 and zarr; only the required parts are read, each when it is needed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

from spatialweave.errors import InputError
from spatialweave.io.column_names import PLANES, parts_named
from spatialweave.io.contract import TRUE_SPATIAL
from spatialweave.io.coordinates import GLOBAL_KEYS, OBSM_KEYS, in_obs, in_obsm, on_slide
from spatialweave.io.feature_groups import TYPE_COLUMNS
from spatialweave.io.measurement import Loader, Measurement, plain_names, plain_text, reading
from spatialweave.io.readers import library_image
from spatialweave.io.stored_counts import Opener, is_by_blocks
from spatialweave.io.tissue_image import TissueImage

TRUE_COLUMNS = ("true_x", "true_y")
"""The obs columns that carry true coordinates from obsm to the section."""


def measure(where: str, open_group: Opener, modality: str | None = None) -> Measurement:
    """Return an AnnData group, opened by `open_group`, as a measurement; matrices are read only when needed.

    Raw counts are searched in layers['counts'], then raw, then X.
    """
    with open_group() as group:
        obs = read_frame(group["obs"], group.get("uns", {}))
        obs.index = plain_names(obs.index, where, "spot")
        stored = _tables(group)
        obsm = {key: read_table(stored[key]) for key in (*OBSM_KEYS, *GLOBAL_KEYS) if key in stored}
        if TRUE_SPATIAL in stored:
            obs = _with_true_coordinates(obs, _values(stored[TRUE_SPATIAL]))
        obs = _with_depth(obs, next((obsm[key] for key in OBSM_KEYS if key in obsm), None))
        # Versions of anndata before 0.7 call the elements of raw "raw.X" and "raw.var".
        raw = ("raw.X", "raw.var") if "raw.X" in group else ("raw/X", "raw/var")
        candidates = {"layers['counts']": ("layers/counts", "var"), "raw": raw, "X": ("X", "var")}
        libraries = _libraries(group)
        frames = [key for key in stored if key not in obsm and _is_frame(stored[key])]
        layers = [name for name in group.get("layers", {}) if name != "counts"]
        present = {slot: paths for slot, paths in candidates.items() if paths[0] in group and paths[1] in group}
    coordinates = in_obsm(obsm, obs.index, where) or in_obs(obs, where)
    return Measurement(
        where,
        obs,
        slots={slot: _loader(open_group, len(obs), *paths) for slot, paths in present.items()},
        layers={name: _loader(open_group, len(obs), f"layers/{name}", "var") for name in layers},
        frames={key: _frame_loader(open_group, len(obs), key) for key in frames},
        absent=[slot for slot in candidates if slot not in present],
        coordinates=coordinates,
        on_slide=on_slide(obsm, obs, where),
        libraries=libraries,
        modality=modality,
        tables=_table_loader(open_group, where),
        image=_image_loader(open_group, where) if libraries else None,
    )


def _table_loader(open_group: Opener, where: str) -> Callable[[str], np.ndarray]:
    def load(key: str) -> np.ndarray:
        with open_group() as group:
            stored = _tables(group)
            if key not in stored:
                raise InputError(where, f"has no obsm['{key}']", "one of " + (", ".join(sorted(stored)) or "none"))
            return _values(stored[key])

    return load


def _tables(group: Any) -> Mapping[str, Any]:
    """Return the tables of obsm by their keys; anndata before 0.7 stored them as the fields of one array of records."""
    stored = group.get("obsm", {})
    names = getattr(getattr(stored, "dtype", None), "names", None)
    return {name: stored[name] for name in names} if names else stored


def _image_loader(open_group: Opener, where: str) -> Callable[[str], TissueImage | None]:
    def load(section: str) -> TissueImage | None:
        with reading(where, "image in uns['spatial']"), open_group() as group:
            return library_image.in_uns(where, group["uns"]["spatial"], section)

    return load


def _with_true_coordinates(obs: pd.DataFrame, coordinates: np.ndarray) -> pd.DataFrame:
    """Add true coordinates to `obs` in :data:`TRUE_COLUMNS`; anything but x and y of each spot is ignored."""
    if coordinates.shape != (len(obs), 2) or coordinates.dtype.kind not in "iuf":
        return obs
    return obs.assign(**dict(zip(TRUE_COLUMNS, coordinates.astype(np.float64).T, strict=True)))


def _with_depth(obs: pd.DataFrame, coordinates: np.ndarray | pd.DataFrame | None) -> pd.DataFrame:
    """Add the third of three coordinates to `obs` as its column z, which can separate sections."""
    if coordinates is None or coordinates.shape != (len(obs), 3) or _depths(obs):
        return obs
    if isinstance(coordinates, pd.DataFrame):
        depths = _depths(coordinates)
        return obs.assign(z=coordinates[depths[0]].to_numpy()) if depths else obs
    return obs.assign(z=coordinates[:, 2])


def _depths(table: pd.DataFrame) -> list[Any]:
    """Return the columns with a third coordinate."""
    return [name for name in table.columns if parts_named(str(name)) == PLANES]


def _loader(open_group: Opener, n_spots: int, matrix: str, features: str) -> Loader:
    @contextmanager
    def open_matrix() -> Iterator[Any]:
        with open_group() as group:
            yield group[matrix]

    def load() -> tuple[sparse.spmatrix | Opener, pd.DataFrame]:
        with open_group() as group:
            var = read_frame(group[features], group.get("uns", {}))
            if features != "var":
                var = _with_types(var, read_frame(group["var"], group.get("uns", {})))
            # This is checked before anything is read, since a sparse matrix may declare any shape.
            shape = tuple(getattr(group[matrix], "shape", group[matrix].attrs.get("shape", (n_spots, len(var)))))
            if shape != (n_spots, len(var)):
                raise ValueError(f"the matrix has the shape {shape}, for {n_spots} spots and {len(var)} features")
            return open_matrix if is_by_blocks(group[matrix]) else _read_whole(group[matrix]), var

    return load


def _is_frame(element: Any) -> bool:
    """Return whether an element of obsm has names of columns, as a pandas DataFrame has."""
    return hasattr(element, "attrs") and element.attrs.get("encoding-type") == "dataframe"


def _frame_loader(open_group: Opener, n_spots: int, key: str) -> Loader:
    def load() -> tuple[sparse.spmatrix, pd.DataFrame]:
        with open_group() as group:
            frame = read_frame(group["obsm"][key], {})
        if len(frame) != n_spots:
            raise ValueError(f"the table has {len(frame)} rows for {n_spots} spots")
        return sparse.csr_matrix(frame.to_numpy(dtype=np.float64)), pd.DataFrame(index=frame.columns)

    return load


def _with_types(features: pd.DataFrame, known: pd.DataFrame) -> pd.DataFrame:
    """Return the features of raw with the types that var has for all of them; raw may lack the columns of var."""
    missing = [name for name in TYPE_COLUMNS if name in known.columns and name not in features.columns]
    if not missing or not known.index.is_unique or not features.index.isin(known.index).all():
        return features
    return features.join(known[missing])


def read_frame(element: Any, uns: Mapping[str, Any]) -> pd.DataFrame:
    """Read a table of spots or features in the current encoding, or as a structured array of anndata before 0.7.

    Those versions kept the codes of categories in the table, and their names in `uns`, as <column>_categories.
    """
    from anndata.io import read_elem

    value = read_elem(element)
    if isinstance(value, pd.DataFrame):
        return value
    if isinstance(value, np.ndarray) and value.dtype.names:
        frame = pd.DataFrame.from_records(value)
        for name in frame.columns[[value.dtype[name].kind == "S" for name in value.dtype.names]]:
            frame[name] = frame[name].map(plain_text)
        for name in frame.columns:
            if f"{name}_categories" in uns:
                frame[name] = _named(frame[name], np.atleast_1d(read_elem(uns[f"{name}_categories"])))
        return frame.set_index(next(name for name in ("_index", "index", frame.columns[0]) if name in frame.columns))
    raise TypeError(f"a table was expected, not {type(value).__name__}")


def _named(codes: pd.Series, categories: np.ndarray) -> pd.Series:
    """Return the categories for their codes, -1 = missing; a column of anything else is returned unchanged.

    Columns of obs and var with the same name share one entry of uns, which fits only one of them.
    """
    if codes.dtype.kind not in "iu" or not codes.between(-1, len(categories) - 1).all():
        return codes
    # Missing values, -1, find the None at the end.
    names = np.array([*categories, None], dtype=object)
    return pd.Series(names[codes.to_numpy()], index=codes.index)


def read_table(element: Any) -> np.ndarray | pd.DataFrame:
    """Read an element of obsm, with the names of its columns if it has any."""
    from anndata.io import read_elem

    value = element if isinstance(element, np.ndarray) else read_elem(element)
    if sparse.issparse(value):
        raise TypeError("it is stored as a sparse matrix")
    return value if isinstance(value, pd.DataFrame) else np.asarray(value)


def _values(element: Any) -> np.ndarray:
    return np.asarray(read_table(element))


def _libraries(group: Any) -> tuple[str, ...]:
    """Return the libraries of uns['spatial'], which has one entry for each (and a flag, if written by CELLxGENE)."""
    spatial = group.get("uns", {}).get("spatial")
    return tuple(name for name in spatial if name != "is_single") if hasattr(spatial, "keys") else ()


def _read_whole(element: Any) -> sparse.spmatrix:
    """Read a stored matrix that is not read by blocks."""
    from anndata.io import read_elem

    if not hasattr(element, "shape") or hasattr(element, "keys"):
        return read_elem(element)
    if element.dtype.kind not in "biuf" or len(element.shape) != 2:
        raise TypeError(f"a matrix of numbers was expected, not {element.dtype} of shape {element.shape}")
    # The matrix has half precision; the error of scipy names the supported types.
    return sparse.csr_matrix(element[:1])
