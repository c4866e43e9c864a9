"""Fragments are counted in peaks and tiles as a loop over them counts, for the spots that have coordinates."""

from __future__ import annotations

import gzip
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from spatialweave.errors import InputError
from spatialweave.io.notices import InputWarning
from spatialweave.io.readers import fragments as reader
from spatialweave.io.readers.tally import Tally, as_matrix

from . import machines
from .machines import Fragment
from .reading import section
from .test_machines import positions


def some(spots: list[str], n: int = 2000, seed: int = 0) -> list[Fragment]:
    draw = np.random.default_rng(seed)
    starts = np.sort(draw.integers(0, 200_000, n))
    ends = starts + draw.integers(1, 700, n)
    names = [*spots, "OTHER-1"]
    chromosomes = np.sort(draw.choice(["chr1", "chr2", "chrM"], n, p=[0.5, 0.4, 0.1]))
    return [
        (str(chromosome), int(start), int(end), names[i])
        for chromosome, start, end, i in zip(chromosomes, starts, ends, draw.integers(0, len(names), n), strict=True)
    ]


def write(path: Path, listed: list[Fragment], more: str = "\t1") -> Path:
    text = machines.fragments_text(listed, more=more)
    path.write_bytes(gzip.compress(text.encode()) if path.name.endswith(".gz") else text.encode())
    return path


def counted(listed: list[Fragment], intervals_of: Callable[[str, int], str | None]) -> Counter[tuple[str, str]]:
    """Once per interval that holds a cut, one fragment after the other."""
    counts: Counter[tuple[str, str]] = Counter()
    for chromosome, start, end, barcode in listed:
        cuts = {intervals_of(chromosome, start), intervals_of(chromosome, end - 1)} - {None}
        counts.update((barcode, str(interval)) for interval in cuts)
    return counts


def tile(size: int) -> Callable[[str, int], str | None]:
    def of(chromosome: str, place: int) -> str | None:
        start = place // size * size
        return None if chromosome == "chrM" else f"{chromosome}:{start}-{start + size}"

    return of


def holds(part, counts: Counter[tuple[str, str]], spots: list[str]) -> None:
    found = part.X.tocoo()
    names = zip(part.obs_names[found.row], part.var_names[found.col], strict=True)
    assert dict(zip(names, found.data, strict=True)) == {key: n for key, n in counts.items() if key[0] in spots}


@pytest.mark.parametrize("name", ["fragments.tsv.gz", "S_fragments.tsv", "S.bed.gz"])
@pytest.mark.parametrize(("size", "more"), [(None, "\t3"), ("700", "")])
def test_tiles(tissue, tmp_path: Path, spatial_csv: Path, name: str, size: str | None, more: str) -> None:
    listed = some(tissue.spots)
    path = write(tmp_path / name, listed, more=more)
    with pytest.warns(InputWarning) as notices:
        data = section({"atac": path}, spatial=spatial_csv, bins={"": size} if size else {})
    holds(data.mod["atac"], counted(listed, tile(int(size or 5000))), tissue.spots)
    of_spots = Counter(barcode for *_place, barcode in listed)
    assert data.mod["atac"].obs["n_fragments"].to_dict() == {spot: of_spots[spot] for spot in tissue.spots}
    said = " | ".join(str(notice.message) for notice in notices)
    assert f"{2000 - of_spots['OTHER-1']} of 2000 fragments are of spots with coordinates" in said
    assert f"tiles of {size or 5000} base pairs" in said
    assert "those of chrM are left out" in said


def test_each_modality_has_its_bin(tissue, tmp_path: Path, spatial_csv: Path) -> None:
    listed = some(tissue.spots)
    files = {name: write(tmp_path / f"{name}.fragments.tsv.gz", listed) for name in ("atac", "histone")}
    data = section(files, spatial=spatial_csv, bins={"histone": "1000", "": "700"})
    holds(data.mod["atac"], counted(listed, tile(700)), tissue.spots)
    holds(data.mod["histone"], counted(listed, tile(1000)), tissue.spots)
    with pytest.raises(InputError, match=r"--bin: 'adt:5' does not apply to any file of this row"):
        section(files, spatial=spatial_csv, bins={"histone": "1000", "adt": "5"})


