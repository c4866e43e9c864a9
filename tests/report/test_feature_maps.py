"""Which features a page holds."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from spatialweave.report.feature_maps import lookups, mapped_features
from spatialweave.results.values import FeatureTable

ROWS = np.arange(200)


def made(modality: str, n_features: int) -> FeatureTable:
    """Random features; the higher the number, the more they vary, and the first is constant."""
    values = np.random.default_rng(1).random((len(ROWS), n_features)) * np.arange(n_features)
    names = [f"{modality}{index}" for index in range(n_features)]
    return FeatureTable(modality, names, sparse.csr_matrix(values.astype(np.float32)), np.ones(len(ROWS), bool))


def test_all_features_that_vary_where_there_is_room() -> None:
    tables = [made("rna", 30), made("adt", 5)]
    found = mapped_features(tables, [("rna", 3), ("adt", 0)], ROWS)
    # Markers come first, in their order, also one that does not vary.
    assert [one["name"] for one in found[:2]] == ["rna3", "adt0"]
    assert len({(one["modality"], one["name"]) for one in found}) == len(found) == 29 + 5
    assert [(one.held, one.measured, one.partial) for one in lookups(tables, found)] == [(29, 30, True), (5, 5, False)]


def test_the_most_variable_fill_the_room_that_modalities_share() -> None:
    tables = [made("rna", 100), made("adt", 3)]
    size = len(mapped_features([tables[0]], [("rna", 50)], ROWS, room=0)[0]["steps"]["bytes"])
    found = mapped_features(tables, [("rna", 50)], ROWS, room=20 * size)
    names = [one["name"] for one in found]
    assert names[0] == "rna50"
    # All proteins, and in the rest of the room the genes that vary most.
    assert {"adt1", "adt2"} <= set(names)
    genes = [int(name[3:]) for name in names[1:] if name.startswith("rna")]
    assert 5 < len(genes) < 20
    assert min(genes) > 60
    # Without room the markers are there all the same.
    assert [one["name"] for one in mapped_features(tables, [("rna", 50)], ROWS, room=0)] == ["rna50"]
