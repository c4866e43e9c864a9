"""Names of columns that hold coordinates, barcodes or other facts about spots, and not features."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence, Set

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
    ("x_coords", "y_coords", "unknown"),
    ("x_coordinate", "y_coordinate", "unknown"),
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
    ("x_micron", "y_micron", "micrometre"),
    ("x_microns", "y_microns", "micrometre"),
    ("x_mm", "y_mm", "millimetre"),
    ("x_slide", "y_slide", "unknown"),
    # MERFISH; segger; histoCAT and others; Slide-seq.
    ("global_x", "global_y", "micrometre"),
    ("cell_centroid_x", "cell_centroid_y", "unknown"),
    ("location_x", "location_y", "unknown"),
    ("loc_x", "loc_y", "unknown"),
    ("posx", "posy", "unknown"),
    ("coor_x", "coor_y", "unknown"),
    # Reductions that Seurat calls spatial.
    ("spatial_1", "spatial_2", "unknown"),
    ("spatial1", "spatial2", "unknown"),
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
    *("object id", "object_id", "objectnumber", "object_number", "object", "", "name"),
)
"""Names (any case) of the column of barcodes; "" is the unnamed index column that pandas and R write."""

BESIDE = {("centroid_2", "centroid_1"): ("centroid_0",)}
"""Columns without which a pair is another program's."""

LABEL_NAMES = (
    *("label", "labels", "domain", "domains", "region", "annotation", "layer", "cluster", "ground_truth"),
    *("ground truth", "anno", "manual-anno"),
)
"""Names (any case) of the column of labels in a table; a single column beside the barcodes may have any name."""

_INDEX_NAMES = re.compile(
    r"(?:.*_)?(?:ids?|index|genes?|symbols?|m_?z|mass|features?|peaks?|compounds?|metabolites?|proteins?|markers?)"
    r"|m_?z_.*|.*(?:name|barcode)s?"
)
"""Names, as :func:`plain_name` spells them, of a first column that holds names, whatever these look like."""

SYMBOL_COLUMNS = ("feature_name", "gene_symbols", "gene_symbol", "symbol", "SYMBOL", "gene_names", "gene_name")
"""Columns of var with gene symbols, in the order of the search."""

IDENTIFIERS = frozenset(BARCODE_NAMES) - {"", "cell", "spot", "name"}
"""Names (any case) of a column that holds barcodes wherever it is."""

ROW_NUMBERS = ("", "index")
"""Names (any case) of a first column that holds barcodes, or the numbers that pandas gives to rows."""

FIELDS, SECTIONS, BATCHES, PLANES = "fields of view", "sections", "batches", "planes"
"""Kinds of parts of a file that a column can distinguish."""

PART_NAMES = {
    FIELDS: ("fov", "field_of_view", "tile"),
    SECTIONS: (
        *("library", "sample", "section", "slide", "slice", "orig.ident", "tissue_section", "brain_section"),
        *("brain_section_label", "capture_area", "bregma", "puck", "image", "img", "object_image", "roi", "replicate"),
        *("donor", "patient", "subject", "animal", "mouse", "embryo", "brain", "specimen", "core", "tma_core", "tma"),
        *("unique_region", "acquisition", "file", "dataset", "chip", "well"),
    ),
    # Cardinal calls the samples of imaging mass spectrometry runs.
    BATCHES: ("batch", "experiment", "run"),
}
"""Columns (any case, with or without characters between words, and :data:`_ENDING` after them) that give the field of
view, section or batch of a spot. Batches may be sections, but also sequencing lanes of one section."""

_FEATURES = frozenset({"tma", "chip"})
"""Names of parts that are also those of features: trimethylamine, and a name of the gene STUB1."""

_ENDING = re.compile(r"(?:ids?|names?|number|num|nr|key)+$")
"""Words after the name of a part: "fov_name", "TMA core ID", "ImageNumber"."""


