"""Check of a series of sections to simulate."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from spatialweave.errors import InputError
from spatialweave.simulate import tissue as tissues
from spatialweave.simulate.tissue import Tissue

if TYPE_CHECKING:
    from spatialweave.simulate.series import SectionSeries, SimulatedSection

LATTICES = ("tissue", "slide", "cells")


def check(spec: SectionSeries) -> None:
    """Refuse an invalid series; the error names section and option."""
    tissues.check(spec.tissue)
    if spec.outline not in ("whole", "lobed"):
        raise InputError("outline", f"'{spec.outline}' is not known", "one of whole, lobed")
    if not spec.sections:
        raise InputError("sections", "none given", "at least one")
    names = [section.name for section in spec.sections]
    for name in names:
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}", name):
            raise InputError("sections", f"the name '{name}' cannot be used", "letters, digits, '_', '-' and '.'")
        if names.count(name) > 1:
            raise InputError("sections", f"'{name}' is given twice", "a different name for each section")
    for section in spec.sections:
        _check_section(spec.tissue, section)


def _check_section(tissue: Tissue, section: SimulatedSection) -> None:
    most_bend = min(tissue.rows, tissue.cols) / 10
    limits: list[tuple[str, float, bool, str]] = [
        ("rotation", section.rotation, abs(section.rotation) <= 360, "degrees from -360 to 360"),
        ("scale", section.scale, 1e-6 <= section.scale <= 1e6, "a factor from 0.000001 to 1000000"),
        # Bending by up to a tenth of the tissue cannot fold it: 2 pi sqrt(2) bend / size stays below 1.
        ("bend", section.bend, 0 <= section.bend <= most_bend, f"0 to {most_bend:g} spot spacings"),
        ("cut", section.cut, 0 <= section.cut <= 0.9, "a fraction from 0 to 0.9"),
        ("thin", section.thin, 0 < section.thin <= 1, "a fraction above 0 and up to 1"),
        ("batch_sd", section.batch_sd, 0 <= section.batch_sd <= 5, "a number from 0 to 5"),
        ("spacing", section.spacing, 0.1 <= section.spacing <= 100, "0.1 to 100 spot spacings"),
    ]
    limits += [("shift", step, abs(step) <= 1e9, "finite numbers") for step in section.shift]
    limits += [("offset", step, abs(step) <= 1e3, "numbers from -1000 to 1000") for step in section.offset]
    if section.cut_angle is not None:
        limits.append(("cut_angle", section.cut_angle, abs(section.cut_angle) <= 360, "degrees from -360 to 360"))
    for option, value, fine, expected in limits:
        if not fine:
            raise InputError(f"{section.name} {option}", f"{value} is out of range", expected)
    if section.lattice not in LATTICES:
        expected = "one of " + ", ".join(LATTICES)
        raise InputError(f"{section.name} lattice", f"'{section.lattice}' is not known", expected)
    if section.modalities is not None:
        if not section.modalities:
            raise InputError(f"{section.name} modalities", "none given", "at least one")
        for name in section.modalities:
            if name not in tissue.modalities:
                expected = "some of " + ", ".join(tissue.modalities)
                raise InputError(f"{section.name} modalities", f"'{name}' is not simulated", expected)
