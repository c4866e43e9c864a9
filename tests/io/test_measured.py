"""Counts or intensities, and the layer that holds them: by the platform, as the user says, or asked for by name."""

from __future__ import annotations

from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest

from spatialweave.errors import InputError
from spatialweave.io.contract import is_intensities
from spatialweave.io.notices import InputWarning
from spatialweave.io.section import SectionInput, read_section

from .inputs import grid, read

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning")

SPOTS = [f"c{i}" for i in range(20)]
VALUES = np.round(np.random.default_rng(1).gamma(2.0, 200.0, (20, 3)), 3)
COUNTS = np.arange(60).reshape(20, 3)


def write(path: Path, x: np.ndarray = VALUES, types: list[str] | None = None, **layers: np.ndarray) -> Path:
    var = pd.DataFrame({"feature_types": types} if types else {}, index=["A", "B", "C"])
    data = anndata.AnnData(x.astype(np.float32), obs=pd.DataFrame(index=SPOTS), var=var, layers=layers)
    data.obsm["spatial"] = grid(4, 5)
    data.write_h5ad(path)
    return path


@pytest.mark.parametrize("name", ["codex", "xenium", "cosmx", "plato"])
def test_some_platforms_measure_proteins_by_intensity(tmp_path: Path, name: str) -> None:
    result = read({"adt": write(tmp_path / "a.h5ad")}, platform=name)
    np.testing.assert_allclose(result.mod["adt"].X.toarray(), VALUES, rtol=1e-6)
    assert is_intensities("adt", result.mod["adt"].uns)


@pytest.mark.parametrize(("platform", "modality"), [("visium", "adt"), ("codex", "rna"), (None, "adt")])
def test_elsewhere_intensities_are_asked_for_by_name(tmp_path: Path, platform: str | None, modality: str) -> None:
    path = write(tmp_path / "a.h5ad")
    with pytest.raises(InputError, match=f"not a whole number.*in the column measured: {modality}:intensities"):
        read({modality: path}, platform=platform)
    for key in (modality, ""):
        result = read({modality: path}, platform=platform, measured={key: "intensities"})
        assert is_intensities(modality, result.mod[modality].uns)


def test_what_the_user_says_goes_before_the_platform(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not a whole number"):
        read({"adt": write(tmp_path / "a.h5ad")}, platform="codex", measured={"adt": "counts"})
    counted = read({"adt": write(tmp_path / "b.h5ad", COUNTS)}, platform="codex", measured={"": "counts"})
    assert not is_intensities("adt", counted.mod["adt"].uns)
    with pytest.raises(InputError, match="--measured: the section has no rna; expected one of adt"):
        read({"adt": write(tmp_path / "a.h5ad")}, platform="codex", measured={"rna": "counts"})


def test_negative_intensities_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"is negative .*expected intensities of 0 or more"):
        read({"adt": write(tmp_path / "a.h5ad", VALUES - 300)}, platform="codex")


def test_values_of_columns_that_are_not_taken_may_be_anything(tmp_path: Path) -> None:
    """Genes are counted here, beside a protein whose values are normalised."""
    mixed = COUNTS + np.array([0.0, 0.0, 0.5])
    path = write(tmp_path / "m.h5ad", mixed, ["Gene Expression", "Gene Expression", "Antibody Capture"])
    np.testing.assert_array_equal(read({"rna": path}).mod["rna"].X.toarray(), COUNTS[:, :2])
    with pytest.raises(InputError, match=r"column 'C': value 2\.5 is not a whole number"):
        read({"adt": path})


def test_a_layer_with_counts_is_named_and_can_be_chosen(tmp_path: Path) -> None:
    path = write(tmp_path / "a.h5ad", VALUES, raw_counts=COUNTS, scaled=VALUES / 2)
    with pytest.raises(InputError, match=r"in the column layer: raw_counts \(whole numbers\)"):
        read({"rna": path})
    for key in ("rna", ""):
        chosen = read({"rna": path}, layers={key: "raw_counts"})
        np.testing.assert_array_equal(chosen.mod["rna"].X.toarray(), COUNTS)
    with pytest.raises(InputError, match=r"layers\['scaled'\], row 1 .*is not a whole number"):
        read({"rna": path}, layers={"": "scaled"})
    with pytest.raises(InputError, match="has no layer 'counts'; expected one of X, raw_counts, scaled"):
        read({"rna": path}, layers={"": "counts"})


def test_layers_with_the_counts_of_some_spots_each_are_not_offered_alone(tmp_path: Path) -> None:
    first = np.arange(len(COUNTS))[:, None] < len(COUNTS) // 2
    layers = {"counts.1": COUNTS * first, "counts.2": COUNTS * ~first}
    with pytest.raises(InputError, match=r"join the layers counts.1, counts.2, .* \(JoinLayers of Seurat\)"):
        read({"rna": write(tmp_path / "a.h5ad", VALUES, **layers)})
    with pytest.raises(InputError, match=r"in the column layer: counts.1 \(whole numbers\)"):
        read({"rna": write(tmp_path / "b.h5ad", VALUES, **{"counts.1": COUNTS})})


