"""The ingest command: what it writes, and what it does to files that are there already."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import scanpy
from scipy import sparse

from spatialweave.io import contract

from .ingest_inputs import (
    COORDINATES,
    COUNTS,
    SPOTS,
    adata,
    h5ad,
    run,
)

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning")


def test_an_older_output_survives_a_refusal(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "section.h5mu").write_text("older")
    assert run(tmp_path, "--rna", h5ad(tmp_path, coordinates=None)).exit_code == 2
    assert (tmp_path / "out" / "section.h5mu").read_text() == "older"
    assert len(list((tmp_path / "out").iterdir())) == 1


def test_debug_shows_the_traceback(tmp_path: Path) -> None:
    result = run(tmp_path, "--debug", "--rna", str(tmp_path / "none.h5ad"))
    assert result.exit_code == 2
    assert "Traceback" in result.stderr


@pytest.mark.parametrize(
    ("declared", "message"),
    [("atacs", "'atacs' is not a modality"), ("rna:", "'rna:' names no obsm key; expected MODALITY:KEY")],
)
def test_what_is_no_declaration_of_precomputed_values(tmp_path: Path, declared: str, message: str) -> None:
    result = run(tmp_path, "--rna", h5ad(tmp_path), "--precomputed", declared)
    assert result.exit_code == 2
    assert message in result.stderr


def test_a_modality_is_declared_once(tmp_path: Path) -> None:
    twice = ("--precomputed", "rna", "--precomputed", "rna:X_pca")
    result = run(tmp_path, "--rna", h5ad(tmp_path), *twice)
    assert result.exit_code == 2
    assert "rna, rna:X_pca: one is named twice" in result.stderr


def test_columns_of_the_users_own_are_carried_along(tmp_path: Path) -> None:
    given = ("--meta", "donor=P 1", "--meta", "stage=a=b")
    assert run(tmp_path, "--rna", h5ad(tmp_path), *given).exit_code == 0
    section = contract.read_h5mu(tmp_path / "out" / "section.h5mu", "section")
    assert section.obs["meta_donor"].tolist() == ["P 1"] * 12
    assert set(section.obs["meta_stage"]) == {"a=b"}


@pytest.mark.parametrize("given", ["donor", "donor=", "=P1", "Donor=P1", "my donor=P1"])
def test_what_is_no_column_of_the_users_own(tmp_path: Path, given: str) -> None:
    result = run(tmp_path, "--rna", h5ad(tmp_path), "--meta", given)
    assert result.exit_code == 2
    assert f"--meta: '{given}'; expected NAME=VALUE" in result.stderr


def test_declared_latents_are_kept_with_normalised_values(tmp_path: Path) -> None:
    data = adata(COUNTS / 8)
    data.obsm["X_pca"] = np.arange(24.0).reshape(12, 2)
    data.write_h5ad(tmp_path / "rna.h5ad")
    assert run(tmp_path, "--rna", str(tmp_path / "rna.h5ad"), "--precomputed", "rna:X_pca").exit_code == 0
    section = contract.read_h5mu(tmp_path / "out" / "section.h5mu", "section")
    assert section["rna"].uns["precomputed"] == "X_pca"
    np.testing.assert_array_equal(section["rna"].obsm["precomputed"], data.obsm["X_pca"])
    np.testing.assert_array_equal(section["rna"].X.toarray(), COUNTS / 8)


def test_a_section_keeps_the_contract(tmp_path: Path) -> None:
    adt = adata(COUNTS[6:] + 1, SPOTS[6:], COORDINATES[6:])
    adt.write_h5ad(tmp_path / "adt.h5ad")
    arguments = ["--rna", h5ad(tmp_path), "--adt", str(tmp_path / "adt.h5ad"), "--labels", "region"]
    result = run(tmp_path, *arguments, "--platform", "dbit", "--order", "3")
    assert result.exit_code == 0, result.stderr
    assert result.stderr == ""
    section = contract.read_h5mu(tmp_path / "out" / "section.h5mu", "section")
    assert dict(section.uns["spatialweave"]) == {
        "kind": "section",
        "contract": contract.CONTRACT_VERSION,
        "dataset": "d",
        "section": "s1",
        "platform": "dbit",
        "layout": "square",
        "coordinate_unit": "unknown",
        "order": 3,
    }
    assert section.obs_names.tolist() == SPOTS
    assert section.obs["section"].tolist() == ["s1"] * 12
    assert section.obs["label"].tolist() == ["left", "right"] * 6
    np.testing.assert_array_equal(section.obsm["spatial"], COORDINATES)
    np.testing.assert_array_equal(np.ravel(section.obsm["adt"]), [False] * 6 + [True] * 6)
    np.testing.assert_array_equal(section.mod["rna"].X.toarray(), COUNTS)
    np.testing.assert_array_equal(section.mod["adt"].X.toarray(), COUNTS[6:] + 1)
    for modality in section.mod.values():
        assert sparse.isspmatrix_csr(modality.X)
        assert modality.X.dtype == np.float32
        assert modality.obs_names.dtype == object
    # Scanpy, not the code under test, takes the file as raw counts.
    assert scanpy.pp.calculate_qc_metrics(section.mod["rna"], percent_top=None)[0]["total_counts"].sum() == COUNTS.sum()


def test_layout_is_inferred_and_a_contradiction_is_warned_of(tmp_path: Path) -> None:
    coordinates = np.array([(i % 6, i // 6) for i in range(36)], dtype=float)
    path = h5ad(tmp_path, counts=np.ones((36, 3)), spots=[f"s{i}" for i in range(36)], coordinates=coordinates)
    assert run(tmp_path, "--rna", path).exit_code == 0
    facts = contract.read_h5mu(tmp_path / "out" / "section.h5mu", "section").uns["spatialweave"]
    assert (facts["platform"], facts["layout"]) == ("square", "square")
    result = run(tmp_path, "--rna", path, "--platform", "visium")
    assert result.exit_code == 0
    assert result.stderr.startswith("WARNING: ")
    assert len(result.stderr.splitlines()) == 1
    assert "look like the layout 'square', but the layout of the platform visium is 'hexagonal'" in result.stderr


def test_warnings_are_noted_where_the_pipeline_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPATIALWEAVE_NOTICES", str(tmp_path / "notices.txt"))
    data = adata()
    data.obsm["spatial"] = np.column_stack([COORDINATES, np.zeros(12)])
    data.write_h5ad(tmp_path / "rna.h5ad")
    result = run(tmp_path, "--rna", str(tmp_path / "rna.h5ad"))
    lines = (tmp_path / "notices.txt").read_text().splitlines()
    assert [f"WARNING: {line}" for line in lines] == result.stderr.splitlines() and len(lines) == 1


def test_same_input_gives_the_same_content(tmp_path: Path) -> None:
    path = h5ad(tmp_path)
    sections = []
    for _ in range(2):
        assert run(tmp_path, "--rna", path).exit_code == 0
        sections.append(contract.read_h5mu(tmp_path / "out" / "section.h5mu", "section"))
    assert sections[0].obs.equals(sections[1].obs)
    assert (sections[0].mod["rna"].X != sections[1].mod["rna"].X).nnz == 0