def spelled(name: str) -> str:
    """Return a name in the form in which it is compared: lower case, "_" between words ("MAXX" is not "max_x")."""
    return re.sub(r"[ .-]+", "_", _once(name).strip().lower())


def _once(name: str) -> str:
    """Return a name that Akoya's software writes twice ("x:x") once."""
    return re.sub(r"^(.+):\1$", r"\1", str(name))


def _squeezed(name: str) -> str:
    """Return a name without "_", for names that no feature has: "sampleID" is "sample_id"."""
    return spelled(name).replace("_", "")


_PARTS_WITHOUT_PLANES = {_squeezed(name): what for what, names in PART_NAMES.items() for name in names}
_PARTS = {**_PARTS_WITHOUT_PLANES, **{_squeezed(name): PLANES for name in DEPTHS}}


def parts_named(column: str) -> str:
    """Return the kind of parts that a column distinguishes, e.g. :data:`FIELDS`; "" if its name does not show it."""
    return _kind_of_part(_squeezed(column))


def _kind_of_part(squeezed: str) -> str:
    return _PARTS.get(squeezed) or _PARTS_WITHOUT_PLANES.get(_ENDING.sub("", squeezed), "")


_FACTS = frozenset(
    spelled(name)
    for name in (
        *LABEL_NAMES,
        *("clusters", "truth", "layer_guess", "niche", "compartment", "tissue", "phase", "doublet"),
        *("predicted_doublet", "pseudotime", "kmeans", "mclust", "bayesspace", "stagate", "graphst", "spagcn"),
        *(name for name in BARCODE_NAMES if name),
        *("index", "index_in_file", "event_id", "eventid", "in_tissue"),
        *("object_type", "class", "classification", "parent", "path", "phenotype", "tissue_category"),
        *("analysis_region", "analysis_inputs", "algorithm_name", "image_location"),
        *("array_row", "array_col", "row_centroid", "column_centroid", "x_tile", "y_tile", "tile_num"),
        *("min_x", "max_x", "min_y", "max_y", "min_z", "max_z"),
        *("centerx_local_px", "centery_local_px", "x_local_px", "y_local_px"),
        *("transcript_count", "transcript_counts", "transcripts", "umi_count", "umi_counts", "numi", "ngene", "n_umi"),
        *("n_transcripts", "homogeneity", "detection_probability", "groups", "patients", "spots", "confidence"),
        *("total_cells", "process_region_id"),
        *("seurat_clusters", "cell_meta_cluster", "unmapped", "umi", "umis", "sum", "detected", "total"),
        *("library_size", "orig_index", "banksy"),
        # What a lab notes about donors and spots; "gt" is a gene of the fly.
        *("age", "sex", "gender", "condition", "treatment", "genotype", "disease", "diagnosis", "timepoint"),
        *("time_point", "distance"),
        # Of spatialLIBD, Stereopy and Xenium.
        *("sum_umi", "sum_gene", "expr_chrm", "expr_chrm_ratio", "dnbcount", "z_level", "overlaps_nucleus"),
        *("codeword_count", "qv"),
        # What programs that count reads write below the genes: HTSeq, STAR.
        *("__no_feature", "__ambiguous", "__too_low_aqual", "__not_aligned", "__alignment_not_unique"),
        *("n_unmapped", "n_multimapping", "n_nofeature", "n_ambiguous"),
        *("control_probe_counts", "control_codeword_counts", "unassigned_codeword_counts"),
        *("genomic_control_counts", "deprecated_codeword_counts"),
        # Facts about features, in exports with the spots in columns: of SCiLS Lab, METASPACE, Ensembl, featureCounts.
        *("Interval Width (+/- Da)", "adduct", "mz", "moleculeNames", "moleculeIds"),
        *("gene_id", "gene_ids", "gene_name", "gene_symbol", "gene_symbols", "symbol", "ensembl_id", "gene_type"),
        *("gene_biotype", "chr", "chromosome", "start", "end", "strand"),
    )
)

