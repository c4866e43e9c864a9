"""Names of columns that hold coordinates, barcodes or other facts about spots, and not features."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

GLOBAL_PAIRS = (
    ("centerx_global_px", "centery_global_px", "pixel"),
    ("x_global_px", "y_global_px", "pixel"),
    ("x_slide_mm", "y_slide_mm", "millimetre"),
)
"""Columns with positions on the slide, in files whose other columns hold positions inside a field of view."""

ON_SLIDE = frozenset({"x_centroid", "center_x", *(x for x, _y, _unit in GLOBAL_PAIRS)})
"""Columns of x with positions on the slide: :data:`GLOBAL_PAIRS` and those of Xenium and MERSCOPE."""

OBS_PAIRS = (
    *GLOBAL_PAIRS,
    ("pxl_col_in_fullres", "pxl_row_in_fullres", "pixel"),
    ("pxl_col", "pxl_row", "pixel"),
    ("x", "y", "unknown"),
    ("x_centroid", "y_centroid", "unknown"),
    ("center_x", "center_y", "micrometre"),
    ("centroid_x", "centroid_y", "unknown"),
    # QuPath, inForm, CellProfiler; scikit-image, which counts axes from the slowest, so that x is the last; MATLAB.
    ("centroid_x_um", "centroid_y_um", "micrometre"),
    ("centroid_x_px", "centroid_y_px", "pixel"),
    ("cell_x_position", "cell_y_position", "unknown"),
    ("location_center_x", "location_center_y", "pixel"),
    ("areashape_center_x", "areashape_center_y", "pixel"),
    ("centroid_2", "centroid_1", "pixel"),
    ("centroid_1", "centroid_0", "pixel"),
    ("centroid_1", "centroid_2", "pixel"),
    ("x_coord", "y_coord", "unknown"),
    ("x_location", "y_location", "unknown"),
    ("coord_x", "coord_y", "unknown"),
    ("x_pos", "y_pos", "unknown"),
    ("pos_x", "pos_y", "unknown"),
    ("x_position", "y_position", "unknown"),
    ("xcoord", "ycoord", "unknown"),
    ("spatial_x", "spatial_y", "unknown"),
    ("x_pixel", "y_pixel", "pixel"),
    ("pixel_x", "pixel_y", "pixel"),
    ("x_px", "y_px", "pixel"),
    ("x_um", "y_um", "micrometre"),
    ("sdimx", "sdimy", "unknown"),
    ("imagecol", "imagerow", "pixel"),
    ("array_col", "array_row", "array"),
    # The bounding boxes of HALO.
    ("xmin xmax", "ymin ymax", "unknown"),
)
"""Columns that hold x and y, as :func:`plain_name` spells them, and their unit, in the order of the search.

Of two columns with a blank between, the mean is the coordinate.
"""

FRAME_PAIRS = (*OBS_PAIRS, ("col", "row", "unknown"), ("column", "row", "unknown"))
"""Such columns of tables that hold only coordinates."""

DEPTHS = ("z", "z_centroid", "center_z", "centroid_z", "z_coord", "z_location", "z_um")
"""Columns (any case) with the third coordinate."""

BARCODE_NAMES = (
    *("barcode", "barcodes", "spot", "spot_id", "spot id", "spot index", "spot_index"),
    *("cell", "cell_id", "cellid", "cell id", "cell_barcode", "entityid", "entity_id", "bin_id"),
    *("object id", "object_id", "objectnumber", "object_number", "", "name"),
)
"""Names (any case) of the column of barcodes; "" is the unnamed index column that pandas and R write."""

BESIDE = {("centroid_2", "centroid_1"): ("centroid_0",)}
"""Columns without which a pair is another program's."""

_INDEX_NAMES = re.compile(
    r"(?:.*_)?(?:ids?|index|genes?|m_?z|mass|features?|peaks?|compounds?|metabolites?|proteins?|markers?)"
    r"|m_?z_.*|.*(?:name|barcode)s?"
)
"""Names, as :func:`plain_name` spells them, of a first column that holds names, whatever these look like."""

IDENTIFIERS = frozenset(BARCODE_NAMES) - {"", "cell", "spot", "name"}
"""Names (any case) of a column that holds barcodes wherever it is."""

FIELDS, SECTIONS, BATCHES, PLANES = "fields of view", "sections", "batches", "planes"
"""Kinds of parts of a file that a column can distinguish."""

PART_NAMES = {
    FIELDS: ("fov", "fov_name"),
    SECTIONS: (
        *("library_id", "library", "sample", "sample_id", "sample_name", "section", "section_id", "section_name"),
        *("slide", "slide_id", "slice", "slice_id", "orig.ident", "tissue_section", "brain_section", "capture_area"),
        *("brain_section_label", "bregma", "puck", "puck_id", "image", "image_id", "roi", "roi_id", "replicate"),
        *("donor", "donor_id", "patient", "patient_id", "mouse_id", "specimen", "specimen_id"),
    ),
    BATCHES: ("batch", "batch_id"),
}
"""Columns (any case, with or without characters between words) that give the field of view, section or batch of a spot.
Batches may be sections, but also sequencing lanes of one section."""


def spelled(name: str) -> str:
    """Return a name in the form in which it is compared: lower case, "_" between words ("MAXX" is not "max_x")."""
    return re.sub(r"[ .-]+", "_", str(name).strip().lower())


