"""Names of domains: all with the true panel, none with a wrong one; and the panel's file."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from spatialweave.characterise.markers import MarkerTests, marker_tests
from spatialweave.characterise.naming import STEPS, NameScore, name_domains, upper_tail
from spatialweave.characterise.panel import Panel, PanelMarker, read_panel
from spatialweave.characterise.split import split_spots
from spatialweave.errors import InputError
from spatialweave.io.notices import InputWarning
from spatialweave.simulate.presets import PRESETS
from spatialweave.simulate.tissue import markers, simulate

from .tissue import tissue

NAMES = ("background", "cross", "ring", "steps", "hook")


@pytest.fixture(scope="module")
def tests() -> list[MarkerTests]:
    """Of the demo's known domains."""
    toy = tissue(simulate(PRESETS["demo"], 1))
    split = split_spots(toy.dataset, toy.truth, 5, 0)
    return [marker_tests(table, toy.rows, toy.truth, 5, split)[0] for table in toy.tables]


def panel_of(features: dict[str, list[str]], modality: str = "rna", sign: int = 1) -> Panel:
    return {name: [PanelMarker(feature, modality, sign) for feature in own] for name, own in features.items()}


def known(domain: int, n: int = 8) -> list[str]:
    table = markers(PRESETS["demo"].modalities["rna"], 5)
    return [f"Gene{feature + 1:04d}" for feature in np.flatnonzero(table[domain])[:n]]


def names_of(found: list[NameScore]) -> dict[int, str]:
    return {one.domain: one.name for one in found if one.named}


def test_the_true_panel_names_every_domain(tests: list[MarkerTests]) -> None:
    panel = panel_of({name: known(domain) for domain, name in enumerate(NAMES)})
    found = name_domains(panel, tests)
    assert names_of(found) == {domain + 1: name for domain, name in enumerate(NAMES)}
    assert len(found) == 25
    best = found[0]
    assert (best.domain, best.name, best.measured, best.markers) == (1, "background", 8, 8)
    # The score by hand, and the lead over the second.
    rows = [tests[0].features.index(feature) for feature in known(0)]
    assert best.score == pytest.approx(np.mean(2 * tests[0].found.auc[0, rows] - 1), rel=1e-4)
    assert best.margin == pytest.approx(best.score - found[1].score, abs=1e-4)
    assert best.evidence.startswith("Gene") and best.evidence.count("AUC") == 8


@pytest.mark.parametrize("seed", range(5))
def test_wrong_panels_name_none(tests: list[MarkerTests], seed: int) -> None:
    rng = np.random.default_rng(seed)
    # Genes that mark nothing, markers of all domains in every name, and genes that were not measured.
    nothing = {name: [f"Gene{number:04d}" for number in rng.integers(501, 1001, 8)] for name in NAMES}
    mixed = {name: [known(domain, 40)[rng.integers(40)] for domain in range(5)] for name in NAMES}
    absent = {name: [f"Absent{number}" for number in range(8)] for name in NAMES}
    for features in (nothing, mixed, absent):
        assert names_of(name_domains(panel_of(features), tests)) == {}


def test_negative_markers_and_modalities(tests: list[MarkerTests]) -> None:
    """Lower everywhere but in the domain counts as well; a feature that another modality has does not."""
    lower = {"not ring": known(2)}
    scores = {one.domain: one.score for one in name_domains(panel_of(lower, sign=-1), tests)}
    assert min(scores, key=scores.__getitem__) == 3 and scores[3] < 0
    assert name_domains(panel_of({"ring": known(2)}, modality="adt"), tests) == []
    anywhere = name_domains(panel_of({"ring": [name.upper() for name in known(2)]}, modality=""), tests)
    assert names_of(anywhere) == {3: "ring"}


def test_a_domain_without_a_modality_is_named_by_the_others(tests: list[MarkerTests]) -> None:
    """As in a section in which proteins were not measured."""
    rna, adt, *_ = tests
    testable, auc = adt.found.testable.copy(), adt.found.auc.copy()
    testable[2], auc[2] = False, np.nan
    without = replace(adt, found=replace(adt.found, testable=testable, auc=auc))
    panel = panel_of({name: known(domain) for domain, name in enumerate(NAMES)})
    panel["ring"] = [*panel["ring"], PanelMarker(adt.features[0], "adt", 1)]
    found = name_domains(panel, [rna, without])
    assert names_of(found) == {domain + 1: name for domain, name in enumerate(NAMES)}
    measured = {one.domain: (one.measured, one.markers) for one in found if one.name == "ring"}
    assert measured == {domain: (8 if domain == 3 else 9, 9) for domain in range(1, 6)}
    (ring,) = (one for one in found if (one.domain, one.name) == (3, "ring"))
    assert adt.features[0] not in ring.evidence and ring.not_measured == adt.features[0]
    assert {one.not_measured for one in found if one.domain != 3} == {""}
    rows = [rna.features.index(feature) for feature in known(2)]
    assert ring.score == pytest.approx(np.mean(2 * rna.found.auc[2, rows] - 1), rel=1e-4)


def test_names_with_few_measured_markers_are_not_given(tests: list[MarkerTests]) -> None:
    panel = panel_of({"ring": [*known(2), *(f"Absent{number}" for number in range(9))]})
    found = name_domains(panel, tests)
    assert names_of(found) == {} and {(one.measured, one.markers) for one in found} == {(8, 17)}
    assert {one.not_measured for one in found} == {";".join(f"Absent{number}" for number in range(9))}


