"""Processes of one training: each takes some parts of an update, and all make the same step.

Gradients are exchanged part by part and added in the order of the parts, as one process does, so the result does not
depend on the number of processes.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from spatialweave.errors import InputError
from spatialweave.io.notices import NOTES, warn

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

T = TypeVar("T")


@dataclass
class Team:
    """Processes of a training; only one unless :func:`joined_team` found others.

    Attributes
    ----------
    rank
        Number of this process, from 0. Only process 0 writes files and the log.
    size
        Number of processes.
    """

    rank: int = 0
    size: int = 1
    _rows: list[Tensor] = field(default_factory=list, repr=False)

    def own(self, items: Sequence[T]) -> Sequence[T]:
        """Return this process's part of a list that all processes have: every size-th item, from its rank on."""
        return items[self.rank :: self.size]

    def all_of(self, own: Sequence[T]) -> list[T]:
        """Return the list of which every process has its :meth:`own` part."""
        if self.size == 1:
            return list(own)
        import torch.distributed as dist

        shares: list[Sequence[T]] = [()] * self.size
        dist.all_gather_object(shares, own)
        return [shares[k % self.size][k // self.size] for k in range(sum(map(len, shares)))]

    def told_by_all(self, value: T) -> list[T]:
        """Return the value of every process, by rank."""
        return self.all_of([value])

    def part_done(self, parameters: Sequence[Tensor], numbers: dict[str, float]) -> None:
        """Store the gradients of a part and its losses; :meth:`update_done` adds them up."""
        if self.size == 1:
            return
        import torch

        flat = [(torch.zeros_like(p) if p.grad is None else p.grad).reshape(-1) for p in parameters]
        reached = [float(parameter.grad is not None) for parameter in parameters]
        rest = torch.tensor([*reached, *numbers.values()], dtype=torch.float64, device=parameters[0].device)
        self._rows.append(torch.cat([*(one.double() for one in flat), rest]))
        for parameter in parameters:
            parameter.grad = None

    def update_done(self, parameters: Sequence[Tensor], names: Sequence[str], n_parts: int) -> dict[str, float]:
        """Set the gradients to the sum over all parts of an update, and return the summed losses by name."""
        import torch
        import torch.distributed as dist

        if n_parts < self.size:
            # A process without a part has no names of losses either.
            told = [names]
            dist.broadcast_object_list(told, src=0, device=torch.device("cpu"))
            names = told[0]
        sizes = [parameter.numel() for parameter in parameters]
        width = sum(sizes) + len(sizes) + len(names)
        most = -(-n_parts // self.size)
        # Some processes have fewer parts than others, or none.
        empty = torch.zeros(width, dtype=torch.float64, device=parameters[0].device)
        mine = torch.stack(self._rows + [empty] * (most - len(self._rows)))
        self._rows.clear()
        theirs = [torch.empty_like(mine) for _ in range(self.size)]
        dist.all_gather(theirs, mine)
        rows = [theirs[k % self.size][k // self.size] for k in range(n_parts)]
        split = [row.split([sum(sizes), len(sizes), len(names)]) for row in rows]
        reached = torch.stack([part[1] for part in split]).any(dim=0).tolist()
        # Same precision and order in which one process adds them up.
        total = torch.stack([part[0] for part in split]).to(parameters[0].dtype)
        summed = total[0]
        for row in total[1:]:
            summed = summed + row
        for parameter, values, is_reached in zip(parameters, summed.split(sizes), reached, strict=True):
            parameter.grad = values.view_as(parameter) if is_reached else None
        return dict(zip(names, torch.stack([part[2] for part in split]).sum(dim=0).tolist(), strict=True))

    def summed(self, tables: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Sum tables over all processes; in each, rows of other processes are zero.

        A process without parts has no tables; process 0 has all.
        """
        if self.size == 1:
            return tables
        import numpy as np
        import torch
        import torch.distributed as dist

        told = [{name: (table.shape, table.dtype) for name, table in tables.items()}]
        dist.broadcast_object_list(told, src=0, device=torch.device("cpu"))
        result = {}
        for name, (shape, dtype) in told[0].items():
            values = torch.from_numpy(tables[name] if name in tables else np.zeros(shape, dtype=dtype))
            dist.all_reduce(values)
            result[name] = values.numpy()
        return result

    def disband(self, why: str) -> None:
        """Continue as the only process; all others end here without an error.

        This is for work that one process has to do: the user is told `why`.
        """
        if self.size == 1:
            return
        import torch.distributed as dist

        dist.destroy_process_group()
        if self.rank > 0:
            raise SystemExit(0)
        warn("--processes", f"one of {self.size} processes trains: {why}")
        self.size = 1


def joined_team(device: str) -> Team:
    """Return the team that started this process, by its environment variables; else a team of one."""
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        return Team()
    import torch
    import torch.distributed as dist

    if device == "cuda":
        wanted, there = int(os.environ["LOCAL_WORLD_SIZE"]), torch.cuda.device_count()
        if wanted > there:
            raise InputError("--processes", f"{wanted}, and this node has {there} GPUs for them", f"at most {there}")
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    # Tables are exchanged on the host, gradients on their device.
    dist.init_process_group("cpu:gloo,cuda:nccl" if device == "cuda" else "gloo")
    team = Team(dist.get_rank(), size)
    if team.rank > 0:
        # Notes that all processes would report are reported by the first.
        os.environ.pop(NOTES, None)
    return team
