"""Samples: donors under conditions, from the sections of a dataset."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest

from spatialweave.cohort.samples import Samples, read_samples
from spatialweave.errors import InputError
from spatialweave.io.notices import InputWarning

SECTIONS = pd.Series(["s1", "s1", "s2", "s3", "s4", "s4", "s4"])


def read(donor: str, condition: str, reference: str | None = None) -> Samples:
    names = ("s1", "s2", "s3", "s4")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", InputWarning)
        donors, conditions = donor.split(","), condition.split(",")
        return read_samples(
            "tissue",
            SECTIONS,
            dict(zip(names, donors, strict=True)),
            dict(zip(names, conditions, strict=True)),
            reference,
        )


def test_sections_of_a_donor_are_one_sample() -> None:
    samples = read("P1,P1,P2,P3", "young,young,old,old")
    assert samples.table.to_numpy().tolist() == [["P2", "old"], ["P3", "old"], ["P1", "young"]]
    assert samples.of_spot.tolist() == [2, 2, 2, 0, 1, 1, 1]
    assert (samples.reference, samples.others) == ("old", ["young"])
    assert samples.donors("old") == 2
    (contrast,) = samples.contrasts()
    assert not contrast.paired and contrast.fewest == 1
    assert contrast.design.tolist() == [[0, 1], [0, 1], [1, 1]]
    assert contrast.pairing == "young against old: not paired, no donor has both"


def test_donors_with_every_condition_are_compared_with_themselves() -> None:
    samples = read("P1,P1,P2,P2", "before,after,before,after", "before")
    (contrast,) = samples.contrasts()
    assert contrast.paired and contrast.pairing == "after against before: paired, each of 2 donors with itself (P1, P2)"
    np.testing.assert_array_equal(contrast.design, [[1, 1, 0], [1, 0, 1], [0, 1, 0], [0, 0, 1]])


def of(**conditions: str) -> Samples:
    """Samples of the conditions by donor, with "before" as reference."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", InputWarning)
        return read_samples("tissue", *sections_of(conditions), "before")


def sections_of(conditions: dict[str, str]) -> tuple[pd.Series, dict[str, str], dict[str, str]]:
    rows = [(donor, condition) for donor, own in conditions.items() for condition in own.split()]
    names = [f"s{number}" for number in range(len(rows))]
    donor, condition = (dict(zip(names, column, strict=True)) for column in zip(*rows, strict=True))
    return pd.Series(names), donor, condition


def test_pairing_is_that_of_each_comparison() -> None:
    """A third condition changes nothing between the other two, and a donor that lacks one only goes itself."""
    alone = of(**dict.fromkeys(("P1", "P2", "P3"), "before after"))
    more = of(P1="before after late", P2="before after late", P3="before after", P4="before", P5="late")
    after, late = more.contrasts()
    assert after.paired and after.some == ("P4",)
    np.testing.assert_array_equal(after.design, alone.contrasts()[0].design)
    assert after.pairing == (
        "after against before: paired, each of 3 donors with itself (P1, P2, P3); donors with only one of the two are "
        "left out: P4"
    )
    assert not late.paired and late.design.shape == (7, 2)
    assert late.pairing == (
        "late against before: not paired, since few donors have both (P1, P2); their samples count as different donors"
    )
    with pytest.warns(InputWarning, match="donors with only one of the two are left out: P4"):
        read_samples("tissue", *sections_of(dict.fromkeys(("P1", "P2", "P3"), "before after") | {"P4": "after"}))


def test_a_pair_of_which_one_is_not_usable_is_left_out() -> None:
    (contrast,) = of(**dict.fromkeys(("P1", "P2", "P3"), "before after")).contrasts()
    lacking = ~((contrast.table["donor"] == "P2") & (contrast.table["condition"] == "after")).to_numpy()
    rest = contrast.within(lacking)
    assert sorted(rest.table["donor"].iloc[rest.rows]) == ["P1", "P1", "P3", "P3"] and rest.fewest == 2


def test_other_conditions_are_left_out_of_a_comparison() -> None:
    samples = read("P1,P2,P3,P4", "a,a,b,c", "b")
    assert samples.others == ["a", "c"]
    assert samples.table["condition"].iloc[samples.contrasts()[1].rows].tolist() == ["b", "c"]


@pytest.mark.parametrize(
    ("donor", "condition", "reference", "message"),
    [
        ("P1,,P2,P3", "a,a,b,b", None, "tissue: section 's2' has no donor; expected a donor for each"),
        ("P1,P1,P2,P3", "a,a,b,", None, "section 's4' has no condition"),
        ("P1,P1,P2,P3", "a,a,a,a", None, "all sections have the condition 'a'; expected two or more"),
        ("P1,P1,P2,P3", "a,a,b,b", "c", "--cohort_reference: 'c' is not a condition; expected one of a, b"),
        ("P1,P1,P2,P2", "a,a,b,b", None, "every condition has only one donor"),
    ],
)
def test_what_is_no_cohort_is_refused(donor: str, condition: str, reference: str | None, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read(donor, condition, reference)


def test_few_donors_are_warned_of() -> None:
    sections = pd.Series([f"s{i}" for i in range(5)])
    donor = {name: name for name in sections}
    condition = dict.fromkeys(sections[:2], "a") | dict.fromkeys(sections[2:], "b")
    with pytest.warns(InputWarning, match=r"fewer than 3 donors \(a has 2\): only very large differences"):
        read_samples("tissue", sections, donor, condition)


@pytest.mark.parametrize(
    ("donor", "condition", "message"),
    [
        ("P1,P2,P3,P4", "control,Control,treated,treated", "'Control' and 'control' count as different conditions"),
        ("P1,p1,P3,P1 ", "a,a,b,b", "'P1', 'P1 ' and 'p1' count as different donors"),
    ],
)
def test_names_that_are_nearly_alike_are_warned_of(donor: str, condition: str, message: str) -> None:
    names = ("s1", "s2", "s3", "s4")
    with pytest.warns(InputWarning, match=message):
        read_samples(
            "tissue",
            SECTIONS,
            dict(zip(names, donor.split(","), strict=True)),
            dict(zip(names, condition.split(","), strict=True)),
        )


def test_names_that_differ_are_not_warned_of() -> None:
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always", InputWarning)
        read_samples("tissue", *sections_of(dict.fromkeys(("P1", "P2", "P3"), "before after")))
    assert not found
