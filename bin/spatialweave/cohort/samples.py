"""The samples of a cohort: all sections of one donor under one condition. They, and not spots, are the replicates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from spatialweave.errors import InputError
from spatialweave.io.notices import warn

if TYPE_CHECKING:
    import pandas as pd

ENOUGH_DONORS = 3
"""Donors per condition below which differences are hardly ever found."""

GIVE = "write them into the samplesheet's columns condition and donor"


@dataclass(frozen=True)
class Samples:
    """The samples of a dataset.

    Attributes
    ----------
    table
        One row per sample, columns `donor` and `condition`.
    of_spot
        Per spot the row of its sample (int64).
    reference
        The condition with which the others are compared.
    """

    table: pd.DataFrame
    of_spot: np.ndarray
    reference: str

    def __len__(self) -> int:
        return len(self.table)

    @property
    def others(self) -> list[str]:
        """The conditions that are compared with the reference, sorted."""
        return sorted(set(self.table["condition"]) - {self.reference})

    @property
    def paired(self) -> bool:
        """Whether every donor has every condition, so that donors are compared with themselves."""
        return len(self) == self.table["donor"].nunique() * self.table["condition"].nunique()

    def donors(self, condition: str) -> int:
        """Number of donors with a condition."""
        return int((self.table["condition"] == condition).sum())

    def few(self) -> str:
        """The conditions with fewer donors than are needed, with their numbers; "" where there are none."""
        conditions = [self.reference, *self.others]
        return ", ".join(f"{name} has {self.donors(name)}" for name in conditions if self.donors(name) < ENOUGH_DONORS)

    def between(self, condition: str) -> np.ndarray:
        """Rows of the samples of one condition and of the reference."""
        return np.flatnonzero(self.table["condition"].isin([condition, self.reference]))

    def design(self, rows: np.ndarray, condition: str) -> np.ndarray:
        """The design of a linear model for some samples (rows x terms, float64): the condition, 0 or 1, comes first.

        The other terms are a constant or, of paired samples, one for each donor.
        """
        import pandas as pd

        chosen = self.table.iloc[rows]
        effect = (chosen["condition"] == condition).to_numpy(dtype=np.float64)
        donors = pd.get_dummies(chosen["donor"], dtype=float).to_numpy() if self.paired else np.ones((len(rows), 1))
        return np.column_stack([effect, donors])


def read_samples(
    where: str,
    sections: pd.Series,
    donor: Mapping[str, str],
    condition: Mapping[str, str],
    reference: str | None = None,
) -> Samples:
    """The samples of a dataset by donor and condition of its sections.

    Parameters
    ----------
    sections
        The section of every spot.
    donor, condition
        By section.
    reference
        The condition to compare with; None = the first in alphabetical order.

    Raises
    ------
    InputError
        When a section has no donor or condition, there are fewer than two conditions or no such reference, or no
        condition has a second donor.
    """
    import pandas as pd

    for column, given in (("donor", donor), ("condition", condition)):
        lacking = [name for name in sections.unique() if not given.get(name)]
        if lacking:
            raise InputError(where, f"section '{lacking[0]}' has no {column}", f"a {column} for each", GIVE)
    pairs = pd.DataFrame({"donor": sections.map(donor).astype(str), "condition": sections.map(condition).astype(str)})
    table = pairs.drop_duplicates().sort_values(["condition", "donor"], ignore_index=True)
    conditions = sorted(table["condition"].unique())
    if len(conditions) < 2:
        raise InputError(where, f"all sections have the condition '{conditions[0]}'", "two or more", GIVE)
    if reference is not None and reference not in conditions:
        raise InputError("--cohort_reference", f"'{reference}' is no condition", "one of " + ", ".join(conditions))
    if len(table) == len(conditions):
        raise InputError(where, "every condition has one donor only", "several donors: they are the replicates")
    rows = pd.MultiIndex.from_frame(table).get_indexer(pd.MultiIndex.from_frame(pairs))
    samples = Samples(table, rows, reference if reference is not None else conditions[0])
    if samples.few():
        warn(where, f"fewer than {ENOUGH_DONORS} donors ({samples.few()}): only very large differences can be found")
    return samples
