"""Parameters and samplesheets are checked before any task runs, and every problem is named at once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ..checks import ends, refusal
from .conftest import TO_DOMAINS, Pipeline


def refused(pipeline: Pipeline, *arguments: str) -> str:
    """Run with stubs, expect a refusal before any task, and give the console text."""
    run = pipeline.run("-stub-run", *arguments)
    assert run.code != 0
    assert run.tasks("Submitted") == []
    assert "Exception" not in run.text
    return run.text


def sheet(folder: Path, text: str, encoding: str = "utf-8") -> str:
    """Write a samplesheet beside the count files that its rows name."""
    for name in ("a.h5ad", "b.h5ad", "c.h5ad"):
        (folder / name).touch()
    path = folder / "sheet.csv"
    path.write_bytes(text.encode(encoding))
    return str(path)


def test_every_bad_parameter_is_named(pipeline: Pipeline) -> None:
    text = refused(
        pipeline, "--methds", "smart", "--seeds", "0", "--refine", "1.5", "--clustering", "mclst", "--control", "maybe",
        "--n_domains", "900", "--method_options", "smart;rm", "--export", "h5ad,rds", "--checkpoint_dir", "s3://bucket/c",
        "--outdir",
    )  # fmt: skip
    assert "--methds is not a parameter; did you mean --methods?" in text
    assert "--seeds 0 is below 1" in text
    assert "--refine '1.5' is not a whole number" in text
    assert "--clustering 'mclst' is not one of mclust" in text
    assert "--control 'maybe' is not true or false" in text
    assert "--n_domains '900' does not have the expected form (Number of domains from 2 to 200" in text
    assert "--method_options 'smart;rm' does not have the expected form" in text
    assert "--export 'h5ad,rds' does not have the expected form" in text
    assert "--checkpoint_dir 's3://bucket/c' does not have the expected form" in text
    assert "--outdir needs a value" in text


PARAMETERS: list[tuple[dict[str, Any], str | tuple[str, ...]]] = [
    ({}, "give either --input samplesheet.csv or --simulate demo"),
    ({"input": "nowhere.csv"}, "Samplesheet nowhere.csv: there is no such file"),
    (
        {"input": "nowhere.csv", "data": "nowhere"},
        ("--data nowhere: there is no such folder", "Samplesheet nowhere.csv: there is no such file"),
    ),
    ({"simulate": "test", "methods": "smrt,spammo"}, "'smrt' is not a method; did you mean 'smart'? 'spammo' is not"),
    ({"simulate": "test", "methods": "smart_paper", "preset": "moon"}, "'smart_paper' has no preset 'moon'"),
    ({"simulate": "test", "n_neighbours": 0, "spatial_radius": 2}, "either --n_neighbours or --spatial_rad"),
    ({"simulate": "test", "seed": 2147483647, "seeds": 2}, "the last one is above 2147483647"),
    ({"simulate": "test", "method_options": "spamo.epochs=3"}, "'spamo', which is not in this run"),
    ({"simulate": "test", "nodes": 2}, "--nodes 2: the tasks of executor 'local' run on one node each"),
    ({"simulate": "test", "gpus": 0}, "--gpus 0 is below 1"),
    ({"simulate": "test", "gene_sets": "nowhere.gmt"}, "--gene_sets: there is no file 'nowhere.gmt'"),
    ({"simulate": "test", "panel": "."}, "--panel: there is no file '.'"),
    ({"simulate": "test", "save_model": "spamo"}, "'spamo' is not in this run (methods smart, pca_smooth"),
    (
        {"simulate": "test", "methods": "spamo", "save_model": "spamo"},
        "'spamo' cannot embed spots that it was not trained on; of this run pca_smooth can",
    ),
    ({"simulate": "test", "save_model": "weave"}, "the consensus has no network"),
    ({"simulate": "test", "save_model": "smart.seed9"}, "'smart.seed9' is not in this run"),
    ({"input": "s.csv", "reference": "nowhere"}, "'nowhere' is not a folder that --save_model wrote"),
    ({"input": "s.csv", "reference": "m", "methods": "smart"}, "--methods: a saved model decides this"),
    ({"simulate": "test", "passports": "pdf,gif"}, "--passports 'pdf,gif' does not have the expected"),
    ({"simulate": "test", "characterise_runs": "smart"}, "--characterise_runs 'smart' does not have the expected"),
    (
        {"simulate": "test", "characterise_runs": "smart.seed1,smart.seed2"},
        "'smart.seed2' is not in this run (smart.seed1, pca_smooth.seed1, weave.seed1)",
    ),
    ({"simulate": "test", "pseudotime_root": "test:0"}, "--pseudotime_root 'test:0' does not have the expected"),
    *(
        ({"simulate": "test", "methods": "smart_paper,spamo_paper", "preset": preset}, message)
        for preset, message in (
            (
                "smart_paper:p22,spamo_paper:p22",
                "'spamo_paper' has no preset 'p22' (there are hexagonal, visium, spots",
            ),
            ("pca_smooth:p22", "'pca_smooth' has no preset 'p22' (there is none)"),
            ("smart:visium", "'smart', which is not in this run (smart_paper, spamo_paper, pca_smooth)"),
            ("visium,p22", "'visium' and 'p22' are both for all methods; give METHOD:PRESET"),
            ("smart_paper:p22,smart_paper:cells", "'p22' and 'cells' are both for method 'smart_paper'"),
            ("smart_paper:", "--preset 'smart_paper:' does not have the expected form"),
        )
    ),
    # Mistakes of different kinds are named together: of values, of files, and of what does not fit together.
    (
        {"input": "nowhere.csv", "seeds": 0, "gene_sets": "nowhere.gmt", "panel": "."},
        (
            "Parameters:\n  --seeds 0 is below 1",
            "\n  --gene_sets: there is no file 'nowhere.gmt'\n  --panel: there is no file '.'",
            "'.'\nSamplesheet nowhere.csv: there is no such file",
        ),
    ),
    (
        {"input": "nowhere.csv", "methods": "smrt", "n_domains": "9..4", "method_options": "a.b=1,c.d=2", "nodes": 2},
        (
            "Parameters:\n  --nodes 2: the tasks of executor 'local' run on one node each",
            "\n  --n_domains: '9..4' does not rise",
            "\n  --methods: 'smrt' is not a method",
            "\n  --method_options: 'a.b=1' is for method 'a', which is not in this run",
            "\n  --method_options: 'c.d=2' is for method 'c', which is not in this run",
            "Samplesheet nowhere.csv: there is no such file",
        ),
    ),
    (
        {"simulate": "test", "weave_members": "a", "save_model": "weave,b", "characterise_runs": "c.seed1,smart.seed9"},
        (
            "Parameters:\n  --weave_members: 'a' is not in this run (smart, pca_smooth)",
            "\n  --save_model: the consensus has no network",
            "\n  --save_model: 'b' is not in this run",
            "\n  --characterise_runs: 'c.seed1' is not in this run",
            "\n  --characterise_runs: 'smart.seed9' is not in this run",
        ),
    ),
]
"""Parameters, each with all that its refusal has to say."""

SHEETS: list[tuple[str, str | tuple[str, ...]]] = [
    ("", "it has no rows"),
    ("dataset,rna\n\n , \n", "it has no rows"),
    ("datset,rna\none,a.h5ad\n", "line 1: there is no column 'dataset'; is 'datset' meant?"),
    ("# Notes\n\nbarcode,cluster\nAAC,1\n", "line 3: none of its cells is the name of a column; is it a samplesheet?"),
    (
        "dataset,rna\n" + "".join(f"d{row},missing.h5ad\n" for row in range(1, 41)),
        ("line 31, column rna: there is no file or folder 'missing.h5ad'", "\n  and 10 more"),
    ),
    ('dataset,rna\none,"a.h5ad\n', "line 2: a quoted cell does not end"),
    ("dataset;protein;rna\none;a.h5ad;a.h5ad\n", "line 1: 'protein' is not a column; did you mean 'adt'?"),
    ("dataset,rna,label\none,a.h5ad,x\n", "line 1: 'label' is not a column; did you mean 'labels'?"),
    ("dataset;rna\none;nowhere, or here.h5ad\n", "line 2, column rna: there is no file or folder 'nowhere, or here"),
    ("dataset,rna,rna\none,a.h5ad,a.h5ad\n", "line 1: column 'rna' appears more than once"),
    ("dataset,sample_id,rna\none,s1,a.h5ad\n", "line 1: 'sample_id' is not a column; did you mean 'section'?"),
    ("dataset,rna,,platform\none,a.h5ad,b.h5ad,visium\n", "line 2: column 3 with 'b.h5ad' has no name in the header"),
    ("dataset,rna,labels\none,a.h5ad,spots.xlsx\n", "line 2, column labels: 'spots.xlsx' is a spreadsheet; save it"),
    (
        "dataset,section,rna,section_column\none,s1,a.h5ad,\none,s2,a.h5ad,\ntwo,s1,a.h5ad,slide\ntwo,s2,a.h5ad,slide\n",
        "lines 2, 3, column rna: 'a.h5ad' is given for 2 sections of dataset 'one'; give each section its own file",
    ),
    *(
        (
            f"dataset,section,order,rna\nbrain,s1,{first},a.h5ad\nbrain,s2,{second},b.h5ad\n",
            "lines 2, 3, column order: give each section of dataset 'brain'",
        )
        for first, second in (("1", ""), ("2", "2"))
    ),
    ("dataset\tsection\trna\nthree\tleft, upper\ta.h5ad\n", "line 2, column section 'left, upper'"),
    (
        "dataset,rna,labels\none,record/rna.h5ad,record/labels.txt\n",
        (
            "line 2, column rna: there is no file or folder 'record/rna.h5ad' (relative paths start in {folder})",
            "line 2, column labels: there is no file or folder 'record/labels.txt' (relative paths start in {folder})",
        ),
    ),
    (
        "dataset,rna,image,scale\n"
        "one,a.h5ad,missing.png,\ntwo,a.h5ad,,2\nthree,a.h5ad,b.h5ad,0\nfour,a.h5ad,b.h5ad,x\nfive,,b.h5ad,0.25\n",
        (
            "line 2, column image: there is no file or folder 'missing.png'",
            "line 3, column scale: the row has no image",
            "line 4, column scale 0 is below 0.000001",
            "line 5, column scale 'x' is not a number (image pixels per coordinate unit)",
            # An image alone is no section.
            "line 6, at least one of the columns rna, adt, atac, histone, metabolite, morphology, multi needs a file",
        ),
    ),
    (
        "dataset,section,rna,adt,platform,n_domains,labels,bin,peaks\n"
        "one,s1,a.h5ad,,visium,7,label\n"
        "\n"
        "one,s1,a.h5ad,,visium,7,label\n"
        "two,s1,missing.h5ad,,visum,1,label\n"
        "../up,s1,a.h5ad,,,,\n"
        "three,,,,,many,\n"
        ",s1,a.h5ad,,,,\n"
        "four,s1,a.h5ad,,,,$(touch x)\n"
        "five,s1,a.h5ad,b.h5ad,visium,3,label,,,surplus\n"
        "six,s1,a.h5ad,,visium,,\n"
        "six,s2,a.h5ad,,dbit,,\n"
        "seven,s1,a.h5ad,,,,,0.5,missing.bed\n"
        "eight,s1,,,,,,,a.h5ad\n"
        "nine,s1,a.h5ad,,MERSCOPE,,\n",
        (
            "lines 2, 4: dataset 'one' has section 's1' more than once",
            "line 5, column rna: there is no file or folder 'missing.h5ad'",
            "line 5, column platform 'visum' is not one of visium",
            "line 5, column n_domains 1 is below 2",
            "line 6, column dataset '../up' does not have the expected form",
            "line 7, column n_domains 'many' is not a whole number",
            "line 7, at least one of the columns rna, adt, atac, histone, metabolite, morphology, multi needs a file",
            "line 8, column dataset is empty",
            "line 9, column labels '$(touch x)' does not have the expected form",
            "line 10: 10 cells, but the header has 9",
            "lines 11, 12, column platform: dataset 'six' has several values (visium, dbit)",
            "line 13, column bin '0.5' does not have the expected form",
            "line 13, column peaks: there is no file or folder 'missing.bed'",
            "line 14, at least one of the columns rna, adt, atac, histone, metabolite, morphology, multi needs",
            "line 15, column platform 'MERSCOPE' is not one of",
            "; did you mean 'merfish'?",
        ),
    ),
]
"""Samplesheets, each with all that its refusal has to say; {folder} is the sheet's own."""

