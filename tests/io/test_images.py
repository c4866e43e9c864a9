"""The image of a section: from every kind of input, the colours of the tissue must be where the spots are."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import anndata
import mudata
import numpy as np
import pandas as pd
import pytest
import spatialdata
from PIL import Image
from spatialdata.models import Image2DModel, ShapesModel, TableModel
from spatialdata.transformations import Affine, Identity, Scale

from spatialweave.errors import InputError
from spatialweave.io.notices import InputWarning
from spatialweave.io.section import SectionInput, read_section
from spatialweave.io.tissue_image import TissueImage
from spatialweave.qc.section import check_section

from .inputs import grid, h5ad
from .visium import COLOURS, DIAMETER, PITCH, SCALE, counts, factors, lattice, tissue, write_outs

pytestmark = pytest.mark.filterwarnings("ignore")


def image_of(section: mudata.MuData) -> TissueImage:
    return TissueImage.of_uns("test", section.uns["image"])


def colours_at(section: mudata.MuData) -> np.ndarray:
    """The colour of the section's image at every spot, spots x 3."""
    image = image_of(section)
    places = np.asarray(section.obsm["spatial"]) * image.scale + image.offset
    x, y = np.clip(places.round().astype(int), 0, np.array(image.size) - 1).T
    return np.asarray(image.pixels())[y, x]


def check_colours(section: mudata.MuData, spots: pd.DataFrame) -> None:
    domains = spots.set_index("barcode")["domain"].loc[section.obs_names].to_numpy()
    np.testing.assert_allclose(colours_at(section), np.array(COLOURS)[domains], atol=6)


def outs(folder: Path, **more: Any) -> mudata.MuData:
    return read_section(SectionInput("d", "s", {"rna": folder}, **more))


def test_a_space_ranger_folder(tmp_path: Path) -> None:
    spots = lattice()
    section = outs(write_outs(tmp_path / "outs", spots))
    check_colours(section, spots)
    image = image_of(section)
    assert image.scale == SCALE and image.offset == (0, 0) and image.spot_diameter == DIAMETER
    # A micrometre is 1.38 pixels; positions are whole pixels.
    assert section.uns["spatialweave"]["micrometres"] == pytest.approx(100 / PITCH, rel=5e-3)


def test_the_lowres_image_where_there_is_no_other_and_files_with_a_prefix(tmp_path: Path) -> None:
    folder = write_outs(tmp_path / "outs")
    (folder / "spatial" / "tissue_hires_image.png").unlink()
    for file in list((folder / "spatial").iterdir()):
        file.rename(file.with_name(f"GSM1_{file.name}"))
    section = outs(folder)
    assert image_of(section).scale == SCALE / 4
    check_colours(section, lattice())


def test_the_image_passes_quality_control(tmp_path: Path) -> None:
    from spatialweave.io.contract import write

    section = outs(write_outs(tmp_path / "outs"))
    write(section, tmp_path / "s.section.h5mu")
    filtered = check_section(tmp_path / "s.section.h5mu", {"rna_min_counts": 1, "min_spots": 1} | _no_thresholds())
    assert filtered.image() == image_of(section)


def _no_thresholds() -> dict[str, float]:
    from spatialweave.qc.thresholds import SPOT_THRESHOLDS

    return {threshold.name: threshold.bound.default for threshold in SPOT_THRESHOLDS}


def visium_h5ad(path: Path, libraries: dict[str, Any], spots: pd.DataFrame) -> Path:
    data = anndata.AnnData(counts(spots), obs=pd.DataFrame(index=spots["barcode"].to_numpy()))
    data.obsm["spatial"] = spots[["x", "y"]].to_numpy()
    data.uns["spatial"] = libraries
    data.write_h5ad(path)
    return path


@pytest.mark.parametrize("kind", ["uint8", "fraction", "of 255"])
def test_an_h5ad_of_scanpy(tmp_path: Path, kind: str) -> None:
    spots = lattice()
    pixels = np.asarray(tissue(spots))
    stored = {"uint8": pixels, "fraction": (pixels / 255).astype(np.float32), "of 255": pixels.astype(np.float64)}[kind]
    library = {"images": {"hires": stored}, "scalefactors": factors()}
    section = outs(visium_h5ad(tmp_path / "a.h5ad", {"library": library}, spots))
    check_colours(section, spots)
    assert image_of(section).spot_diameter == DIAMETER


