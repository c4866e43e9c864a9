"""Simulated tissues with known domains, alone or as series of sections with known places."""

from spatialweave.simulate.files import write, write_series
from spatialweave.simulate.presets import PRESETS, SERIES
from spatialweave.simulate.series import Section, Series, between, frame, simulate_series
from spatialweave.simulate.tissue import (
    LABEL,
    Counts,
    Tissue,
    check,
    domain_map,
    domains_at,
    draw_counts,
    markers,
    select_modalities,
    simulate,
)

__all__ = [
    "LABEL",
    "PRESETS",
    "SERIES",
    "Counts",
    "Section",
    "Series",
    "Tissue",
    "between",
    "check",
    "domain_map",
    "domains_at",
    "draw_counts",
    "frame",
    "markers",
    "select_modalities",
    "simulate",
    "simulate_series",
    "write",
    "write_series",
]