def test_two_names_with_the_same_markers_are_not_given(tests: list[MarkerTests]) -> None:
    panel = panel_of({"ring": known(2), "circle": known(2)})
    assert names_of(name_domains(panel, tests)) == {}


def test_chance_is_that_of_all_draws_of_features() -> None:
    """Two features of one modality and one of another that counts with the other sign: all 7 x 7 x 5 draws."""
    rng = np.random.default_rng(0)
    first, second = (rng.integers(-STEPS, STEPS + 1, n) for n in (7, 5))
    every = np.array([a + b - c for a, b, c in product(first, first, second)])
    asked = np.concatenate([every, [-3 * STEPS, 3 * STEPS]])
    found = upper_tail([first, second], (((0, 1), 2), ((1, -1), 1)), asked)
    np.testing.assert_allclose(found, [max((every >= one).mean(), 1e-12) for one in asked], rtol=1e-9, atol=1e-12)


def large(tests: list[MarkerTests], n_names: int, n_domains: int, size: int) -> tuple[Panel, MarkerTests]:
    """A panel of names with markers of their own, the first of which are far higher in one domain each."""
    rng = np.random.default_rng(0)
    features = [f"G{number}" for number in range(n_names * size)]
    auc = 0.5 + 0.02 * rng.standard_normal((n_domains, len(features)))
    for domain in range(n_domains):
        auc[domain, domain * size : (domain + 1) * size] = 0.99
    found = replace(tests[0].found, auc=auc, testable=np.ones(n_domains, dtype=bool))
    markers = {f"name {k + 1}": features[k * size : (k + 1) * size] for k in range(n_names)}
    return panel_of(markers), replace(tests[0], features=features, found=found)


def test_a_large_panel_names_all_domains(tests: list[MarkerTests]) -> None:
    """With 6000 pairs of names and domains, for which a p value must be below 1e-5."""
    panel, one = large(tests, n_names=300, n_domains=20, size=5)
    found = name_domains(panel, [one])
    assert names_of(found) == {domain + 1: f"name {domain + 1}" for domain in range(20)}


def test_names_that_no_domain_could_have_are_warned_of(tests: list[MarkerTests]) -> None:
    """One of 300 features is highest by chance in one of 300 cases, and there are 1800 pairs."""
    panel, one = large(tests, n_names=300, n_domains=6, size=1)
    panel["of two"] = [*panel["name 1"], *panel["name 2"]]
    with pytest.warns(InputWarning, match="panel: 300 of 301 names, such as 'name 1', cannot be given to any domain"):
        assert names_of(name_domains(panel, [one])) == {}


def test_a_panel_file(tmp_path: Path) -> None:
    path = tmp_path / "panel.yml"
    path.write_text(
        "T cells: [CD3E, CD3D]\n"
        "B cells:\n  positive: [MS4A1]\n  negative: [CD3E]\n"
        "plasma:\n  rna: [MZB1]\n  adt: {positive: [CD38], negative: [CD20]}\n"
    )
    assert read_panel(path) == {
        "T cells": [PanelMarker("CD3E", "", 1), PanelMarker("CD3D", "", 1)],
        "B cells": [PanelMarker("MS4A1", "", 1), PanelMarker("CD3E", "", -1)],
        "plasma": [PanelMarker("MZB1", "rna", 1), PanelMarker("CD38", "adt", 1), PanelMarker("CD20", "adt", -1)],
    }


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "is not a mapping"),
        ("{}", "contains no names"),
        ("- a\n", "is not a mapping"),
        ("a: [", "is not a readable YAML file"),
        ("a: [X]\nb: [Y]\na: [Z]\n", "line 3: 'a' occurs twice"),
        ("a: {rna: [X], rna: [Y]}\n", "'rna' occurs twice"),
        ("1: [X]\n", "is not text"),
        ("'1': [X]\n", "is a number"),
        ("'': [X]\n", "cannot be shown"),
        ("a: X\n", "a list of markers"),
        ("a: []\n", "has no positive marker"),
        ("a: {negative: [X]}\n", "has no positive marker"),
        ("a: {rna: X}\n", "a list of markers"),
        ("a: {positive: X}\n", "a list of markers"),
        ("a: {rn: [X]}\n", "'rn' is not known; expected 'rna', perhaps"),
        ("a: {rna: {positiv: [X]}}\n", "'positiv' is not known; expected 'positive', perhaps"),
        ("a: [X, 1]\n", "marker '1' is not text"),
        ("a: [X, on]\n", "put it in quotes"),
        ("a: [X, x]\n", "marker 'x' occurs twice"),
        ("a: {positive: [X], negative: [X]}\n", "marker 'X' occurs twice"),
        ("a: {positive: [X], rna: [x]}\n", "marker 'x' occurs under rna, and without a modality for all of them"),
        ("a: {positive: [X], adt: {negative: [X]}}\n", "marker 'X' occurs under adt, and without a modality"),
        ("'T zone': [X]\n'T zone ': [Y]\n", "'T zone': occurs twice, but for blanks around it"),
        ("[a]: [X]\n", "is not a readable YAML file"),
    ],
)
def test_what_is_no_panel_is_refused(tmp_path: Path, content: str, words: str) -> None:
    path = tmp_path / "panel.yml"
    path.write_text(content)
    with pytest.raises(InputError) as refused:
        read_panel(path)
    assert words in str(refused.value) and str(path) in str(refused.value)