def test_of_several_libraries_the_one_of_the_section(tmp_path: Path) -> None:
    spots = lattice()
    right, wrong = tissue(spots), tissue(spots.assign(domain=0))
    libraries = {
        name: {"images": {"hires": np.asarray(image)}, "scalefactors": factors()}
        for name, image in (("other", wrong), ("s", right))
    }
    path = visium_h5ad(tmp_path / "a.h5ad", libraries, spots)
    check_colours(outs(path), spots)
    with pytest.warns(InputWarning, match=r"images of 2 libraries \(other, s\), none named 'third'"):
        section = read_section(SectionInput("d", "third", {"rna": path}))
    assert "image" not in section.uns


def store(path: Path, images: dict[str, Any], spots: pd.DataFrame, own: bool, transformation: Any) -> Path:
    """A SpatialData store with circles; `own`: the table has their coordinates, too."""
    data = anndata.AnnData(counts(spots), obs=pd.DataFrame(index=spots["barcode"].to_numpy()))
    points = spots[["x", "y"]].to_numpy()
    circles = ShapesModel.parse(
        points, geometry=0, radius=40.0, index=data.obs_names, transformations={"global": transformation}
    )
    data.obs["region"] = pd.Categorical(["spots"] * len(data))
    data.obs["spot"] = data.obs_names
    if own:
        data.obsm["spatial"] = points
    table = TableModel.parse(data, region="spots", region_key="region", instance_key="spot")
    spatialdata.SpatialData(images=images, shapes={"spots": circles}, tables={"rna": table}).write(path)
    return path


def channels_first(image: Image.Image) -> np.ndarray:
    return np.asarray(image).transpose(2, 0, 1)


@pytest.mark.parametrize("own", [True, False])
@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("levels", [None, [2, 2]])
def test_a_spatialdata_store(tmp_path: Path, own: bool, turned: bool, levels: list[int] | None) -> None:
    """In one common system; `turned`: the image is stored turned by a quarter, with the matrix that turns it back."""
    spots = lattice()
    image = tissue(spots, 0.4)
    matrix = np.diag([1 / 0.4, 1 / 0.4, 1.0])
    if turned:
        matrix = matrix @ np.array([[0, -1, image.width], [1, 0, 0], [0, 0, 1.0]])
        image = image.transpose(Image.Transpose.ROTATE_90)
    # The shapes are in units of two pixels of "global": the image has to follow.
    to_global = Scale([2, 2], axes=("x", "y"))
    element = Image2DModel.parse(
        channels_first(image),
        dims=("c", "y", "x"),
        scale_factors=levels,
        transformations={"global": Affine(np.diag([2, 2, 1.0]) @ matrix, ("x", "y"), ("x", "y"))},
    )
    section = outs(store(tmp_path / "a.zarr", {"he": element}, spots, own, to_global))
    check_colours(section, spots)
    expected = 0.4 if own else 0.2
    # Of the levels (about 1,100, 550 and 270 pixels) the smallest with 1,000 or more is taken.
    assert image_of(section).scale == pytest.approx(expected, rel=0.01)


def test_of_the_levels_of_an_image_a_small_one_is_read(tmp_path: Path) -> None:
    spots = lattice()
    element = Image2DModel.parse(
        channels_first(tissue(spots, 0.8)),
        dims=("c", "y", "x"),
        scale_factors=[2, 2],
        transformations={"global": Scale([1.25, 1.25], axes=("x", "y"))},
    )
    grey = Image2DModel.parse(np.zeros((1, 1500, 1500), np.uint16), transformations={"global": Identity()})
    section = outs(store(tmp_path / "a.zarr", {"dapi": grey, "he": element}, spots, True, Identity()))
    check_colours(section, spots)
    assert image_of(section).scale == pytest.approx(0.4, rel=0.01)


@pytest.mark.parametrize("suffix", ["png", "jpg", "tif"])
def test_a_file_of_the_users(tmp_path: Path, suffix: str) -> None:
    spots = lattice()
    folder = write_outs(tmp_path / "outs", spots)
    tissue(spots, 0.3).save(tmp_path / f"he.{suffix}")
    section = outs(folder, image=tmp_path / f"he.{suffix}", scale=0.3)
    check_colours(section, spots)
    assert image_of(section).scale == 0.3


def test_a_large_image_is_made_smaller(tmp_path: Path) -> None:
    spots = lattice()
    image = tissue(spots, 1.0)
    assert image.height > 3000
    image.save(tmp_path / "he.png")
    section = outs(write_outs(tmp_path / "outs", spots), image=tmp_path / "he.png")
    assert max(image_of(section).size) == 2000
    check_colours(section, spots)


