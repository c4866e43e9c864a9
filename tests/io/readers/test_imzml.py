"""Imaging mass spectrometry, written by pyimzml: intensities of peaks come back, picked or listed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from pyimzml.compression import ZlibCompression

from spatialweave.errors import InputError
from spatialweave.io.notices import InputWarning
from spatialweave.io.readers.peak_picking import apart
from spatialweave.io.section import SectionInput, understand_section

from . import machines
from .reading import section

PEAKS = np.array([104.1070, 184.0733, 760.5851, 760.6200, 782.5670])
"""The fourth is 46 ppm from the third."""

PIXELS = [(x, y) for y in range(1, 7) for x in range(1, 6)]
HEIGHTS = np.random.default_rng(0).gamma(2.0, 50.0, (len(PIXELS), len(PEAKS))).astype(np.float32)
HEIGHTS[::3, 1] = 0


def centroids(i: int) -> tuple[np.ndarray, np.ndarray]:
    """What the instrument saw in a pixel: each mass off by up to 4 ppm, and a peak of its own, found nowhere else."""
    draw = np.random.default_rng(i)
    masses = PEAKS * (1 + draw.uniform(-4e-6, 4e-6, len(PEAKS)))
    seen = HEIGHTS[i] > 0
    masses, heights = np.append(masses[seen], 300 + i * 3.0), np.append(HEIGHTS[i][seen], 5.0)
    order = np.argsort(masses)
    return masses[order], heights[order]


AXIS = np.arange(100, 800, 0.002)


def profile(i: int) -> tuple[np.ndarray, np.ndarray]:
    """Gaussians on one axis, with noise."""
    values = np.random.default_rng(i).normal(0, 0.01, len(AXIS)) ** 2
    for mass, height in zip(PEAKS, HEIGHTS[i], strict=True):
        near = np.abs(AXIS - mass) < 0.03
        values[near] += height * np.exp(-0.5 * ((AXIS[near] - mass) / 0.003) ** 2)
    return AXIS, values


def write(folder: Path, spectrum: machines.Spectrum, **how: object) -> Path:
    return machines.imzml(folder, PIXELS, spectrum, **how)


@pytest.mark.parametrize("given", ["file", "folder", "link"])
def test_centroids_of_each_pixel(tmp_path: Path, given: str) -> None:
    """Peaks are found where they are, and what is in one pixel of thirty only is none."""
    path = write(tmp_path / "msi", centroids, mode="processed")
    if given == "link":
        (tmp_path / "input1").mkdir()
        (tmp_path / "input1" / "S.imzML").symlink_to(path)
        path = tmp_path / "input1" / "S.imzML"
    path = path.parent if given == "folder" else path
    with pytest.warns(InputWarning, match=r"peaks of the mean spectrum .*summed within 10 ppm"):
        result, understood = understand_section(SectionInput("d", "s", {"metabolite": path}, bins={"": "10"}))
        data = result.in_memory()
    part = data.mod["metabolite"]
    masses = part.var["mz"].to_numpy()
    often = part.X.getnnz(axis=0) > 1
    np.testing.assert_allclose(masses[often], PEAKS, rtol=4e-6)
    at = [PIXELS.index(tuple(map(int, name.split("_")))) for name in part.obs_names]
    np.testing.assert_allclose(part.X[:, often].toarray(), HEIGHTS[at], rtol=1e-6)
    assert "platform maldi (by the format of the files)" in understood.line()
    assert "metabolite 30 spots" in understood.line()
    assert "(intensities of" in understood.line()
    np.testing.assert_allclose(
        data.obsm["spatial"], np.array(PIXELS, dtype=float)[[PIXELS.index(PIXELS[i]) for i in at]]
    )


def test_peaks_in_too_few_pixels_are_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("spatialweave.io.readers.imzml.RAREST", 0.1)
    path = write(tmp_path / "msi", centroids, mode="processed")
    part = section(multi=path, bins={"": "10"}).mod["metabolite"]
    np.testing.assert_allclose(part.var["mz"], PEAKS, rtol=4e-6)


def test_profiles_on_one_axis(tmp_path: Path) -> None:
    path = write(tmp_path / "msi", profile, mode="continuous", spec_type="profile")
    part = section({"metabolite": path}, bins={"": "20"}).mod["metabolite"]
    np.testing.assert_allclose(part.var["mz"], PEAKS, atol=0.002)
    rows = [PIXELS.index(tuple(map(int, name.split("_")))) for name in part.obs_names]
    for column, mass in enumerate(part.var["mz"]):
        within = np.abs(AXIS - mass) <= 20e-6 * mass
        expected = [profile(i)[1][within].sum() for i in rows]
        np.testing.assert_allclose(part.X[:, column].toarray().ravel(), expected, rtol=1e-4)


def test_centroids_on_one_axis_are_the_peaks(tmp_path: Path) -> None:
    path = write(tmp_path / "msi", lambda i: (PEAKS, HEIGHTS[i]), mode="continuous")
    part = section({"metabolite": path}).mod["metabolite"]
    np.testing.assert_array_equal(part.var["mz"], PEAKS)
    rows = [PIXELS.index(tuple(map(int, name.split("_")))) for name in part.obs_names]
    np.testing.assert_array_equal(part.X.toarray(), HEIGHTS[rows])


@pytest.mark.parametrize(
    "text", ["m/z,name\n184.0733,PC\n760.6,both\n900,none\n", "184.0733\tPC\n760.6\tboth\n900\tnone"]
)
def test_listed_masses(tmp_path: Path, text: str) -> None:
    path = write(tmp_path / "msi", centroids, mode="processed")
    (tmp_path / "masses.csv").write_text(text)
    part = section({"metabolite": path}, peaks=tmp_path / "masses.csv", bins={"": "40"}).mod["metabolite"]
    assert list(part.var_names) == ["PC", "both", "none"]
    rows = [PIXELS.index(tuple(map(int, name.split("_")))) for name in part.obs_names]
    expected = np.column_stack([HEIGHTS[rows, 1], HEIGHTS[rows, 2] + HEIGHTS[rows, 3], np.zeros(30)])
    np.testing.assert_allclose(part.X.toarray(), expected, rtol=1e-6)


def test_pixels_in_micrometres(tmp_path: Path) -> None:
    path = write(tmp_path / "msi", centroids, mode="processed")
    text = path.read_text(encoding="latin-1")
    size = '<cvParam cvRef="IMS" accession="IMS:1000046" name="pixel size (x)" value="25.0" unitName="micrometer"/>'
    assert "<scanSettings " in text
    head, rest = text.split("<scanSettings ", 1)
    opening, body = rest.split(">", 1)
    path.write_text(f"{head}<scanSettings {opening}>{size}{body}", encoding="latin-1")
    data = section({"metabolite": path}, bins={"": "10"})
    assert data.uns["spatialweave"]["coordinate_unit"] == "micrometre"
    np.testing.assert_array_equal(np.unique(data.obsm["spatial"][:, 0]), 25.0 * np.arange(1, 6))


def test_depths_are_sections(tmp_path: Path) -> None:
    path = write(tmp_path / "msi", centroids, mode="processed", depth=2)
    with pytest.raises(InputError, match=r"holds 2 sections \(1, 2\).*section_column section"):
        section({"metabolite": path})
    data = section({"metabolite": path}, section_column="section", name="2")
    assert data.n_obs == 15


def cut(ending: str, keep: float) -> Callable[[Path], None]:
    def damage(path: Path) -> None:
        file = path.with_suffix(ending)
        content = file.read_bytes()
        file.write_bytes(content[: int(keep * len(content))])

    return damage


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda path: path.with_suffix(".ibd").unlink(), "S.imzML: has no S.ibd beside it; .*give the folder"),
        (cut(".ibd", 0.5), "of spectrum .* end beyond the .ibd of .* bytes; expected a whole .ibd"),
        (cut(".imzML", 0.5), "S.imzML: is not a readable imzML file"),
        (lambda path: path.write_text("<x/>"), "S.imzML: is not a readable imzML file"),
    ],
)
def test_damaged_imzml(tmp_path: Path, damage: Callable[[Path], None], message: str) -> None:
    path = write(tmp_path / "msi", centroids, mode="processed")
    damage(path)
    with pytest.raises(InputError, match=message):
        section({"metabolite": path})


def test_compressed_spectra_are_refused(tmp_path: Path) -> None:
    """The parser would give their bytes for numbers."""
    path = write(tmp_path / "msi", centroids, mode="processed", mz_compression=ZlibCompression())
    with pytest.raises(InputError, match=r"its spectra are compressed; .*export without zlib"):
        section({"metabolite": path})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("mz\n", "masses.csv: holds no m/z"),
        ("184.1\nPC\n", "masses.csv, line 2: 'PC' is not an m/z"),
        ("-3\n", "masses.csv, line 1: '-3' is not an m/z"),
        ("950\n", "no pixel has an intensity at a peak"),
    ],
)
def test_damaged_masses(tmp_path: Path, text: str, message: str) -> None:
    path = write(tmp_path / "msi", centroids, mode="processed")
    (tmp_path / "masses.csv").write_text(text)
    with pytest.raises(InputError, match=message):
        section({"metabolite": path}, peaks=tmp_path / "masses.csv")


def test_the_highest_of_near_peaks_stays() -> None:
    masses = np.array([100.0, 100.001, 100.003, 200.0])
    np.testing.assert_array_equal(apart(masses, np.array([1.0, 3, 2, 1]), 10e-6), [100.001, 200.0])
    np.testing.assert_array_equal(apart(masses, np.array([1.0, 3, 2, 1]), 5e-6), [100.001, 100.003, 200.0])
