#!/usr/bin/env python3
"""What each part of SMART's default variant is worth: mean ARI over seeds, on simulated and real tissues.

Every row runs the pipeline's own code: preprocessing recipe, graph recipe, method, tied Gaussian mixture on the
embedding with the number of domains known. Labels are used for the score only. Results are appended to a CSV file one
by one, so that an interrupted run goes on where it was; at the end the table is printed.

    python benchmarks/smart_ablation.py --data shared/data --results results.csv --tissues demo,layers --seeds 5
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "bin"))

if TYPE_CHECKING:
    from spatialweave.io.contract import Dataset

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
ROWS: dict[str, tuple[str, tuple[str, ...]]] = {
    # name -> preset file, overrides
    "control": ("pca_smooth", ()),
    "released": ("smart_released", ()),
    "paper": ("smart_paper", ()),
    "untrained": ("smart", ("epochs=0",)),
    "tuned": ("smart", ()),
    "no field": ("smart", ("most_rounds=1",)),
    "no triplets": ("smart", ("triplet_weight=0",)),
    "hide 5%": ("smart", ("hidden_share=0.05",)),
    "64 dims": ("smart", ("n_dims=64",)),
}
MAIN_ROWS = ("control", "released", "paper", "untrained", "tuned")


@click.command(context_settings={"show_default": True})
@click.option("--data", type=click.Path(path_type=Path), help="Folder of the real tissues; without it, simulated only.")
@click.option("--results", type=click.Path(path_type=Path), required=True, help="CSV file of single results.")
@click.option("--seeds", default=5, help="Seeds 0, 1, ...")
@click.option("--tissues", help="Comma-separated names. [default: all]")
@click.option("--rows", default=",".join(MAIN_ROWS), help=f"Comma-separated, of: {', '.join(ROWS)}.")
def main(data: Path | None, results: Path, seeds: int, tissues: str | None, rows: str) -> None:
    """Fill in the missing results and print the table."""
    import pandas as pd

    known = {**{name: simulated(*spec) for name, spec in SIMULATED.items()}}
    if data is not None:
        known |= {name: real(data, *spec) for name, spec in REAL.items()}
    wanted = tissues.split(",") if tissues else list(known)
    done = pd.read_csv(results) if results.exists() else pd.DataFrame(columns=["tissue", "row", "seed", "ari"])
    finished = set(zip(done["tissue"], done["row"], done["seed"], strict=True))
    for tissue in wanted:
        todo = [(r, s) for r in rows.split(",") for s in range(seeds) if (tissue, r, s) not in finished]
        if not todo:
            continue
        dataset = known[tissue]()
        for row, seed in todo:
            result = pd.DataFrame([{"tissue": tissue, "row": row, "seed": seed, "ari": score(dataset, row, seed)}])
            result.to_csv(results, mode="a", header=not results.exists(), index=False)
    if results.exists():
        click.echo(table(pd.read_csv(results)))


def score(dataset: Dataset, row: str, seed: int) -> float:
    """Fit one row of the table on a tissue, cluster the embedding, and compare with the labels."""
    from sklearn.metrics import adjusted_rand_score

    from spatialweave.domains.mixture import tied_mixture
    from spatialweave.training.presets import read_preset
    from spatialweave.training.run import Run, seed_everything
    from spatialweave.training.session import fit_preset

    name, overrides = ROWS[row]
    seed_everything(seed)
    run = Run(seed=seed, log=lambda line: None)
    preset = read_preset(ROOT / "assets" / "methods" / f"{name}.yml")
    embedding = fit_preset(dataset, preset, run, overrides=overrides).embedding
    labels = dataset.obs["label"].to_numpy().astype(str)
    labelled = labels != ""
    domains = tied_mixture(embedding, len(set(labels[labelled])), seed).labels
    return float(adjusted_rand_score(labels[labelled], domains[labelled]))


def simulated(preset: str, modalities: str, seed: int) -> Callable[[], Dataset]:
    """A function that simulates a tissue and takes it through ingest, preprocessing and graph."""

    def load() -> Dataset:
        from spatialweave import simulate

        spec = simulate.select_modalities(simulate.PRESETS[preset], modalities.split(","))
        with tempfile.TemporaryDirectory() as folder:
            simulate.write(simulate.simulate(spec, seed), Path(folder), preset, spec.n_domains)
            files = {name: Path(folder) / f"{preset}_{name}.h5ad" for name in spec.modalities}
            return dataset_of(preset, files, "square", simulate.LABEL)

    return load


def real(data: Path, files: Mapping[str, str], platform: str) -> Callable[[], Dataset]:
    """A function that takes a real tissue through ingest, preprocessing and graph."""
    return lambda: dataset_of("tissue", {name: data / path for name, path in files.items()}, platform, "domain")


def dataset_of(name: str, files: dict[str, Path], platform: str, labels: str) -> Dataset:
    """Section, latents and graph of one tissue, as the pipeline's stages make them (no spot is filtered)."""
    import warnings

    from spatialweave.graphs.build import build_graphs
    from spatialweave.graphs.recipe import read_recipe
    from spatialweave.io.contract import read_dataset, write
    from spatialweave.io.section import SectionInput, read_section
    from spatialweave.preprocess.dataset import preprocess

    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        section, latents = Path(folder) / "section.h5mu", Path(folder) / "latents.h5mu"
        write(read_section(SectionInput(name, "one", files=files, labels=labels, platform=platform)), section)
        write(preprocess([section], ROOT / "assets" / "preprocess" / "smart.yml", seed=0), latents)
        dataset = read_dataset(latents)
        graph = build_graphs(dataset, read_recipe(ROOT / "assets" / "graphs" / "spatial.yml"))
        graphs: dict[str, Any] = {key: value.tocsr() for key, value in graph.obsp.items()}
        return replace(dataset, graphs=graphs)


def table(results: Any) -> str:
    """Mean ARI (and standard deviation) of each row of `results` on each tissue, as a Markdown table."""
    rows = [row for row in ROWS if row in set(results["row"])]
    lines = ["| tissue | " + " | ".join(rows) + " |", "|---" * (len(rows) + 1) + "|"]
    for tissue in [*SIMULATED, *REAL]:
        cells = []
        for row in rows:
            values = results.loc[(results["tissue"] == tissue) & (results["row"] == row), "ari"]
            cells.append(f"{values.mean():.3f} ± {values.std(ddof=0):.3f}" if len(values) else "")
        if any(cells):
            lines.append(f"| {tissue} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
