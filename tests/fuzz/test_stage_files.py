"""Every file that passes between stages, damaged: the stage that reads it says so, and leaves nothing."""

from __future__ import annotations

import shutil
from pathlib import Path

import h5py
import pytest

from spatialweave.characterise.gene_sets import read_gmt
from spatialweave.characterise.panel import read_panel
from spatialweave.errors import InputError
from spatialweave.io.joined_counts import read_joined_counts
from spatialweave.report.characterised import read_characterised
from spatialweave.report.verdict import read_verdict

from .conftest import run_stage
from .harness import assert_ends_well
from .hdf5_damage import DAMAGES, apply
from .text_damage import DAMAGES as TEXT_DAMAGES
from .text_damage import LONG

pytestmark = pytest.mark.filterwarnings("ignore")

LATENTS, GRAPH, EMBEDDING = "r.latents.h5mu", "graph.h5ad", "pca_smooth.seed1.h5ad"
DOMAINS, RECORD = "pca_smooth.seed1.domains.csv", "pca_smooth.seed1.training.json"


def arguments(stage: str, here: Path, out: Path) -> list[str]:
    """The options of a stage that reads the files of `here` and writes to `out`."""
    sections = [word for name in ("one", "three") for word in ("--section", here / f"{name}.section.h5mu")]
    lists = [word for name in ("planned", "failures", "written") for word in (f"--{name}", here / f"{name}.json")]
    table = (*lists, "--out-dir", out)
    match = ("--coordinates", here / "coordinates.csv", "--prefix", "p", "--out-dir", out)
    report = (
        "--metrics",
        here / "metrics.csv",
        "--runs",
        here / "benchmark" / "runs.csv",
        "--leaderboard",
        here / "benchmark" / "leaderboard.csv",
        "--presets",
        here / "presets",
    )
    texts = ("--failures", here / "failures.json", "--params", here / "params.json")
    two = ("--embedding", here / EMBEDDING, "--graph", here / GRAPH)
    options: dict[str, tuple[object, ...]] = {
        "preprocess": (*sections, "--recipe", here / "preprocess.yml", "--out", out / "l.h5mu"),
        "graph": (
            "--latents", here / LATENTS, "--recipe", here / "graphs.yml",
            "--out", out / "g.h5ad", "--stats", out / "s.csv",
        ),
        "align": (
            "--latents", here / LATENTS, "--fixed", "one", "--moving", "three",
            "--align-by", "icp", "--out", out / "t.json",
        ),
        "stack": ("--latents", here / LATENTS, "--transform", here / "transform.json", "--out-dir", out),
        "train": (
            "--latents", here / LATENTS, "--graph", here / GRAPH,
            "--method", here / "pca_smooth.yml", "--out", out / "e.h5ad",
        ),
        "cluster": (
            *two, "--clustering", "kmeans", "--n-domains", 2, "--out", out / "d.csv", "--summary", out / "s.json",
        ),
        "evaluate": (
            *two, "--latents", here / LATENTS, "--domains", here / DOMAINS, "--clustering", "c", "--out", out / "m.csv",
        ),
        "match": ("--embedding", here / EMBEDDING, "--latents", here / LATENTS, *match),
        "compare": (
            "--domains", here / DOMAINS, "--metrics", here / "metrics.csv", "--latents", here / LATENTS,
            "--scores", out / "s.csv", "--differences", out / "d.csv", "--agreement", out / "a.csv",
        ),
        "summarise": (
            "--record", here / RECORD, "--metrics", here / "metrics.csv", "--scores", here / "scores.csv",
            "--differences", here / "differences.csv", "--agreement", here / "agreement.csv", *table,
        ),
        "assemble": ("--files", here, "--out", out / "i.h5mu"),
        "characterise": ("--files", here, "--run", "pca_smooth.seed1", "--out-dir", out),
        "export": ("--integrated", here / "integrated.h5mu", "--formats", "h5ad,loupe,seurat,zarr", "--out-dir", out),
        "report_run": (*report, *texts, "--versions", here / "versions.yml", "--out", out / "report.html"),
    }  # fmt: skip
    return list(map(str, options[stage]))


