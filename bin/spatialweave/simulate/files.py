"""Writing of simulated tissues: counts as .h5ad, and a samplesheet for them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from spatialweave.io.files import atomic_path, write_csv
from spatialweave.modalities import MODALITIES
from spatialweave.simulate.tissue import LABEL

if TYPE_CHECKING:
    import anndata


OF_SECTION = ("donor", "condition")


def write(tissue: Mapping[str, anndata.AnnData], out_dir: Path, dataset: str, n_domains: int) -> None:
    """Write one .h5ad per modality and a samplesheet.csv, with paths relative to it, into `out_dir`."""
    import pandas as pd

    line: dict[str, str | int] = {"dataset": dataset, "section": "section1"}
    line |= _write_counts(tissue, out_dir, dataset)
    line |= {"labels": LABEL, "platform": "square", "n_domains": n_domains}
    write_csv(Path(out_dir) / "samplesheet.csv", pd.DataFrame([line]))


def write_series(
    series: Mapping[str, Mapping[str, anndata.AnnData]],
    out_dir: Path,
    dataset: str,
    n_domains: int,
    cells: bool = False,
) -> None:
    """Write one .h5ad per section and modality and a samplesheet.csv of all sections into `out_dir`.

    A modality that a section lacks is an empty cell of the table. With `cells`, the spots are cells without a lattice.
    The donor and the condition of a section, if obs has them, are columns of the table.
    """
    import pandas as pd

    lines = []
    platform = "cells" if cells else "square"
    for order, (section, tissue) in enumerate(series.items()):
        line: dict[str, str | int] = {"dataset": dataset, "section": section, "order": order + 1}
        line |= _write_counts(tissue, out_dir, f"{dataset}_{section}")
        obs = next(iter(tissue.values())).obs
        line |= {name: str(obs[name].iloc[0]) for name in OF_SECTION if name in obs}
        lines.append(line | {"labels": LABEL, "platform": platform, "n_domains": n_domains})
    present = [name for name in MODALITIES if any(name in line for line in lines)]
    of_section = [name for name in OF_SECTION if name in lines[0]]
    columns = ["dataset", "section", "order", *present, "labels", "platform", "n_domains", *of_section]
    write_csv(Path(out_dir) / "samplesheet.csv", pd.DataFrame(lines, columns=columns))


def _write_counts(tissue: Mapping[str, anndata.AnnData], out_dir: Path, stem: str) -> dict[str, str]:
    """Write one .h5ad per modality, and return the name of each file."""
    names = {name: f"{stem}_{name}.h5ad" for name in tissue}
    for name, data in tissue.items():
        with atomic_path(Path(out_dir) / names[name]) as path:
            data.write_h5ad(path, compression="gzip")
    return names
