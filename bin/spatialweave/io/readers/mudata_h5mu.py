"""MuData in HDF5 (.h5mu): one AnnData per modality, and tables shared by all modalities."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from spatialweave.errors import InputError
from spatialweave.io.bounds import check_hdf5
from spatialweave.io.coordinates import OBSM_KEYS, in_obs, in_obsm, on_slide
from spatialweave.io.hdf5 import open_hdf5
from spatialweave.io.measurement import Coordinates, Loader, Measurement, plain_frame, plain_names, reading
from spatialweave.io.notices import warn
from spatialweave.io.readers.store import measure, read_frame, read_table
from spatialweave.modalities import is_derived, known_names, modality_of

if TYPE_CHECKING:
    from scipy import sparse

    from spatialweave.io.stored_counts import Opener


def read(path: Path) -> list[Measurement]:
    """Read the modalities of an .h5mu file with known names; they receive the shared obs columns and coordinates."""
    with reading(path, ".h5mu file"):
        with open_hdf5(path) as file:
            check_hdf5(path, file)
            if "mod" not in file:
                raise KeyError("it has no group 'mod'")
            names = list(file["mod"])
            shared = read_frame(file["obs"], file.get("uns", {}))
            shared = plain_frame(shared, plain_names(shared.index, str(path), "spot"))
            # An obsm entry with the name of a modality is MuData's mask of its spots.
            keys = [key for key in OBSM_KEYS if key in file.get("obsm", {}) and key not in names]
            obsm = {key: read_table(file["obsm"][key]) for key in keys}
        modalities = {name: modality_of(name) for name in names}
        if not any(modalities.values()):
            raise InputError(str(path), f"holds the modalities {', '.join(names)}", f"some of {known_names()}")
        for name in names:
            if modalities[name] is None:
                warn(str(path), f"modality '{name}' is none of {known_names()} and is left out")
        originals = {modalities[name] for name in names if not is_derived(name)}
        for name in [name for name in names if is_derived(name) and modalities[name] in originals]:
            modality = modalities.pop(name)
            warn(str(path), f"modality '{name}' is computed from another {modality} of the file and is left out")
        measurements = [
            _under_plain_names(measure(f"{path}, modality '{name}'", _opener(path, name), modality), name)
            for name, modality in modalities.items()
            if modality
        ]
    coordinates = in_obsm(obsm, shared.index, str(path))
    for measurement in measurements:
        if measurement.coordinates is None and coordinates is not None:
            measurement.coordinates = _of_spots(coordinates, measurement.obs.index)
        extra = shared.loc[:, [c for c in shared.columns if c not in measurement.obs.columns]]
        measurement.obs = measurement.obs.join(extra[~extra.index.duplicated()])
        if measurement.coordinates is None:
            measurement.coordinates = in_obs(measurement.obs, measurement.where)
        measurement.on_slide = measurement.on_slide or on_slide({}, measurement.obs, measurement.where)
    return measurements


def _under_plain_names(measurement: Measurement, modality: str) -> Measurement:
    """Return the measurement with its features under names without "rna:", by which MuData makes them unique."""
    prefix = f"{modality}:"

    def plain(load: Loader) -> Loader:
        def loaded() -> tuple[sparse.spmatrix | Opener, pd.DataFrame]:
            matrix, features = load()
            if len(features) and features.index.astype(str).str.startswith(prefix).all():
                features = features.set_axis(features.index.astype(str).str.removeprefix(prefix))
            return matrix, features

        return loaded

    measurement.slots = {slot: plain(load) for slot, load in measurement.slots.items()}
    measurement.layers = {name: plain(load) for name, load in measurement.layers.items()}
    return measurement


def _of_spots(coordinates: Coordinates, names: pd.Index) -> Coordinates:
    """Return the coordinates of the spots `names`; NaN where there are none."""
    if not coordinates.names.is_unique:
        raise InputError(coordinates.where, "names a spot twice", "each barcode once")
    rows = coordinates.names.get_indexer(names)
    values = np.where((rows < 0)[:, None], np.nan, coordinates.values[rows])
    return Coordinates(names, values, coordinates.where, coordinates.unit)


def _opener(path: Path, name: str) -> Callable[[], Any]:
    @contextmanager
    def open_group() -> Iterator[Any]:
        with open_hdf5(path) as file:
            yield file["mod"][name]

    return open_group
