"""Features common to all sections: names by their spelling, peaks by overlap, against brute force."""

from __future__ import annotations

import warnings
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import sparse

from spatialweave.errors import InputError
from spatialweave.io.notices import InputWarning
from spatialweave.preprocess.common_features import Common, common_features, merge_intervals

Interval = tuple[str, int, int]


def common(modality: str, *features: list[str]) -> Common:
    names = [pd.Index(own, dtype=object) for own in features]
    return common_features(modality, names, [f"s{i}" for i in range(len(names))])


def shared(modality: str, *features: list[str]) -> list[str]:
    """The common names; no warning may come."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return list(common(modality, *features).names)


def features_of(found: Common, section: int, own: list[str]) -> list[list[str]]:
    """For each common feature the section's features that went into it."""
    return [[own[i] for i in np.flatnonzero(found.columns[section] == j)] for j in range(len(found.names))]


def test_equal_names_are_shared_in_the_order_of_the_first_section() -> None:
    first = [f"g{i}" for i in range(20)]
    assert shared("rna", first, [*first[::-1], "other"]) == first
    assert shared("rna", first) == first


def test_case_and_ensembl_versions_do_not_matter() -> None:
    with pytest.warns(InputWarning) as notices:
        found = common("rna", ["ENSG00000123456.4", "Actb", "same"], ["same", "ACTB", "ENSG00000123456"])
    assert list(found.names) == ["ENSG00000123456.4", "Actb", "same"]
    assert found.columns[1].tolist() == [2, 1, 0]
    assert len(notices) == 1
    message = str(notices[0].message)
    assert message.startswith("modality rna: 2 features are named differently") and "e.g. 'Actb' and 'ACTB'" in message


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("H2.K1", "H2"),  # a dot of a gene's own name
        ("ENSG00000123456_PAR_Y", "ENSG00000123456"),
        ("ENSA.1", "ENSA"),  # a gene that only begins like an identifier
        ("RP11-34P13.7", "RP11-34P13"),
    ],
)
def test_other_names_are_different_features(first: str, second: str) -> None:
    with pytest.raises(InputError, match="share no feature of rna"):
        common("rna", [first], [second])


def test_hardly_any_feature_in_common_is_refused() -> None:
    """Symbols beside identifiers: a few features have no symbol, and so the same name."""
    unnamed = [f"ENSG0000000000{i}" for i in range(5)]
    symbols, identifiers = ([*unnamed, *(f"{kind}{i}" for i in range(55))] for kind in ("GENE", "ENSG0000000001"))
    with pytest.raises(InputError, match=r"the sections share 5 features of rna: section '.*' has 'ENSG00000000000'"):
        common("rna", symbols, identifiers)
    masses = [[f"{100 + i + 60 * lot / 7:.4f}" for i in range(60)] for lot in range(2)]
    with pytest.warns(InputWarning, match="not all sections have"):
        assert len(common("metabolite", *([*unnamed[:2], *own] for own in masses)).names) == 2


def test_versions_in_three_sections() -> None:
    with pytest.warns(InputWarning, match="1 features are named differently"):
        found = common("rna", ["ENSMUSG00000000001.4"], ["ensmusg00000000001.5"], ["ENSMUSG00000000001"])
    assert list(found.names) == ["ENSMUSG00000000001.4"]


def test_spellings_that_would_join_two_features_are_compared_unchanged() -> None:
    """The second section has both spellings of a: neither can be taken for the other."""
    with pytest.warns(InputWarning, match="left out: 1 of 3 in section 's1'"):
        found = common("rna", ["Gene", "other"], ["gene", "Gene", "other"])
    assert list(found.names) == ["Gene", "other"]
    assert found.columns[1].tolist() == [-1, 0, 1]
    ids = [f"ENSG00000123456.{i}" for i in (1, 2)]
    assert shared("rna", ids, ids[::-1]) == ids
    with pytest.raises(InputError):
        common("rna", ["GENE"], ["gene", "Gene"])


