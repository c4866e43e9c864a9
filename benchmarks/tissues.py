"""Tissues of the benchmarks: simulated ones, and real ones from a folder, prepared by the pipeline's own stages."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "bin"))

from spatialweave import simulate  # noqa: E402
from spatialweave.io.section import SectionInput  # noqa: E402

if TYPE_CHECKING:
    import numpy as np

    from spatialweave.io.dataset import Dataset

SIMULATED: dict[str, tuple[str, str, int]] = {
    # name -> preset, modalities, seed
    "demo": ("demo", "rna,adt,atac", 2025),
    "layers": ("layers", "rna,adt", 1),
    "blocks rna+adt 1": ("blocks", "rna,adt", 1),
    "blocks rna+adt 2": ("blocks", "rna,adt", 2),
    "blocks rna+atac 1": ("blocks", "rna,atac", 1),
    "blocks rna+atac 2": ("blocks", "rna,atac", 2),
    "blocks three 1": ("blocks", "rna,adt,atac", 1),
}
REAL: dict[str, tuple[dict[str, str], str]] = {
    # name -> files by modality, platform
    "DBiT embryo": ({"rna": "dbitseq_mouse_embryo/rna.h5ad", "adt": "dbitseq_mouse_embryo/protein.h5ad"}, "dbit"),
    "DLPFC 151507": ({"rna": "dlpfc_visium/151507_rna.h5ad"}, "visium"),
    "DLPFC 151508": ({"rna": "dlpfc_visium/151508_rna.h5ad"}, "visium"),
    "STARmap BZ5": ({"rna": "starmap_mpfc/BZ5_rna.h5ad"}, "starmap"),
    "olfactory bulb": ({"rna": "mob_st/rna.h5ad"}, "square"),
    "lymph node A1": ({"adt": "hln_visium_protein/A1_protein.h5ad"}, "visium"),
}


def names(data: Path | None) -> list[str]:
    """Return the names of all tissues; real ones only if there is a folder of them."""
    return [*SIMULATED, *(REAL if data is not None else ())]


def prepare(name: str, preprocess: str, graph: str, data: Path | None, folder: Path) -> tuple[Path, Path]:
    """Prepare latents and graph of a tissue by two recipes, as files in `folder` if missing; no spot is filtered."""
    from spatialweave.graphs.build import build_graphs
    from spatialweave.graphs.recipe import read_recipe
    from spatialweave.io.contract import write
    from spatialweave.io.dataset import read_dataset
    from spatialweave.io.section import read_section
    from spatialweave.preprocess.dataset import preprocess as make_latents

    section = folder / f"{name}.section.h5mu"
    latents = folder / f"{name}.{preprocess}.h5mu"
    graphs = folder / f"{name}.{preprocess}.{graph}.h5ad"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if not section.exists():
            write(read_section(_real(name, data) if name in REAL else _simulated(name, folder)), section)
        if not latents.exists():
            write(make_latents([section], ROOT / "assets" / "preprocess" / f"{preprocess}.yml", seed=0), latents)
        if not graphs.exists():
            dataset = read_dataset(latents)
            kinds = [modality.name for modality in dataset.modalities]
            recipe = read_recipe(ROOT / "assets" / "graphs" / f"{graph}.yml", dataset.platform, kinds)
            write(build_graphs(dataset, recipe), graphs)
    return latents, graphs


def ari(dataset: Dataset, embedding: np.ndarray, seed: int) -> float:
    """Return the adjusted Rand index with the labels of the tied mixture on an embedding, with the known number."""
    from sklearn.metrics import adjusted_rand_score

    from spatialweave.domains.mixture import tied_mixture

    labels = dataset.obs["label"].to_numpy().astype(str)
    labelled = labels != ""
    domains = tied_mixture(embedding, len(set(labels[labelled])), seed).labels
    return float(adjusted_rand_score(labels[labelled], domains[labelled]))


def _real(name: str, data: Path | None) -> SectionInput:
    if data is None:
        raise ValueError(f"{name} needs the folder of real tissues")
    paths, platform = REAL[name]
    files = {modality: data / path for modality, path in paths.items()}
    return SectionInput(name, "one", files=files, labels="domain", platform=platform)


def _simulated(name: str, folder: Path) -> SectionInput:
    preset, modalities, seed = SIMULATED[name]
    spec = simulate.select_modalities(simulate.PRESETS[preset], modalities.split(","))
    simulate.write(simulate.simulate(spec, seed), folder, name, spec.n_domains)
    files = {modality: folder / f"{name}_{modality}.h5ad" for modality in spec.modalities}
    return SectionInput(name, "one", files=files, labels=simulate.LABEL, platform="square")
