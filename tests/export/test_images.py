"""Images of the tissue in the exported files: the pixel at a spot is that of the image, and squidpy draws it there."""

from __future__ import annotations

import io
import json
from pathlib import Path

import matplotlib
import mudata
import numpy as np
import pytest
import scanpy
import spatialdata
import squidpy
from PIL import Image

from spatialweave.export.formats import export
from spatialweave.io.notices import InputWarning
from spatialweave.io.section import SectionInput, read_section

matplotlib.use("Agg")
pytestmark = pytest.mark.filterwarnings("ignore")

SPOT = (4.0, 5.0)
"""The third spot of section one; on the image it is at pixel (8 + 4 * 4, -4 + 4 * 5)."""

PIXEL = (24, 16)


def test_the_h5ad_has_it_as_squidpy_wants_it(integrated: Path, tmp_path: Path) -> None:
    export(integrated, ["h5ad"], tmp_path)
    section = scanpy.read_h5ad(tmp_path / "integrated" / "one.h5ad")
    library = section.uns["spatial"]["one"]
    assert library["scalefactors"] == {"tissue_hires_scalef": 4.0, "spot_diameter_fullres": 1.5}
    x, y = (section.obsm["spatial"][2] * 4.0).astype(int)
    # Red is the column and green the row of the image before it was moved to the origin.
    assert library["images"]["hires"][y, x].tolist() == [*PIXEL, 0]
    # Above the image is white, left of the origin nothing.
    assert library["images"]["hires"].shape == (44, 52, 3)
    assert (library["images"]["hires"][:4] == 255).all()
    assert "spatial" not in scanpy.read_h5ad(tmp_path / "integrated" / "two.h5ad").uns
    assert section.uns["spatial"]["one"]["images"]["hires"].dtype == np.uint8


def test_squidpy_draws_spots_over_the_image(integrated: Path, tmp_path: Path) -> None:
    export(integrated, ["h5ad"], tmp_path)
    section = scanpy.read_h5ad(tmp_path / "integrated" / "one.h5ad")
    axes = squidpy.pl.spatial_scatter(section, color="smart_1", return_ax=True)
    (drawn,) = axes.get_images()
    np.testing.assert_allclose(np.asarray(drawn.get_array())[..., :3], section.uns["spatial"]["one"]["images"]["hires"])
    centres = [path.vertices[:-1].mean(axis=0) for path in axes.collections[0].get_paths()]
    np.testing.assert_allclose(centres, section.obsm["spatial"] * 4.0, atol=0.5)
    matplotlib.pyplot.close("all")


def test_the_pipeline_reads_it_again(integrated: Path, tmp_path: Path) -> None:
    export(integrated, ["h5ad", "zarr"], tmp_path)
    for path in (tmp_path / "integrated" / "one.h5ad", tmp_path / "integrated.zarr"):
        if path.suffix == ".zarr":
            del_two(path)
        section = read_section(SectionInput("d", "one", {}, path))
        image = section.uns["image"]
        x, y = (np.array(SPOT) * image["scale"] + image["offset"]).astype(int)
        pixels = Image.open(io.BytesIO(image["png"].tobytes()))
        assert pixels.getpixel((int(x), int(y))) == (*PIXEL, 0)


def del_two(path: Path) -> None:
    """Leave section one only in a store: a row of the samplesheet is one section."""
    store = spatialdata.read_zarr(path)
    store.delete_element_from_disk("two")


def test_the_store_has_it_in_the_coordinate_system_of_its_section(integrated: Path, tmp_path: Path) -> None:
    export(integrated, ["zarr"], tmp_path)
    store = spatialdata.read_zarr(tmp_path / "integrated.zarr")
    assert list(store.images) == ["one_image"]
    image = store.images["one_image"]
    matrix = spatialdata.transformations.get_transformation(image, "one").to_affine_matrix(("x", "y"), ("x", "y"))
    assert (matrix @ (*PIXEL, 1)).tolist() == [*SPOT, 1]
    assert np.asarray(image)[:, PIXEL[1], PIXEL[0]].tolist() == [*PIXEL, 0]


def test_the_folder_for_seurat_has_the_files_of_space_ranger(integrated: Path, tmp_path: Path) -> None:
    export(integrated, ["seurat"], tmp_path)
    folder = tmp_path / "seurat" / "one" / "spatial"
    assert json.loads((folder / "scalefactors_json.json").read_text())["tissue_hires_scalef"] == 4.0
    image = Image.open(folder / "tissue_hires_image.png")
    assert image.getpixel(tuple(int(4 * value) for value in SPOT)) == (*PIXEL, 0)
    assert not (tmp_path / "seurat" / "two" / "spatial").exists()


@pytest.mark.parametrize("offset", [(-1e6, 0.0), (1e6, 0.0)])
def test_an_image_too_far_from_the_origin_is_left_out(integrated: Path, tmp_path: Path, offset: tuple) -> None:
    data = mudata.read_h5mu(integrated)
    data.uns["images"]["one"]["offset"] = np.array(offset)
    data.write(integrated)
    with pytest.warns(InputWarning, match="one: its image is in integrated.zarr only"):
        export(integrated, ["h5ad"], tmp_path)
    assert "spatial" not in scanpy.read_h5ad(tmp_path / "integrated" / "one.h5ad").uns