NO_COUNTS = {
    "scaled": (VALUES - VALUES.mean(axis=0), "is negative"),
    "not a number": (np.where(np.eye(20, 3) == 1, np.nan, VALUES), "is not finite"),
    "empty": (np.zeros_like(VALUES), "is empty"),
    "absent": (None, "there is no matrix"),
}


@pytest.mark.parametrize("case", NO_COUNTS)
def test_a_layer_with_counts_is_named_whatever_x_holds(tmp_path: Path, case: str) -> None:
    x, found = NO_COUNTS[case]
    path = write(tmp_path / "a.h5ad", VALUES, raw_counts=np.rint(VALUES * 8))
    data = anndata.read_h5ad(path)
    data.X = None if x is None else x.astype(np.float32)
    data.write_h5ad(path)
    with pytest.raises(InputError, match=rf"{found}.* in the column layer: raw_counts \(whole numbers\)"):
        read({"rna": path})


@pytest.mark.parametrize("x", [None, np.zeros_like(VALUES)])
def test_a_file_without_any_value_is_not_called_normalised(tmp_path: Path, x: np.ndarray | None) -> None:
    path = write(tmp_path / "a.h5ad")
    data = anndata.read_h5ad(path)
    data.X = x
    data.write_h5ad(path)
    with pytest.raises(InputError, match="to fix this, give a file that holds the counts"):
        read({"rna": path})


def test_a_fraction_is_not_shown_as_a_whole_number(tmp_path: Path) -> None:
    almost = np.full_like(VALUES, 3.0)
    almost[1, 0] = np.nextafter(np.float32(3), np.float32(0))
    with pytest.raises(InputError, match=r"value 2\.9999998 is not a whole number"):
        read({"rna": write(tmp_path / "a.h5ad", almost)})


def test_a_layer_named_for_one_modality_is_not_passed_over(tmp_path: Path) -> None:
    """In one file for all modalities, and where only another modality's file has it."""
    both = write(
        tmp_path / "m.h5ad", COUNTS, ["Gene Expression", "Gene Expression", "Antibody Capture"], foo=COUNTS + 1
    )
    rows = [SectionInput("d", "s", multi=both, layers={"rna": "foo"})]
    files = {"rna": write(tmp_path / "r.h5ad", COUNTS), "adt": write(tmp_path / "a.h5ad", COUNTS + 3, foo=COUNTS + 1)}
    rows.append(SectionInput("d", "s", files=files, layers={"rna": "foo"}))
    for row in rows:
        with pytest.raises(InputError, match="rna would be read from here and not from its layer 'foo'"):
            read_section(row)


def test_a_layer_that_is_chosen_goes_before_layers_counts(tmp_path: Path) -> None:
    path = write(tmp_path / "a.h5ad", COUNTS, counts=COUNTS + 1, spliced=COUNTS + 2)
    for layer, more in (("X", 0), ("counts", 1), ("spliced", 2)):
        chosen = read({"rna": path}, layers={"rna": layer})
        np.testing.assert_array_equal(chosen.mod["rna"].X.toarray(), COUNTS + more)
    np.testing.assert_array_equal(read({"rna": path}).mod["rna"].X.toarray(), COUNTS + 1)


PROTEINS = pd.DataFrame(np.arange(40).reshape(20, 2) % 7, index=SPOTS, columns=["CD3", "CD8"])


def with_proteins(path: Path, proteins: object) -> Path:
    data = anndata.read_h5ad(write(path, COUNTS))
    data.obsm["protein_expression"] = proteins
    data.write_h5ad(path)
    return path


def test_proteins_in_obsm_can_be_chosen(tmp_path: Path) -> None:
    """As scvi-tools reads them beside the genes."""
    path = with_proteins(tmp_path / "a.h5ad", PROTEINS)
    with pytest.warns(InputWarning, match=r"obsm\['protein_expression'\] is not read; .* adt:obsm/protein_expression"):
        assert list(read({"rna": path}).mod) == ["rna"]
    both = read({"rna": path, "adt": path}, layers={"adt": "obsm/protein_expression"})
    np.testing.assert_array_equal(both.mod["rna"].X.toarray(), COUNTS)
    np.testing.assert_array_equal(both.mod["adt"].X.toarray(), PROTEINS)
    assert both.mod["adt"].var_names.tolist() == ["CD3", "CD8"]
    with pytest.raises(InputError, match=r"has no layer 'obsm/proteins'; expected one of X, obsm/protein_expression"):
        read({"rna": path, "adt": path}, layers={"adt": "obsm/proteins"})


@pytest.mark.parametrize(
    ("proteins", "message"),
    [
        (
            PROTEINS + 0.5,
            r"obsm\['protein_expression'\], row 1 \('c0'\), column 'CD3': value 0.5 is not",
        ),
        (PROTEINS.astype(str) + "a", r"is not a readable matrix in obsm\['protein_expression'\] \(could not convert"),
        (PROTEINS.to_numpy(), "has no layer 'obsm/protein_expression'; expected one of X"),
    ],
    ids=["fractions", "text", "no names"],
)
def test_tables_that_are_no_counts_are_refused(tmp_path: Path, proteins: object, message: str) -> None:
    path = with_proteins(tmp_path / "a.h5ad", proteins)
    with pytest.raises(InputError, match=message):
        read({"rna": path, "adt": path}, layers={"adt": "obsm/protein_expression"})
