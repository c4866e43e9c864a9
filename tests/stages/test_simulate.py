"""The simulate command: files and samplesheets of tissues and series, and one clear line for options it refuses."""

from __future__ import annotations

from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

import simulate as stage
from spatialweave.simulate import PRESETS, SERIES, simulate_series


def test_stage_writes_a_samplesheet_that_names_its_files(tmp_path: Path) -> None:
    options = ["--preset", "test", "--modalities", "rna,adt", "--missing", "adt=0.25", "--out-dir", str(tmp_path)]
    result = CliRunner().invoke(stage.main, options)
    assert result.exit_code == 0, result.output
    sheet = pd.read_csv(tmp_path / "samplesheet.csv")
    assert list(sheet.columns) == ["dataset", "section", "rna", "adt", "labels", "platform", "n_domains"]
    row = sheet.iloc[0]
    assert row["platform"] == "square" and row["n_domains"] == 4
    data = anndata.read_h5ad(tmp_path / row["adt"])
    assert data.obs[row["labels"]].nunique() == 4
    assert data.n_obs == 243


def test_stage_writes_a_visium_library_with_an_image(tmp_path: Path) -> None:
    options = ["--preset", "test", "--modalities", "rna,adt", "--image", "--dataset", "node"]
    result = CliRunner().invoke(stage.main, [*options, "--out-dir", str(tmp_path)])
    assert result.exit_code == 0, result.output
    row = pd.read_csv(tmp_path / "samplesheet.csv").iloc[0].to_dict()
    assert row["platform"] == "visium" and row["n_domains"] == 4 and row["dataset"] == "node"
    assert (tmp_path / row["multi"] / "spatial" / "tissue_hires_image.png").is_file()
    assert (tmp_path / row["labels"]).is_file()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--modalities", "rna,histone"], "histone"),
        (["--modalities", "rna,rna"], "twice"),
        (["--missing", "rna"], "modality=fraction"),
        (["--missing", "adt=1.5"], "missing adt"),
        (["--signal", "99"], "signal"),
        (["--rows", "3"], "rows"),
        (["--rows", "3", "--image"], "rows"),
        (["--missing", "adt=0.1", "--image"], "--missing"),
        (["--preset", "series", "--image"], "--image"),
        (["--preset", "cohort", "--image"], "--image"),
    ],
)
def test_stage_refuses_malformed_options_with_one_line(tmp_path: Path, options: list[str], message: str) -> None:
    out = tmp_path / "out"
    result = CliRunner().invoke(stage.main, ["--preset", "test", "--out-dir", str(out), *options])
    assert result.exit_code == 2
    assert message in result.stderr and len(result.stderr.strip().splitlines()) == 1
    assert not out.exists()


def test_stage_offers_every_preset() -> None:
    assert set(stage.PRESETS) == set(PRESETS)


def test_stage_offers_every_series() -> None:
    assert set(stage.SERIES) == set(SERIES)


def test_stage_writes_a_samplesheet_of_all_sections(tmp_path: Path) -> None:
    result = CliRunner().invoke(stage.main, ["--preset", "series_test", "--out-dir", str(tmp_path)])
    assert result.exit_code == 0, result.output
    sheet = pd.read_csv(tmp_path / "samplesheet.csv")
    assert list(sheet.columns) == ["dataset", "section", "order", "rna", "adt", "labels", "platform", "n_domains"]
    assert sheet["section"].tolist() == ["section1", "section2", "section3"]
    assert sheet["order"].tolist() == [1, 2, 3]
    assert set(sheet["platform"]) == {"square"} and set(sheet["dataset"]) == {"series_test"}
    for line in sheet.itertuples():
        data = anndata.read_h5ad(tmp_path / str(line.adt))
        expected = simulate_series(SERIES["series_test"], 2025)[str(line.section)]["adt"]
        assert (data.X != expected.X).nnz == 0
        assert np.array_equal(data.obsm["spatial_true"], expected.obsm["spatial_true"])


