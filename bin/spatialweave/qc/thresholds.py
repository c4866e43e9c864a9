"""The thresholds of QC. Their defaults remove what holds nothing at all."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Threshold:
    """A bound on one figure of a spot, in some modalities.

    Attributes
    ----------
    name
        Name of the option, without dashes; also the `check` in the tables.
    modalities
        Where it applies.
    figure
        The column of the spot figures that it bounds.
    is_upper
        Whether spots above it fail; else spots below it do.
    default
        Its default.
    help
        Text of the option.
    """

    name: str
    modalities: tuple[str, ...]
    figure: str
    is_upper: bool
    default: float
    help: str

    @property
    def option(self) -> str:
        """How the command line spells it."""
        return "--" + self.name.replace("_", "-")

    @property
    def is_whole(self) -> bool:
        """Whether it counts something."""
        return self.figure in ("total", "n_features")


SPOT_THRESHOLDS = (
    Threshold("rna_min_counts", ("rna",), "total", False, 1, "RNA: spots with fewer counts are removed."),
    Threshold("rna_min_features", ("rna",), "n_features", False, 1, "RNA: spots with fewer genes are removed."),
    Threshold(
        "rna_max_mito_percent",
        ("rna",),
        "mito_percent",
        True,
        100,
        "RNA: spots with a higher mitochondrial share (percent of counts) are removed.",
    ),
    Threshold("adt_min_counts", ("adt",), "total", False, 1, "ADT: spots with fewer counts are removed."),
    Threshold(
        "adt_max_isotype_percent",
        ("adt",),
        "isotype_percent",
        True,
        100,
        "ADT: spots with a higher share of isotype controls (percent of counts) are removed.",
    ),
    Threshold(
        "atac_min_counts", ("atac", "histone"), "total", False, 1, "ATAC, histone: spots with fewer counts are removed."
    ),
    Threshold(
        "atac_min_tss",
        ("atac", "histone"),
        "tss_enrichment",
        False,
        0,
        "ATAC, histone: spots with a lower TSS enrichment are removed, where the input gives it.",
    ),
    Threshold(
        "metabolite_min_features",
        ("metabolite",),
        "n_features",
        False,
        1,
        "Metabolites: spots with fewer metabolites are removed.",
    ),
)
MIN_SPOTS = "min_spots"
MIN_SPOTS_HELP = "All modalities: features detected in fewer of the kept spots are removed."
MIN_SPOTS_DEFAULT = 1


def defaults() -> dict[str, float]:
    """Every threshold's default, by name."""
    return {threshold.name: threshold.default for threshold in SPOT_THRESHOLDS} | {MIN_SPOTS: MIN_SPOTS_DEFAULT}