def test_blocks_give_the_same_as_one(
    tissue, tmp_path: Path, spatial_csv: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = some(tissue.spots)
    path = write(tmp_path / "fragments.tsv.gz", listed)
    monkeypatch.setattr(reader, "BLOCK_BYTES", 3000)
    monkeypatch.setattr("spatialweave.io.readers.tally.FEWEST", 100)
    holds(section({"atac": path}, spatial=spatial_csv).mod["atac"], counted(listed, tile(5000)), tissue.spots)


PEAKS = [("chr2", 100, 90_000), ("chr1", 5_000, 6_000), ("chr1", 20_000, 180_000), ("chrM", 0, 500), ("chr9", 1, 2)]


def peak_of(chromosome: str, place: int) -> str | None:
    inside = [f"{name}:{start}-{end}" for name, start, end in PEAKS if name == chromosome and start <= place < end]
    return inside[0] if inside else None


@pytest.mark.parametrize("more", ["", "\tpeak\t100"])
def test_peaks(tissue, tmp_path: Path, spatial_csv: Path, more: str) -> None:
    listed = some(tissue.spots)
    bed = "track name=x\n#c\n" + "".join("\t".join(map(str, peak)) + more + "\n" for peak in PEAKS)
    (tmp_path / "peaks.bed").write_text(bed)
    path = write(tmp_path / "fragments.tsv.gz", listed)
    data = section(multi=path, spatial=spatial_csv, peaks=tmp_path / "peaks.bed")
    holds(data.mod["atac"], counted(listed, peak_of), tissue.spots)
    assert list(section({"histone": path}, spatial=spatial_csv).mod) == ["histone"]


def test_peaks_that_overlap_are_joined(tissue, tmp_path: Path, spatial_csv: Path) -> None:
    (tmp_path / "peaks.bed").write_text("chr1\t50\t90\nchr1\t10\t100\nchr1\t100\t120\nchr1\t80\t95\n")
    listed = [("chr1", 9, 11, tissue.spots[0]), ("chr1", 99, 101, tissue.spots[1]), ("chr1", 119, 130, tissue.spots[1])]
    path = write(tmp_path / "fragments.tsv.gz", listed)
    with pytest.warns(InputWarning, match="2 peaks that overlap others are joined with them"):
        data = section({"atac": path}, spatial=spatial_csv, peaks=tmp_path / "peaks.bed")
    expected = Counter(
        {(tissue.spots[0], "chr1:10-100"): 1, (tissue.spots[1], "chr1:10-100"): 1, (tissue.spots[1], "chr1:100-120"): 2}
    )
    holds(data.mod["atac"], expected, tissue.spots)


def test_another_modality_tells_the_spots(tissue, tmp_path: Path, write_tenx_h5: Callable) -> None:
    """Its barcodes lack the number of the well, as lists of positions sometimes do."""
    listed = some(tissue.spots)
    path = write(tmp_path / "fragments.tsv.gz", listed)
    rna = tissue.table("rna").set_axis([spot[:-2] for spot in tissue.spots])
    rna.assign(x=tissue.coordinates[:, 0], y=tissue.coordinates[:, 1]).to_csv(tmp_path / "rna.csv")
    with pytest.warns(InputWarning, match="barcodes are compared without the number at their end"):
        data = section({"rna": tmp_path / "rna.csv", "atac": path})
    expected = Counter({(spot[:-2], tile): n for (spot, tile), n in counted(listed, tile(5000)).items()})
    holds(data.mod["atac"], expected, [spot[:-2] for spot in tissue.spots])
    assert set(data.mod["atac"].obs_names) == set(data.mod["rna"].obs_names)


def test_barcodes_of_two_wells_are_not_one_spot(
    tissue, tmp_path: Path, spatial_csv: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where they are in blocks of the file that are read one after the other."""
    spatial_csv.write_text(spatial_csv.read_text().replace("-1,", ","))
    monkeypatch.setattr(reader, "BLOCK_BYTES", 64)
    listed = [("chr1", 10 * i, 10 * i + 5, spot) for i, spot in enumerate(tissue.spots)]
    assert section({"atac": write(tmp_path / "one.tsv.gz", listed)}, spatial=spatial_csv).n_obs == 20
    path = write(tmp_path / "two.tsv.gz", [*listed, ("chr1", 900, 950, "SPOT03-2")])
    with pytest.raises(InputError, match=r"two.tsv.gz: holds the barcodes 'SPOT03-1' and 'SPOT03-2'"):
        section({"atac": path}, spatial=spatial_csv)


@pytest.mark.parametrize("matrix", ["h5", "folder", None])
def test_a_folder_of_spatial_atac(tissue, tmp_path: Path, write_tenx_h5, write_tenx_folder, matrix: str | None) -> None:
    """Positions beside peaks or fragments; positions without the number of the well, as AtlasXomics lists them."""
    folder = tmp_path / "outs"
    (folder / "spatial").mkdir(parents=True)
    text = positions(tissue, False).replace(b"-1,", b",")
    (folder / "spatial" / "tissue_positions_list.csv").write_bytes(text)
    listed = some(tissue.spots)
    write(folder / "fragments.tsv.gz", listed)
    peaks = [(f"chr1:{i}00-{i}50", "Peaks") for i in range(1, 6)]
    if matrix == "h5":
        write_tenx_h5(folder / "filtered_peak_bc_matrix.h5", tissue.spots, peaks, tissue.rna)
    elif matrix == "folder":
        # As Cell Ranger ATAC writes it.
        write_tenx_folder(folder / "filtered_peak_bc_matrix", tissue.spots, peaks, tissue.rna, 2, False)
        (folder / "filtered_peak_bc_matrix" / "genes.tsv").unlink()
        bed = "".join(f"chr1\t{i}00\t{i}50\n" for i in range(1, 6))
        (folder / "filtered_peak_bc_matrix" / "peaks.bed").write_text(bed)
    data = section({"atac": folder})
    part = data.mod["atac"]
    if matrix is None:
        expected = Counter({(spot[:-2], name): n for (spot, name), n in counted(listed, tile(5000)).items()})
        holds(part, expected, [spot[:-2] for spot in tissue.spots])
    else:
        assert list(part.var_names) == [name for name, _kind in peaks]
        np.testing.assert_array_equal(part[tissue.spots].X.toarray(), tissue.rna)
        np.testing.assert_array_equal(part[tissue.spots].obsm["spatial"], tissue.coordinates)
    assert data.uns["spatialweave"]["platform"] in ("dbit", "square")


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (
            "chr1\t10\t90\tSPOT00-1\nchr1\t20\tx\tSPOT00-1\n",
            "fragments.tsv: is not a readable file of fragments .*Row #2",
        ),
        ("chr1\t10\t90\tSPOT00-1\nchr1\t20\n", "fragments.tsv: is not a readable file of fragments"),
        (
            "#c\nchr1\t10\t90\tSPOT00-1\nchr1\t20\t15\tSPOT00-1\n",
            "fragments.tsv, line 3: start 20 and end 15; expected 0 <=",
        ),
        ("chr1\t10\t90\tX1\n", r"none of its barcodes \(first: 'X1'\) has coordinates \(first that has: 'SPOT00-1'\)"),
        ("chrM\t10\t90\tSPOT00-1\n", "no fragment lies in a tile"),
    ],
)
def test_damaged_fragments(tissue, tmp_path: Path, spatial_csv: Path, lines: str, message: str) -> None:
    (tmp_path / "fragments.tsv").write_text(lines)
    with pytest.raises(InputError, match=message):
        section({"atac": tmp_path / "fragments.tsv"}, spatial=spatial_csv)


@pytest.mark.parametrize(
    ("bed", "message"),
    [
        ("", "peaks.bed: holds no peaks"),
        ("chr1\t1\t9\nchr1:1-9\n", "peaks.bed, line 2: is not an interval; expected chromosome, start and end"),
        ("chr1\t9\t1\n", "peaks.bed, line 1: is not an interval"),
        ("1\t0\t300000\n", "no fragment lies in a peak; expected the same names of chromosomes"),
    ],
)
def test_damaged_peaks(tissue, tmp_path: Path, spatial_csv: Path, bed: str, message: str) -> None:
    path = write(tmp_path / "fragments.tsv.gz", some(tissue.spots))
    (tmp_path / "peaks.bed").write_text(bed)
    with pytest.raises(InputError, match=message):
        section({"atac": path}, spatial=spatial_csv, peaks=tmp_path / "peaks.bed")


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({}, "holds fragments, but its barcodes have no coordinates"),
        ({"bins": {"": "50"}}, "'50' cannot be used for tiles; expected at least 100 base pairs"),
        ({"bins": {"": "cell"}}, "--bin: 'cell' cannot be used"),
    ],
)
def test_choices_that_make_no_sense(tissue, tmp_path: Path, spatial_csv: Path, more: dict, message: str) -> None:
    path = write(tmp_path / "fragments.tsv.gz", some(tissue.spots))
    with pytest.raises(InputError, match=message):
        section({"atac": path}, **(more and {**more, "spatial": spatial_csv}))


def test_a_tally_adds_up_whatever_the_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("spatialweave.io.readers.tally.FEWEST", 50)
    draw = np.random.default_rng(0)
    keys, values = draw.integers(0, 400, 5000), draw.integers(1, 9, 5000)
    tally = Tally()
    for start in range(0, 5000, 37):
        tally.add(keys[start : start + 37], values[start : start + 37])
    found, sums = tally.result()
    expected = pd.Series(values).groupby(keys).sum()
    np.testing.assert_array_equal(found, expected.index)
    np.testing.assert_array_equal(sums, expected)
    rows, columns, matrix = as_matrix(found, sums, 4)
    assert matrix.toarray()[rows == 400 // 16 - 2, columns == 5] == expected[(400 // 16 - 2) * 16 + 5]
    assert matrix.sum() == values.sum()
