"""A method that brings its own environment: chosen for its trainings alone, and checked for before the first task."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from ..checks import refusal
from .conftest import TO_DOMAINS, TOY, Pipeline, link_stand_ins, make_toy_the_only_baseline


def named_tasks(pipeline: Pipeline) -> dict[str, Path]:
    """The work folder of every task, by its name without the workflow, e.g. {"TRAIN (test, toy, seed 1)": ...}."""
    scripts = (pipeline.folder / "work").glob("*/*/.command.run")
    names = {script: re.findall(r"^### name: '(?:\w+:)?(.*)'$", script.read_text(), re.M) for script in scripts}
    return {name: script.parent for script, (name,) in names.items()}


def test_its_trainings_run_in_its_image_without_a_card_and_nothing_else_does(
    with_toy: Pipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", f"{link_stand_ins(tmp_path)}{os.pathsep}{os.environ['PATH']}")
    run = with_toy.run(
        "-stub-run", "-profile", "test,podman,gpu", "--methods", "smart,toy", "--control", "false", *TO_DOMAINS
    )
    assert run.code == 0, run.text
    engines = {name: (task / "engine.command").read_text() for name, task in named_tasks(with_toy).items()}
    trainings = {f"TRAIN (test, {method}, seed {seed})" for method in ("smart", "toy") for seed in (1, 2, 3)}
    assert trainings < engines.keys()
    for name, command in engines.items():
        toy = name.startswith("TRAIN (test, toy,")
        assert (" localhost/spatialweave-toy:" in command) == toy
        assert (" localhost/spatialweave:" in command) == (not toy)
        assert (" nvidia.com/gpu=all " in command) == (name in trainings and not toy)


def test_a_site_that_names_one_image_for_all_has_to_name_one_for_trainings_too(
    with_toy: Pipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", f"{link_stand_ins(tmp_path)}{os.pathsep}{os.environ['PATH']}")
    site = tmp_path / "site.config"
    site.write_text("process.container = 'site/all:1'\n")
    options = ("-profile", "podman", "-c", str(site))
    alone = tmp_path / "alone"
    alone.mkdir()
    text = refusal(alone, *options, project=with_toy.project, simulate="test", methods="toy")
    assert "process.container names one image for all tasks, but environment 'toy' has its own" in text
    choice = "method.environment ? 'site/toy:1' : 'site/all:1'"
    site.write_text(f"process {{ container = 'site/all:1'; withName: TRAIN {{ container = {{ {choice} }} }} }}\n")
    arguments = ("-stub-run", "-profile", "test,podman", "--seeds", "1", "--methods", "toy")
    run = with_toy.run(*arguments, "-c", str(site), *TO_DOMAINS)
    assert run.code == 0, run.text
    for name, task in named_tasks(with_toy).items():
        image = "site/toy:1" if name.startswith("TRAIN (test, toy,") else "site/all:1"
        assert f" {image} " in (task / "engine.command").read_text()


@pytest.mark.parametrize(
    ("profile", "command"),
    [
        ("apptainer", "containers/build.sh --sif --environment toy"),
        ("charliecloud", "containers/build.sh --folder --environment toy"),
        ("conda", "There is no environments/toy/environment.yml"),
    ],
)
def test_a_missing_environment_is_named_with_the_command_that_makes_it(
    with_toy: Pipeline, profile: str, command: str
) -> None:
    text = refusal(with_toy.folder, "-profile", profile, project=with_toy.project, simulate="test", methods="smart,toy")
    assert command in text


def test_a_baseline_is_refused_where_nothing_else_is_left(with_toy: Pipeline) -> None:
    make_toy_the_only_baseline(with_toy)
    text = refusal(with_toy.folder, project=with_toy.project, simulate="test", methods="toy")
    assert "make environment NAME=toy" in text


def test_an_image_that_docker_does_not_have_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    docker = tmp_path / "programs" / "docker"
    docker.parent.mkdir()
    docker.write_text('#!/bin/sh\n[ "$1 $2" != "image inspect" ]\n')
    docker.chmod(0o755)
    monkeypatch.setenv("PATH", f"{docker.parent}{os.pathsep}{os.environ['PATH']}")
    text = refusal(tmp_path, "-profile", "docker", simulate="test")
    assert re.search(
        r"There is no image localhost/spatialweave:\S+ for docker; make it with 'containers/build.sh'", text
    )


def test_an_engine_that_is_not_installed_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    programs = tmp_path / "programs"
    programs.mkdir()
    for folder in os.environ["PATH"].split(os.pathsep):
        for program in Path(folder).glob("*"):
            if program.name not in ("podman", "nextflow") and not (programs / program.name).exists():
                (programs / program.name).symlink_to(program)
    monkeypatch.setenv("PATH", str(programs))
    assert "the program 'podman' was not found" in refusal(tmp_path, "-profile", "podman", simulate="test")


def test_a_name_that_is_no_name_is_refused(with_toy: Pipeline) -> None:
    preset = with_toy.project / "assets" / "methods" / "toy.yml"
    preset.write_text(TOY.replace("environment: toy", "environment: ../toy"))
    text = refusal(with_toy.folder, project=with_toy.project, simulate="test", methods="toy")
    assert "toy.yml, environment: '../toy'" in text
