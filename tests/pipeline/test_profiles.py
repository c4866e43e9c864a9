"""Profiles: every combination resolves to one configuration, and tasks get from it what engine and scheduler need.

No cluster, cloud, GPU or container is at work here. Engines and schedulers are stubs that record their command line and
run the task on this machine: checked is what Nextflow would have requested of them.
"""

from __future__ import annotations

import itertools
import json
import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from .conftest import STUBS, link_stand_ins

ENGINES = ("docker", "podman", "singularity", "apptainer", "charliecloud")
SCHEDULERS = ("slurm", "lsf", "sge", "pbs", "pbspro")
CLOUDS = ("awsbatch", "google_batch", "azure_batch", "k8s")
DATA = ("test", "test_full", "demo")


def combinations() -> list[tuple[str, ...]]:
    """Every combination that means something: data, software, where tasks run, and with or without GPU."""
    local = itertools.product(("", *ENGINES, "conda"), ("", *SCHEDULERS))
    services = itertools.product(("", "docker"), CLOUDS)
    chosen = [
        tuple(filter(None, ("test", software, executor, gpu)))
        for software, executor in itertools.chain(local, services)
        for gpu in ("", "gpu")
    ]
    return [*chosen, *((data,) for data in DATA)]


def resolve(project: Path, folder: Path, parser: str, chosen: list[str]) -> dict[str, set[str]]:
    """Each combination's resolved configuration as lines, by one of Nextflow's two parsers of configurations."""
    wrapper = {"SPATIALWEAVE_PINNED_NEXTFLOW": "1", **os.environ}
    subprocess.run([project / "nextflow", "-v"], env=wrapper, capture_output=True, check=True)
    (jars,) = (project / ".cache").glob("nextflow-*")
    java = Path(os.environ["JAVA_HOME"], "bin", "java") if "JAVA_HOME" in os.environ else "java"
    command = [java, "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-cp", f"{jars}/*"]
    command += [f"--add-opens=java.base/java.{name}=ALL-UNNAMED" for name in ("lang", "io", "nio", "net", "util")]
    command += ["groovy.ui.GroovyMain", STUBS / "configs.groovy", project, *chosen]
    environment = {**os.environ, "NXF_OFFLINE": "true", "NXF_SYNTAX_PARSER": parser, "NXF_HOME": str(folder / "home")}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=600, check=True)
    resolved: Mapping[str, str] = json.loads(done.stdout.splitlines()[-1])
    # The parsers write a map differently; publishing depends on no profile.
    return {
        profiles: {line for line in text.splitlines() if not line.startswith("process.publishDir")}
        for profiles, text in resolved.items()
    }


@pytest.fixture(scope="module")
def configurations(project: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], set[str]]:
    """By parser and combination, in every order that is tried: the resolved configuration."""
    forward = [",".join(chosen) for chosen in combinations()]
    # Those without a GPU are part of those with one. The first parser goes by the order of nextflow.config, whatever
    # the order on the command line.
    with_gpu = [chosen for chosen in combinations() if "gpu" in chosen]
    backward = [",".join(reversed(chosen)) for chosen in with_gpu]
    requested = {"v1": [",".join(chosen) for chosen in with_gpu], "v2": forward + backward}
    with ThreadPoolExecutor() as pool:
        folders = (tmp_path_factory.mktemp(parser) for parser in requested)
        answers = pool.map(resolve, itertools.repeat(project), folders, requested, requested.values())
    return {
        (parser, profiles): lines
        for parser, answer in zip(requested, answers, strict=True)
        for profiles, lines in answer.items()
    }


def test_every_combination_means_the_same_in_either_order_and_to_both_parsers(
    configurations: dict[tuple[str, str], set[str]],
) -> None:
    names = {frozenset(chosen): ",".join(chosen) for chosen in combinations()}
    for (parser, profiles), lines in configurations.items():
        expected = configurations["v2", names[frozenset(profiles.split(","))]]
        assert not [line for line in lines if line.startswith("ERROR")], (parser, profiles, lines)
        assert lines == expected, (parser, profiles, lines ^ expected)


