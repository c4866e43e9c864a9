"""The numbers of a passport against values by hand, and its words."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from spatialweave.errors import InputError
from spatialweave.io.result_tables import MARKERS, MODALITY_VALUE
from spatialweave.passport.dataset import passports
from spatialweave.passport.passport import Found, Passport
from spatialweave.passport.tables import read_tables
from spatialweave.passport.words import certainty_sentence, need_sentence, no_markers_sentence, p_text, seen_sentence
from spatialweave.report.passport_tables import need_chart

from ..report.characterised_files import write_characterised
from .made import CODES, HALVED, SHIFTED, consensus, run, spots, write_cohort, write_composition

TITLES = {"smart": "SMART", "a": "A", "weave": "weave (consensus)"}
LABELS = {1: "1: cortex <1>", 2: "2", 3: "3"}


@pytest.fixture
def of_smart(tmp_path: Path) -> list[Passport]:
    """The passports of a run with everything known, beside two runs of another method."""
    write_characterised(tmp_path)
    write_cohort(tmp_path)
    write_composition(tmp_path, "smart.seed1")
    runs = [run("a", 1, SHIFTED), run("a", 2, CODES), run("smart", 1, CODES)]
    found = passports(spots(), runs, 2, read_tables(tmp_path), TITLES)
    assert list(found) == ["smart.seed1"]
    return found["smart.seed1"]


def test_size_shape_and_sections(of_smart: list[Passport]) -> None:
    one, two, three = of_smart
    assert (one.number, one.label, one.run_title) == (1, "1: cortex <1>", "SMART, seed 1")
    assert (one.n_spots, one.fraction) == (4, 0.4)
    assert (one.structure["area"], one.units["area"]) == (12.5, "µm²")
    assert one.modality_weights == {"rna": 0.6}
    # The second domain lies in both sections: two of its three spots are among the six of the left one.
    assert [(s.section, s.spots, s.of_domain, s.of_section) for s in two.sections] == [
        ("left", 2, pytest.approx(2 / 3), pytest.approx(2 / 6)),
        ("right", 1, pytest.approx(1 / 3), pytest.approx(1 / 4)),
    ]
    assert three.classes == {}
    # What COHORT compares is not listed a second time.
    assert one.classes == {"label": [("medulla", 3, 0.75), ("cortex", 1, 0.25)]}


def test_markers_sets_neighbours_and_names(of_smart: list[Passport]) -> None:
    one, two, three = of_smart
    rna, adt = one.markers
    assert [m.feature for m in rna.best] == ["a1", "a2", "a3", "a4"] and rna.number == 4 and adt.number == 1
    assert rna.best[0].p_adjusted == 1e-3
    # A domain without markers was tested or not.
    assert [(m.untested, m.best, m.number) for m in two.markers][1] == ("", [], 0) and two.tested
    assert [m.untested for m in three.markers] == ["not found again", "not measured"] and not three.tested
    assert [no_markers_sentence(m) for m in (rna, three.markers[1])] == [
        "", "Not tested: this modality was measured at none of its spots."
    ]  # fmt: skip
    assert [(s.name, s.genes) for s in one.gene_sets or []] == [("SET ONE", "a1, a2, a3")]
    assert two.gene_sets == []
    assert [(n.domain, n.fraction, n.expected) for n in one.neighbours] == [(2, 0.75, 0.7), (3, 0.25, 0.3)]
    assert [(n.name, n.named) for n in one.names] == [("cortex <1>", True), ("another", False)]
    assert (one.name, two.name) == ("cortex <1>", None)


def test_conditions(of_smart: list[Passport]) -> None:
    one, two, three = of_smart
    (change,) = one.changes
    assert change.significant and (change.log2_ratio, change.donors, change.donors_reference) == (1.0, 3, 4)
    # Those below 0.05, best first.
    assert (change.features, change.n_features, change.borders) == (["a (rna)", "b (rna)"], 2, [2])
    assert not two.changes[0].significant and three.changes == []
    assert [(d.donor, d.condition) for d in one.donors] == [("P1", "control"), ("P2", "treated")]


def test_how_sure_and_who_sees_it(of_smart: list[Passport]) -> None:
    one = of_smart[0]
    assert one.certainty is not None and one.certainty_is == "agreement"
    # Of the two other runs, one places the fourth spot elsewhere.
    assert one.certainty.mean == pytest.approx(7 / 8)
    assert one.seeing == {"a": (2, 2)}
    assert seen_sentence(one, TITLES) == ("Both methods see it.", False)
    text = certainty_sentence(one, LABELS)
    assert text.startswith("At 100% of its spots the agreement is 0.5 or more. Confused most with domain 2:")
    assert "place 12% of its spots there" in text


def test_a_domain_that_one_method_alone_sees(tmp_path: Path) -> None:
    # Elsewhere the first domain is two halves, and the others are one.
    runs = [run("a", 1, HALVED), run("b", 1, HALVED), run("smart", 1, CODES), run("smart", 2, CODES)]
    one = passports(spots(), runs, 2, read_tables(tmp_path), TITLES)["smart.seed1"][2]
    assert {method: seen for method, (seen, _) in one.seeing.items()}["smart"] == 1
    third = replace(one, sightings=[replace(s, jaccard=0.3) if s.method != "smart" else s for s in one.sightings])
    assert seen_sentence(third, TITLES) == (
        "SMART alone sees it: no run of the other 2 methods has such a domain.", True,
    )  # fmt: skip
    mixed = replace(third, sightings=[replace(s, jaccard=0.6) if s.method == "a" else s for s in third.sightings])
    assert seen_sentence(mixed, TITLES) == ("2 of 3 methods see it; b does not.", False)


def test_the_consensus_has_its_own_confidence_and_no_method(tmp_path: Path) -> None:
    runs = [run("a", 1, CODES), run("b", 1, HALVED), consensus()]
    (one, _, three) = passports(spots(), runs, 2, read_tables(tmp_path), TITLES)["weave.seed1"]
    assert one.certainty_is == "confidence" and one.run_title == "weave (consensus)"
    assert one.certainty is not None and one.certainty.counts[2] == 1 and one.certainty.doubtful == 0.25
    # Half of the domain is as much as is needed.
    assert seen_sentence(one, TITLES) == ("Both methods see it.", False)
    half = replace(one, sightings=[replace(s, jaccard=0.4) if s.method == "b" else s for s in one.sightings])
    assert seen_sentence(half, TITLES) == ("A alone sees it: no run of the other method has such a domain.", True)
    nobody = replace(three, sightings=[replace(s, jaccard=0.1) for s in three.sightings])
    assert seen_sentence(nobody, TITLES) == (
        "No single run has such a domain: it lies where parts of their domains overlap.", True,
    )  # fmt: skip


def test_what_is_missing_says_which_option_gives_it(tmp_path: Path) -> None:
    (one, *_) = passports(spots(), [run("smart", 1, CODES)], 0, read_tables(tmp_path), TITLES)["smart.seed1"]
    assert one.certainty is None and one.sightings == [] and one.markers == [] and one.gene_sets is None
    text = " ".join(one.missing)
    for option in ("--characterise_runs smart.seed1", "--methods or --seeds", "donor and condition"):
        assert option in text
    write_characterised(tmp_path, panel=False)
    (one, *_) = passports(spots(), [run("smart", 1, CODES)], 0, read_tables(tmp_path), TITLES)["smart.seed1"]
    text = " ".join(one.missing)
    assert "--gene_sets" in text and "--panel" in text and "--characterise_runs" not in text


def test_runs_that_were_characterised_have_passports_too(tmp_path: Path) -> None:
    write_characterised(tmp_path)
    write_cohort(tmp_path)
    runs = [run("a", 1, SHIFTED), run("other", 1, HALVED), run("smart", 1, CODES)]
    found = passports(spots(), runs, 0, read_tables(tmp_path), TITLES)
    # The one that is shown first comes first; of a run that is not there, nothing is made.
    assert list(found) == ["a.seed1", "smart.seed1", "other.seed1"]
    assert found["a.seed1"][0].changes and not found["smart.seed1"][0].changes
    assert passports(spots(), runs, None, read_tables(tmp_path), TITLES) == {}


def test_which_modality_it_needs(of_smart: list[Passport], tmp_path: Path) -> None:
    assert of_smart[0].by_modality == [] and need_sentence(of_smart[0]) == ""
    assert any("--assess" in line for line in of_smart[0].missing)
    rows = [
        ("d", modality, statistic, f"smart.seed1:{domain}", value, value - 0.05, value + 0.05)
        for domain, values in {1: (0.9, 0.3, 0.4), 2: (0.4, 0.3, 0.3), 3: (0.9, 0.47, 0.8)}.items()
        for modality, statistic, value in zip(
            ("rna", "adt", "all"), ("run_found_without", "run_found_without", "run_found"), (*values[1:], values[0]),
            strict=True,
        )
    ]  # fmt: skip
    rows.append(("d", "all", "found_again", "1", 0.1, 0.1, 0.1))
    MODALITY_VALUE.write(tmp_path / "modality_value.csv", MODALITY_VALUE.frame(rows))
    one, two, three = passports(spots(), [run("smart", 1, CODES)], 0, read_tables(tmp_path), TITLES)["smart.seed1"]
    assert [(f.without, f.jaccard) for f in one.by_modality] == [(None, 0.9), ("rna", 0.3), ("adt", 0.4)]
    assert need_sentence(one) == "It needs RNA and protein (ADT): without either of them it is not found."
    assert "does not show which modality it needs" in need_sentence(two)
    # Some seed finds it without RNA, but not the mean.
    assert need_sentence(three) == "Uncertain for RNA: without it only some seeds find it."
    assert not any("--assess" in line for line in one.missing)


def test_what_it_needs_by_hand(of_smart: list[Passport]) -> None:
    """Needed: with no seed 0.5 or more. Uncertain: with some, but not in the mean, as the hollow dot of the chart."""

    def needing(**without: tuple[float, float, float]) -> Passport:
        numbers = [Found(None, 0.9, 0.9, 0.9), *(Found(name, *values) for name, values in without.items())]
        return replace(of_smart[0], by_modality=numbers)

    found = (0.9, 0.9, 0.9)
    assert need_sentence(needing(rna=(0.5, 0.45, 0.6), adt=found)) == (
        "It needs no single modality: without any one of them it is found by the others."
    )
    lost, some = (0.2, 0.1, 0.3), (0.35, 0.2, 0.51)
    assert need_sentence(needing(rna=lost, adt=some)) == (
        "It needs RNA: without it it is not found. Uncertain for protein (ADT): without it only some seeds find it."
    )
    assert need_sentence(needing(rna=lost, adt=lost, atac=lost)).endswith("without any one of them it is not found.")
    dots = need_chart(needing(rna=some))
    assert dots is not None and [row.strong for row in dots.rows] == [True, False]


def test_p_values_as_text() -> None:
    assert [p_text(p) for p in (1.0, 0.05, 0.0312, 0.001, 2.4e-7, 0.0)] == ["1", "0.05", "0.031", "0.001", "2e−07", "0"]


def test_damaged_tables_are_refused(tmp_path: Path) -> None:
    write_characterised(tmp_path)
    (tmp_path / "markers.csv").write_text(",".join(MARKERS.columns) + "\n" + "x," * (len(MARKERS.columns) - 1) + "x\n")
    with pytest.raises(InputError, match=r"markers\.csv, line 2, column 'domain'"):
        read_tables(tmp_path)
    write_characterised(tmp_path)
    (tmp_path / "abundance.csv").write_text("domain\n1\n")
    with pytest.raises(InputError, match=r"abundance\.csv: has no column 'condition'"):
        read_tables(tmp_path)