def test_a_space_ranger_image_has_the_scale_of_the_file_beside_it(tmp_path: Path) -> None:
    spots = lattice()
    folder = write_outs(tmp_path / "outs", spots)
    table = visium_h5ad(tmp_path / "a.h5ad", {}, spots)
    section = outs(table, image=folder / "spatial" / "tissue_hires_image.png")
    assert image_of(section).scale == SCALE
    check_colours(section, spots)
    # As the pipeline gives it: a link elsewhere.
    (tmp_path / "input").mkdir()
    link = tmp_path / "input" / "tissue_hires_image.png"
    link.symlink_to(folder / "spatial" / "tissue_hires_image.png")
    check_colours(outs(table, image=link), spots)


@pytest.mark.parametrize(
    ("mode", "pixel", "expected"),
    [
        ("L", 77, (77, 77, 77)),
        ("RGBA", (200, 10, 10, 255), (200, 10, 10)),
        ("RGBA", (200, 10, 10, 0), (255, 255, 255)),
        ("LA", (50, 255), (50, 50, 50)),
        ("I;16", 40_000, (255, 255, 255)),
        ("P", 0, None),
        ("1", 1, (255, 255, 255)),
        ("CMYK", (0, 0, 0, 0), (255, 255, 255)),
    ],
)
def test_images_of_every_mode(tmp_path: Path, mode: str, pixel: Any, expected: tuple[int, int, int] | None) -> None:
    name = "i.tif" if mode in ("CMYK", "I;16") else "i.png"
    Image.new(mode, (30, 20), pixel).save(tmp_path / name)
    path = h5ad(tmp_path / "a.h5ad", [f"b{i}" for i in range(6)], obsm={"spatial": grid(2, 3)})
    found = np.asarray(image_of(outs(path, image=tmp_path / name)).pixels())
    assert found.shape == (20, 30, 3)
    if expected:
        assert (found == expected).all()


def small(folder: Path, step: float = 10.0) -> Path:
    return h5ad(folder / "a.h5ad", [f"b{i}" for i in range(6)], obsm={"spatial": grid(2, 3, step)})


def test_a_wrong_scale_is_refused_with_numbers(tmp_path: Path) -> None:
    Image.new("RGB", (30, 20)).save(tmp_path / "i.png")
    path = h5ad(tmp_path / "a.h5ad", [f"b{i}" for i in range(12)], obsm={"spatial": grid(3, 4, 100.0)})
    expected = (
        r"i.png: 8 of 12 spots are beside the image: the image shows x 0 to 30 and y 0 to 20, the spots are at x 0 to "
        r"300 and y 0 to 200; .*column scale \(1 was used\)"
    )
    # Those at most a spacing beside it are not counted: two of four in a row, two of three rows.
    with pytest.raises(InputError, match=expected):
        outs(path, image=tmp_path / "i.png")


def test_spots_on_a_small_part_and_beside_the_image_are_warned_of(tmp_path: Path) -> None:
    Image.new("RGB", (1000, 1000)).save(tmp_path / "i.png")
    with pytest.warns(InputWarning, match="all spots are on a small part of the image, its scale may be wrong"):
        assert image_of(outs(small(tmp_path), image=tmp_path / "i.png")).scale == 1
    path = h5ad(tmp_path / "b.h5ad", [f"b{i}" for i in range(9)], obsm={"spatial": grid(1, 9)})
    Image.new("RGB", (60, 15)).save(tmp_path / "i.png")
    with pytest.warns(InputWarning, match="1 of 9 spots are beside the image"):
        section = outs(path, image=tmp_path / "i.png")
    assert section.n_obs == 9 and image_of(section).size == (60, 15)


def test_a_scale_without_an_image_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--scale: is given without an image"):
        outs(small(tmp_path), scale=2.0)


@pytest.mark.parametrize(
    "problem", ["no factors", "bad factors", "no image file", "far", "factor of text", "two images"]
)
def test_an_image_that_files_hold_is_left_out_with_a_reason(tmp_path: Path, problem: str) -> None:
    folder = write_outs(tmp_path / "outs")
    scale_factors = folder / "spatial" / "scalefactors_json.json"
    if problem == "no factors":
        scale_factors.unlink()
    elif problem == "bad factors":
        scale_factors.write_text("[1")
    elif problem == "no image file":
        (folder / "spatial" / "tissue_hires_image.png").write_bytes(b"GIF89a")
    elif problem == "two images":
        (folder / "spatial" / "GSM2_tissue_hires_image.png").write_bytes(b"")
    elif problem == "far":
        scale_factors.write_text(json.dumps(factors() | {"tissue_hires_scalef": 15.0}))
    else:
        scale_factors.write_text(json.dumps(factors() | {"tissue_hires_scalef": "x"}))
    with pytest.warns(InputWarning, match=r"no image is used|its image is not used"):
        section = outs(folder)
    assert "image" not in section.uns and section.n_obs == len(lattice())