_FACT_PATTERNS = re.compile(
    # Positions as written by QuPath, scikit-image, CellProfiler, inForm, HALO: "Centroid X µm", "centroid-0", "XMin".
    r"(?:cell_|nucleus_)?(?:location_)?(?:centroid|center|centre|position)_(?:[xyz012])(?:_.*)?"
    r"|(?:cell_|nucleus_)?[xyz]_(?:centroid|center|centre|position|coord|coordinate)(?:_.*)?"
    r"|[xyz]_?(?:min|max)"
    # Sums by Seurat and scanpy, and the unnamed column of a table that was saved twice.
    r"|ncount_.*|nfeature_.*|(?:log1p_)?(?:total_counts|n_counts|n_genes)(?:_.*)?|unnamed_\d+"
    # Clusters, scores of cells and gene sets, and axes of plots.
    r"|cluster_?(?:id|label)|(?:leiden|louvain)(?:_.*)?|.+_snn_res_.*|.+_scores?"
    r"|(?:spatial_)?(?:clusters?|domains?)(?:_ids?)?|cell_?types?(?:_.*)?"
    r"|(?:umap|tsne|x_umap|x_tsne)_?[xy\d]+|(?:x_pca|x_harmony|x_scvi|harmony|latent)_\d+|size_?factors?"
    r"|(?:pct|percent|percentage|fraction|subsets)_(?:counts|mt|mito|ribo|rb|rp|hb|largest)(?:_.*)?"
    r"|(?:mt|mito|ribo)_(?:frac|fraction|percent|pct|ratio)"
    r"|neighbou?rhood_?\d*|[xyz]_withintile|tissue_category_area_.*|cell_density_.*|distance_from_.*"
    # Stains by which MERSCOPE finds the cells.
    r"|(?:dapi|polyt|cellbound\d+)_(?:raw|high_pass)"
)

_SPELLED_FACTS = re.compile(r"(?:Mean|Max)\.[A-Z].*|PC_\d+")
"""Names that are facts only in this spelling: the stains by which CosMx finds the cells, and principal components by
Seurat (PC 34:1 is a lipid)."""

_SHAPES = re.compile(
    r"(?:(?:cell|nucleus|nuclear|cytoplasm|areashape)_)?(?:convex_|filled_)?"
    r"(?:area|volume|anisotropy|perimeter|perimeter_area_ratio|circularity|eccentricity|solidity|extent|orientation"
    r"|size|width|height|length|aspect_?ratio|equivalent_diameter|(?:major|minor)_?axis_?length"
    r"|axis_(?:major|minor)_length|(?:minor|major)_axis|axis_ratio|roundness|compactness"
    r"|(?:max|min)_(?:caliper|diameter)"
    # ark, histoCAT.
    r"|major_minor_axis_ratio|major_axis_equiv_diam_ratio|perim_square_over_area|convex_hull_resid|centroid_dif"
    r"|num_concavities|euler_?number)"
    r"(?:_(?:px|pixels|um|m|px_2|um_2|m_2|px2|um2))?|nucleus_cell_area_ratio|nc_ratio"
    r"|(?:cell|nucleus|nuclei)_counts?|n_cells|density|percent_touching|num(?:ber)?_?neighbou?rs"
    r"|areashape_.*"
)
"""Names of facts about cells that are features of the modality morphology."""


def plain_name(name: str) -> str:
    """Return a name in the form in which columns of coordinates are compared: "Centroid X µm" is "centroid_x_um"."""
    lowered = _once(name).lower().replace("\N{MICRO SIGN}", "u").replace("\N{GREEK SMALL LETTER MU}", "u")
    return re.sub(r"[^a-z0-9]+", "_", lowered).strip("_")


def is_index(name: str) -> bool:
    """Return whether a first column with this name holds the names of the rows, even if they look like fractions."""
    return name.lower() in BARCODE_NAMES or bool(_INDEX_NAMES.fullmatch(plain_name(name)))