def _squeezed(name: str) -> str:
    """Return a name without "_", for names that no feature has: "sampleID" is "sample_id"."""
    return spelled(name).replace("_", "")


_PARTS = {_squeezed(name): what for what, names in {**PART_NAMES, PLANES: DEPTHS}.items() for name in names}


def parts_named(column: str) -> str:
    """Return the kind of parts that a column distinguishes, e.g. :data:`FIELDS`; "" if its name does not show it."""
    return _PARTS.get(_squeezed(column), "")


_FACTS = frozenset(
    spelled(name)
    for name in (
        *(name for names in PART_NAMES.values() for name in names),
        *(
            "cluster",
            "clusters",
            "leiden",
            "louvain",
            "cell_type",
            "celltype",
            "annotation",
            "label",
            "labels",
            "region",
        ),
        *("cell_id", "entity_id", "object", "object_id", "in_tissue"),
        *("object_type", "name", "class", "classification", "parent", "image", "path", "phenotype", "tissue_category"),
        *("analysis_region", "analysis_inputs", "algorithm_name", "image_location"),
        *("array_row", "array_col", "row_centroid", "column_centroid", "x_tile", "y_tile", "tile_num"),
        *("min_x", "max_x", "min_y", "max_y", "min_z", "max_z"),
        *("centerx_local_px", "centery_local_px", "x_local_px", "y_local_px"),
        *("transcript_count", "transcript_counts", "total_counts", "n_counts", "n_genes", "n_genes_by_counts"),
        *("seurat_clusters", "percent_mt", "percent_mito", "percent_ribo", "unmapped"),
        *("control_probe_counts", "control_codeword_counts", "unassigned_codeword_counts"),
        *("genomic_control_counts", "deprecated_codeword_counts"),
        # A fact about features, in exports with the spots in columns.
        "Interval Width (+/- Da)",
    )
)

_FACT_PATTERNS = re.compile(
    # Positions as written by QuPath, scikit-image, CellProfiler, inForm, HALO: "Centroid X µm", "centroid-0", "XMin".
    r"(?:cell_|nucleus_)?(?:location_)?(?:centroid|center|centre|position)_(?:[xyz012])(?:_.*)?"
    r"|(?:cell_|nucleus_)?[xyz]_(?:centroid|center|centre|position|coord|coordinate)(?:_.*)?"
    r"|[xyz]_?(?:min|max)|image_?(?:number|id)|object_?number"
    # Sums by Seurat and scanpy, and the unnamed column of a table that was saved twice.
    r"|ncount_.*|nfeature_.*|pct_counts_.*|unnamed_\d+"
)

_SHAPES = re.compile(
    r"(?:(?:cell|nucleus|nuclear|cytoplasm|areashape)_)?(?:convex_|filled_)?"
    r"(?:area|volume|anisotropy|perimeter|perimeter_area_ratio|circularity|eccentricity|solidity|extent|orientation"
    r"|size|aspect_ratio|equivalent_diameter|(?:major|minor)_?axis_?length|(?:max|min)_(?:caliper|diameter))"
    r"(?:_(?:px|um|m|px_2|um_2|m_2))?"
    r"|areashape_.*"
)
"""Names of facts about cells that are features of the modality morphology."""


def plain_name(name: str) -> str:
    """Return a name in the form in which columns of coordinates are compared: "Centroid X µm" is "centroid_x_um"."""
    lowered = str(name).lower().replace("\N{MICRO SIGN}", "u").replace("\N{GREEK SMALL LETTER MU}", "u")
    return re.sub(r"[^a-z0-9]+", "_", lowered).strip("_")


def is_index(name: str) -> bool:
    """Return whether a first column with this name holds the names of the rows, even if they look like fractions."""
    return name.lower() in BARCODE_NAMES or bool(_INDEX_NAMES.fullmatch(plain_name(name)))


def find_axes(names: Iterable[str], pairs: Sequence[tuple[str, str, str]] = OBS_PAIRS) -> tuple[str, str, str] | None:
    """Return the first of `pairs` that is among the names of columns, with its unit.

    Xenium and MCMICRO call the same columns x_centroid and y_centroid, in micrometres and in pixels; only Xenium counts
    transcripts.
    """
    present = {plain_name(name) for name in names}
    for x, y, unit in pairs:
        if {*x.split(), *y.split(), *BESIDE.get((x, y), ())} <= present:
            return x, y, "micrometre" if x == "x_centroid" and "transcript_counts" in present else unit
    return None


def facts_among(names: Sequence[str], modality: str | None = None) -> list[int]:
    """Return positions of the columns that are not features: coordinates and well-known facts (area, fov ...).

    Single letters may be genes (y and z are genes of the fly), and so may row: they are coordinates only if both
    columns of a pair are present. In the modality morphology, shapes are features.
    """
    plain = [plain_name(name) for name in names]
    present = set(plain)
    pairs = {axis for x, y, _unit in FRAME_PAIRS if {x, y} <= present for axis in (x, y)}
    if pairs:
        pairs |= set(DEPTHS)
    return [i for i, name in enumerate(plain) if name in pairs or _is_fact(names[i], modality)]


def _is_fact(name: str, modality: str | None) -> bool:
    if spelled(name) in _FACTS:
        return True
    plain = plain_name(name)
    return bool(_FACT_PATTERNS.fullmatch(plain) or (modality != "morphology" and _SHAPES.fullmatch(plain)))