# file: the stage that reads it, and its datasets that are damaged.
STORES: dict[str, tuple[str, tuple[str, ...]]] = {
    "one.section.h5mu": (
        "preprocess",
        ("mod/rna/X/data", "mod/rna/X/indices", "mod/rna/X/indptr", "mod/rna/obs/_index", "mod/rna/var/_index",
         "obs/_index", "obs/section", "obsm/spatial", "obsm/rna", "uns/spatialweave/kind", "uns/spatialweave/platform",
         "uns/image/png", "uns/image/offset", "uns/image/scale"),
    ),
    LATENTS: (
        "graph",
        ("obs/_index", "obs/barcode", "obs/section", "obsm/spatial", "mod/rna/obsm/X_latent", "mod/rna/obs/_index",
         "uns/spatialweave/layout", "uns/spatialweave/contract", "uns/spatialweave/dataset"),
    ),
    GRAPH: (
        "cluster",
        ("obs/_index", "obsp/spatial_connectivities/data", "obsp/spatial_connectivities/indices",
         "obsp/spatial_connectivities/indptr", "obsp/spatial_distances/indptr", "uns/spatialweave/kind"),
    ),
    EMBEDDING: (
        "match",
        ("X", "obs/_index", "obs/barcode", "obsm/spatial", "uns/training", "uns/spatialweave/dataset"),
    ),
    "integrated.h5mu": (
        "export",
        ("mod/rna/X/data", "mod/rna/X/indices", "mod/rna/obs/_index", "mod/rna/var/_index", "obs/_index", "obs/section",
         "obs/barcode", "obs/pca_smooth_1", "obsm/spatial", "obsm/X_pca_smooth_1", "obsp/spatial_distances/indptr",
         "uns/runs", "uns/pca_smooth_1_colors", "uns/spatialweave/kind", "uns/images/one/png", "uns/images/one/scale"),
    ),
}  # fmt: skip

TEXTS = {
    "preprocess.yml": "preprocess",
    "graphs.yml": "graph",
    "pca_smooth.yml": "train",
    "transform.json": "stack",
    "coordinates.csv": "match",
    DOMAINS: "evaluate",
    "metrics.csv": "summarise",
    RECORD: "summarise",
    "scores.csv": "summarise",
    "differences.csv": "summarise",
    "agreement.csv": "summarise",
    "benchmark/leaderboard.csv": "report_run",
    "planned.json": "summarise",
    "written.json": "summarise",
    "failures.json": "report_run",
    "params.json": "report_run",
    "versions.yml": "report_run",
}

STORE_CASES = [
    (name, target, damage) for name, (_, targets) in STORES.items() for target in targets for damage in DAMAGES
]


