"""Conditions of a dataset are compared with its files and the names of its domains. By stubs."""

from __future__ import annotations

from pathlib import Path

from .conftest import Pipeline


def test_conditions_are_compared_with_the_names_of_the_domains_alone(pipeline: Pipeline, tmp_path: Path) -> None:
    """With the other tables of CHARACTERISE, e.g. another root of the pseudotime would compare everything again."""
    rows = [f"brain,s{number},{number}.h5ad,P{number},{'ab'[number % 2]}" for number in range(4)]
    for number in range(4):
        (tmp_path / f"{number}.h5ad").touch()
    (tmp_path / "sheet.csv").write_text("\n".join(["dataset,section,rna,donor,condition", *rows]))
    (tmp_path / "panel.yml").write_text("core: [A, B]\n")
    given = ("--input", str(tmp_path / "sheet.csv"), "--panel", str(tmp_path / "panel.yml"), "--n_domains", "4")
    run = pipeline.run("-stub-run", *given, "--methods", "smart", "--control", "false", "--assess", "false")
    assert run.code == 0, run.text
    scripts = [path for path in pipeline.folder.glob("work/*/*/.command.sh") if "brain/cohort" in path.read_text()]
    assert len(scripts) == 1
    names = {path.name for path in (scripts[0].parent / "files").iterdir()}
    assert {"names.csv", "smart.seed1.domains.csv", "graph.h5ad"} <= names
    assert not names & {"pseudotime.csv", "markers.csv", "structure.csv"}
    assert (pipeline.results / "brain" / "cohort" / "cohort.html").exists()