def test_every_combination_turns_on_what_it_names_and_nothing_else(
    configurations: dict[tuple[str, str], set[str]],
) -> None:
    executors = {"awsbatch": "awsbatch", "google_batch": "google-batch", "azure_batch": "azurebatch", "k8s": "k8s"}
    executors |= {name: name for name in SCHEDULERS}
    for chosen in combinations():
        lines = configurations["v2", ",".join(chosen)]
        enabled = {line.split(".")[0] for line in lines if re.match(r"[a-z]+\.enabled = true", line)}
        software = {name for name in chosen if name in (*ENGINES, "conda")}
        in_cloud = bool({*chosen} & {*CLOUDS})
        reports = {"report", "timeline", "trace", "dag"}
        assert enabled - reports == (software or ({"docker"} if in_cloud else set())), chosen
        executor = [executors[name] for name in chosen if name in executors]
        assert {line for line in lines if line.startswith("process.executor")} == {
            f"process.executor = '{name}'" for name in executor
        }, chosen
        assert ("params.device = 'cuda'" in lines) == ("gpu" in chosen), chosen
        # Images are pulled by Nextflow for these engines, and have several GB.
        pulling = {f"{name}.pullTimeout = '2 h'" for name in software & {"singularity", "apptainer", "charliecloud"}}
        assert {line for line in lines if ".pullTimeout" in line} == pulling, chosen


@dataclass
class Given:
    """What one task was given: its environment and resources, the engine's command line, the job's directives."""

    values: dict[str, str]
    engine: str
    directives: list[str]
    log: str


