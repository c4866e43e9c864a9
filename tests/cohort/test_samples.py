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
    assert (samples.reference, samples.others, samples.paired) == ("old", ["young"], False)
    assert samples.donors("old") == 2
    rows = samples.between("young")
    assert samples.design(rows, "young").tolist() == [[0, 1], [0, 1], [1, 1]]


def test_donors_with_every_condition_are_compared_with_themselves() -> None:
    samples = read("P1,P1,P2,P2", "before,after,before,after", "before")
    assert samples.paired and samples.others == ["after"]
    design = samples.design(samples.between("after"), "after")
    np.testing.assert_array_equal(design, [[1, 1, 0], [1, 0, 1], [0, 1, 0], [0, 0, 1]])


def test_other_conditions_are_left_out_of_a_comparison() -> None:
    samples = read("P1,P2,P3,P4", "a,a,b,c", "b")
    assert samples.others == ["a", "c"]
    assert samples.table["condition"].iloc[samples.between("c")].tolist() == ["b", "c"]


@pytest.mark.parametrize(
    ("donor", "condition", "reference", "message"),
    [
        ("P1,,P2,P3", "a,a,b,b", None, "tissue: section 's2' has no donor; expected a donor for each"),
        ("P1,P1,P2,P3", "a,a,b,", None, "section 's4' has no condition"),
        ("P1,P1,P2,P3", "a,a,a,a", None, "all sections have the condition 'a'; expected two or more"),
        ("P1,P1,P2,P3", "a,a,b,b", "c", "--cohort_reference: 'c' is no condition; expected one of a, b"),
        ("P1,P1,P2,P2", "a,a,b,b", None, "every condition has one donor only"),
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