def test_nothing_shared_names_sections_and_examples() -> None:
    with pytest.raises(InputError) as refusal:
        common("rna", ["A1", "A2", "A3"], ["ENSG01", "ENSG02"])
    assert "section 's0' has 'A1', 'A2'; section 's1' has 'ENSG01', 'ENSG02'" in str(refusal.value)


def test_pairs_may_have_features_in_common_where_all_do_not() -> None:
    with pytest.raises(InputError):
        common("adt", ["a", "b"], ["b", "c"], ["c", "a"])


def test_a_notable_loss_is_warned_of() -> None:
    ten = [f"p{i}" for i in range(10)]
    assert shared("adt", ten, ten[:9]) == ten[:9]
    with pytest.warns(InputWarning, match=r"left out: 2 of 10 in section 's0', 3 of 11 in section 's2'$"):
        common("adt", ten, ten[:8], [*ten[:8], "x", "y", "z"])


def test_counts_of_named_features() -> None:
    with pytest.warns(InputWarning):
        found = common("rna", ["a", "b", "c"], ["C", "x", "a"])
    counts = sparse.csr_matrix(np.array([[1, 2, 3], [4, 5, 6]], dtype=np.float32))
    assert found.counts(counts, 0).toarray().tolist() == [[1, 3], [4, 6]]
    assert found.counts(counts, 1).toarray().tolist() == [[3, 1], [6, 4]]
    assert found.counts(counts, 1).dtype == np.float32


def test_peaks_by_overlap() -> None:
    """Worked by hand: the union of a chain, a touching neighbour apart, two sections' naming styles."""
    first = ["chr1:100-200", "chr1:290-400", "chr2:100-200", "chr3:5-9"]
    second = ["1-150-300", "chr1_400_500", "chr2_50_101", "chrX:5-9"]
    with pytest.warns(InputWarning) as notices:
        found = common("atac", first, second)
    assert list(found.names) == ["chr1:100-400", "chr2:50-200"]
    assert features_of(found, 0, first) == [first[:2], first[2:3]]
    assert features_of(found, 1, second) == [second[:1], second[2:3]]
    messages = [str(notice.message) for notice in notices]
    assert messages[0].endswith("joined into 2 common peaks: 3 of section 's0', 2 of section 's1'")
    assert "1 of 4 in section 's0', 2 of 4 in section 's1'" in messages[1]
    counts = sparse.csr_matrix(np.array([[1, 2, 4, 8], [0, 3, 0, 1]], dtype=np.float32))
    assert found.counts(counts, 0).toarray().tolist() == [[3, 4], [3, 0]]


def test_equal_peak_names_are_left_alone_whatever_overlaps() -> None:
    peaks = ["chr1:100-200", "chr1:150-300", "chr1:500-400", "chr2_1_2"]
    assert shared("histone", peaks, peaks[::-1]) == peaks


def test_one_peak_set_less_what_quality_control_took_is_left_alone() -> None:
    """Overlapping peaks of one set: joining them would make one peak of those that all sections have as two."""
    peaks = [f"chr1_{100 * j}_{100 * j + 150}" for j in range(40)]
    assert shared("atac", peaks[1:], peaks[:-2]) == peaks[1:-2]


def test_gene_activities_are_compared_by_name() -> None:
    first = ["MIR-1-3", "Actb", "Gapdh", "Sox2"]
    with pytest.warns(InputWarning, match="left out"):
        assert list(common("atac", first, ["Gapdh", "MIR-2-9"]).names) == ["Gapdh"]


def test_names_that_are_no_intervals_among_peaks() -> None:
    """An end before or at the start, and other names, match by name only."""
    first = ["chr1:1-9", "chr1:20-30", "chr1:40-50", "chr1:300-200", "spike"]
    second = ["chr1:2-9", "chr1:21-30", "chr1:41-50", "chr1:60-60", "chr1:300-200"]
    with pytest.warns(InputWarning) as notices:
        found = common("atac", first, second)
    assert list(found.names) == ["chr1:1-9", "chr1:20-30", "chr1:40-50", "chr1:300-200"]
    assert found.columns[1].tolist() == [0, 1, 2, -1, 3]
    assert "4 features are not intervals (e.g. 'chr1:300-200') and are compared by name" in str(notices[0].message)


