"""Gene sets: the file, and the test against Fisher's exact test."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.stats import false_discovery_control, fisher_exact

from spatialweave.characterise.gene_sets import MeasuredSets, enrichment, read_gmt
from spatialweave.errors import InputError
from spatialweave.io.result_tables import GENE_SETS, joined_names, names_in

FEATURES = [f"Gene{number}" for number in range(50)]


def test_a_file(tmp_path: Path) -> None:
    path = tmp_path / "sets.gmt"
    path.write_bytes("\ufeffONE\thttp://x\tA\tB\tA\t\r\n\r\nTWO WORDS\t\tC \n".encode())
    assert read_gmt(path) == {"ONE": ["A", "B"], "TWO WORDS": ["C"]}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "holds no gene set"),
        (b"\n \n", "holds no gene set"),
        (b"ONE\tdescription\n", "line 1: set 'ONE' has no genes"),
        (b"ONE\td\tA\nTWO\td\t\t \n", "line 2: set 'TWO' has no genes"),
        (b"ONE d A B\n", "separate them with tabs"),
        (b"ONE\td\tA\nONE\td\tB\n", "line 2: set 'ONE' occurs twice"),
        (b"\td\tA\n", "line 1: has no name"),
        (b"\xff\xfe\x00ONE", "is not a readable text file"),
    ],
)
def test_what_is_no_gmt_is_refused(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "sets.gmt"
    path.write_bytes(content)
    with pytest.raises(InputError) as refused:
        read_gmt(path)
    assert words in str(refused.value) and str(path) in str(refused.value)


def test_names_match_in_any_case_and_small_sets_are_left_out() -> None:
    sets = MeasuredSets.of({"a": ["GENE1", "gene2", "Gene3", "Other"], "b": ["Gene1", "Gene2", "Absent"]}, FEATURES)
    assert {name: rows.tolist() for name, rows in sets.members.items()} == {"a": [1, 2, 3]}


def test_same_as_fishers_exact_test() -> None:
    members = {"half": FEATURES[:20], "few": FEATURES[8:14], "none": FEATURES[30:40]}
    markers = np.array([9, 3, 11, 45, 12])
    sets = MeasuredSets.of(members, FEATURES)
    rows = list(enrichment(sets, markers, FEATURES))
    expected = {}
    for name, own in members.items():
        inside = {FEATURES.index(feature) for feature in own}
        common = len(inside & set(markers))
        table = [[common, len(markers) - common], [len(inside) - common, 50 - len(inside) - len(markers) + common]]
        expected[name] = fisher_exact(table, alternative="greater").pvalue
    adjusted = dict(zip(expected, false_discovery_control(list(expected.values())), strict=True))
    assert [row["gene_set"] for row in rows] == ["few", "half"]
    for row in rows:
        assert row["p"] == pytest.approx(expected[row["gene_set"]], rel=1e-4)
        assert row["p_adjusted"] == pytest.approx(adjusted[row["gene_set"]], rel=1e-4)
    few = rows[0]
    # Best marker first; 3 where 5 * 6 / 50 are expected.
    assert few["genes"] == "Gene9;Gene11;Gene12" and few["enrichment"] == 5.0
    assert (few["overlap"], few["markers"], few["set_size"], few["background"]) == (3, 5, 6, 50)


def test_names_with_blanks_and_semicolons_stay_whole(tmp_path: Path) -> None:
    """As those of metabolites and of groups of proteins."""
    features = ["oleic acid", "P12345;Q67890", 'the "third"', "D"]
    (row,) = enrichment(MeasuredSets.of({"a": features[:3]}, features), np.array([1, 0, 2]), features)
    assert row["genes"] == '"P12345;Q67890";oleic acid;"the ""third"""'
    path = tmp_path / "gene_sets.csv"
    GENE_SETS.write(path, GENE_SETS.frame([{"run": "a.seed1", "modality": "adt", "domain": 1, **row}]))
    (cell,) = GENE_SETS.read(path)["genes"]
    assert names_in(cell) == [features[1], features[0], features[2]]
    assert names_in(joined_names([])) == []


def test_without_markers_or_sets_there_is_nothing() -> None:
    sets = MeasuredSets.of({"a": FEATURES[:5]}, FEATURES)
    assert list(enrichment(sets, np.array([], dtype=np.int64), FEATURES)) == []
    assert list(enrichment(MeasuredSets.of({"a": ["X", "Y", "Z"]}, FEATURES), np.array([1]), FEATURES)) == []
