"""One call that reads a section, and counts of any size, for the tests of the readers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import mudata
import numpy as np
from hypothesis import strategies as st

from spatialweave.io.section import SectionInput, read_section

matrices = st.lists(st.lists(st.integers(0, 100_000), min_size=3, max_size=3).filter(any), min_size=2, max_size=8).map(
    np.array
)
"""Counts of 2 to 8 spots and 3 features, none of the spots empty."""


def section(files: dict[str, Path] | None = None, name: str = "s", **more: Any) -> mudata.MuData:
    return read_section(SectionInput("d", name, files or {}, **more))