def test_a_modality_that_a_section_lacks_is_an_empty_cell(tmp_path: Path) -> None:
    options = ["--preset", "crossmodal", "--rows", "24", "--cols", "24", "--out-dir", str(tmp_path)]
    assert CliRunner().invoke(stage.main, options).exit_code == 0
    sheet = pd.read_csv(tmp_path / "samplesheet.csv", dtype=str)
    assert sheet["rna"].isna().tolist() == [False, True] and sheet["adt"].isna().tolist() == [True, False]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        ["samplesheet.csv", sheet["rna"][0], sheet["adt"][1]]
    )


def test_options_of_a_pair_move_its_second_section(tmp_path: Path) -> None:
    options = ["--preset", "pair", "--modalities", "adt", "--rows", "20", "--cols", "20", "--seed", "7"]
    moves = ["--rotation", "-70", "--cut", "0.4", "--thin", "0.2", "--bend", "0"]
    assert CliRunner().invoke(stage.main, [*options, *moves, "--out-dir", str(tmp_path)]).exit_code == 0
    first, second = (anndata.read_h5ad(tmp_path / f"pair_section{i}_adt.h5ad") for i in (1, 2))
    assert first.n_obs == 400 and abs(second.n_obs - 240) <= 20
    # The angle by the singular vectors of the two sets of coordinates (Kabsch), whatever the shift.
    true, seen = (second.obsm[key] - second.obsm[key].mean(axis=0) for key in ("spatial_true", "spatial"))
    u, _, vt = np.linalg.svd(true.T @ seen)
    turn = (u @ vt).T
    assert np.degrees(np.arctan2(turn[1, 0], turn[0, 0])) == pytest.approx(-70.0)
    assert second.X.sum(axis=1).mean() == pytest.approx(0.2 * first.X.sum(axis=1).mean(), rel=0.15)


def test_a_pair_of_cells_is_moved_by_a_known_transform(tmp_path: Path) -> None:
    options = ["--preset", "cells_pair", "--rotation", "90", "--shift", "3", "-2", "--out-dir", str(tmp_path)]
    assert CliRunner().invoke(stage.main, options).exit_code == 0
    table = pd.read_csv(tmp_path / "samplesheet.csv")
    assert table["platform"].tolist() == ["cells", "cells"] and table["n_domains"].tolist() == [6, 6]
    second = anndata.read_h5ad(tmp_path / "cells_pair_section2_rna.h5ad")
    assert second.shape == (2042, 80) and second.obs["label"].nunique() == 6
    # A quarter turn about the tissue's centre (16.5, 22), then the shift.
    x, y = second.obsm["spatial_true"].T
    expected = np.column_stack([16.5 - (y - 22.0) + 3.0, 22.0 + (x - 16.5) - 2.0])
    np.testing.assert_allclose(second.obsm["spatial"], expected, atol=1e-9)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--preset", "demo", "--rotation", "30"], "--rotation"),
        (["--preset", "series", "--shift", "1", "2"], "--shift"),
        (["--preset", "series", "--cut", "0.1"], "--cut"),
        (["--preset", "pair", "--cut", "1.5"], "section2 cut"),
        (["--preset", "pair", "--thin", "0"], "section2 thin"),
        (["--preset", "pair", "--rotation", "nan"], "section2 rotation"),
        (["--preset", "pair", "--bend", "9"], "section2 bend"),
        (["--preset", "crossmodal", "--modalities", "rna"], "section2 modalities"),
        (["--preset", "series", "--modalities", "atac"], "atac"),
    ],
)
def test_stage_refuses_malformed_options_of_a_series_with_one_line(
    tmp_path: Path, options: list[str], message: str
) -> None:
    out = tmp_path / "out"
    result = CliRunner().invoke(stage.main, [*options, "--out-dir", str(out)])
    assert result.exit_code == 2
    assert message in result.stderr and len(result.stderr.strip().splitlines()) == 1
    assert not out.exists()
