"""INGEST of text files that were damaged: every format, every kind of damage, and damage that hypothesis thinks of."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from .harness import assert_ends_well, holds
from .text_damage import DAMAGES, LONG
from .tissue import TEXTS, counts

pytestmark = pytest.mark.filterwarnings("ignore")


def ingest(folder: Path, name: str, content: bytes) -> None:
    arguments = TEXTS[name][1](folder, content)
    out = folder / "out" / "section.h5mu"
    fixed = ["--dataset", "d", "--section", "s", "--out", str(out)]
    # Of two files that do not fit together, either may be named, or the folder of a matrix.
    assert_ends_well(
        "ingest",
        [*fixed, *arguments],
        out.parent,
        (name, "xy.csv", "rna.csv", "mtx", "outs", "machine", "fragments.tsv"),
        lambda: holds(out),
    )
    assert not list(folder.rglob("hacked"))


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("name", TEXTS)
def test_damaged_text(name: str, damage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    ingest(tmp_path, name, DAMAGES[damage](TEXTS[name][0]))


CELLS = st.one_of(
    st.text(max_size=8),
    st.integers().map(str),
    st.floats().map(repr),
    st.sampled_from(
        ["", "0", "1", "b0", "b1", "A", "barcode", "x", "y", "label", '"', ",", "\t", "\n", "\r", "\ufeff"]
    ),
)
TABLES = st.lists(st.lists(CELLS, max_size=6), max_size=8)


@settings(max_examples=3000 if LONG else 40, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(table=TABLES, name=st.sampled_from(sorted(name for name in TEXTS if not name.endswith(".gz"))))
def test_tables_of_anything(table: list[list[str]], name: str) -> None:
    separator = "\t" if name.endswith((".tsv", ".bed", ".gem", ".txt")) else " " if name.endswith(".mtx") else ","
    content = "\n".join(separator.join(row) for row in table).encode("utf-8", "surrogatepass")
    with tempfile.TemporaryDirectory() as folder:
        ingest(Path(folder), name, content)


@settings(max_examples=2000 if LONG else 40, deadline=None, derandomize=True)
@given(data=st.data())
def test_a_table_with_one_cell_of_anything(data: st.DataObject) -> None:
    rows = [line.split(b",") for line in counts(",").splitlines()]
    row, column = data.draw(st.integers(0, 12)), data.draw(st.integers(0, 3))
    rows[row][column] = data.draw(CELLS).encode("utf-8", "surrogatepass")
    with tempfile.TemporaryDirectory() as folder:
        ingest(Path(folder), "bad.csv", b"\n".join(b",".join(row) for row in rows) + b"\n")
