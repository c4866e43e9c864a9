"""containers/build.sh with stand-ins for what builds: their commands, and the messages where they are missing."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from .conftest import STUBS

TOOLS = ("bash", "basename", "cat", "cp", "dirname", "env", "mkdir", "mktemp", "rm", "sed")


@pytest.fixture
def copy(project: Path, tmp_path: Path) -> Path:
    """A project folder with what an image is made of, and the pins of an environment."""
    folder = tmp_path / "project"
    shutil.copytree(project / "containers", folder / "containers")
    for name in ("pyproject.toml", "uv.lock", "nextflow.config"):
        shutil.copy(project / name, folder)
    pins = folder / "environments" / "toy"
    pins.mkdir(parents=True)
    (pins / "requirements.txt").write_text("toy==1.0\n")
    return folder


@pytest.fixture
def version(project: Path) -> str:
    """The version of the pipeline, which is the tag of its images."""
    return str(re.findall(r"^ +version += '(.*)'", (project / "nextflow.config").read_text(), re.M)[0])


def build(copy: Path, programs: tuple[str, ...], *arguments: str) -> tuple[subprocess.CompletedProcess[str], list[str]]:
    """Run build.sh where there are only some programs; returns also their commands."""
    folder = copy.parent / "programs"
    folder.mkdir()
    for tool in TOOLS:
        (folder / tool).symlink_to(str(shutil.which(tool)))
    for program in programs:
        (folder / program).symlink_to(STUBS / "engine")
    command = [str(copy / "containers" / "build.sh"), *arguments]
    environment = {**os.environ, "PATH": str(folder)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)
    built = folder / "built"
    return done, built.read_text().splitlines() if built.exists() else []


@pytest.mark.parametrize(
    ("arguments", "name"), [((), "spatialweave"), (("--environment", "toy", "a/base:1"), "spatialweave-toy")]
)
def test_an_image_gets_the_name_that_tasks_look_for(
    copy: Path, version: str, arguments: tuple[str, ...], name: str
) -> None:
    done, (command,) = build(copy, ("docker",), *arguments)
    assert done.returncode == 0, done.stderr
    assert command.startswith(f"docker build --tag localhost/{name}:{version} --build-arg VERSION={version} ")
    assert ("--build-arg BASE_IMAGE=a/base:1 " in command) == ("a/base:1" in arguments)


def test_a_sif_is_made_of_the_image_where_there_is_one(copy: Path, version: str) -> None:
    done, (command,) = build(copy, ("docker", "apptainer"), "--sif", "--environment", "toy")
    assert done.returncode == 0, done.stderr
    target = f"{copy}/.cache/spatialweave-toy-{version}.sif"
    assert command.startswith(f"apptainer build --force {target} docker-archive:")


def test_a_sif_is_built_by_apptainer_where_there_is_no_image(copy: Path, version: str) -> None:
    done, (command,) = build(copy, ("singularity",), "--sif", "a/base:1")
    assert done.returncode == 0, done.stderr
    target = f"{copy}/.cache/spatialweave-{version}.sif"
    assert command == f"singularity build --force --build-arg BASE_IMAGE=a/base:1 {target} apptainer.def"


@pytest.mark.parametrize(
    ("programs", "arguments", "message"),
    [
        ((), (), "none of buildah, podman and docker was found"),
        (("docker",), ("--sif",), "neither apptainer nor singularity was found"),
        (("docker",), ("--folder",), "ch-convert was not found"),
        (("docker",), ("--environment", "none"), "there is no environments/none/requirements.txt"),
        (("docker",), ("--environment",), "--environment needs a name, one of: toy"),
        (("docker",), ("--with", "kaniko"), "choose one of buildah, podman and docker"),
        (("docker",), ("--siff",), "--siff is not an option"),
    ],
)
def test_what_is_missing_is_named(
    copy: Path, programs: tuple[str, ...], arguments: tuple[str, ...], message: str
) -> None:
    done, commands = build(copy, programs, *arguments)
    assert done.returncode == 2
    assert done.stderr.startswith("ERROR: ") and message in done.stderr
    assert commands == []


def test_dockerfile_and_definition_of_apptainer_copy_what_the_script_lays_out(project: Path) -> None:
    """build.sh lays out a folder `pins` and install.sh."""
    dockerfile = (project / "containers" / "Dockerfile").read_text()
    copied = {name for line in re.findall(r"^COPY (?!--from)(.*) \S+$", dockerfile, re.M) for name in line.split()}
    definition = (project / "containers" / "apptainer.def").read_text().split("%files")[1].split("%post")[0]
    assert copied == {line.split()[0] for line in definition.split("\n") if line.strip()} == {"pins", "install.sh"}
