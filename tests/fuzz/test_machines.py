"""INGEST of machines' folders in which one file is damaged."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ..io.readers import machines
from .harness import assert_ends_well, holds
from .test_stores import STORE_DAMAGES

pytestmark = pytest.mark.filterwarnings("ignore")

CELLS = [f"c{i:02d}" for i in range(12)]
GENES = ["A", "B", "C"]
COUNTS = np.arange(36).reshape(12, 3)
AT = np.array([(12.0 * (i % 4), 12.0 * (i // 4)) for i in range(12)])


def xenium(folder: Path) -> list[str]:
    machines.xenium(folder, CELLS, [(gene, "Gene Expression") for gene in GENES], COUNTS, AT)
    cell, gene = np.repeat(np.indices(COUNTS.shape).reshape(2, -1), COUNTS.ravel(), axis=1)
    transcripts = {"cell_id": np.array(CELLS)[cell], "feature_name": np.array(GENES)[gene], "qv": 30.0}
    pd.DataFrame({**transcripts, "overlaps_nucleus": 1}).to_parquet(folder / "transcripts.parquet")
    return ["--multi", str(folder), "--layer", "nucleus"]


def cosmx(folder: Path) -> list[str]:
    values = pd.DataFrame(COUNTS, columns=GENES)
    machines.cosmx(folder, np.repeat([1, 2], 6), np.tile(np.arange(1, 7), 2), values, AT)
    return ["--rna", str(folder)]


def merscope(folder: Path) -> list[str]:
    machines.merscope(folder, CELLS, pd.DataFrame(COUNTS, columns=GENES), AT)
    return ["--multi", str(folder)]


def imzml(folder: Path) -> list[str]:
    def spectrum(pixel: int) -> tuple[np.ndarray, np.ndarray]:
        return np.array([120.0, 212.5, 312.0]), COUNTS[pixel] + 1.0

    machines.imzml(folder, [(1 + i % 4, 1 + i // 4) for i in range(12)], spectrum, mode="continuous")
    return ["--multi", str(folder)]


def dbit(folder: Path) -> list[str]:
    folder.mkdir()
    names = [f"{1 + i % 4}x{1 + i // 4}" for i in range(12)]
    pd.DataFrame(COUNTS, index=names, columns=GENES).to_csv(folder / "matrix.tsv", sep="\t", index_label="X")
    (folder / "position.txt").write_text("," + ",".join(names[:9]))
    return ["--rna", str(folder)]


MACHINES: dict[str, Callable[[Path], list[str]]] = {
    "xenium": xenium,
    "cosmx": cosmx,
    "merscope": merscope,
    "imzml": imzml,
    "dbit": dbit,
}


def cases(machine: str, damage: str, folder: Path) -> list[tuple[Path, list[str]]]:
    """The folder once for each of its files, with that file damaged; with the arguments that name it."""
    arguments = MACHINES[machine](folder / "whole")
    made = []
    for number, file in enumerate(sorted(path for path in (folder / "whole").rglob("*") if path.is_file())):
        copy = folder / str(number)
        shutil.copytree(folder / "whole", copy)
        content = STORE_DAMAGES[damage](file.read_bytes())
        target = copy / file.relative_to(folder / "whole")
        target.unlink()
        if content is not None:
            target.write_bytes(content)
        made.append((target, [argument.replace(str(folder / "whole"), str(copy)) for argument in arguments]))
    return made


def test_whole_folders_are_read(tmp_path: Path) -> None:
    for machine, write in MACHINES.items():
        out = tmp_path / "out" / machine / "section.h5mu"
        arguments = ["--dataset", "d", "--section", "s", *write(tmp_path / machine), "--out", str(out)]
        assert assert_ends_well("ingest", arguments, out.parent, "", partial(holds, out)) == 0


@pytest.mark.parametrize("damage", STORE_DAMAGES)
@pytest.mark.parametrize("machine", MACHINES)
def test_damaged_file_of_a_machine(machine: str, damage: str, tmp_path: Path) -> None:
    for target, arguments in cases(machine, damage, tmp_path):
        out = tmp_path / "out" / target.parent.name / "section.h5mu"
        arguments = ["--dataset", "d", "--section", "s", *arguments, "--out", str(out)]
        try:
            assert_ends_well("ingest", arguments, out.parent, str(target.parent), partial(holds, out))
        except AssertionError as error:
            raise AssertionError(f"{target.name}, {damage}: {error}") from error
