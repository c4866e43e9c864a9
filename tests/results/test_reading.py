"""What the report reads of the joined counts and of the runs, against values that the test knows."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import anndata
import mudata
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from spatialweave.errors import InputError
from spatialweave.io import contract, count_matrix
from spatialweave.io.joined_counts import SectionSize
from spatialweave.io.result_tables import METRICS
from spatialweave.results.counts import read_counts, read_features
from spatialweave.results.runs import read_metrics, run_files
from spatialweave.results.spots import DatasetSpots

SECTIONS = [SectionSize("b", "dbit", {"rna": 1}, {"rna": 9}), SectionSize("a", "dbit", {"rna": 1}, {"rna": 2})]
OBS = pd.DataFrame(
    {"barcode": ["x", "y", "x"], "section": ["b", "b", "a"]}, index=["b:x", "b:y", "a:x"], dtype="object"
)
SPOTS = DatasetSpots(OBS, None, np.zeros((3, 2)), "square")


def write_counts(
    path: Path, names: list[str], counts: list[list[int]], sections: str = "", obs: pd.DataFrame = OBS
) -> Path:
    """A counts file of RNA of the spots `names`, and of a protein of all spots of `obs`."""
    part = anndata.AnnData(
        sparse.csr_matrix(np.array(counts, dtype=np.float32)),
        pd.DataFrame(index=names),
        pd.DataFrame(index=[f"g{index}" for index in range(len(counts[0]))]),
    )
    adt = anndata.AnnData(sparse.csr_matrix(np.ones((len(obs), 1), np.float32)), obs[[]], pd.DataFrame(index=["p"]))
    data = mudata.MuData({"rna": part, "adt": adt}, obs=obs)
    data.obsm["spatial"] = np.zeros((len(obs), 2))
    data.uns["spatialweave"] = contract.stamp("counts", dataset="d", platform="dbit", layout="square")
    data.uns["sections"] = sections or json.dumps([asdict(section) for section in SECTIONS])
    contract.write(data, path)
    return path


@pytest.mark.parametrize("at_once", [1, 2, 100])
def test_features_by_blocks_are_those_of_the_tables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    monkeypatch.setattr(count_matrix, "BLOCK_ENTRIES", at_once)
    path = write_counts(tmp_path / "c.h5mu", ["a:x", "b:x"], [[2, 2, 0], [1, 0, 7]])
    wanted = {("rna", "g0"), ("rna", "g2"), ("adt", "p"), ("adt", "g0"), ("rna", "none")}
    sections, found = read_features(path, SPOTS, wanted)
    assert sections == SECTIONS and set(found) == {("rna", "g0"), ("rna", "g2"), ("adt", "p")}
    # Totals are 4 and 8, so both are scaled to 6; b:y was not measured.
    np.testing.assert_allclose(found["rna", "g0"], [np.log(1 + 6 / 8), np.nan, np.log(4)], rtol=1e-6)
    _, tables, _ = read_counts(path, SPOTS)
    for table in tables:
        for number, name in enumerate(table.names):
            if (table.modality, name) in found:
                values = np.where(table.present, table.column(number), np.nan)
                np.testing.assert_array_equal(found[table.modality, name], values)
    assert read_features(None, SPOTS, wanted) == ([], {})


def test_fractions_that_are_declared_precomputed_are_shown_as_they_are(tmp_path: Path) -> None:
    path = write_counts(tmp_path / "c.h5mu", ["a:x", "b:x"], [[2, 2, 0], [1, 0, 7]])
    data = mudata.read_h5mu(path)
    data["rna"].X = data["rna"].X / 4
    data["rna"].uns[contract.PRECOMPUTED] = "values"
    contract.write(data, tmp_path / "given.h5mu")
    _, found = read_features(tmp_path / "given.h5mu", SPOTS, {("rna", "g0")})
    np.testing.assert_array_equal(found["rna", "g0"], [0.25, np.nan, 0.5])
    _, tables, _ = read_counts(tmp_path / "given.h5mu", SPOTS)
    (rna,) = (table for table in tables if table.modality == "rna")
    assert rna.unit == "value as in the input"
    np.testing.assert_array_equal(rna.column(0), [0.25, 0.0, 0.5])


def test_features_of_other_spots_are_refused(tmp_path: Path) -> None:
    other = OBS.rename(index={"b:y": "b:z"})
    path = write_counts(tmp_path / "c.h5mu", ["a:x"], [[1, 2]], obs=other)
    with pytest.raises(InputError, match="its spots are not those of the latents"):
        read_features(path, SPOTS, {("rna", "g0")})


def test_counts_come_in_the_order_of_the_spots(tmp_path: Path) -> None:
    # The second spot was not measured; totals of the others are 4 and 8, so they are scaled to 6.
    path = write_counts(tmp_path / "r.counts.h5mu", ["a:x", "b:x"], [[1, 3], [8, 0]])
    sections, (table, _), _images = read_counts(path, SPOTS)
    assert sections == SECTIONS
    assert table.names == ["g0", "g1"]
    assert table.present.tolist() == [True, False, True]
    np.testing.assert_allclose(table.values.toarray(), np.log1p([[6, 0], [0, 0], [1.5, 4.5]]), rtol=1e-6)


def test_counts_of_other_spots_are_refused(tmp_path: Path) -> None:
    path = write_counts(tmp_path / "r.counts.h5mu", ["b:x", "a:x"], [[1, 3], [8, 0]], obs=OBS.iloc[[0, 2, 1]])
    with pytest.raises(InputError, match="its spots are not those of the latents"):
        read_counts(path, SPOTS)


@pytest.mark.parametrize("sections", ["x", "7", '[{"name": "b"}]', '[{"title": "b"}]'])
def test_an_unreadable_account_of_the_sections_is_refused(tmp_path: Path, sections: str) -> None:
    path = write_counts(tmp_path / "r.counts.h5mu", ["b:x"], [[1, 3]], sections)
    with pytest.raises(InputError, match=r"uns\['sections'\]: is not a list of sections"):
        read_counts(path, SPOTS)


def test_files_of_runs_are_known_by_their_names(tmp_path: Path) -> None:
    for name in ("a.b.seed12.h5ad", "m.seed3.metrics.csv", "m.seed3.alignment.csv", "seed3.h5ad", "m.seed3.h5ad.tmp"):
        (tmp_path / name).write_text("x")
    (tmp_path / "m.seed4.h5ad").write_text("")
    found = [item[1:] for item in run_files(tmp_path)]
    assert found == [("a.b", 12, "h5ad"), ("m", 3, "metrics.csv")]


def test_metrics_are_those_of_the_dataset(tmp_path: Path) -> None:
    for method, dataset in (("p", "d"), ("q", "e")):
        rows = [(dataset, method, 1, "mclust", 4, "ari", 0.5)]
        METRICS.write(tmp_path / f"{method}.seed1.metrics.csv", METRICS.frame(rows))
    assert read_metrics(tmp_path, "d")["method"].tolist() == ["p"]
    assert read_metrics(tmp_path, "f").empty


def test_sections_are_numbered_in_the_order_of_the_stack() -> None:
    codes, names = SPOTS.stack()
    assert (codes.tolist(), codes.dtype, names) == ([0, 0, 1], np.int32, ["b", "a"])
