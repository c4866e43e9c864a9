"""A folder per section that R reads with Seurat: 10x matrix folders, tables, image, and a script that joins them."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from spatialweave.export.features import feature_ids
from spatialweave.export.images import scale_factors
from spatialweave.export.provenance import provenance
from spatialweave.export.sections import Measured, Section, sections
from spatialweave.io.files import atomic_path
from spatialweave.io.integrated import Integrated
from spatialweave.io.tissue_image import TissueImage
from spatialweave.modalities import MODALITY_KINDS

if TYPE_CHECKING:
    import pandas as pd

SCRIPT = """\
# A Seurat object of this folder, as `object`: source("load.R", chdir = TRUE)
library(Seurat)
assays <- c({assays})
numeric_columns <- c({numbers})
misc <- sapply(c("parameters", "versions", "colours"), function(name) {{
  jsonlite::fromJSON(paste0(name, ".json"))
}}, simplify = FALSE)
# Spots and features may be called 007 or 104.1070: as numbers they would lose their names.
read <- function(file) {{
  table <- read.csv(file, colClasses = "character", check.names = FALSE, na.strings = "")
  rownames(table) <- table[[1]]
  table[-1]
}}
numbers <- function(file) {{
  values <- as.matrix(read(file)[spots, , drop = FALSE])
  mode(values) <- "numeric"
  values
}}
counts <- lapply(assays, function(folder) {{
  values <- as(Matrix::readMM(file.path(folder, "matrix.mtx.gz")), "CsparseMatrix")
  features <- read.delim(
    file.path(folder, "features.tsv.gz"),
    header = FALSE, colClasses = "character", quote = "", na.strings = character()
  )[[2]]
  # Seurat writes "-" for these two characters in the names of features.
  features <- make.unique(gsub("[_|]", "-", features))
  dimnames(values) <- list(features, readLines(file.path(folder, "barcodes.tsv.gz")))
  values
}})
# The assays of an object have the same spots: those in which all modalities were measured.
spots <- Reduce(intersect, lapply(counts, colnames))
metadata <- read("metadata.csv")
if (length(spots) == 0) {{
  stop("no spot has all of the assays: in load.R, leave only assays in `assays` that were measured in the same spots")
}}
if (length(spots) < nrow(metadata)) {{
  message(nrow(metadata) - length(spots), " of ", nrow(metadata), " spots are left out: they lack one of the assays")
}}
metadata <- metadata[spots, , drop = FALSE]
for (column in names(metadata)) {{
  levels <- names(misc$colours[[column]])
  if (is.null(levels)) levels <- sort(unique(metadata[[column]]))
  metadata[[column]] <-
    if (column %in% numeric_columns) as.numeric(metadata[[column]]) else factor(metadata[[column]], levels)
}}
object <- CreateSeuratObject(counts[[1]][, spots, drop = FALSE], assay = names(counts)[1], meta.data = metadata)
for (name in names(counts)[-1]) object[[name]] <- CreateAssayObject(counts[[name]][, spots, drop = FALSE])
for (file in c("coordinates.csv", list.files("embeddings", full.names = TRUE))) {{
  values <- numbers(file)
  name <- if (file == "coordinates.csv") "spatial" else sub("[.]csv$", "", basename(file))
  # y goes down in the coordinates, as in images, and up in DimPlot.
  if (name == "spatial") values[, 2] <- -values[, 2]
  key <- paste0(gsub("[^A-Za-z0-9]", "", name), "_")
  colnames(values) <- paste0(key, seq_len(ncol(values)))
  object[[name]] <- CreateDimReducObject(values, key = key, assay = names(counts)[1])
}}
object@misc <- misc
"""

IMAGE_SCRIPT = """\
# The tissue image, for SpatialDimPlot and SpatialFeaturePlot.
factors <- jsonlite::fromJSON("spatial/scalefactors_json.json")
pixels <- png::readPNG("spatial/tissue_hires_image.png")
places <- numbers("coordinates.csv")
x <- places[, 1] + factors$offset_x
y <- places[, 2] + factors$offset_y
scale <- factors$tissue_hires_scalef
diameter <- factors$spot_diameter_fullres
image <- new(
  "VisiumV1", image = pixels, assay = names(counts)[1], key = "tissue_",
  scale.factors = scalefactors(spot = diameter, fiducial = diameter, hires = scale, lowres = scale),
  coordinates = data.frame(tissue = 1, row = y, col = x, imagerow = y, imagecol = x, row.names = spots),
  spot.radius = diameter * scale / max(dim(pixels)) / 2
)
object[["tissue"]] <- image
"""


def write_seurat(content: Integrated, folder: Path) -> None:
    """Write `seurat/<section>/` of every section, each whole or not at all."""
    for section in sections(content):
        with atomic_path(folder / "seurat" / section.name) as target:
            _write_section(section, target)


def _write_section(section: Section, target: Path) -> None:
    import pandas as pd

    barcodes = section.obs.index
    assays = []
    for modality, part in section.modalities():
        _write_matrix(target / modality, modality, part, barcodes[part.spots])
        assays.append(f'{modality.upper()} = "{modality}"')
    (target / "embeddings").mkdir(parents=True)
    for key, embedding in section.embeddings():
        columns = [f"{key}_{number}" for number in range(1, embedding.shape[1] + 1)]
        _write_table(target / "embeddings" / f"{key}.csv", pd.DataFrame(embedding, barcodes, columns))
    _write_table(target / "coordinates.csv", pd.DataFrame(section.coordinates(), barcodes, ["x", "y"]))
    numbers = section.numbers()
    _write_table(target / "metadata.csv", section.obs.assign(**numbers))
    for name, value in {**provenance(section.content), "colours": _colours(section)}.items():
        _write_json(target / f"{name}.json", value)
    script = SCRIPT.format(assays=", ".join(assays), numbers=", ".join(f'"{column}"' for column in numbers))
    if section.image is not None:
        script += IMAGE_SCRIPT
        _write_image(target / "spatial", section, section.image)
    (target / "load.R").write_text(script, encoding="utf-8")


def _colours(section: Section) -> dict[str, dict[str, str]]:
    """Return by column the colour of each class, in the order of the classes."""
    return {
        column: dict(zip(section.obs[column].cat.categories.astype(str), colours, strict=True))
        for column, colours in section.colours.items()
    }


def _write_image(folder: Path, section: Section, image: TissueImage) -> None:
    """Write the image and Space Ranger's scale factors, with what is added to coordinates before they are scaled."""
    folder.mkdir()
    (folder / "tissue_hires_image.png").write_bytes(image.png)
    offset = {f"offset_{axis}": edge / image.scale for axis, edge in zip("xy", image.offset, strict=True)}
    _write_json(folder / "scalefactors_json.json", scale_factors(section, image.scale) | offset)