def test_scaffolds_with_underscores() -> None:
    with pytest.warns(InputWarning):
        found = common("atac", ["chr1_KI270706v1_random_10_60"], ["chr1_KI270706v1_random:50-70"])
    assert list(found.names) == ["chr1_KI270706v1_random:10-70"]


def test_rna_that_looks_like_intervals_is_never_joined() -> None:
    with pytest.raises(InputError):
        common("rna", ["chr1:1-9"], ["chr1:2-9"])


intervals = st.tuples(st.sampled_from(["chr1", "1", "chrX"]), st.integers(0, 60), st.integers(1, 9)).map(
    lambda drawn: (drawn[0], drawn[1], drawn[1] + drawn[2])
)


def overlap(a: Interval, b: Interval) -> bool:
    """Whether two intervals have a base in common, base by base."""
    return a[0].removeprefix("chr") == b[0].removeprefix("chr") and bool(set(range(*a[1:])) & set(range(*b[1:])))


def groups_by_brute_force(intervals: list[Interval]) -> list[set[int]]:
    """Connected sets of overlapping intervals, by comparing every two of them until nothing changes."""
    label = list(range(len(intervals)))
    for _ in intervals:
        for i, a in enumerate(intervals):
            for j, b in enumerate(intervals):
                if overlap(a, b):
                    label[i] = label[j] = min(label[i], label[j])
    return [{i for i, own in enumerate(label) if own == group} for group in sorted(set(label))]


@settings(deadline=None, max_examples=60)
@given(st.lists(intervals, min_size=1, max_size=25))
def test_unions_against_brute_force(intervals: list[Interval]) -> None:
    merged = merge_intervals(intervals)
    for group in groups_by_brute_force(intervals):
        names = {merged[i] for i in group}
        assert len(names) == 1
        chromosome, _, span = names.pop().partition(":")
        assert chromosome in {intervals[i][0] for i in range(len(intervals))}
        assert span == f"{min(intervals[i][1] for i in group)}-{max(intervals[i][2] for i in group)}"
    assert len(set(merged)) == len(groups_by_brute_force(intervals))


@settings(deadline=None, max_examples=60)
@given(st.lists(st.lists(intervals, min_size=1, max_size=10, unique=True), min_size=2, max_size=3), st.integers(0, 99))
def test_common_peaks_against_brute_force(sections: list[list[Interval]], seed: int) -> None:
    features = [[f"{c}:{a}-{b}" for c, a, b in own] for own in sections]
    equal = set(features[0]).intersection(*features[1:])
    assume(any(2 * len(equal) <= len(own) for own in features))
    pooled = [interval for own in sections for interval in own]
    owner = np.repeat(np.arange(len(sections)), [len(own) for own in sections])
    groups = [sorted(g) for g in groups_by_brute_force(pooled) if {owner[i] for i in g} == set(range(len(sections)))]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if not groups:
            with pytest.raises(InputError):
                common("atac", *features)
            return
        found = common("atac", *features)
    starts = np.cumsum([0, *map(len, sections)])
    counts = np.random.default_rng(seed).integers(0, 9, len(pooled))
    for number, (begin, end) in enumerate(pairwise(starts)):
        own = found.counts(sparse.csr_matrix(counts[None, begin:end], dtype=np.float32), number).toarray()[0]
        expected = [sum(counts[i] for i in group if owner[i] == number) for group in groups]
        assert own.tolist() == expected


def test_time_and_size_are_those_of_the_peaks() -> None:
    """Many peaks: nothing is quadratic, or this would need gigabytes."""
    starts = np.arange(40_000) * 1000
    features = [[f"chr1:{s + shift}-{s + shift + 500}" for s in starts.tolist()] for shift in (0, 250)]
    with pytest.warns(InputWarning, match="40000 common peaks"):
        found = common("atac", *features)
    assert found.names[1] == "chr1:1000-1750"
    assert found.columns[1].tolist() == list(range(40_000))
