"""Simulated tissues with known domains, alone or as series of sections with known true coordinates."""

from spatialweave.simulate.cohort import Cohort, simulate_cohort
from spatialweave.simulate.files import write, write_series
from spatialweave.simulate.presets import COHORTS, PRESETS, SERIES
from spatialweave.simulate.series import SectionSeries, SimulatedSection, between, simulate_series, slide_transform
from spatialweave.simulate.tissue import (
    LABEL,
    CountModel,
    Tissue,
    check,
    domains_at,
    draw_counts,
    markers,
    select_modalities,
    simulate,
)
from spatialweave.simulate.visium import write_visium

__all__ = [
    "COHORTS",
    "LABEL",
    "PRESETS",
    "SERIES",
    "Cohort",
    "CountModel",
    "SectionSeries",
    "SimulatedSection",
    "Tissue",
    "between",
    "check",
    "domains_at",
    "draw_counts",
    "markers",
    "select_modalities",
    "simulate",
    "simulate_cohort",
    "simulate_series",
    "slide_transform",
    "write",
    "write_series",
    "write_visium",
]