@pytest.fixture(scope="session")
def characterised(stage_files: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tables of CHARACTERISE. Do not change them: copy them."""
    out = tmp_path_factory.mktemp("characterised")
    run_stage("characterise", *arguments("characterise", stage_files, out))
    return out


@pytest.fixture
def copied(stage_files: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(stage_files, tmp_path / "in"))


def damaged_store(copied: Path, name: str, target: str, damage: str) -> None:
    with h5py.File(copied / name) as file:
        # A categorical column is a group of two; its codes are damaged.
        target = f"{target}/codes" if isinstance(file[target], h5py.Group) else target
        if not file[target].shape and damage not in SCALAR_DAMAGES:
            pytest.skip("a single value has no rows to damage")
    apply(copied / name, damage, target)


SCALAR_DAMAGES = ("absent", "group", "dangling link", "link to itself", "no attributes", "encoding is a number", "hole")


@pytest.mark.parametrize(("name", "target", "damage"), STORE_CASES if LONG else STORE_CASES[::8])
def test_damaged_store(name: str, target: str, damage: str, copied: Path, tmp_path: Path) -> None:
    damaged_store(copied, name, target, damage)
    out = tmp_path / "out"
    assert_ends_well(STORES[name][0], arguments(STORES[name][0], copied, out), out, (name, "--section"))


COUNTS = "r.counts.h5mu"

CHARACTERISED = [
    (name, target, damage)
    for name, targets in (
        (COUNTS, ("mod/rna/X/data", "obs/section", "uns/sections")), (GRAPH, ("obsp/spatial_connectivities/indices",)),
        (LATENTS, ("mod/rna/obsm/X_latent",)), (EMBEDDING, ("X",)),
    )
    for target in targets
    for damage in DAMAGES
]  # fmt: skip


@pytest.mark.parametrize(("name", "target", "damage"), CHARACTERISED if LONG else CHARACTERISED[::8])
def test_damaged_files_of_characterise(name: str, target: str, damage: str, copied: Path, tmp_path: Path) -> None:
    damaged_store(copied, name, target, damage)
    out = tmp_path / "out"
    assert_ends_well("characterise", arguments("characterise", copied, out), out, (name, "latents"))


COUNTS_CASES = [
    (target, damage)
    for target in ("mod/rna/X/data", "mod/rna/X/indptr", "mod/rna/obs/_index", "mod/rna/var/_index", "obs/_index",
                   "obs/section", "obsm/spatial", "obsm/rna", "uns/sections", "uns/spatialweave/kind")
    for damage in DAMAGES
]  # fmt: skip


@pytest.mark.parametrize(("target", "damage"), COUNTS_CASES if LONG else COUNTS_CASES[::4])
def test_damaged_counts(target: str, damage: str, copied: Path) -> None:
    """Each is either refused in one line that names the file, or still holds counts of the spots."""
    damaged_store(copied, COUNTS, target, damage)
    try:
        data, sections = read_joined_counts(copied / COUNTS)
    except InputError as refusal:
        assert str(refusal).startswith(str(copied / COUNTS)) and "\n" not in str(refusal)
    else:
        assert [section.name for section in sections] == ["one", "three"]
        assert data["rna"].X.nnz > 0 and data["rna"].obs_names.isin(data.obs_names).all()


VERDICT_CASES = [(name, damage) for name in ("verdict.json", "evidence.csv") for damage in TEXT_DAMAGES]


@pytest.mark.parametrize(("name", "damage"), VERDICT_CASES if LONG else VERDICT_CASES[::3])
def test_damaged_verdict(name: str, damage: str, copied: Path) -> None:
    """Each is either refused in one line, or there is still something to say, or nothing as without the file."""
    content = (copied / name).read_bytes()
    (copied / name).write_bytes(TEXT_DAMAGES[damage](content))
    try:
        part, _ = read_verdict(copied, {})
    except InputError as refusal:
        assert "\n" not in str(refusal)
    else:
        assert part is None or part.headline


SETS = {
    "sets.gmt": b"one\thttp://x\tGene1\tGene2\tGene3\ntwo\t\tGene4\n",
    "panel.yml": b"cortex:\n  rna: {positive: [Gene1, Gene2], negative: [Gene3]}\nother: [Gene4]\n",
}


@pytest.mark.parametrize("damage", TEXT_DAMAGES)
@pytest.mark.parametrize("name", SETS)
def test_damaged_gene_sets_and_panel(name: str, damage: str, tmp_path: Path) -> None:
    """Each is either refused in one line that names the file, or still holds names and features."""
    path = tmp_path / name
    path.write_bytes(TEXT_DAMAGES[damage](SETS[name]))
    try:
        found = (read_gmt if name == "sets.gmt" else read_panel)(path)
    except InputError as refusal:
        assert str(refusal).startswith(str(path)) and "\n" not in str(refusal)
    else:
        assert found and all(found.values())


WHAT_DOMAINS_ARE = [
    (name, damage) for name in ("markers", "profiles", "structure", "neighbours") for damage in TEXT_DAMAGES
]


@pytest.mark.parametrize(("name", "damage"), WHAT_DOMAINS_ARE if LONG else WHAT_DOMAINS_ARE[::5])
def test_damaged_tables_of_characterise(name: str, damage: str, characterised: Path, tmp_path: Path) -> None:
    """Each is either refused in one line, or there is still something to show, or nothing as without the file."""
    here = Path(shutil.copytree(characterised, tmp_path / "in"))
    content = (here / f"{name}.csv").read_bytes()
    (here / f"{name}.csv").write_bytes(TEXT_DAMAGES[damage](content))
    try:
        part = read_characterised(here, {})
    except InputError as refusal:
        assert "\n" not in str(refusal)
    else:
        assert part is None or part.n_domains


TEXT_CASES = [(name, damage) for name in TEXTS for damage in TEXT_DAMAGES]


@pytest.mark.parametrize(("name", "damage"), TEXT_CASES if LONG else TEXT_CASES[::4])
def test_damaged_text(name: str, damage: str, copied: Path, tmp_path: Path) -> None:
    content = (copied / name).read_bytes()
    (copied / name).write_bytes(TEXT_DAMAGES[damage](content))
    out = tmp_path / "out"
    assert_ends_well(TEXTS[name], arguments(TEXTS[name], copied, out), out, (name, "method 'pca_smooth'"))
