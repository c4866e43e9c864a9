"""A Slurm of two nodes, both this machine: controller, node daemons and their MUNGE, with everything in one folder.

None of its files are in /etc or /var; every port and socket is its own: a Slurm that serves this machine is left alone.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "scontrol", "scancel", "setpriv")

NODES = ("first", "second")

# Jobs go to the first node; the second is for those that ask for two, in the partition `pair`. Each declares a card,
# 64 GB and at least 2 cores, whatever this machine has: a training asks for 2 cores, and its second attempt for 16 GB.
# Jobs start at once, and are kept on record for as long as the cluster lives.
SLURM_CONF = """\
ClusterName=spatialweave
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller_port}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool.%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.%n.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
DefMemPerCPU=500
SlurmdParameters=config_overrides
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
ReturnToService=2
MinJobAge=86400
SchedulerParameters=batch_sched_delay=0
KillWait=5
GresTypes=gpu
NodeName=DEFAULT CPUs={cores} RealMemory=64000 Gres=gpu:simulated:1 State=UNKNOWN
NodeName=first NodeHostname={host} NodeAddr=127.0.0.1 Port={first_port}
NodeName=second NodeHostname={host} NodeAddr=127.0.0.1 Port={second_port}
PartitionName=main Nodes=first Default=YES MaxTime=INFINITE State=UP
PartitionName=pair Nodes=first,second MaxTime=INFINITE State=UP
"""
# The device file is only looked for, never opened.
GRES_CONF = "Name=gpu Type=simulated Count=1 File=/dev/null\n"


def missing() -> str:
    """Why no cluster can be started here, or nothing."""
    if os.geteuid() != 0:
        return "Slurm's daemons have to be root here: run this as root, or in a container as root"
    absent = [program for program in PROGRAMS if shutil.which(program) is None]
    if absent:
        return f"{', '.join(absent)} not found; on Debian and Ubuntu: apt install slurm-wlm munge util-linux"
    return ""


def wait_until(condition: Callable[[], bool], what: str, seconds: float = 60) -> None:
    """Wait for something that should soon be true."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(f"{what}: not within {seconds:.0f} seconds")
        time.sleep(0.2)


def _free_ports(count: int) -> list[int]:
    """Ports that nobody listens on, all different."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [server.getsockname()[1] for server in sockets]
    for server in sockets:
        server.close()
    return ports


class Cluster:
    """The daemons of one folder. Their Slurm is the one that the environment variable SLURM_CONF=`config` names."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.config = folder / "slurm.conf"
        self._daemons: list[subprocess.Popen[bytes]] = []

    def start(self) -> None:
        """Start the daemons, and wait until the node takes jobs."""
        self._write_files()
        files = {option: self.folder / f"munge.{option}" for option in ("key-file", "pid-file", "seed-file", "socket")}
        munged = ["munged", "--foreground", *(f"--{option}={path}" for option, path in files.items())]
        self._launch(*munged, ready=files["socket"].exists)
        controller = ["slurmctld", "-D", "-f", str(self.config)]
        self._launch(*controller, ready=lambda: self._ask("scontrol", "ping").returncode == 0)
        for name in NODES:
            node = ["slurmd", "-D", "-N", name, "-f", str(self.config)]
            state = ("sinfo", "--noheader", "--format=%t", "--nodes", name, "--partition", "pair")
            self._launch(*node, ready=partial(self._says, "idle", *state))

    def stop(self) -> None:
        """End all jobs, then the daemons in the opposite order of their start."""
        try:
            self._ask("scancel", "--user=root")
            wait_until(lambda: not self._ask("squeue", "--noheader").stdout.strip(), "jobs end")
        finally:
            for daemon in reversed(self._daemons):
                daemon.terminate()
                try:
                    daemon.wait(timeout=20)
                except subprocess.TimeoutExpired:
                    daemon.kill()
                    daemon.wait()
            self._daemons.clear()

    def _write_files(self) -> None:
        for name in ("state", *(f"spool.{node}" for node in NODES)):
            (self.folder / name).mkdir()
        key = self.folder / "munge.key-file"
        key.touch(mode=0o600)
        key.write_bytes(os.urandom(128))
        controller_port, first_port, second_port = _free_ports(3)
        settings = SLURM_CONF.format(
            host=socket.gethostname().split(".")[0],
            folder=self.folder,
            controller_port=controller_port,
            first_port=first_port,
            second_port=second_port,
            cores=max(2, os.cpu_count() or 1),
        )
        self.config.write_text(settings)
        (self.folder / "gres.conf").write_text(GRES_CONF)

    def _launch(self, program: str, *arguments: str, ready: Callable[[], bool]) -> None:
        """Start a daemon and wait until it is ready; when it does not get there, say what it wrote."""
        path = self.folder / f"{program}.log"
        with path.open("wb") as log:
            # In a session of its own: Ctrl-C is for the tests, which then stop the cluster in good order. Should they
            # end without having done so, the daemon gets SIGTERM.
            daemon = subprocess.Popen(
                ["setpriv", "--pdeathsig", "TERM", program, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self._environment(),
                start_new_session=True,
            )
        self._daemons.append(daemon)
        try:
            wait_until(lambda: daemon.poll() is not None or ready(), f"{program} is ready")
        except TimeoutError as problem:
            raise RuntimeError(f"{problem}\n{path.read_text(errors='replace')[-2000:]}") from None
        if daemon.poll() is not None:
            raise RuntimeError(f"{program} ended as it started\n{path.read_text(errors='replace')[-2000:]}")

    def _environment(self) -> dict[str, str]:
        return os.environ | {"SLURM_CONF": str(self.config)}

    def _says(self, text: str, *command: str) -> bool:
        return self._ask(*command).stdout.strip() == text

    def _ask(self, *command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(command, env=self._environment(), capture_output=True, text=True, check=False, timeout=60)
