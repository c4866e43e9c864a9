"""MuData in HDF5 (.h5mu): one AnnData per modality, and tables that all of them share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from spatialweave.errors import InputError
from spatialweave.io.bounds import check_hdf5
from spatialweave.io.coordinates import OBSM_KEYS, in_obsm
from spatialweave.io.measurement import Measurement, plain_frame, plain_names, reading
from spatialweave.io.notices import warn
from spatialweave.io.readers.store import measure, read_frame
from spatialweave.modalities import known_names, modality_of


def read(path: Path) -> list[Measurement]:
    """The modalities of an .h5mu file whose names are known; shared obs columns and coordinates are passed on."""
    import h5py
    from anndata.io import read_elem

    with reading(path, ".h5mu file"):
        with h5py.File(path, "r") as file:
            check_hdf5(path, file)
            if "mod" not in file:
                raise KeyError("it has no group 'mod'")
            names = list(file["mod"])
            shared = read_frame(file["obs"])
            shared = plain_frame(shared, plain_names(shared.index, str(path), "spot"))
            obsm = {key: read_elem(file["obsm"][key]) for key in OBSM_KEYS if key in file.get("obsm", {})}
        known = {name: modality_of(name) for name in names}
        if not any(known.values()):
            raise InputError(str(path), f"holds the modalities {', '.join(names)}", f"some of {known_names()}")
        for name in names:
            if known[name] is None:
                warn(str(path), f"modality '{name}' is none of {known_names()} and is left out")
        measurements = [
            measure(f"{path}, modality '{name}'", _opener(path, name), modality)
            for name, modality in known.items()
            if modality
        ]
    coordinates = in_obsm(obsm, shared.index, str(path))
    for measurement in measurements:
        measurement.coordinates = measurement.coordinates or coordinates
        extra = shared.loc[:, [c for c in shared.columns if c not in measurement.obs.columns]]
        measurement.obs = measurement.obs.join(extra[~extra.index.duplicated()])
    return measurements


def _opener(path: Path, name: str) -> Callable[[], Any]:
    @contextmanager
    def open_group() -> Iterator[Any]:
        import h5py

        with h5py.File(path, "r") as file:
            yield file["mod"][name]

    return open_group
