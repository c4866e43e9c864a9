"""The images of Visium libraries, from Space Ranger's folder `spatial` or from uns['spatial'] as written by scanpy."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from spatialweave.errors import InputError
from spatialweave.io.image_files import read_image, read_thinned
from spatialweave.io.measurement import plain_text, reading
from spatialweave.io.notices import warn
from spatialweave.io.readers.folder import ending_with
from spatialweave.io.tables import open_text
from spatialweave.io.tissue_image import LARGEST_SIDE, TissueImage

SIZES = ("hires", "lowres")
"""The sizes of a library's image, in the order in which they are searched."""


def in_folder(folder: Path) -> TissueImage | None:
    """Read the image of Space Ranger's folder `spatial`, None if it has none; names of files may have a prefix.

    Raises
    ------
    InputError
        When the image or its scale factors cannot be read, or scale factors are missing.
    """
    for name in SIZES:
        files = ending_with(folder, f"tissue_{name}_image.png")
        if len(files) > 1:
            raise InputError(str(folder), f"holds several images ({', '.join(file.name for file in files)})", "one")
        if files:
            factors = factors_beside(files[0])
            if factors is None:
                raise InputError(str(folder), "has an image, but not one scalefactors_json.json", "Space Ranger's file")
            scale = _factor(str(folder), factors, name)
            return TissueImage.of_pixels(read_image(files[0]), scale, spot_diameter=_diameter(factors))
    return None


def micrometres_per_pixel(folder: Path) -> float | None:
    """Return the length of a pixel of the full image, from the scale factors of Visium HD; None without them."""
    factors = _factors(folder)
    return None if factors is None else _number(factors.get("microns_per_pixel"))


def factors_beside(image: Path) -> dict[str, Any] | None:
    """Return Space Ranger's scale factors from the folder of an image, None if there are none or several."""
    # The pipeline stages only a link to the image.
    return _factors(image.resolve().parent)


def _factors(folder: Path) -> dict[str, Any] | None:
    files = ending_with(folder, "scalefactors_json.json")
    if len(files) != 1:
        return None
    with reading(files[0], "scalefactors_json.json"), open_text(files[0]) as stream:
        factors = json.load(stream)
        if not isinstance(factors, dict):
            raise TypeError("it is not an object")
    return factors


def scale_beside(image: Path) -> float | None:
    """Return the scale of an image of Space Ranger, from its name and the scale factors beside it."""
    for name in SIZES:
        if image.name.removesuffix(".gz").endswith(f"tissue_{name}_image.png"):
            factors = factors_beside(image)
            return None if factors is None else _factor(str(image), factors, name)
    return None


def in_uns(where: str, spatial: Any, section: str) -> TissueImage | None:
    """Read the image of a library in uns['spatial'] (HDF5 or zarr group): the only one with an image, or the section's.

    Raises
    ------
    InputError
        When the image or its scale factors cannot be read.
    """
    libraries = [name for name in spatial if hasattr(spatial[name], "keys") and len(spatial[name].get("images", ()))]
    if len(libraries) > 1 and section not in libraries:
        listed = ", ".join(map(str, libraries[:6]))
        warn(where, f"holds images of {len(libraries)} libraries ({listed}), none named '{section}': no image is used")
        return None
    if not libraries:
        return None
    library = spatial[section if section in libraries else libraries[0]]
    images = library["images"]
    name = next(size for size in (*SIZES, *images) if size in images)
    factors = _values(library.get("scalefactors", {}))
    slot = f"{where}, uns['spatial'], images['{name}']"
    scale = 1.0 if name == "fullres" else _factor(slot, factors, name)
    pixels, step = read_thinned(images[name], slot, 2 * LARGEST_SIDE)
    return TissueImage.of_pixels(pixels, scale / step, spot_diameter=_diameter(factors))


def _values(group: Any) -> dict[str, Any]:
    from anndata.io import read_elem

    return {} if isinstance(group, dict) else dict(read_elem(group))


def _factor(where: str, factors: Mapping[str, Any], name: str) -> float:
    key = f"tissue_{name}_scalef"
    value = _number(factors.get(key))
    if value is None:
        raise InputError(where, f"has an image, but no usable scale factor {key}", "a number above 0")
    return value


def _diameter(factors: Mapping[str, Any]) -> float | None:
    return _number(factors.get("spot_diameter_fullres"))


def _number(value: Any) -> float | None:
    """Return a number above 0, None for anything else."""
    try:
        number = float(plain_text(np.asarray(value).item()))
    except (TypeError, ValueError):
        return None
    return number if number > 0 and math.isfinite(number) else None
