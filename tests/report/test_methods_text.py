"""The works that a report cites."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from spatialweave.presets import read_preset
from spatialweave.report.methods_text import qc_paragraph, references, uses_harmony

PRESETS = {
    path.stem: read_preset(path) for path in (Path(__file__).resolve().parents[2] / "assets" / "methods").glob("*.yml")
}


@pytest.mark.parametrize("name", sorted(name for name, preset in PRESETS.items() if preset.citation))
def test_a_citation_has_a_title_and_a_year_or_a_place(name: str) -> None:
    (reference,) = references(PRESETS, [name], [], with_labels=False, umap=False)
    # More than authors, journal and year: a title of several words.
    assert len(reference.text.split()) > 5 or "https://" in reference.text
    assert not reference.url or re.fullmatch(r"https://doi\.org/10\.\d{4,}/\S+", reference.url)


def test_all_that_was_used_is_cited_once_with_its_doi() -> None:
    found = references(PRESETS, ["smart", "smart_ms", "weave"], ["mclust", "mclust_r"], True, True, harmony=True)
    assert len(found) == len({one.text for one in found}) == 6
    assert all(one.url for one in found)


def test_harmony_is_found_in_the_record() -> None:
    assert uses_harmony({"rna": {"steps": [{"step": "pca"}, {"step": "harmony", "theta": 2}]}, "adt": {}})
    assert not uses_harmony({"rna": {"steps": [{"step": "pca"}]}, "adt": {}})


def test_thresholds_are_those_that_can_remove_something_from_what_was_measured() -> None:
    params = {
        "qc_rna_min_counts": 5, "qc_rna_max_mito_percent": 100, "qc_adt_min_counts": 1,
        "qc_adt_max_isotype_percent": 20, "qc_atac_min_counts": 1, "qc_atac_min_tss": 0,
        "qc_metabolite_min_features": 1, "qc_min_spots": 3,
    }  # fmt: skip
    start = "Spots and features had to pass these thresholds: "
    assert qc_paragraph(params, ["adt"]) == f"{start}adt min counts 1, adt max isotype percent 20, min spots 3."
    assert qc_paragraph(params, ["rna", "atac"]) == f"{start}rna min counts 5, atac min counts 1, min spots 3."
    assert qc_paragraph(params | {"qc_atac_min_tss": 2}, ["atac"]) == (
        f"{start}atac min counts 1, atac min tss 2, min spots 3."
    )
    assert qc_paragraph({}, ["rna"]) == ""
