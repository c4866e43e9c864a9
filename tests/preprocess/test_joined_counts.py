"""The counts file: what PREPROCESS writes beside the latents, and what its reader refuses."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from pathlib import Path

import mudata as md
import numpy as np
import pytest

from spatialweave.errors import InputError
from spatialweave.io.contract import read_h5mu, write
from spatialweave.io.joined_counts import SectionSize, read_joined_counts
from spatialweave.io.notices import InputWarning
from spatialweave.preprocess.dataset import preprocess

RECIPE = """
modalities:
  rna: {min_spots: 1, variable_features: all, target_sum: 10000, scale: true, components: 2}
  adt: {min_spots: 0, clr_per: protein, scale: true, components: 2}
sections: {harmony: false}
"""
SectionWriter = Callable[..., Path]
FIRST = np.random.default_rng(0).poisson(4, (6, 4))
SECOND = np.random.default_rng(1).poisson(4, (5, 4))
PROTEINS = np.random.default_rng(2).poisson(9, (4, 3))


def spots(prefix: str, n_spots: int) -> list[str]:
    return [f"{prefix}{i}" for i in range(n_spots)]


def annotate(column: str) -> Callable[[md.MuData], None]:
    """Add an obs column that both sections have, one of the section alone, and one of var."""

    def change(data: md.MuData) -> None:
        for part in data.mod.values():
            part.obs["depth"] = np.arange(part.n_obs, dtype=float)
            part.obs[column] = "x"
            part.var["symbol"] = part.var_names.str.upper()

    return change


@pytest.fixture
def joined(write_section: SectionWriter, recipe_file: Callable[[str], Path], tmp_path: Path) -> Path:
    """Two sections: their genes differ in order, case and one gene each; proteins only in the second, of four spots."""
    a = write_section({"rna": (spots("a", 6), ["g1", "g2", "g3", "only_a"], FIRST)}, "first", change=annotate("a"))
    second = {
        "rna": (spots("b", 5), ["G3", "g2", "only_b", "g1"], SECOND),
        "adt": (spots("b", 4), ["p1", "p2", "p3"], PROTEINS),
    }
    b = write_section(second, "second", labels={"b1": "cortex"}, change=annotate("b"))
    with pytest.warns(InputWarning):
        latents = preprocess([a, b], recipe_file(RECIPE), 0, tmp_path / "counts.h5mu")
    write(latents, tmp_path / "latents.h5mu")
    return tmp_path / "counts.h5mu"


def test_counts_are_those_of_the_features_that_all_sections_share(joined: Path) -> None:
    data, sections = read_joined_counts(joined)
    names = [*(f"first:a{i}" for i in range(6)), *(f"second:b{i}" for i in range(5))]
    rna, adt = data["rna"], data["adt"]
    assert list(data.mod) == ["rna", "adt"]
    assert rna.obs_names.tolist() == names and rna.var_names.tolist() == ["g1", "g2", "g3"]
    np.testing.assert_array_equal(rna.X.toarray(), np.concatenate([FIRST[:, :3], SECOND[:, [3, 1, 0]]]))
    assert rna.X.format == "csr" and rna.X.dtype == np.float32
    # Columns that only one of the sections has, and the features' own, have no meaning for all.
    assert list(rna.obs.columns) == ["depth"] and list(rna.var.columns) == []
    assert adt.obs_names.tolist() == names[6:10]
    np.testing.assert_array_equal(adt.X.toarray(), PROTEINS)
    assert list(adt.obs.columns) == ["depth", "b"] and adt.var["symbol"].tolist() == ["P1", "P2", "P3"]
    assert sections == [
        SectionSize("first", "square", {"rna": 6}, {"rna": 4}),
        SectionSize("second", "square", {"rna": 5, "adt": 4}, {"rna": 4, "adt": 3}),
    ]


def test_spots_are_those_of_the_latents(joined: Path) -> None:
    data, _ = read_joined_counts(joined)
    latents = read_h5mu(joined.with_name("latents.h5mu"), "latents")
    assert data.obs_names.equals(latents.obs_names)
    assert data.obs.astype(str).equals(latents.obs.astype(str))
    assert data.obs["label"].astype(str).tolist() == ["cortex" if i == 7 else "" for i in range(11)]
    np.testing.assert_array_equal(data.obsm["spatial"], latents.obsm["spatial"])
    facts = {key: data.uns["spatialweave"][key] for key in ("dataset", "platform", "layout")}
    assert facts == {"dataset": "d", "platform": "square", "layout": "square"}


def test_one_section_keeps_its_names_and_tables(
    write_section: SectionWriter, recipe_file: Callable[[str], Path], tmp_path: Path
) -> None:
    path = write_section({"rna": (spots("a", 6), ["g1", "g2", "g3", "g4"], FIRST)}, change=annotate("a"))
    with warnings.catch_warnings():
        warnings.simplefilter("error", InputWarning)
        preprocess([path], recipe_file(RECIPE), 0, tmp_path / "counts.h5mu")
    data, sections = read_joined_counts(tmp_path / "counts.h5mu")
    assert data.obs_names.tolist() == spots("a", 6)
    assert data["rna"].var["symbol"].tolist() == ["G1", "G2", "G3", "G4"]
    np.testing.assert_array_equal(data["rna"].X.toarray(), FIRST)
    assert sections == [SectionSize("s1", "square", {"rna": 6}, {"rna": 4})]


DAMAGES: dict[str, tuple[Callable[[md.MuData], object], str]] = {
    "another kind": (lambda d: d.uns["spatialweave"].__setitem__("kind", "section"), "is of kind section"),
    "no list of sections": (lambda d: d.uns.pop("sections"), r"uns\['sections'\]: is not a list of sections"),
    "no JSON": (lambda d: d.uns.__setitem__("sections", "{"), "is not a list of sections"),
    "an entry lacks a fact": (
        lambda d: d.uns.__setitem__("sections", json.dumps([{"name": "first"}])),
        "is not a list of sections",
    ),
    "other sections": (
        lambda d: d.uns.__setitem__("sections", d.uns["sections"].replace("first", "third")),
        "names third, second; expected the sections of obs",
    ),
    "a fraction": (lambda d: d["rna"].X.data.__setitem__(0, 0.5), "modality rna, X, row .* is not a whole number"),
    "no coordinates": (lambda d: d.obsm.__setitem__("spatial", np.full((11, 2), np.nan)), "finite x and y"),
}


@pytest.mark.parametrize("case", DAMAGES)
def test_damaged_files_are_refused(case: str, joined: Path) -> None:
    change, message = DAMAGES[case]
    data = read_h5mu(joined, "counts")
    change(data)
    write(data, joined)
    with pytest.raises(InputError, match=message) as refusal:
        read_joined_counts(joined)
    assert str(joined) in str(refusal.value)