def _write_json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")


def _write_table(path: Path, table: pd.DataFrame) -> None:
    table.rename_axis("barcode").to_csv(path)


def _write_matrix(folder: Path, modality: str, part: Measured, barcodes: pd.Index) -> None:
    """A matrix folder as Cell Ranger 3 and later write it: features x barcodes, all files gzipped."""
    from scipy.io import mmwrite

    folder.mkdir(parents=True)
    counts = part.counts.T.tocoo()
    if np.array_equal(counts.data, np.round(counts.data)):
        counts = counts.astype(np.int64)
    with _gzip(folder / "matrix.mtx.gz") as stream:
        mmwrite(stream, counts, symmetry="general")
    kind = MODALITY_KINDS[modality].feature_type
    names = part.var.index.astype(str)
    rows = zip(feature_ids(part.var), names, strict=True)
    _write_lines(folder / "features.tsv.gz", (f"{_in_cell(i)}\t{_in_cell(name)}\t{kind}" for i, name in rows))
    _write_lines(folder / "barcodes.tsv.gz", barcodes)


def _in_cell(text: str) -> str:
    """Return the text without what would end its cell of a table, which has no quoting."""
    return re.sub(r"[\t\r\n]", " ", text)


def _write_lines(path: Path, lines: Iterable[str]) -> None:
    with _gzip(path) as stream:
        stream.write("".join(f"{line}\n" for line in lines).encode())


def _gzip(path: Path) -> gzip.GzipFile:
    """A gzip file without a time in it, so that the same content gives the same bytes."""
    return gzip.GzipFile(path, "wb", mtime=0)
