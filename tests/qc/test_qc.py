"""QC: metrics worked out by hand, thresholds, tables, plots."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import anndata as ad
import mudata as md
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from spatialweave.errors import InputError
from spatialweave.io.column_names import SYMBOL_COLUMNS
from spatialweave.io.contract import join_modalities, read_h5mu, stamp, write
from spatialweave.io.counts import named_features
from spatialweave.io.notices import InputWarning
from spatialweave.qc import plots
from spatialweave.qc.filters import judge
from spatialweave.qc.section import FilteredSection, check_section
from spatialweave.qc.spot_metrics import SPOT_METRICS, feature_symbols, spot_metrics
from spatialweave.qc.tables import SPOT_COLUMNS
from spatialweave.qc.thresholds import SPOT_THRESHOLDS, Threshold, defaults

GENES = ["mt-Co1", "MT-ND1", "Rps3", "RPL10", "Rps6ka1", "Actb"]
RNA = [[1, 1, 1, 1, 4, 2], [0, 0, 0, 0, 0, 5], [3, 0, 0, 0, 0, 1], [0, 0, 0, 0, 0, 0]]
PROTEINS = ["CD3", "CD19", "Mouse-IgG2a", "isotype_ctrl", "IgG-Fc"]
ADT = [[5, 5, 5, 5, 0], [1, 1, 0, 0, 8], [0, 0, 0, 9, 1]]


def anndata(spots: str, features: list[str], counts: object) -> ad.AnnData:
    matrix = sparse.csr_matrix(np.asarray(counts, dtype=np.float32))
    return ad.AnnData(matrix, obs=pd.DataFrame(index=list(spots)), var=pd.DataFrame(index=features))


@pytest.fixture
def section(tmp_path: Path) -> Path:
    """RNA of the spots a-d (d has no counts) and ADT of b, c, e."""
    parts = {"rna": anndata("abcd", GENES, RNA), "adt": anndata("bce", PROTEINS, ADT)}
    obs = pd.DataFrame({"section": "s", "label": ["x", "", "x", "y", ""], "meta_donor": "P1"}, index=list("abcde"))
    facts = stamp("section", dataset="d", section="s", platform="square", layout="square")
    data = join_modalities(parts, obs, np.arange(10.0).reshape(5, 2), {"spatialweave": facts})
    write(data, tmp_path / "section.h5mu")
    return tmp_path / "section.h5mu"


def test_a_feature_without_a_symbol_has_its_name() -> None:
    var = pd.DataFrame({"gene_symbols": ["A", None, "", np.nan]}, index=["E1", "MT-ND1", "E3", "mt-Co1"])
    assert feature_symbols(var).tolist() == ["A", "MT-ND1", "E3", "mt-Co1"]
    assert feature_symbols(var[[]]).tolist() == var.index.tolist()


def check(section: Path, **thresholds: float) -> FilteredSection:
    return check_section(section, defaults() | thresholds)


def test_rna_metrics_by_hand() -> None:
    data = anndata("abcd", GENES, RNA)
    table = spot_metrics("rna", data, data.X)
    assert table["total"].tolist() == [10, 5, 4, 0]
    assert table["n_features"].tolist() == [6, 1, 2, 0]
    assert table["mito_percent"].tolist() == [20, 0, 75, 0]
    assert table["ribo_percent"].tolist() == [20, 0, 0, 0]  # Rps6ka1 is a kinase
    assert table[["isotype_percent", "tss_enrichment", "n_fragments"]].isna().all(axis=None)


def test_adt_isotype_percentage_by_hand() -> None:
    data = anndata("bce", PROTEINS, ADT)
    table = spot_metrics("adt", data, data.X)
    assert table["isotype_percent"].tolist() == [50, 0, 90]  # IgG-Fc is a target
    assert table["mito_percent"].isna().all()


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        *((name, True) for name in ("IgG1_isotype", "rat_IgG2b", "Isotype_MOPC.21", "control-1", "Ctrl1")),
        *((name, False) for name in ("CD163", "uncontrolled", "IgM", "IgGFc", "DIgG")),
    ],
)
def test_isotype_names(name: str, expected: bool) -> None:
    assert pd.Series([name]).str.contains(SPOT_METRICS["isotype_percent"].features, case=False)[0] == expected


def test_symbols_are_found_beside_identifiers() -> None:
    data = anndata("a", ["ENSG01", "ENSG02"], [[1, 3]])
    assert spot_metrics("rna", data, data.X)["mito_percent"].isna().all()
    data.var["gene_name"] = ["MT-ND1", "ACTB"]
    assert spot_metrics("rna", data, data.X)["mito_percent"].tolist() == [25]


def test_qc_and_ingest_take_symbols_from_the_same_column() -> None:
    columns = {name: [f"A of {name}", f"B of {name}"] for name in SYMBOL_COLUMNS}
    for first in range(len(SYMBOL_COLUMNS)):
        var = pd.DataFrame({name: columns[name] for name in reversed(SYMBOL_COLUMNS[first:])}, index=["0", "1"])
        with pytest.warns(InputWarning, match="named by the column"):
            named = named_features(var, "file")
        assert named.index.tolist() == feature_symbols(var).tolist() == columns[SYMBOL_COLUMNS[first]]


def test_tss_and_fragments_are_carried_over() -> None:
    data = anndata("ab", ["chr1:1-9"], [[1], [2]])
    data.obs["TSSEnrichment"], data.obs["nFrags"] = [4.5, 9.0], [1000, 2000]
    table = spot_metrics("atac", data, data.X)
    assert table["tss_enrichment"].tolist() == [4.5, 9.0]
    assert table["n_fragments"].tolist() == [1000, 2000]


def test_defaults_remove_only_what_is_empty(section: Path) -> None:
    result = check(section)
    assert result.section["rna"].obs_names.tolist() == ["a", "b", "c"]
    assert result.section["rna"].var_names.tolist() == GENES
    assert result.section["adt"].obs_names.tolist() == ["b", "c", "e"]
    assert result.section.obs_names.tolist() == ["a", "b", "c", "e"]


def test_a_spot_leaves_the_modality_it_fails_in_only(section: Path, tmp_path: Path) -> None:
    result = check(section, rna_max_mito_percent=50, adt_max_isotype_percent=40)
    assert result.section["rna"].obs_names.tolist() == ["a", "b"]
    assert result.section["adt"].obs_names.tolist() == ["c"]
    write(result.section, tmp_path / "out.h5mu", counts=result.counts)
    data = read_h5mu(tmp_path / "out.h5mu", "section")
    assert data.obs_names.tolist() == ["a", "b", "c"]
    assert data.obsm["rna"].ravel().tolist() == [True, True, False]
    assert data.obsm["adt"].ravel().tolist() == [False, False, True]
    assert data.obs["label"].astype(str).tolist() == ["x", "", "x"]
    assert data.obs["meta_donor"].astype(str).tolist() == ["P1"] * 3
    np.testing.assert_array_equal(data.obsm["spatial"], [[0, 1], [2, 3], [4, 5]])
    assert data["adt"].var_names.tolist() == ["CD3", "CD19", "IgG-Fc"]
    np.testing.assert_array_equal(data["adt"].X.toarray(), [[1, 1, 8]])
    assert data["rna"].X.format == "csr" and data["rna"].X.dtype == np.float32
    assert data.uns["spatialweave"]["section"] == "s"


def test_features_are_judged_on_the_spots_that_stay(section: Path) -> None:
    # Without spot c (75 % mitochondrial) mt-Co1 is left in one spot only.
    result = check(section, min_spots=2, rna_max_mito_percent=50, adt_max_isotype_percent=100)
    assert result.section["rna"].var_names.tolist() == ["Actb"]
    assert result.section["adt"].var_names.tolist() == ["CD3", "CD19", "isotype_ctrl", "IgG-Fc"]


def test_a_spot_emptied_by_min_spots_is_removed_with_that_reason() -> None:
    data = anndata("abcd", ["one", "two"], [[1, 0], [1, 0], [1, 0], [0, 7]])
    verdict = judge("rna", data, data.X, defaults() | {"min_spots": 2}, "file")
    assert verdict.kept_features.tolist() == [True, False]
    assert verdict.kept_spots.tolist() == [True, True, True, False]
    assert verdict.reasons().tolist() == ["", "", "", "min_spots"]


def test_spots_table(section: Path) -> None:
    table = check(section, rna_min_counts=5, rna_min_features=2).spots
    assert tuple(table.columns) == SPOT_COLUMNS
    rna = table[table["modality"] == "rna"].set_index("barcode")
    assert rna["kept"].tolist() == ["true", "false", "false", "false"]
    assert rna["reason"].tolist() == ["", "rna_min_features", "rna_min_counts", "rna_min_counts;rna_min_features"]
    assert rna.loc["c", "mito_percent"] == 75
    assert table[table["modality"] == "adt"]["barcode"].tolist() == ["b", "c", "e"]
    assert set(table["section"]) == {"s"}


def test_summary_table(section: Path) -> None:
    table = check(section, rna_min_counts=5, rna_min_features=2, adt_max_isotype_percent=60).summary
    columns = "section modality unit check threshold n_before n_failed percent_failed n_after"
    assert " ".join(table.columns) == columns
    rows = {(row.modality, row.unit, row.check): row for row in table.itertuples()}
    counts, any_check = rows["rna", "spots", "rna_min_counts"], rows["rna", "spots", "any"]
    assert (counts.threshold, counts.n_before, counts.n_failed, counts.percent_failed) == (5, 4, 2, 50)
    assert rows["rna", "spots", "rna_min_features"].n_failed == 2
    assert (any_check.n_failed, any_check.n_after) == (3, 1)
    # Only spot a is left in RNA, and it has every gene.
    assert rows["rna", "features", "min_spots"].n_failed == 0
    assert rows["adt", "spots", "any"].n_failed == 1
    # d fails RNA and e fails ADT, and neither was measured in the other; b and c are left in ADT.
    assert (rows["all", "spots", "no_modality_left"].n_failed, rows["all", "spots", "no_modality_left"].n_after) == (
        2,
        3,
    )


@pytest.mark.parametrize(
    ("thresholds", "message"),
    [
        ({"rna_min_counts": 1000}, r"modality rna: --rna-min-counts 1000 removes 4 of 4 spots.*total, here 0 to 10"),
        ({"rna_min_features": 99}, r"--rna-min-features 99 .*lower it"),
        ({"adt_min_counts": 21}, r"modality adt: --adt-min-counts 21"),
        ({"min_spots": 50}, r"--min-spots 50 removes all 6 features; expected at most 3,"),
    ],
)
def test_removing_everything_is_refused(section: Path, thresholds: dict[str, float], message: str) -> None:
    with pytest.raises(InputError, match=message):
        check(section, **thresholds)


@pytest.mark.parametrize("threshold", SPOT_THRESHOLDS, ids=lambda threshold: threshold.name)
def test_every_threshold_works(threshold: Threshold) -> None:
    """Two spots, one on each side of a bound between them; and a metric that is not known removes nothing."""
    features = {"mito_percent": ["mt-1", "g"], "isotype_percent": ["IgG1", "CD3"]}.get(
        threshold.bound.metric, ["f", "g"]
    )
    for modality in threshold.modalities:
        data = anndata("ab", features, [[0, 9], [5, 9]])
        data.obs["tss_enrichment"] = [1.0, 3.0]
        values = spot_metrics(modality, data, data.X)[threshold.bound.metric].to_numpy()
        assert values[0] < values[1]
        verdict = judge(modality, data, data.X, defaults() | {threshold.name: float(values.mean())}, "file")
        assert verdict.kept_spots.tolist() == ([True, False] if threshold.bound.is_upper else [False, True])
        assert verdict.failed[threshold.name].sum() == 1
        at_bound = judge(modality, data, data.X, defaults() | {threshold.name: float(values.max())}, "file")
        assert at_bound.kept_spots[1]


def test_a_threshold_on_an_unknown_metric_is_warned_of() -> None:
    data = anndata("ab", ["peak"], [[1], [2]])
    with pytest.warns(InputWarning, match="--atac-min-tss has no effect, since no tss enrichment is known"):
        verdict = judge("atac", data, data.X, defaults() | {"atac_min_tss": 2}, "file")
    assert verdict.kept_spots.all()


def test_plots_are_drawn_with_every_removed_spot(
    section: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = []
    save = plots.save
    monkeypatch.setattr(plots, "save", lambda figure, path: (drawn.append(figure), save(figure, path)))
    thresholds = defaults() | {"rna_min_counts": 5}
    result = check_section(section, thresholds)
    plots.write_maps(result, tmp_path / "maps.png")
    plots.write_violins(result, thresholds, tmp_path / "violins.png")
    for name in ("maps.png", "violins.png"):
        assert (tmp_path / name).read_bytes().startswith(b"\x89PNG")
    maps, violins = drawn
    titles = {axes.get_title(): axes for axes in maps.axes}
    assert {"rna: counts (log scale)", "rna: mitochondrial %", "adt: isotype controls %"} <= set(titles)
    kept, removed = titles["rna: counts (log scale)"].collections
    np.testing.assert_array_equal(kept.get_offsets(), [[0, 1], [2, 3]])
    np.testing.assert_array_equal(removed.get_offsets(), [[4, 5], [6, 7]])
    counts = next(axes for axes in violins.axes if axes.get_title() == "rna: counts (log scale)")
    dashed = [line.get_ydata()[0] for line in counts.lines if line.get_linestyle() == "--"]
    np.testing.assert_allclose(dashed, [np.log10(6)])


@pytest.mark.parametrize("n_spots", [1, 2])
def test_plots_of_hardly_any_spots(n_spots: int, tmp_path: Path) -> None:
    obs = pd.DataFrame({"section": "s"}, index=list("ab")[:n_spots])
    facts = stamp("section", dataset="d", section="s", platform="square", layout="square")
    parts = {"rna": anndata("ab"[:n_spots], ["g"], [[4]] * n_spots)}
    write(join_modalities(parts, obs, np.zeros((n_spots, 2)), {"spatialweave": facts}), tmp_path / "section.h5mu")
    result = check(tmp_path / "section.h5mu")
    plots.write_maps(result, tmp_path / "maps.png")
    plots.write_violins(result, defaults(), tmp_path / "violins.png")
    assert (tmp_path / "maps.png").stat().st_size > 1000


def damage(slot: str) -> Callable[[md.MuData], None]:
    """A change that damages one slot of a section."""
    changes: dict[str, Callable[[md.MuData], object]] = {
        "negative": lambda d: d["rna"].X.data.__setitem__(0, -3),
        "infinite": lambda d: d["rna"].X.data.__setitem__(0, np.inf),
        "fraction": lambda d: d["rna"].X.data.__setitem__(0, 0.5),
        "no X": lambda d: setattr(d["rna"], "X", None),
        "no section": lambda d: d.obs.drop(columns="section", inplace=True),
        "two sections": lambda d: d.obs.__setitem__("section", list("ababa")),
        "no coordinates": lambda d: d.obsm.pop("spatial"),
        "3-D": lambda d: d.obsm.__setitem__("spatial", np.zeros((5, 3))),
        "nowhere": lambda d: d.obsm.__setitem__("spatial", np.full((5, 2), np.nan)),
        "no facts": lambda d: d.uns.__setitem__("spatialweave", stamp("section", dataset="d", section="s")),
        "platform": lambda d: d.uns["spatialweave"].__setitem__("platform", "visum"),
        "kind": lambda d: d.uns.__setitem__("spatialweave", stamp("latents")),
    }
    return lambda data: (changes[slot](data), None)[1]


REFUSED = {
    "negative": r"modality rna, X, row 'a', column 'mt-Co1': value -3 is negative",
    "infinite": r"value inf is not finite",
    "fraction": r"value 0.5 is not a whole number",
    "no X": r"modality rna: has no X",
    "no section": r"has no column 'section'",
    "two sections": r"names several sections",
    "no coordinates": r"obsm\['spatial'\]: is missing",
    "3-D": r"has the shape \(5, 3\); expected \(5, 2\)",
    "nowhere": r"not finite",
    "no facts": r"does not hold its platform",
    "platform": r"'visum' is not known",
    "kind": r"is of kind latents",
}


@pytest.mark.parametrize("slot", REFUSED)
def test_damaged_sections_are_refused(slot: str, section: Path) -> None:
    data = read_h5mu(section, "section")
    damage(slot)(data)
    write(data, section)
    with pytest.raises(InputError, match=REFUSED[slot]):
        check(section)


def test_what_is_no_section_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no such file or folder; expected \.h5mu file"):
        check(tmp_path / "absent.h5mu")
    (tmp_path / "text.h5mu").write_text("barcode,x,y\n")
    with pytest.raises(InputError, match=r"is not a readable \.h5mu file"):
        check(tmp_path / "text.h5mu")


def test_unknown_modality_is_refused(section: Path) -> None:
    data = read_h5mu(section, "section")
    renamed = md.MuData({"protein": data["rna"]}, obs=data.obs.loc[list("abcd")])
    renamed.obsm["spatial"], renamed.uns["spatialweave"] = np.zeros((4, 2)), data.uns["spatialweave"]
    write(renamed, section)
    with pytest.raises(InputError, match="unknown modality 'protein'; expected one of rna, adt"):
        check(section)
