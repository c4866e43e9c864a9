"""INGEST of what is no proper file: links, folders, pipes, sealed files, strange names; and pickles in disguise."""

from __future__ import annotations

import os
import pickle
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from .harness import assert_ends_well, holds, text
from .test_stores import adata
from .tissue import LABELS, beside, coordinates, counts, matrix_folder

pytestmark = pytest.mark.filterwarnings("ignore")

# What is given, by which option.
GIVEN = {
    "bad.h5ad": "--rna", "bad.h5mu": "--multi", "bad.h5": "--multi", "bad.csv": "--rna", "bad.tsv.gz": "--adt",
    "bad.zarr": "--rna", "bad": "--multi", "coordinates.csv": "--spatial", "coordinates.parquet": "--spatial",
    "bad.gef": "--rna", "bad.gem.gz": "--multi", "fragments.tsv.gz": "--atac", "bad.imzML": "--metabolite",
    "peaks.bed": "--peaks",
    "tissue_positions.csv": "--spatial", "labels.csv": "--labels", "labels.parquet": "--labels",
}  # fmt: skip


def folder_link(path: Path) -> None:
    (path.parent / "other").mkdir()
    path.symlink_to("other")


def self_in_folder(path: Path) -> None:
    path.mkdir()
    (path / "matrix.mtx").symlink_to(path)
    (path / "obs").symlink_to(path)


OBSTACLES: dict[str, Callable[[Path], object]] = {
    "absent": lambda path: None,
    "absent folder": lambda path: text(path.parent / "file", "x"),
    "dangling link": lambda path: path.symlink_to("nowhere"),
    "link to itself": lambda path: path.symlink_to(path.name),
    "folder": lambda path: path.mkdir(),
    "link to a folder": folder_link,
    "folder with itself in it": self_in_folder,
    "pipe": lambda path: os.mkfifo(path),
    "device": lambda path: path.symlink_to("/dev/zero"),
    "nothing": lambda path: path.symlink_to("/dev/null"),
    "0 bytes": lambda path: path.touch(),
    "pickle": lambda path: path.write_bytes(pickle.dumps(Trap())),
}


class Trap:
    """What runs a program when it is unpickled."""

    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        return os.system, ("touch hacked",)


def ingest(folder: Path, *arguments: object, names: str | tuple[str, ...]) -> int:
    out = folder / "out" / "section.h5mu"
    given = ["--dataset", "d", "--section", "s", "--out", str(out), *map(str, arguments)]
    code = assert_ends_well("ingest", given, out.parent, names, lambda: holds(out))
    assert not list(folder.rglob("hacked"))
    return code


@pytest.mark.parametrize("obstacle", OBSTACLES)
@pytest.mark.parametrize("name", GIVEN)
def test_no_proper_file(name: str, obstacle: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / name
    OBSTACLES[obstacle](path)
    if obstacle == "absent folder":
        path = tmp_path / "file" / name
    option = GIVEN[name]
    more = [] if option in ("--rna", "--adt", "--multi") else ["--rna", text(tmp_path / "rna.csv", counts(","))]
    more += beside(tmp_path) if option != "--spatial" else []
    assert ingest(tmp_path, option, path, *more, names=name) == 2


STRANGE = (
    "a b", "$(touch hacked)", "`touch hacked`", ";touch hacked;", "-rf", "--help", "a\nb", "a\rERROR: b", "\x1b[31m",
    "'", '"', "\\", "*", "?", "[a]", "~", "é", "日本", "\u202e", "..a", "%s%n", "{0}", "#", "&", "a,b", "http:",
    "x" * 200,
)  # fmt: skip


@pytest.mark.parametrize("name", STRANGE, ids=ascii)
def test_strange_names_of_good_files(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    here = tmp_path / f"{name}.d"
    rna, xy, label = (text(here / f"{name}.{kind}.csv", content) for kind, content in
                      (("rna", counts(",")), ("xy", coordinates(",")), ("label", LABELS)))  # fmt: skip
    assert ingest(tmp_path, "--rna", rna, "--spatial", xy, "--labels", label, names="") == 0


@pytest.mark.parametrize("name", STRANGE, ids=ascii)
def test_strange_names_of_bad_files(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    shown = "".join(c if c.isprintable() else " " for c in name)
    assert ingest(tmp_path, "--rna", text(tmp_path / f"{name}.h5ad", "no HDF5"), names=shown) == 2


@pytest.mark.parametrize(
    "name",
    ["../x", "/x", "a/b", "..", ".", "", " ", ".hidden", "a b", "$(touch hacked)", "a;b", "a\nb", "é", "a\0b", "--x"],
)
@pytest.mark.parametrize("option", ["--dataset", "--section"])
def test_names_that_name_no_file(option: str, name: str, tmp_path: Path) -> None:
    rna = text(tmp_path / "rna.csv", counts(","))
    assert ingest(tmp_path, "--rna", rna, *beside(tmp_path), f"{option}={name}", names=option) == 2


@pytest.mark.parametrize("value", ["nan", "inf", "-inf", "1e300", "-1e300", "1e13"])
@pytest.mark.parametrize("column", [0, 1])
def test_coordinates_out_of_bounds(value: str, column: int, tmp_path: Path) -> None:
    data = adata()
    data.obsm["spatial"] = data.obsm["spatial"].copy()
    data.obsm["spatial"][3, column] = float(value)
    data.write_h5ad(tmp_path / "bad.h5ad")
    assert ingest(tmp_path, "--rna", tmp_path / "bad.h5ad", names="bad.h5ad") == 2


def sealed(path: Path) -> Path:
    path.chmod(0)
    return path


@pytest.mark.parametrize("name", ["bad.h5ad", "bad.csv", "bad", "folder/bad.csv", "coordinates.csv", "labels.csv"])
def test_sealed_files(name: str, project: Path, tmp_path: Path) -> None:
    """A real process, which gives up the right to read everything where it has it."""
    here = tmp_path / "in"
    good = text(here / "rna.csv", counts(","))
    path = matrix_folder(here / name) if name == "bad" else text(here / name, counts(","))
    sealed(path.parent if "/" in name else path)
    option = {"coordinates.csv": "--spatial", "labels.csv": "--labels"}.get(name, "--rna")
    arguments = [option, str(path), *([] if option == "--rna" else ["--rna", str(good)])]
    arguments += [] if option == "--spatial" else beside(here)
    (tmp_path / "out").mkdir()
    command = [sys.executable, str(project / "bin" / "ingest.py"), "--dataset", "d", "--section", "s"]
    command += ["--out", str(tmp_path / "out" / "section.h5mu"), *arguments]
    if os.geteuid() == 0:
        if not shutil.which("setpriv"):
            pytest.skip("who may read everything is refused nothing, and there is no setpriv to give that up")
        command = ["setpriv", "--bounding-set", "-dac_override,-dac_read_search", *command]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    # The command line itself refuses what it cannot open; what is in a sealed folder is refused by the reader.
    assert done.returncode == 2, done.stderr
    assert path.name in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
    assert not list((tmp_path / "out").iterdir())
