"""The passport of a domain: what the stages have found out about it, as numbers, whoever draws them."""

from __future__ import annotations

from dataclasses import dataclass, field

from spatialweave.passport.sightings import Certainty, Sighting

SIGNIFICANT = 0.05


@dataclass(frozen=True)
class Marker:
    """A feature that is higher in the domain than in all other spots; see docs/characterise.md for its numbers.

    `held_out`: whether `p_adjusted` is of spots that had no part in finding the domain.
    """

    feature: str
    log2_fold_change: float
    auc: float
    fraction_in: float
    fraction_out: float
    p_adjusted: float
    held_out: bool


@dataclass(frozen=True)
class ModalityMarkers:
    """The markers of the domain in one modality: the best ones, and how many there are in the table."""

    modality: str
    best: list[Marker]
    number: int


@dataclass(frozen=True)
class GeneSet:
    """A gene set of which the markers hold more than chance would have it."""

    modality: str
    name: str
    overlap: int
    set_size: int
    enrichment: float
    p_adjusted: float
    genes: str


@dataclass(frozen=True)
class Neighbour:
    """Another domain at the border: its fraction of the border, standard deviations above chance, and PAGA."""

    domain: int
    fraction: float
    z: float
    paga: float


@dataclass(frozen=True)
class SectionShare:
    """A section: spots of the domain in it, as a fraction of the domain and of the section."""

    section: str
    spots: int
    of_domain: float
    of_section: float


@dataclass(frozen=True)
class NameScore:
    """A name of the panel and how well it fits."""

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
    """The domain under one condition against the reference: its abundance, and what changes in it and at its border."""

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
    """How far the control finds the domain: its highest Jaccard index with one of the control's, mean and range.

    `without` is the modality that was left out; None where the control had all. The range is over seeds.
    """

    without: str | None
    jaccard: float
    low: float
    high: float


@dataclass(frozen=True)
class Donor:
    """One donor under one condition: spots of the domain, and their fraction of all."""

    donor: str
    condition: str
    spots: int
    fraction: float


@dataclass(frozen=True)
class Passport:
    """All that is known of one domain of one run.

    Attributes
    ----------
    run, run_title
        Id of the run, e.g. ``smart.seed1``, and what the report calls it.
    number
        Of the domain, from 1.
    name
        That of the user's panel; None where it has none.
    fraction
        Of all spots.
    structure, units
        Statistics over all sections by name, as in structure.csv, and their units.
    certainty_is
        What `certainty` is of: ``confidence`` of the consensus, or ``agreement`` with the other runs.
    modality_weights
        Mean weight of each modality over the spots, of methods that weigh them.
    by_modality
        How far the control finds the domain with all modalities, first, and without each.
    missing
        What was not computed, each with the option that gives it.
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
        """Number, and name where there is one."""
        return f"{self.number}: {self.name}" if self.name else str(self.number)

    @property
    def seeing(self) -> dict[str, tuple[int, int]]:
        """Per other method, how many of its runs see the domain, and how many there are."""
        found: dict[str, tuple[int, int]] = {}
        for one in self.sightings:
            seen, all_runs = found.get(one.method, (0, 0))
            found[one.method] = seen + one.seen, all_runs + 1
        return found