def by_plain_name(names: Iterable[str]) -> dict[str, str]:
    """Return each column by its :func:`plain_name`; the first of several that have the same."""
    return {plain_name(name): name for name in reversed(list(names))}


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
    columns of a pair are present. Likewise, PC1 is a principal component only beside PC2 and PC3, among genes and
    proteins (PC is also a class of lipids). In the modality morphology, shapes are features.
    """
    plain = [plain_name(name) for name in names]
    present = set(plain)
    pairs = {axis for x, y, _unit in FRAME_PAIRS if {x, y} <= present for axis in (x, y)}
    if pairs:
        pairs |= set(DEPTHS)
    components = modality in (None, "rna", "adt") and {"PC1", "PC2", "PC3"} <= set(names)
    stains = set() if modality == "morphology" else _stains(names, present)
    return [
        i
        for i, name in enumerate(plain)
        if name in pairs
        or (components and re.fullmatch(r"PC\d+", names[i]))
        or _is_fact(names[i], name, modality)
        or (stains and names[i] not in stains)
    ]


def _is_fact(name: str, plain: str, modality: str | None) -> bool:
    in_words = spelled(name)
    squeezed = in_words.replace("_", "")
    if in_words in _FACTS or (squeezed not in _FEATURES and _kind_of_part(squeezed) not in ("", PLANES)):
        return True
    if _SPELLED_FACTS.fullmatch(name):
        return True
    return bool(_FACT_PATTERNS.fullmatch(plain) or (modality != "morphology" and _SHAPES.fullmatch(plain)))


_STAINS = (
    (
        {"object_type", "detection_probability", "centroid_x_um", "centroid_x_px"},
        # Before version 0.2, "Cell: CD3 mean".
        r"(?:(?P<part>\w+): )?(?P<stain>.+)(?:: M| m)ean",
    ),
    (
        {"analysis_region", "algorithm_name"},
        r"(?P<stain>.+?) (?P<part>Nucleus|Cytoplasm|Membrane|Cell) (?:Average )?Intensity",
    ),
    (
        {"areashape_center_x", "location_center_x", "number_object_number"},
        r"(?:(?P<part>\w+)_)?Intensity_MeanIntensity_(?P<stain>.+)",
    ),
    ({"cell_x_position"}, r"(?P<part>Nucleus|Cytoplasm|Membrane|Entire Cell) (?P<stain>.+) Mean \(.*\)"),
)
"""Columns that show that a table is of QuPath, HALO, CellProfiler or inForm (any of them), and the names of its mean
intensities."""


def _stains(names: Sequence[str], present: Set[str]) -> set[str]:
    """Return the mean intensities of a table of :data:`_STAINS`, which has many other columns; else none.

    Where the mean of the whole cell is among them, that of its parts is left out. `present` are the plain names.
    """
    pattern = next((pattern for columns, pattern in _STAINS if columns & present), "")
    found = {
        name: (match["stain"], match["part"]) for name in names if pattern and (match := re.fullmatch(pattern, name))
    }
    whole = {stain for stain, part in found.values() if part in ("Cell", "Entire Cell")}
    return {name for name, (stain, part) in found.items() if part in ("Cell", "Entire Cell") or stain not in whole}


CONTROL = re.compile(
    # CosMx.
    r"(?:negprb|negative|negadd|systemcontrol|falsecode)[-_ ]?\d*"
    # MERSCOPE and Xenium; R and Seurat write other characters between words.
    r"|blank[-_. ]?\d+|neg(?:ative)?control(?:probe|codeword)[-_. ].+|(?:unassigned|deprecated)codeword[-_. ]\d+"
    r"|antisense[-_. ].+|intergenic[-_. ]region[-_. ]\d+",
    re.IGNORECASE,
)
"""Names of negative controls of instruments among the genes: probes, and codes that stand for no gene."""