STACK = "dataset,section,rna\none,s10,a.h5ad\none,s2,b.h5ad\none,s1,c.h5ad\n"
SPELLINGS = [
    STACK,
    "# of November\n" + STACK,
    "sep=;\n" + STACK.replace(",", ";"),
    "0,".join(("," + STACK).splitlines(True)),
]
"""The same samplesheet: with a comment, as Excel marks its separator, and with a column of row numbers."""


def texts(expected: str | tuple[str, ...]) -> tuple[str, ...]:
    """One text or several as several."""
    return (expected,) if isinstance(expected, str) else expected


@pytest.fixture(scope="module")
def sheets(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The paths of these samplesheets, each in its own folder."""
    return [sheet(tmp_path_factory.mktemp("sheet"), text) for text, _ in SHEETS]


@pytest.fixture(scope="module")
def ended(sheets: list[str], tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[dict[str, Any]]]:
    """What the checks make of all of these."""
    good = [sheet(tmp_path_factory.mktemp("sheet"), text) for text in SPELLINGS]
    return ends(tmp_path_factory.mktemp("refused"), plans=[given for given, _ in PARAMETERS], sheets=[*sheets, *good])


@pytest.mark.parametrize("number", range(len(PARAMETERS)), ids=lambda number: str(PARAMETERS[number][0]))
def test_one_bad_parameter(ended: dict[str, list[dict[str, Any]]], number: int) -> None:
    said = ended["plans"][number].get("refused", "")
    for message in texts(PARAMETERS[number][1]):
        assert message in said


@pytest.mark.parametrize("number", range(len(SHEETS)), ids=lambda number: repr(SHEETS[number][0][:80]))
def test_unusable_sheet(ended: dict[str, list[dict[str, Any]]], sheets: list[str], number: int) -> None:
    said = ended["sheets"][number].get("refused", "")
    for message in texts(SHEETS[number][1]):
        assert message.replace("{folder}", str(Path(sheets[number]).parent)) in said


def test_one_node_for_tasks_in_containers_of_podman(tmp_path: Path) -> None:
    text = refusal(tmp_path, "-profile", "slurm,podman", simulate="test", nodes=2)
    assert "--nodes 2: tasks in containers of podman run on one node each" in text


def test_an_image_that_is_not_there_is_named(tmp_path: Path) -> None:
    site = tmp_path / "site.config"
    site.write_text("process.container = '/nowhere/spatialweave.sif'\n")
    text = refusal(tmp_path, "-profile", "apptainer", "-c", str(site), simulate="test")
    assert "There is no image /nowhere/spatialweave.sif for apptainer" in text


def test_relative_paths_start_in_the_data_folder_and_only_the_formats_that_are_wanted_are_written(
    pipeline: Pipeline,
) -> None:
    """Another choice repeats no more than the files that the parameters are written in.

    Paths in the samplesheet start in the folder that --data names, which starts in the launch folder as --input does.
    """
    folder = pipeline.folder / "my data"
    (folder / "record").mkdir(parents=True)
    for name in ("rna.h5ad", "labels.txt"):
        (folder / "record" / name).touch()
    path = sheet(pipeline.folder, "dataset,rna,labels\none,record/rna.h5ad,record/labels.txt\n")
    arguments = ("-stub-run", "--input", Path(path).name, "--data", "my data")
    first = pipeline.run(*arguments, "--export", "none")
    assert first.code == 0, first.text
    assert [task for task in first.tasks("Submitted") if task.startswith("INGEST")] == ["INGEST (one/one)"]
    assert not [task for task in first.tasks("Submitted") if task.startswith("EXPORT")]
    again = pipeline.run(*arguments, "-resume", "--export", "loupe, seurat")
    assert again.code == 0, again.text
    tasks = {task.split(" ")[0] for task in again.tasks("Submitted")}
    assert tasks == {"ASSEMBLE", "EXPORT", "REPORT_DATASET", "REPORT_RUN"}


def test_a_simulated_tissue_that_does_not_fit_is_refused_with_the_reason(pipeline: Pipeline) -> None:
    run = pipeline.run("-stub-run", "--simulate", "test", "--pseudotime_root", "test:2,other:1")
    assert run.code != 0
    assert run.tasks("Submitted") == ["SIMULATE (test)"]
    assert "--pseudotime_root: there is no dataset 'other' (test)" in run.text
    assert "Exception" not in run.text


def test_help_names_every_parameter_and_runs_nothing(pipeline: Pipeline, project: Path) -> None:
    run = pipeline.run("--help")
    assert run.code == 0
    assert run.tasks("Submitted") == []
    groups = json.loads((project / "nextflow_schema.json").read_text())["$defs"].values()
    for group in groups:
        for name in group["properties"]:
            assert f"--{name} " in run.text
    assert not run.results.exists()
    for preset in (project / "assets" / "methods").glob("*.yml"):
        line = next(line for line in run.text.splitlines() if line.startswith(f"    {preset.stem} "))
        assert "..." not in line
    for whole in (
        "(control): Latents of all modalities, concatenated and averaged twice over the spatial neighbours",
        "Noise (control): A control that knows nothing: the embedding is drawn at random",
    ):
        assert whole in run.text


def test_a_panel_that_cannot_be_used_is_refused_before_anything_is_read(pipeline: Pipeline) -> None:
    (pipeline.folder / "panel.yml").write_text("cortex: Gene1\n")
    rna = pipeline.folder / "rna.csv"
    rna.write_text("barcode,A\nb1,1\n")
    table = sheet(pipeline.folder, "dataset,rna\none,rna.csv\n")
    run = pipeline.run("--input", table, "--panel", str(pipeline.folder / "panel.yml"))
    assert run.code != 0
    assert "ERROR: panel.yml, 'cortex': is 'Gene1'; expected a list of markers" in run.text
    assert not [task for task in run.tasks("Submitted") if task.startswith("INGEST")]


def test_sections_without_an_order_are_stacked_by_name_and_number(ended: dict[str, list[dict[str, Any]]]) -> None:
    for end in ended["sheets"][len(SHEETS) :]:
        assert [meta["stack"] for meta in end["accepted"]] == [["s1", "s2", "s10"]] * 3


def test_refused_files_are_named_together_and_nothing_is_computed_of_them(pipeline: Pipeline) -> None:
    for name in ("one", "two", "good"):
        rows = "".join(f"b{i},{i % 4},{i // 4},{i if name == 'good' else i / 2}\n" for i in range(12))
        (pipeline.folder / f"{name}.csv").write_text("barcode,x,y,A\n" + rows)
    lines = "".join(f"{name},{name}.csv\n" for name in ("one", "two", "good"))
    run = pipeline.run("--input", sheet(pipeline.folder, "dataset,rna\n" + lines))
    assert run.code != 0
    assert "2 section(s) cannot be read:" in run.text
    for name in ("one", "two"):
        assert (
            f"{name}, {name}: ERROR: " in run.text
            and f"{name}.csv, matrix, row 2 ('b1'), column 'A': value 0.5" in run.text
        )
    assert {task.split(" ")[0] for task in run.tasks("Submitted")} == {"INGEST"}
    assert "good: 12 spots; rna 12 spots x 1 features" in run.text


def test_any_sane_spelling_of_a_sheet_is_read(pipeline: Pipeline) -> None:
    """Byte order mark, Windows line ends, quotes, blanks, column order, extra columns, trailing empty lines, tabs.

    A number of domains given for one section holds for its whole dataset. No section is aligned where no method asks.
    """
    commas = (
        '\ufeffmeta_notes,RNA,"dataset",adt,n_domains,Section\r\n'
        '"a, b","a.h5ad" , one , b.h5ad,,left\r\n'
        ",b.h5ad,one,,7,right\r\n"
        ",a.h5ad,two,,\r\n\r\n,,,,\r\n"
    )
    options = ("-stub-run", "--methods", "smart,smart_ms", *TO_DOMAINS)
    run = pipeline.run(*options, "--input", sheet(pipeline.folder, commas))
    assert run.code == 0, run.text
    # Methods that need no alignment wait for none.
    assert not [task for task in run.tasks("Submitted") if task.startswith(("ALIGN", "STACK", "MATCH"))]
    assert {task for task in run.tasks("Submitted") if task.startswith("INGEST")} == {
        "INGEST (one/left)", "INGEST (one/right)", "INGEST (two/two)",
    }  # fmt: skip
    # Another number of domains is another clustering, and nothing before it is done again; the sheet goes first.
    later = ("EVALUATE", "COMPARE", "ASSEMBLE", "SUMMARISE", "REPORT")
    changed = pipeline.folder / "sheet.csv"
    changed.write_text(commas.replace(",7,", ",8,"))
    methods = {"one": ("smart", "smart_ms", "pca_smooth"), "two": ("smart", "pca_smooth")}
    for arguments, dataset in (((), "one"), (("--n_domains", "9"), "two")):
        again = pipeline.run(*options, "-resume", "--input", str(changed), *arguments)
        tasks = again.tasks("Submitted")
        assert {task for task in tasks if not task.startswith(later)} == {
            f"CLUSTER ({dataset}, {method}, seed 1)" for method in methods[dataset]
        }
    for dataset in ("one", "two"):
        assert (run.results / dataset / "report.html").exists()
