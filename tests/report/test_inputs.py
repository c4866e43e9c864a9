"""What the report reads of the joined counts and of the runs, against values that the test knows."""

from __future__ import annotations

from pathlib import Path

import anndata
import mudata
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from spatialweave.errors import InputError
from spatialweave.io import contract
from spatialweave.io.result_tables import METRICS
from spatialweave.report.inputs import DatasetSpots, SectionFacts, read_counts, read_metrics, run_files

FACTS = '[{"name": "b", "platform": "dbit", "spots": {"rna": 2}, "features": {"rna": 9}}]'
OBS = pd.DataFrame(
    {"barcode": ["x", "y", "x"], "section": ["b", "b", "a"]}, index=["b:x", "b:y", "a:x"], dtype="object"
)
SPOTS = DatasetSpots(OBS, None, np.zeros((3, 2)), "square")


def write_counts(path: Path, names: list[str], counts: list[list[int]], facts: str = FACTS) -> Path:
    part = anndata.AnnData(
        sparse.csr_matrix(np.array(counts, dtype=np.float32)),
        pd.DataFrame(index=names),
        pd.DataFrame(index=[f"g{index}" for index in range(len(counts[0]))]),
    )
    data = mudata.MuData({"rna": part})
    data.obs = OBS.reindex(data.obs_names).fillna("?")
    data.obsm["spatial"] = np.zeros((len(data.obs), 2))
    data.uns["spatialweave"], data.uns["sections"] = contract.stamp("counts", dataset="d", layout="square"), facts
    contract.write(data, path)
    return path


def test_counts_come_in_the_order_of_the_spots(tmp_path: Path) -> None:
    # The second spot was not measured; totals of the others are 4 and 8, so they are scaled to 6.
    path = write_counts(tmp_path / "r.counts.h5mu", ["a:x", "b:x"], [[1, 3], [8, 0]])
    sections, (table,) = read_counts(path, SPOTS)
    assert sections == [SectionFacts("b", "dbit", {"rna": 2}, {"rna": 9})]
    assert table.names == ["g0", "g1"]
    assert table.present.tolist() == [True, False, True]
    np.testing.assert_allclose(table.values.toarray(), np.log1p([[6, 0], [0, 0], [1.5, 4.5]]), rtol=1e-6)


def test_counts_of_other_spots_are_refused(tmp_path: Path) -> None:
    path = write_counts(tmp_path / "r.counts.h5mu", ["b:x", "c:x"], [[1, 3], [8, 0]])
    with pytest.raises(InputError, match="modality rna: spot 'c:x' is not in the latents"):
        read_counts(path, SPOTS)


@pytest.mark.parametrize("facts", ["", "7", '[{"name": "b"}]', '[{"title": "b"}]'])
def test_an_unreadable_account_of_the_sections_is_refused(tmp_path: Path, facts: str) -> None:
    path = write_counts(tmp_path / "r.counts.h5mu", ["b:x"], [[1, 3]], facts)
    with pytest.raises(InputError, match=r"uns\['sections'\]: is no account of the sections"):
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
