"""The QC script: what it writes, and how it refuses."""

from __future__ import annotations

from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner, Result
from scipy import sparse

from qc import main
from spatialweave.io.contract import join_modalities, read_h5mu, stamp, write


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with in.h5mu: 4 spots whose RNA totals are 0, 2, 4 and 6, half of them mitochondrial."""
    counts = sparse.csr_matrix(np.array([[0, 0], [1, 1], [2, 2], [3, 3]], dtype=np.float32))
    spots = ["a", "b", "c", "d"]
    rna = ad.AnnData(counts, obs=pd.DataFrame(index=spots), var=pd.DataFrame(index=["mt-Co1", "Actb"]))
    obs = pd.DataFrame({"section": "s1"}, index=spots)
    facts = stamp("section", dataset="d", section="s1", platform="square", layout="square")
    write(join_modalities({"rna": rna}, obs, np.eye(4, 2), {"spatialweave": facts}), tmp_path / "in.h5mu")
    return tmp_path


def run(folder: Path, *options: str) -> Result:
    paths = [
        "--in-section",
        str(folder / "in.h5mu"),
        "--out",
        str(folder / "out.h5mu"),
        "--out-dir",
        str(folder / "qc"),
    ]
    return CliRunner().invoke(main, [*paths, *options])


def test_writes_section_tables_and_plots(folder: Path) -> None:
    result = run(folder, "--rna-min-counts", "3")
    assert result.exit_code == 0, result.output
    assert result.stdout == "s1: 2 spots kept; removed: rna 2 of 4\n"
    assert result.stderr == ""
    assert read_h5mu(folder / "out.h5mu", "section").obs_names.tolist() == ["c", "d"]
    names = sorted(path.name for path in (folder / "qc").iterdir())
    assert names == [
        "s1.qc_coordinates.png",
        "s1.qc_maps.png",
        "s1.qc_mqc.tsv",
        "s1.qc_spots.csv",
        "s1.qc_summary.csv",
        "s1.qc_violins.png",
    ]
    lines = (folder / "qc" / "s1.qc_spots.csv").read_text().splitlines()
    assert lines[0] == (
        "barcode,section,modality,total,n_features,mito_percent,ribo_percent,isotype_percent,"
        "tss_enrichment,n_fragments,kept,reason"
    )
    assert lines[1] == "a,s1,rna,0.0,0,0.0,,,,,false,rna_min_counts;rna_min_features"
    assert lines[4] == "d,s1,rna,6.0,2,50.0,,,,,true,"
    summary = pd.read_csv(folder / "qc" / "s1.qc_summary.csv").set_index("check")
    assert summary.loc["rna_min_counts", ["threshold", "n_failed", "percent_failed"]].tolist() == [3, 2, 50]


def test_the_section_that_comes_out_can_go_in_again(folder: Path) -> None:
    assert run(folder).exit_code == 0
    (folder / "out.h5mu").replace(folder / "in.h5mu")
    result = run(folder)
    assert result.exit_code == 0 and result.stdout == "s1: 3 spots kept; removed: rna 0 of 3\n"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--rna-min-counts", "7"), "--rna-min-counts 7 removes 4 of 4 spots"),
        (("--rna-max-mito-percent", "10"), "--rna-max-mito-percent 10 removes 3 of 4 spots"),
        (("--min-spots", "4"), "--min-spots 4 removes all 2 features"),
        (("--in-section", "absent.h5mu"), "absent.h5mu: no such file or folder; expected .h5mu file"),
    ],
)
def test_refusals_are_one_line_and_write_nothing(folder: Path, options: tuple[str, ...], message: str) -> None:
    result = run(folder, *options)
    assert result.exit_code == 2
    assert result.stderr.startswith("ERROR: ") and result.stderr.count("\n") == 1
    assert message in result.stderr
    assert [path.name for path in folder.iterdir()] == ["in.h5mu"]


@pytest.mark.parametrize(
    "options", [("--rna-min-counts", "-1"), ("--rna-max-mito-percent", "101"), ("--rna-min-features", "few")]
)
def test_thresholds_out_of_bounds_are_refused(folder: Path, options: tuple[str, ...]) -> None:
    result = run(folder, *options)
    assert result.exit_code == 2 and f"Invalid value for '{options[0]}'" in result.stderr
