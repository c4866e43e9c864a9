"""Samples of a cohort: all sections of one donor under one condition. Samples, not spots, are the replicates."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from spatialweave.errors import InputError
from spatialweave.io.notices import warn
from spatialweave.prose import listing

if TYPE_CHECKING:
    import pandas as pd

ENOUGH_DONORS = 3
"""With fewer donors per condition, differences are hardly ever found."""

GIVE = "write them into the samplesheet's columns condition and donor"


@dataclass(frozen=True)
class Contrast:
    """Samples of one condition and of the reference that are compared.

    Attributes
    ----------
    table
        One row per sample of the cohort, columns `donor` and `condition`.
    rows
        Rows of the samples compared (int64).
    paired
        Whether donors are compared with themselves; then all of `rows` belong to donors with both conditions.
    some
        Donors that are not fully used: those with both conditions if it is not paired, those with only one if it is.
    """

    table: pd.DataFrame
    condition: str
    reference: str
    rows: np.ndarray
    paired: bool
    some: tuple[str, ...]

    @classmethod
    def of(cls, table: pd.DataFrame, condition: str, reference: str) -> Contrast:
        """Build the contrast, paired if all donors have both conditions, or most of them and :data:`ENOUGH_DONORS`.

        The other donors are then left out. If few donors have both, an unpaired comparison of all donors is more
        informative.
        """
        chosen = table[table["condition"].isin([condition, reference])]
        twice = chosen["donor"].duplicated(keep=False)
        both, donors = chosen.loc[twice, "donor"].nunique(), chosen["donor"].nunique()
        paired = both == donors or (both >= ENOUGH_DONORS and 2 * both > donors)
        rows = chosen.index[twice] if paired else chosen.index
        some = chosen.loc[twice != paired, "donor"].unique()
        return cls(table, condition, reference, rows.to_numpy(), bool(paired), tuple(sorted(some)))

    def within(self, usable: np.ndarray) -> Contrast:
        """Keep those of its samples that are `usable` (bool per sample of the cohort); paired samples only in pairs."""
        rows = self.rows[usable[self.rows]]
        if self.paired:
            rows = rows[self.table["donor"].iloc[rows].duplicated(keep=False).to_numpy()]
        return replace(self, rows=rows)

    @property
    def changed(self) -> np.ndarray:
        """Which of its samples have the condition, not the reference (bool)."""
        return (self.table["condition"].iloc[self.rows] == self.condition).to_numpy()

    @property
    def fewest(self) -> int:
        """Number of samples of the condition that has fewer."""
        return int(min(self.changed.sum(), (~self.changed).sum()))

    @property
    def design(self) -> np.ndarray:
        """Design of a linear model (rows x terms, float64): the condition, 0 or 1, comes first.

        The other terms are a constant or, for paired samples, one per donor.
        """
        import pandas as pd

        donors = self.table["donor"].iloc[self.rows]
        others = pd.get_dummies(donors, dtype=float).to_numpy() if self.paired else np.ones((len(donors), 1))
        return np.column_stack([self.changed.astype(np.float64), others])

    @property
    def donors(self) -> dict[str, int]:
        """Columns of a table: the number of its donors with the condition and with the reference."""
        n_changed = int(self.changed.sum())
        return {"donors": n_changed, "donors_reference": len(self.rows) - n_changed}

    @property
    def pairing(self) -> str:
        """Description of the compared donors."""
        pair, names = f"{self.condition} against {self.reference}", ", ".join(self.some)
        if self.paired:
            left_out = f"; donors with only one of the two are left out: {names}" if self.some else ""
            both = self.table["donor"].iloc[self.rows].drop_duplicates()
            return f"{pair}: paired, each of {len(both)} donors with itself ({', '.join(both)}){left_out}"
        if self.some:
            return f"{pair}: not paired, since few donors have both ({names}); their samples count as different donors"
        return f"{pair}: not paired, no donor has both"


class Remark(NamedTuple):
    """What a reader should know of the comparison of a condition ("": of all), e.g. what was not tested and why.

    It is about the `domains` (none: all) and the modality called `modality` ("": all).
    """

    condition: str
    text: str
    domains: tuple[int, ...] = ()
    modality: str = ""

    def words(self, labels: Mapping[int, str]) -> str:
        """Return the remark without its condition; `labels` are the names of the domains."""
        named = listing(labels[domain] for domain in self.domains)
        about = [self.modality, f"domain{'s' * (len(self.domains) > 1)} {named}" * bool(named)]
        return ": ".join(part for part in (", ".join(filter(None, about)), self.text) if part)


@dataclass(frozen=True)
class Samples:
    """Samples of a dataset.

    Attributes
    ----------
    table
        One row per sample, columns `donor` and `condition`.
    of_spot
        Row of each spot's sample (int64).
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
        """Conditions that are compared with the reference, sorted."""
        return sorted(set(self.table["condition"]) - {self.reference})

    def donors(self, condition: str) -> int:
        """Return the number of donors with a condition."""
        return int((self.table["condition"] == condition).sum())

    def few(self) -> str:
        """Return the conditions with too few donors, with their numbers; "" if there are none."""
        conditions = [self.reference, *self.others]
        return ", ".join(f"{name} has {self.donors(name)}" for name in conditions if self.donors(name) < ENOUGH_DONORS)

    def contrasts(self) -> list[Contrast]:
        """Return the comparisons of the other conditions with the reference."""
        return [Contrast.of(self.table, condition, self.reference) for condition in self.others]


