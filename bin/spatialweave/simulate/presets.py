"""The named tissues, cohorts and series of `simulate.py`."""

from __future__ import annotations

from dataclasses import replace

from spatialweave.simulate.cohort import Cohort
from spatialweave.simulate.series import SectionSeries, SimulatedSection
from spatialweave.simulate.tissue import CountModel, Tissue

_RNA = CountModel(1000, mean=1.2, dispersion=1.5, zero_inflation=0.3)
_ADT = CountModel(100, mean=20.0, dispersion=3.0, blind_to=1)
_ATAC = CountModel(1000, mean=0.5, dispersion=1.0, zero_inflation=0.5, blind_to=2)
_SMALL = {
    "rna": replace(_RNA, n_features=200),
    "adt": replace(_ADT, n_features=30),
    "atac": replace(_ATAC, n_features=150),
}
# Similar to a bin of Stereo-seq or Visium HD: 2,000 genes, of which a spot has counts of about 200.
_BIN_RNA = CountModel(2000, mean=0.092, dispersion=1.5)
# Each modality alone is too weak on the blocks; any two together are enough.
_WEAK = {"rna": replace(_RNA, strength=1.3), "adt": replace(_ADT, strength=0.9), "atac": replace(_ATAC, strength=1.6)}

PRESETS: dict[str, Tissue] = {
    "demo": Tissue(36, 36, "shapes", 5, 0.7, {"rna": _RNA, "adt": _ADT, "atac": _ATAC}),
    "test": Tissue(18, 18, "shapes", 4, 2.0, _SMALL),
    "blocks": Tissue(36, 36, "blocks", 5, 0.3, _WEAK),
    "regions": Tissue(40, 40, "regions", 8, 0.7, {"rna": _RNA, "adt": _ADT}),
    "layers": Tissue(60, 60, "layers", 7, 0.6, {"rna": _RNA, "adt": _ADT}),
    "bins": Tissue(100, 100, "regions", 8, 0.7, {"rna": _BIN_RNA, "adt": _ADT}),
}
"""`demo`: the SMART paper's sizes. `test`: the same, small. `blocks`, `layers`: weak signal (docs/benchmarks.md).
`regions`: any number of domains. `bins`: sparse RNA and protein, for tissues of up to millions of spots."""

COHORTS: dict[str, Cohort] = {
    "cohort": Cohort(Tissue(20, 24, "layers", 5, 1.5, {"rna": _SMALL["rna"], "adt": _SMALL["adt"]})),
}
"""`cohort`: four donors of each of two conditions; in the second, the third domain is 2.5 times as wide."""

# Similar to a cortex imaged in cells: a small panel, sparse counts, six layers with gradual borders.
_CORTEX = Tissue(45, 34, "layers", 6, 0.8, {"rna": CountModel(80, mean=0.3, dispersion=0.8)}, depth_sd=0.4, blend=1.5)
_N_CELLS = (1525, 2042)


def _cells(name: str, n_cells: int) -> SimulatedSection:
    """Return a section of the cortex with this number of cells."""
    return SimulatedSection(name, spacing=(_CORTEX.rows * _CORTEX.cols / n_cells) ** 0.5, lattice="cells")


_SHAPES = Tissue(36, 36, "shapes", 5, 0.7, {"rna": _RNA, "adt": _ADT})
_FIRST = SimulatedSection("section1")
_PAIR = (
    _FIRST,
    SimulatedSection(
        "section2", rotation=30.0, shift=(12.0, -7.0), cut=0.15, cut_angle=20.0, thin=0.7, lattice="slide"
    ),
)

SERIES: dict[str, SectionSeries] = {
    "series": SectionSeries(
        _SHAPES,
        (
            _FIRST,
            SimulatedSection(
                "section2", 135.0, shift=(50.0, -8.0), cut=0.15, cut_angle=20.0, thin=0.7, lattice="slide"
            ),
            SimulatedSection("section3", -30.0, shift=(-20.0, 15.0), bend=1.5, lattice="slide"),
        ),
    ),
    # The blocks differ from all of their rotations and mirror images, and a domain has several separate pieces, so a
    # location is recognised by its surroundings and not by its own counts.
    "pair": SectionSeries(replace(_SHAPES, pattern="blocks"), _PAIR),
    "crossmodal": SectionSeries(
        # The outline covers a little more than two fifths of the grid.
        replace(_SHAPES, pattern="blocks", rows=48, cols=48),
        (
            SimulatedSection("section1", modalities=("rna",)),
            SimulatedSection("section2", 60.0, shift=(12.0, -7.0), modalities=("adt",), lattice="slide"),
        ),
        outline="lobed",
    ),
    "cells_pair": SectionSeries(_CORTEX, (_cells("section1", _N_CELLS[0]), _cells("section2", _N_CELLS[1]))),
    "series_test": SectionSeries(
        Tissue(18, 18, "shapes", 4, 2.0, {"rna": _SMALL["rna"], "adt": _SMALL["adt"]}),
        (
            _FIRST,
            SimulatedSection(
                "section2", 100.0, shift=(25.0, -4.0), cut=0.15, cut_angle=20.0, thin=0.7, lattice="slide"
            ),
            SimulatedSection("section3", -30.0, shift=(-10.0, 8.0), bend=0.5, lattice="slide"),
        ),
    ),
}
"""`series`: three sections of the demo's tissue. `pair`: two sections, one of them rotated, cut and thinned.
`crossmodal`: RNA against protein on a tissue whose outline shows its orientation. `cells_pair`: two sections of cells
that are registered. `series_test`: three small sections with a strong signal."""