def test_an_image_does_not_fit_array_rows_and_columns(tmp_path: Path) -> None:
    """Of a file whose coordinates are those of the array, as some are published."""
    spots = lattice(20, 70)
    array = spots.assign(x=spots["column"].astype(float), y=spots["row"].astype(float))
    library = {"images": {"hires": np.asarray(tissue(spots, 0.02))}, "scalefactors": factors()}
    path = visium_h5ad(tmp_path / "a.h5ad", {"l": library}, array)
    with pytest.warns(InputWarning, match="its image is not used: the coordinates are rows and columns"):
        section = outs(path, platform="visium")
    assert "image" not in section.uns
    # A row is sqrt(3)/2 spacings apart from the next, and a spacing is 100 micrometres.
    assert section.uns["spatialweave"]["micrometres"] == pytest.approx(100)


def test_micrometres_by_the_unit_and_by_the_bins_of_visium_hd(tmp_path: Path) -> None:
    spots = [f"s_008um_{i // 3:05d}_{i % 3:05d}-1" for i in range(6)]
    path = h5ad(tmp_path / "hd.h5ad", spots, obsm={"spatial": grid(2, 3, 29.0)})
    assert outs(path).uns["spatialweave"]["micrometres"] == pytest.approx(8 / 29)
    xy = dict(zip(("x_centroid", "y_centroid"), grid(2, 3).T, strict=True))
    cells = [f"c{i}" for i in range(6)]
    path = h5ad(tmp_path / "xenium.h5ad", cells, obs={**xy, "transcript_counts": range(6)})
    assert outs(path).uns["spatialweave"]["micrometres"] == 1
    # MCMICRO gives the columns of Xenium in pixels.
    path = h5ad(tmp_path / "mcmicro.h5ad", cells, obs={**xy, "Area": range(6)})
    assert "micrometres" not in outs(path).uns["spatialweave"]
    assert "micrometres" not in outs(small(tmp_path)).uns["spatialweave"]


def test_an_image_that_is_there_both_gzipped_and_not_is_one_image(tmp_path: Path) -> None:
    folder = write_outs(tmp_path / "outs")
    for file in [folder / "spatial" / "tissue_hires_image.png", folder / "spatial" / "scalefactors_json.json"]:
        file.with_name(f"{file.name}.gz").write_bytes(gzip.compress(file.read_bytes()))
    section = outs(folder)
    assert image_of(section).scale == SCALE
    check_colours(section, lattice())


def test_a_gzipped_image_may_be_much_larger_than_its_file(tmp_path: Path) -> None:
    """An image of one colour packs a thousandfold."""
    Image.new("RGB", (4000, 3000), (214, 140, 190)).save(tmp_path / "i.tif")
    packed = tmp_path / "i.tif.gz"
    packed.write_bytes(gzip.compress((tmp_path / "i.tif").read_bytes()))
    assert packed.stat().st_size * 300 < (tmp_path / "i.tif").stat().st_size
    path = h5ad(tmp_path / "a.h5ad", [f"b{i}" for i in range(6)], obsm={"spatial": grid(2, 3)})
    np.testing.assert_array_equal(np.unique(image_of(outs(path, image=packed)).pixels()), [140, 190, 214])


@pytest.mark.parametrize("name", ["hires", "lowres"])
def test_gzipped_images_as_geo_has_them(tmp_path: Path, name: str) -> None:
    folder = write_outs(tmp_path / "outs")
    spatial = folder / "spatial"
    if name == "lowres":
        (spatial / "tissue_hires_image.png").unlink()
    for file in [*spatial.glob("*.png"), spatial / "scalefactors_json.json"]:
        (spatial / f"GSM1_{file.name}.gz").write_bytes(gzip.compress(file.read_bytes()))
        file.unlink()
    section = outs(folder)
    assert image_of(section).scale == (SCALE if name == "hires" else SCALE / 4)
    check_colours(section, lattice())
    damaged = spatial / f"GSM1_tissue_{name}_image.png.gz"
    damaged.write_bytes(damaged.read_bytes()[:200])
    assert "image" not in outs(folder).uns
