"""Statistics of the image around spots, against loops over the pixels; and as a modality of a section."""

from __future__ import annotations

import colorsys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from spatialweave.errors import InputError
from spatialweave.io.contract import write
from spatialweave.io.patches import STATISTICS, patch_statistics
from spatialweave.io.section import SectionInput, read_section
from spatialweave.io.section_file import read_section_file
from spatialweave.io.tissue_image import TissueImage

from .visium import DIAMETER, SCALE, lattice, write_outs

pytestmark = pytest.mark.filterwarnings("ignore")


def column(values: np.ndarray, name: str) -> np.ndarray:
    return values[:, STATISTICS.index(name)]


def test_means_and_deviations_are_those_of_the_pixels() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8)
    image = TissueImage.of_pixels(Image.fromarray(noise), 2.0, (4.0, -2.0))
    spots = np.array([[5.0, 6.0], [10.2, 12.4], [-2.0, 1.0], [22.9, 20.9]])
    found = patch_statistics(image, spots, 5)
    for spot, row in zip(spots, found, strict=True):
        x, y = (int(value) for value in np.floor(spot * 2.0 + (4.0, -2.0)))
        patch = noise[max(0, y - 2) : y + 3, max(0, x - 2) : x + 3].reshape(-1, 3).astype(float)
        for channel, name in enumerate(("red", "green", "blue")):
            assert row[STATISTICS.index(f"mean_{name}")] == pytest.approx(patch[:, channel].mean(), rel=1e-5)
            assert row[STATISTICS.index(f"sd_{name}")] == pytest.approx(patch[:, channel].std(), rel=1e-4, abs=1e-4)
    assert (found >= 0).all() and (found <= 255).all()


@pytest.mark.parametrize("colour", [(255, 0, 0), (30, 200, 90), (120, 60, 200)])
def test_hue_saturation_and_gradient_of_an_even_image(colour: tuple[int, int, int]) -> None:
    image = TissueImage.of_pixels(Image.new("RGB", (20, 20), colour), 1.0)
    (row,) = (patch_statistics(image, np.array([[10.0, 10.0]]), 7),)
    hue, saturation, _ = colorsys.rgb_to_hsv(*(value / 255 for value in colour))
    assert column(row, "mean_saturation")[0] == pytest.approx(255 * saturation, abs=1)
    # Pillow has 256 hues.
    for name, turn in (("cosine", np.cos), ("sine", np.sin)):
        expected = 127.5 * (1 + saturation * turn(2 * np.pi * hue))
        assert column(row, f"mean_hue_{name}")[0] == pytest.approx(expected, abs=4)
    assert column(row, "mean_gradient")[0] == 0
    assert all(column(row, name)[0] == pytest.approx(0, abs=1e-2) for name in STATISTICS if name.startswith("sd"))


def test_the_gradient_of_a_ramp() -> None:
    ramp = np.repeat(np.arange(0, 200, 4, dtype=np.uint8)[None, :, None], 30, axis=0).repeat(3, axis=2)
    image = TissueImage.of_pixels(Image.fromarray(ramp), 1.0)
    row = patch_statistics(image, np.array([[25.0, 15.0]]), 9)
    assert column(row, "mean_gradient")[0] == pytest.approx(4)
    assert column(row, "sd_red")[0] == pytest.approx(4 * np.arange(9).std(), rel=1e-5)


def test_as_a_modality_of_a_section(tmp_path: Path) -> None:
    spots = lattice()
    folder = write_outs(tmp_path / "outs", spots)
    section = read_section(SectionInput("d", "s", {"rna": folder}, image_features=True))
    part = section.mod["morphology"]
    assert part.var_names.tolist() == list(STATISTICS) and part.n_obs == len(spots)
    # No value is below 0 where the image is even, as the stages that follow check.
    write(section, tmp_path / "s.section.h5mu")
    for counts in read_section_file(tmp_path / "s.section.h5mu").counts.values():
        assert list(counts.blocks())
    # A spot is 13 pixels wide. Patches inside a domain have its colour.
    assert round(DIAMETER * SCALE) == 13
    inner = part[part.obs_names == "S08X07-1"].X.toarray()
    assert column(inner, "mean_red")[0] == pytest.approx(214, abs=3)
    assert section.mod["rna"].n_obs == len(spots)
    assert "morphology" not in read_section(SectionInput("d", "s", {"rna": folder})).mod


def test_without_an_image_or_beside_a_table_of_the_same_modality_it_is_refused(tmp_path: Path) -> None:
    folder = write_outs(tmp_path / "outs")
    table = tmp_path / "m.csv"
    table.write_text("barcode,a,b\n" + "".join(f"{name},1.5,2\n" for name in lattice()["barcode"]))
    both = {"rna": folder, "morphology": table}
    assert read_section(SectionInput("d", "s", both)).mod["morphology"].var_names.tolist() == ["a", "b"]
    with pytest.raises(InputError, match=r"--image-features: .*m.csv has a modality morphology"):
        read_section(SectionInput("d", "s", both, image_features=True))
    for image in (folder / "spatial").glob("*.png"):
        image.unlink()
    with pytest.raises(InputError, match="--image-features: the section has no image"):
        read_section(SectionInput("d", "s", {"rna": folder}, image_features=True))