def give(project: Path, folder: Path, *arguments: str, site: str = "", parser: str = "v1", **variables: str) -> Given:
    """Run the one task of stubs/task.nf with this project's configuration and recording stubs first on PATH.

    `site` is what a site adds to that configuration.
    """
    programs = link_stand_ins(folder)
    launch, pipeline = folder / "launch", folder / "pipeline"
    launch.mkdir()
    pipeline.mkdir(exist_ok=True)
    for file in (STUBS / "task.nf", project / "environment.yml"):
        shutil.copy(file, pipeline)
    config = project / "nextflow.config"
    if site:
        (folder / "all.config").write_text(f"includeConfig '{config}'\n{site}")
        config = folder / "all.config"
    command = [project / "nextflow", "-C", config, "run", pipeline / "task.nf", *arguments]
    path = f"{programs}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "NXF_ANSI_LOG": "false", "NXF_SYNTAX_PARSER": parser}
    # Jobs are done as soon as they are submitted, so that there is nothing to wait for.
    environment |= {"NXF_EXECUTOR_POLLINTERVAL": "200ms", **variables}
    done = subprocess.run(
        command, cwd=launch, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    task = max(launch.glob("work/*/*/given.txt"), key=lambda path: path.stat().st_mtime).parent
    lines = (task / "given.txt").read_text().splitlines()
    engine, job = task / "engine.command", task / "job.submitted"
    return Given(
        values=dict(line.split("=", 1) for line in lines if "=" in line) | {"task folder": str(task)},
        engine=engine.read_text() if engine.exists() else "",
        directives=re.findall(r"^#(?:SBATCH|BSUB|PBS|\$) (.*\S)", job.read_text(), re.M) if job.exists() else [],
        log=(launch / ".nextflow.log").read_text(),
    )


@pytest.mark.parametrize(
    ("engine", "flags", "scheduler", "directives"),
    [
        ("singularity", " exec | --no-home | --nv | -B {checkpoints} |.sif ", "slurm", "--gres=gpu:1|-c 2|--mem 4096M"),
        ("apptainer", " exec | --no-home | --nv | -B {checkpoints} |.sif ", "lsf", "-gpu num=1|-n 2"),
        ("docker", " -u {user} | --gpus all | -v {checkpoints} | {image} ", "sge", "-l gpu=1|-pe smp 2"),
        (
            "podman",
            " --user 0:0 | --device nvidia.com/gpu=all | -v {checkpoints} | {image} ",
            "pbs",
            "-l nodes=1:ppn=2:gpus=1",
        ),
        (
            "charliecloud",
            " -b {checkpoints} |/.cache/spatialweave-",
            "pbspro",
            "-l select=1:ncpus=2:mem=4096mb:ngpus=1",
        ),
    ],
)
def test_a_gpu_task_of_a_job_gets_its_card(
    project: Path, tmp_path: Path, engine: str, flags: str, scheduler: str, directives: str
) -> None:
    """Command lines and job directives for one task with a GPU, recorded by stubs: no engine or cluster is at work."""
    given = give(
        project, tmp_path, "-profile", f"{engine},gpu,{scheduler}", "--checkpoint_dir", "a folder", parser="v2"
    )
    checkpoints = tmp_path / "launch" / "a folder"
    version = re.findall(r"^ +version += '(.*)'", (project / "nextflow.config").read_text(), re.M)[0]
    for flag in flags.split("|"):
        expected = flag.format(
            user=f"{os.getuid()}:{os.getgid()}",
            image=f"localhost/spatialweave:{version}",
            checkpoints=f"{checkpoints}:{checkpoints}",
        )
        assert expected in given.engine
    assert version in given.engine
    assert {*directives.split("|")} <= {*given.directives}
    assert "Creating process 'TRAIN': maxForks=0;" in given.log
    folder = given.values["task folder"]
    for name, cache in {"NUMBA_CACHE_DIR": "numba", "MPLCONFIGDIR": "matplotlib", "TRITON_CACHE_DIR": "triton"}.items():
        assert given.values[name] == f"{folder}/.cache/{cache}"
    # The job was given card 3 by the scheduler: the engine must hand that on rather than show all cards of the node.
    if engine in ("singularity", "apptainer"):
        environment = Path(folder, "engine.environment").read_text().splitlines()
        assert f"{engine.upper()}ENV_CUDA_VISIBLE_DEVICES=3" in environment
        assert not any(line.startswith("HOME=") for line in environment)
    elif engine in ("docker", "podman"):
        assert " -e CUDA_VISIBLE_DEVICES " in given.engine
    else:
        assert "--set-env=CUDA_VISIBLE_DEVICES=3" in given.engine


def test_a_method_with_an_environment_of_its_own_runs_in_its_image_and_takes_no_card_unless_it_wants_one(
    project: Path, tmp_path: Path
) -> None:
    given = give(project, tmp_path, "-profile", "podman,gpu,slurm", "--environment", "toy", "--gpu", "false")
    version = re.findall(r"^ +version += '(.*)'", (project / "nextflow.config").read_text(), re.M)[0]
    assert f" localhost/spatialweave-toy:{version} " in given.engine
    assert "nvidia.com/gpu" not in given.engine
    assert not [directive for directive in given.directives if "gres" in directive]


def test_a_method_with_an_environment_of_its_own_runs_in_its_virtual_environment(project: Path, tmp_path: Path) -> None:
    given = give(project, tmp_path, "--environment", "toy")
    assert given.values["PATH"].split(os.pathsep)[0] == f"{tmp_path}/pipeline/.venv-toy/bin"


@pytest.mark.parametrize(
    ("engine", "image"),
    [
        ("apptainer", "oras://ghcr.io/owner/spatialweave-toy:{version}-sif"),
        ("charliecloud", "ghcr.io/owner/spatialweave-toy:{version}"),
    ],
)
def test_the_published_image_is_pulled_where_there_is_none(
    project: Path, tmp_path: Path, engine: str, image: str
) -> None:
    given = give(project, tmp_path, "-profile", engine, "--registry", "ghcr.io/owner", "--environment", "toy")
    version = re.findall(r"^ +version += '(.*)'", (project / "nextflow.config").read_text(), re.M)[0]
    pulled, kept_as = (tmp_path / "bin" / "pulled").read_text().splitlines()
    assert pulled == image.format(version=version)
    # The task runs in what was pulled.
    assert f"/{kept_as.split('.pulling')[0]} " in given.engine


def test_an_image_of_this_machine_goes_before_the_published_one(project: Path, tmp_path: Path) -> None:
    version = re.findall(r"^ +version += '(.*)'", (project / "nextflow.config").read_text(), re.M)[0]
    image = tmp_path / "pipeline" / ".cache" / f"spatialweave-{version}.sif"
    image.parent.mkdir(parents=True)
    image.touch()
    given = give(project, tmp_path, "-profile", "singularity", "--registry", "ghcr.io/owner")
    assert f" {image} " in given.engine
    assert not (tmp_path / "bin" / "pulled").exists()


def test_docker_is_given_the_name_of_the_published_image(project: Path, tmp_path: Path) -> None:
    given = give(project, tmp_path, "-profile", "docker", "--registry", "ghcr.io/owner")
    version = re.findall(r"^ +version += '(.*)'", (project / "nextflow.config").read_text(), re.M)[0]
    assert f" ghcr.io/owner/spatialweave:{version} " in given.engine


def test_memory_grows_with_attempts_up_to_what_this_machine_has(project: Path, tmp_path: Path) -> None:
    """With one attempt more than the pipeline makes, which a site may want."""
    given = give(
        project, tmp_path, "-profile", "gpu,docker", "--failures", "3", "--checkpoint_dir", "/checkpoints",
        site="process.maxRetries = 3\n",
    )  # fmt: skip
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    assert float(given.values["memory"].removesuffix(" GB")) == pytest.approx(min(256, machine), abs=0.1)
    assert given.values["time"] == "2d"
    # Nothing hands out cards on a machine of one's own.
    assert "Creating process 'TRAIN': maxForks=1;" in given.log
    assert " -v /checkpoints:/checkpoints " in given.engine


def test_a_job_may_ask_for_more_than_this_machine_has(project: Path, tmp_path: Path) -> None:
    given = give(project, tmp_path, "-profile", "docker,slurm", "--failures", "2")
    assert given.values["memory"] == "64 GB"
    assert "--mem 65536M" in given.directives
    assert not [directive for directive in given.directives if directive.startswith("--gres")]
    assert "--gpus" not in given.engine


def test_the_example_of_a_sites_configuration_requests_card_and_nodes_of_a_training(
    project: Path, tmp_path: Path
) -> None:
    site = (project / "docs" / "site.config").read_text()
    given = give(project, tmp_path, "-profile", "apptainer,gpu,slurm", "--nodes", "2", site=site)
    assert "--account=my_project --gres=gpu:a100:1 --nodes=2 --ntasks-per-node=1" in given.directives
    assert "-p gpu" in given.directives
    assert " /shared/images/spatialweave-0.1.0.sif " in given.engine


def test_a_job_that_was_lost_with_its_node_is_tried_again(project: Path, tmp_path: Path) -> None:
    lost = tmp_path / "lost"
    patience = {"NXF_EXECUTOR_EXITREADTIMEOUT": "1s", "NXF_EXECUTOR_QUEUESTATINTERVAL": "1s"}
    given = give(project, tmp_path, "-profile", "docker,slurm", LOSE_A_JOB=str(lost), **patience)
    assert lost.exists()
    assert given.values["memory"] == "16 GB"
    assert given.values["time"] == "1d"


def test_conda_environment_is_made_of_its_file_and_not_hidden_by_the_projects_own(
    project: Path, tmp_path: Path
) -> None:
    given = give(project, tmp_path, "-profile", "conda")
    prefix = Path(given.values["CONDA_PREFIX"])
    assert f"--file {tmp_path}/pipeline/environment.yml" in (prefix / "created").read_text()
    assert given.values["PATH"].split(os.pathsep)[0] == f"{prefix}/bin"
    assert given.values["PYTHONNOUSERSITE"] == "1"
