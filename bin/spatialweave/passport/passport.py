"""Passport of a domain: the results of the stages about it, as numbers, independent of their display."""

from __future__ import annotations

from dataclasses import dataclass, field

from spatialweave.results.sightings import Certainty, Sighting

SIGNIFICANT = 0.05


@dataclass(frozen=True)
class Marker:
    """Feature that is higher in the domain than in all other spots; see docs/characterise.md for its numbers.

    `p_adjusted` comes from spots that were not used to find the domain.
    """

    feature: str
    log2_fold_change: float
    auc: float
    fraction_in: float
    fraction_out: float
    p_adjusted: float


@dataclass(frozen=True)
class ModalityMarkers:
    """Markers of the domain in one modality: the best ones, and their number in the table.

    `untested`: why no feature could be tested, as in markers.csv; "" if they were.
    """

    modality: str
    best: list[Marker]
    number: int
    untested: str = ""


@dataclass(frozen=True)
class GeneSet:
    """Gene set that is enriched among the markers."""

    modality: str
    name: str
    overlap: int
    set_size: int
    enrichment: float
    p_adjusted: float
    genes: str


@dataclass(frozen=True)
class Neighbour:
    """Another domain at the border: its fraction of the border, the expected fraction, and PAGA."""

    domain: int
    fraction: float
    expected: float
    paga: float


@dataclass(frozen=True)
class SectionShare:
    """Spots of the domain in a section, as a fraction of the domain and of the section."""

    section: str
    spots: int
    of_domain: float
    of_section: float


@dataclass(frozen=True)
class NameScore:
    """Name of the panel with its score."""

    name: str
    named: bool
    score: float
    margin: float
    p: float
    measured: int
    markers: int
    evidence: str


@dataclass(frozen=True)
class Change:
    """Domain under one condition against the reference: its abundance, and changes in it and at its border."""

    condition: str
    reference: str
    donors: int
    donors_reference: int
    fraction: float
    fraction_reference: float
    log2_ratio: float
    low: float
    high: float
    p_adjusted: float
    features: list[str]
    n_features: int
    borders: list[int]

    @property
    def significant(self) -> bool:
        """Whether the abundance differs."""
        return self.p_adjusted < SIGNIFICANT


@dataclass(frozen=True)
class Found:
    """How well the control finds the domain: its highest Jaccard index with a domain of the control, mean and range.

    `without` is the modality that was left out; None if the control had all. The range is over seeds.
    """

    without: str | None
    jaccard: float
    low: float
    high: float


@dataclass(frozen=True)
class Donor:
    """One donor under one condition: number and fraction of its spots in the domain."""

    donor: str
    condition: str
    spots: int
    fraction: float


@dataclass(frozen=True)
class Passport:
    """All results about one domain of one run.

    Attributes
    ----------
    run, run_title
        Id of the run, e.g. ``smart.seed1``, and its title in the report.
    number
        Number of the domain, from 1.
    name
        Name from the user's panel; None if it has none.
    fraction
        Fraction of all spots.
    structure, units
        Statistics over all sections by name, as in structure.csv, and their units.
    certainty_is
        What `certainty` measures: ``confidence`` of the consensus, or ``agreement`` with the other runs.
    modality_weights
        Mean weight of each modality over the spots, for methods that weight them.
    by_modality
        How well the control finds the domain, first with all modalities, then without each.
    missing
        What was not computed, each with the option that provides it.
    """

    run: str
    run_title: str
    number: int
    name: str | None
    n_spots: int
    fraction: float
    structure: dict[str, float]
    units: dict[str, str]
    certainty: Certainty | None
    certainty_is: str
    sightings: list[Sighting]
    markers: list[ModalityMarkers]
    gene_sets: list[GeneSet] | None
    neighbours: list[Neighbour]
    sections: list[SectionShare]
    classes: dict[str, list[tuple[str, int, float]]]
    names: list[NameScore]
    changes: list[Change]
    donors: list[Donor]
    modality_weights: dict[str, float]
    by_modality: list[Found]
    missing: list[str] = field(default_factory=list)

    @property
    def label(self) -> str:
        """Number, and name if there is one."""
        return f"{self.number}: {self.name}" if self.name else str(self.number)

    @property
    def tested(self) -> bool:
        """Whether features could be tested in some modality."""
        return any(not found.untested for found in self.markers)

    @property
    def seeing(self) -> dict[str, tuple[int, int]]:
        """For each other method, how many of its runs see the domain, and how many runs it has."""
        counts: dict[str, tuple[int, int]] = {}
        for one in self.sightings:
            seen, all_runs = counts.get(one.method, (0, 0))
            counts[one.method] = seen + one.seen, all_runs + 1
        return counts
