"""Several processes for one training, started as torchrun does: on one node, or on all nodes of a Slurm job."""

from __future__ import annotations

import logging
import os
import sys
import tempfile
from pathlib import Path

from spatialweave.errors import InputError


def is_member() -> bool:
    """Return whether this process was started by :func:`run_as_team` or by torchrun."""
    return "LOCAL_RANK" in os.environ


def run_as_team(processes: int, nodes: int = 1) -> int:
    """Run this command again in `processes` processes, and wait for them.

    The first process writes files and the log. An error of another process is shown if the first does not have it too.

    Parameters
    ----------
    processes
        Number of processes on this node, one per GPU if there are any.
    nodes
        Number of nodes of the Slurm job that this process is a task of; each has one such task.

    Returns
    -------
    The exit code: 0, or that of the process that failed first.

    Raises
    ------
    InputError
        For several nodes outside a Slurm job.
    """
    from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs, Std
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    # It reports failures in many lines; our log has the error itself.
    logging.getLogger("torch.distributed.elastic").setLevel(logging.CRITICAL)
    run_id, endpoint, here = _meeting_point(nodes)
    with tempfile.TemporaryDirectory() as folder:
        others = dict.fromkeys(range(1, processes), Std.ALL)
        config = LaunchConfig(
            min_nodes=nodes,
            max_nodes=nodes,
            nproc_per_node=processes,
            run_id=run_id,
            rdzv_backend="c10d",
            rdzv_endpoint=endpoint,
            rdzv_configs=dict(here),
            max_restarts=0,
            logs_specs=DefaultLogsSpecs(log_dir=folder, redirects=others),
            local_addr="localhost" if nodes == 1 else None,
        )
        try:
            elastic_launch(config, sys.executable)(*sys.argv)
        except ChildFailedError as problem:
            _rank, first = problem.get_first_failure()
            own = problem.failures.get(0)
            if first.local_rank > 0 and (own is None or own.exitcode != first.exitcode):
                for path in Path(folder).glob(f"**/{first.local_rank}/stderr.log"):
                    sys.stderr.write(path.read_text(errors="replace"))
            return first.exitcode if first.exitcode > 0 else 128 - first.exitcode
        except SignalException as ended:
            return 128 + ended.sigval
    return 0


def _meeting_point(nodes: int) -> tuple[str, str, dict[str, bool]]:
    """Return the team's name, the address where its processes meet and, if needed, whether that is this node."""
    if nodes == 1:
        # Port 0: any free port.
        return f"training-{os.getpid()}", "localhost:0", {}
    try:
        job, node = int(os.environ["SLURM_JOB_ID"]), int(os.environ["SLURM_NODEID"])
        # Address where srun was started: the job's first node. Jobs that share a node have different numbers.
        endpoint = f"{os.environ['SLURM_LAUNCH_NODE_IPADDR']}:{20000 + job % 40000}"
    except (KeyError, ValueError):
        raise InputError("--nodes", f"is {nodes} outside a task of a Slurm job", "1", "start it by srun") from None
    return str(job), endpoint, {"is_host": node == 0}
