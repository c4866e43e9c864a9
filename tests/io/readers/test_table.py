"""Text tables come back with their counts, barcodes and feature names."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spatialweave.io.column_names import facts_among
from spatialweave.io.notices import InputWarning
from spatialweave.io.readers import read

from .reading import matrices, section

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning", "ignore::DeprecationWarning")


@pytest.mark.parametrize("name", ["rna.csv", "rna.tsv", "rna.csv.gz", "rna.tsv.gz", "RNA.CSV"])
@pytest.mark.parametrize("ending", ["\n", "\r\n"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_text_matrix(tissue, tmp_path: Path, holds, spatial_csv: Path, name: str, ending: str, encoding: str) -> None:
    separator = "\t" if "tsv" in name else ","
    tissue.table("rna").to_csv(
        tmp_path / name, sep=separator, lineterminator=ending, encoding=encoding, index_label="barcode"
    )
    holds(section({"rna": tmp_path / name}, spatial=spatial_csv), tissue, "rna")


def test_text_matrix_in_blocks_with_blank_lines_and_quotes(tissue, tmp_path, holds, spatial_csv, monkeypatch) -> None:
    monkeypatch.setattr("spatialweave.io.readers.table.BLOCK_CELLS", 18)
    text = tissue.table("rna").to_csv(quoting=1).replace("\n", "\n\n")
    (tmp_path / "rna.csv").write_text("\n" + text)
    holds(section({"rna": tmp_path / "rna.csv"}, spatial=spatial_csv), tissue, "rna")


def test_barcodes_that_look_like_numbers_or_missing_values_stay_text(tmp_path: Path) -> None:
    names = ["001", "1e3", "NA", "null", "1.0", "nan"]
    (tmp_path / "rna.csv").write_text("id,A\n" + "".join(f"{name},{i + 1}\n" for i, name in enumerate(names)))
    (tmp_path / "xy.csv").write_text(
        "id,A\n".replace("id,A", "barcode,x,y") + "".join(f"{n},{i},1\n" for i, n in enumerate(names))
    )
    result = section({"rna": tmp_path / "rna.csv"}, spatial=tmp_path / "xy.csv")
    assert result.obs_names.tolist() == names
    assert result.mod["rna"].X.toarray().ravel().tolist() == [1, 2, 3, 4, 5, 6]


def test_repeated_feature_names_are_numbered(tissue, tmp_path: Path, spatial_csv: Path) -> None:
    frame = tissue.table("rna")
    frame.columns = ["A", "B", "A", "C", "A"]
    frame.to_csv(tmp_path / "rna.csv")
    with pytest.warns(InputWarning, match="2 repeated feature names"):
        result = section({"rna": tmp_path / "rna.csv"}, spatial=spatial_csv)
    assert result.mod["rna"].var_names.tolist() == ["A", "B", "A-1", "C", "A-2"]
    np.testing.assert_array_equal(result.mod["rna"].X.toarray(), tissue.rna)


def no_facts(features: list[str]) -> bool:
    """Whether none is what tables of cells call coordinates and facts about them, as random names can be, too."""
    return not facts_among(features)


names = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1, max_size=8)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(counts=matrices, data=st.data())
def test_any_text_matrix_comes_back(tmp_path: Path, counts: np.ndarray, data: st.DataObject) -> None:
    spots = data.draw(st.lists(names, min_size=len(counts), max_size=len(counts), unique=True))
    features = data.draw(st.lists(names, min_size=3, max_size=3, unique=True).filter(no_facts))
    path = tmp_path / "m.csv"
    pd.DataFrame(counts, index=spots, columns=features).to_csv(path, encoding="utf-8", index_label="barcode")
    (measurement,) = read(path)
    matrix, table = measurement.slots["matrix"]()
    np.testing.assert_array_equal(matrix.toarray(), counts)
    assert measurement.obs.index.tolist() == spots
    assert table.index.tolist() == features
