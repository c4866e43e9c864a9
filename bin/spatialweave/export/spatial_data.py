"""One SpatialData store per dataset, for spatialdata and what builds on it (napari-spatialdata, spatialdata-plot)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from spatialweave.export.element_names import IMAGE, SPOTS, element_names
from spatialweave.export.h5ad import section_anndata
from spatialweave.export.sections import section_names, sections
from spatialweave.export.vitessce import write_views
from spatialweave.io.files import atomic_path
from spatialweave.io.integrated import Integrated
from spatialweave.io.layout import spacing
from spatialweave.io.notices import warn

if TYPE_CHECKING:
    import spatialdata


def write_zarr(content: Integrated, folder: Path) -> None:
    """Write `integrated.zarr`, whole or not at all, and how Vitessce shows it."""
    store = spatial_data(content)
    with atomic_path(folder / "integrated.zarr") as target:
        store.write(target, update_sdata_path=False)
    write_views(content, folder)


def spatial_data(content: Integrated) -> spatialdata.SpatialData:
    """The sections of a dataset as SpatialData.

    Returns
    -------
    For every section a coordinate system of its name, the circles `<section>_spots` in it, which touch where spots have
    the median distance, and the table `<section>` that annotates them: what :func:`section_anndata` makes. Of sections
    that have one, the image `<section>_image` in the same coordinate system. Where the store cannot have such a name,
    one of :func:`element_names` stands in place of `<section>`.
    """
    import pandas as pd
    import spatialdata
    from spatialdata.models import Image2DModel, ShapesModel, TableModel
    from spatialdata.transformations import Identity, Scale, Sequence, Translation

    shapes, tables, images = {}, {}, {}
    names = element_names(section_names(content))
    for section in sections(content):
        name = names[section.name]
        if name != section.name:
            text = f"section '{section.name}' is called '{name}': its own name is taken or begins with '__'"
            warn("integrated.zarr", text)
        spots = name + SPOTS
        points = section.coordinates()
        # Shapes need a radius above 0; spots that are all in one place have no distance.
        radius = spacing(points) / 2 or 1.0
        shapes[spots] = ShapesModel.parse(
            points, geometry=0, radius=radius, index=section.obs.index, transformations={section.name: Identity()}
        )
        if section.image is not None:
            left, top, _, _ = section.image.box()
            size = Scale([1 / section.image.scale] * 2, axes=("x", "y"))
            images[name + IMAGE] = Image2DModel.parse(
                np.asarray(section.image.pixels()).transpose(2, 0, 1),
                dims=("c", "y", "x"),
                c_coords=["r", "g", "b"],
                transformations={section.name: Sequence([size, Translation([left, top], axes=("x", "y"))])},
            )
        table = section_anndata(section)
        table.obs["region"] = pd.Categorical([spots] * table.n_obs)
        table.obs["spot"] = table.obs_names
        tables[name] = TableModel.parse(table, region=spots, region_key="region", instance_key="spot")
    return spatialdata.SpatialData(images=images, shapes=shapes, tables=tables)
