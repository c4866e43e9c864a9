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


@pytest.mark.parametrize("left", [0.0, -1e6])
def test_the_folder_for_seurat_has_the_image_wherever_it_is(integrated: Path, tmp_path: Path, left: float) -> None:
    move(integrated, left / 4, offset=(8 - left, -4.0))
    export(integrated, ["seurat"], tmp_path)
    folder = tmp_path / "seurat" / "one" / "spatial"
    factors = json.loads((folder / "scalefactors_json.json").read_text())
    assert factors["tissue_hires_scalef"] == 4.0
    image = Image.open(folder / "tissue_hires_image.png")
    x, y = (SPOT[0] + left / 4 + factors["offset_x"]) * 4, (SPOT[1] + factors["offset_y"]) * 4
    assert image.getpixel((round(x), round(y))) == (*PIXEL, 0)
    assert not (tmp_path / "seurat" / "two" / "spatial").exists()


def move(path: Path, right: float, offset: tuple[float, float]) -> None:
    """Add to the x of all spots, and give the image another place."""
    data = mudata.read_h5mu(path)
    data.obsm["spatial"] = data.obsm["spatial"] + [right, 0]
    data.uns["images"]["one"]["offset"] = np.array(offset)
    data.write(path)


@pytest.mark.parametrize(
    ("right", "offset"),
    [(0, (-1e6, 0.0)), (0, (1e6, 0.0)), (-3, (20.0, -4.0))],
    ids=["image far right", "image left of the origin", "spots left of the origin"],
)
def test_an_image_that_cannot_begin_at_the_origin_is_left_out(
    integrated: Path, tmp_path: Path, right: float, offset: tuple[float, float]
) -> None:
    move(integrated, right, offset)
    with pytest.warns(InputWarning, match=r"integrated/one.h5ad: lacks the section's image"):
        export(integrated, ["h5ad"], tmp_path)
    assert scanpy.read_h5ad(tmp_path / "integrated" / "one.h5ad").uns["spatial"]["one"]["images"] == {}


def test_a_spot_at_the_edge_may_lie_a_spacing_left_of_the_origin(integrated: Path, tmp_path: Path) -> None:
    """Spots are sqrt(8) apart."""
    move(integrated, -2.5, (18.0, -4.0))
    export(integrated, ["h5ad"], tmp_path)
    section = scanpy.read_h5ad(tmp_path / "integrated" / "one.h5ad")
    x, y = (section.obsm["spatial"][2] * 4.0).astype(int)
    assert section.uns["spatial"]["one"]["images"]["hires"][y, x].tolist() == [*PIXEL, 0]


def test_an_image_far_from_the_origin_is_made_smaller(integrated: Path, tmp_path: Path) -> None:
    """Of 8,060 pixels from the origin to its right edge 4,000 remain."""
    move(integrated, 2002, (-8000.0, -4.0))
    export(integrated, ["h5ad"], tmp_path)
    section = scanpy.read_h5ad(tmp_path / "integrated" / "one.h5ad")
    library = section.uns["spatial"]["one"]
    assert library["images"]["hires"].shape == (22, 4000, 3)
    assert library["scalefactors"]["tissue_hires_scalef"] == pytest.approx(4 * 4000 / 8060)
    x, y = (section.obsm["spatial"][2] * library["scalefactors"]["tissue_hires_scalef"]).astype(int)
    # A pixel is the mean of about two by two.
    np.testing.assert_allclose(library["images"]["hires"][y, x], [*PIXEL, 0], atol=2)


def test_without_an_image_squidpy_and_scanpy_draw_circles_of_the_spacing(integrated: Path, tmp_path: Path) -> None:
    export(integrated, ["h5ad"], tmp_path)
    section = scanpy.read_h5ad(tmp_path / "integrated" / "two.h5ad")
    axes = squidpy.pl.spatial_scatter(section, color="smart_1", img=False, return_ax=True)
    circles = [path.vertices for path in axes.collections[0].get_paths()]
    np.testing.assert_allclose([np.ptp(circle, axis=0) for circle in circles], np.full((4, 2), 8**0.5), rtol=1e-3)
    squidpy.pl.spatial_scatter(section, color="smart_1", shape=None)
    scanpy.pl.spatial(section, color="smart_1", img_key=None, show=False)
    matplotlib.pyplot.close("all")