def read_samples(
    where: str,
    sections: pd.Series,
    donor: Mapping[str, str],
    condition: Mapping[str, str],
    reference: str | None = None,
) -> Samples:
    """Group the sections of a dataset into samples by donor and condition.

    Parameters
    ----------
    sections
        The section of every spot.
    donor, condition
        Section -> donor and condition.
    reference
        The condition to compare with; None = the first in alphabetical order.

    Raises
    ------
    InputError
        When a section has no donor or condition, there are fewer than two conditions or no such reference, or no
        condition has more than one donor.
    """
    import pandas as pd

    for column, by_section in (("donor", donor), ("condition", condition)):
        lacking = [name for name in sections.unique() if not by_section.get(name)]
        if lacking:
            raise InputError(where, f"section '{lacking[0]}' has no {column}", f"a {column} for each", GIVE)
    pairs = pd.DataFrame({"donor": sections.map(donor).astype(str), "condition": sections.map(condition).astype(str)})
    table = pairs.drop_duplicates().sort_values(["condition", "donor"], ignore_index=True)
    conditions = sorted(table["condition"].unique())
    if len(conditions) < 2:
        raise InputError(where, f"all sections have the condition '{conditions[0]}'", "two or more", GIVE)
    if reference is not None and reference not in conditions:
        raise InputError("--cohort_reference", f"'{reference}' is not a condition", "one of " + ", ".join(conditions))
    if len(table) == len(conditions):
        raise InputError(where, "every condition has only one donor", "several donors: they are the replicates")
    rows = pd.MultiIndex.from_frame(table).get_indexer(pd.MultiIndex.from_frame(pairs))
    samples = Samples(table, rows, reference if reference is not None else conditions[0])
    for column in ("condition", "donor"):
        for names in _alike(table[column].unique()):
            warn(where, f"{listing(names)} count as different {column}s; if they are the same, spell them alike")
    if samples.few():
        warn(where, f"fewer than {ENOUGH_DONORS} donors ({samples.few()}): only very large differences can be found")
    for contrast in samples.contrasts():
        if contrast.some:
            warn(where, contrast.pairing)
    return samples


def _alike(names: Iterable[str]) -> list[list[str]]:
    """Return the groups of names that differ only in case or in blanks around them, each in quotes."""
    groups: dict[str, list[str]] = {}
    for name in sorted(names):
        groups.setdefault(name.strip().casefold(), []).append(f"'{name}'")
    return [group for group in groups.values() if len(group) > 1]
