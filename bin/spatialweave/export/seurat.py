"""A folder per section that R reads with Seurat: 10x matrix folders, tables, image, and a script that joins them."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from spatialweave.export.features import feature_ids
from spatialweave.export.images import image_at_origin, scale_factors
from spatialweave.export.sections import Measured, Section, sections
from spatialweave.io.files import atomic_path
from spatialweave.io.integrated import Integrated
from spatialweave.modalities import MODALITY_KINDS

if TYPE_CHECKING:
    import pandas as pd

SCRIPT = """\
# A Seurat object of this folder, as `object`: source("load.R", chdir = TRUE)
library(Seurat)
read <- function(file) read.csv(file, row.names = 1, check.names = FALSE, na.strings = "")
counts <- lapply(c({assays}), Read10X)
# The assays of an object have the same spots: those in which all modalities were measured.
spots <- Reduce(intersect, lapply(counts, colnames))
metadata <- read("metadata.csv")[spots, , drop = FALSE]
metadata[] <- lapply(metadata, factor)
object <- CreateSeuratObject(counts[[1]][, spots], assay = names(counts)[1], meta.data = metadata)
for (name in names(counts)[-1]) object[[name]] <- CreateAssayObject(counts[[name]][, spots])
for (file in c("coordinates.csv", list.files("embeddings", full.names = TRUE))) {{
  values <- as.matrix(read(file)[spots, , drop = FALSE])
  name <- sub("coordinates", "spatial", sub("[.]csv$", "", basename(file)))
  key <- paste0(gsub("[^A-Za-z0-9]", "", name), "_")
  colnames(values) <- paste0(key, seq_len(ncol(values)))
  object[[name]] <- CreateDimReducObject(values, key = key, assay = names(counts)[1])
}}
"""

IMAGE_SCRIPT = """\
# The tissue image, for SpatialDimPlot and SpatialFeaturePlot.
factors <- jsonlite::fromJSON("spatial/scalefactors_json.json")
pixels <- png::readPNG("spatial/tissue_hires_image.png")
places <- read("coordinates.csv")[spots, ]
scale <- factors$tissue_hires_scalef
diameter <- factors$spot_diameter_fullres
image <- new(
  "VisiumV1", image = pixels, assay = names(counts)[1], key = "tissue_",
  scale.factors = scalefactors(spot = diameter, fiducial = diameter, hires = scale, lowres = scale),
  coordinates = data.frame(
    tissue = 1, row = places$y, col = places$x, imagerow = places$y, imagecol = places$x, row.names = spots
  ),
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
    _write_table(target / "metadata.csv", section.obs)
    script = SCRIPT.format(assays=", ".join(assays))
    image = image_at_origin(section)
    if section.image is not None and image is not None:
        script += IMAGE_SCRIPT
        (target / "spatial").mkdir()
        image.save(target / "spatial" / "tissue_hires_image.png")
        factors = json.dumps(scale_factors(section, section.image), indent=2)
        (target / "spatial" / "scalefactors_json.json").write_text(factors + "\n", encoding="utf-8")
    (target / "load.R").write_text(script, encoding="utf-8")


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
        mmwrite(stream, counts)
    kind = MODALITY_KINDS[modality].feature_type
    names = part.var.index.astype(str)
    _write_lines(
        folder / "features.tsv.gz", (f"{i}\t{n}\t{kind}" for i, n in zip(feature_ids(part.var), names, strict=True))
    )
    _write_lines(folder / "barcodes.tsv.gz", barcodes)


def _write_lines(path: Path, lines: Iterable[str]) -> None:
    with _gzip(path) as stream:
        stream.write("".join(f"{line}\n" for line in lines).encode())


def _gzip(path: Path) -> gzip.GzipFile:
    """A gzip file without a time in it, so that the same content gives the same bytes."""
    return gzip.GzipFile(path, "wb", mtime=0)
