"""Parts and losses of every method, and how to leave them out of a training or of a trained network."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

Change = Callable[[nn.Module], None]
"""Function that takes a part out of a network, in place."""


def nothing(network: nn.Module) -> None:
    """Change nothing."""


@dataclass(frozen=True)
class Part:
    """Part of a network, and how it is left out: by settings of the method, by a change of the network, or both.

    Attributes
    ----------
    least
        Least fraction of the embedding's variance that switching it off changes on the demo (sections: `pair`): about a
        third of the value measured for it.
    """

    least: float
    settings: Mapping[str, Any] = field(default_factory=dict)
    change: Change = nothing


def fill(pattern: str, value: float) -> Change:
    """Return a change that sets all entries of the matching parameters (regular expression) to one value for good."""

    def change(network: nn.Module) -> None:
        found = [one for name, one in network.named_parameters() if re.fullmatch(pattern, name)]
        if not found:
            raise ValueError(f"no parameter is called {pattern}")
        for parameter in found:
            parameter.data.fill_(value)
            # Otherwise training would restore it.
            parameter.requires_grad_(False)

    return change


def replace(pattern: str, attribute: str, make: Callable[[Any], Any]) -> Change:
    """Return a change that replaces an attribute of matching modules (regular expression) by the result of `make`."""

    def change(network: nn.Module) -> None:
        found = [module for name, module in network.named_modules() if re.fullmatch(pattern, name)]
        if not found:
            raise ValueError(f"no module is called {pattern}")
        for module in found:
            setattr(module, attribute, make(getattr(module, attribute)))

    return change


def view_alone(number: int) -> Change:
    """Return a forward method for SpaMCA that uses only one view (0: spatial, 1: features)."""

    def make(_: Any) -> Callable[[list[Tensor]], tuple[Tensor, Tensor]]:
        def forward(views: list[Tensor]) -> tuple[Tensor, Tensor]:
            chosen = torch.eye(2, device=views[0].device)[number]
            return views[number], chosen.expand(len(views[0]), 2)

        return forward

    return replace(r"attentions\.\d+", "forward", make)


def same_view(number: int) -> Change:
    """Return a forward method for SpaBalance's mixers that uses one view (0: spatial, 1: features) for both."""

    def make(mix: Any) -> Callable[[Tensor, Tensor], Tensor]:
        return lambda *views: mix(views[number], views[number])

    return replace(r"mixers\.\d+", "forward", make)


def spots_alone(encode: Any) -> Callable[[Tensor, Any], Tensor]:
    """Return a forward method for SMART's encoders that gathers a spot's own row instead of the neighbour mean."""
    return lambda x, _sums: encode(x, lambda own: own)


def no_fusion_map(network: Any) -> None:
    """Replace SpatialFuser's common map of all sections by the identity."""
    with torch.no_grad():
        network.fusion.weight.copy_(torch.eye(len(network.fusion.weight)))
        network.fusion.bias.zero_()
    network.fusion.requires_grad_(False)


UNIFORM = {"temperature": 1e9}
"""MCGATE's attention with equal weights for all neighbours."""

PARTS: dict[str, dict[str, Part]] = {
    "spamo": {
        "attention": Part(0.005, {"attention_strength": 0.0}),
        "gate and MLP": Part(0.012, {"highest_gate": 0.0}),
        "two layers": Part(0.008, {"nonlinear_strength": 0.0}),
        "learned graphs": Part(0.004, change=fill(r"encoders\.\d+\.balance", 50.0)),
        "spatial graph": Part(0.013, change=fill(r"encoders\.\d+\.balance", -50.0)),
    },
    "spabalance": {
        "attention": Part(0.009, {"heads": 0}),
        "gate": Part(0.017, {"gate_strength": 0.0}),
        "mixer's layers": Part(0.0014, {"nonlinear_strength": 0.0}),
        "feature view": Part(0.003, change=same_view(0)),
        "spatial view": Part(0.012, change=same_view(1)),
    },
    "smart": {
        "ELU": Part(0.013, change=replace(r"encoders\.\d+", "between", lambda _: lambda x: x)),
        "means over neighbours": Part(0.11, change=replace(r"encoders\.\d+", "forward", spots_alone)),
        "own rows, first layer": Part(0.11, change=fill(r"encoders\.\d+\.layers\.0\.lin_r\.weight", 0.0)),
        "own rows, second layer": Part(0.1, change=fill(r"encoders\.\d+\.layers\.1\.lin_r\.weight", 0.0)),
    },
    "spamca": {
        "feature view": Part(0.025, change=view_alone(0)),
        "spatial view": Part(0.004, change=view_alone(1)),
        "view weights": Part(0.004, change=fill(r"attentions\.\d+\.u", 0.0)),
    },
    "mcgate": {
        "attention": Part(0.007, UNIFORM),
        "local pattern": Part(0.006, {"local_pattern": False}),
        "long-range neighbours": Part(0.0005, {"alpha": 0.0}),
        "residual block": Part(0.12, {"feed_forward": False}),
    },
    "spatialfuser": {
        "attention": Part(0.005, UNIFORM),
        "local pattern": Part(0.004, {"local_pattern": False}),
        "residual block": Part(0.035, {"feed_forward": False}),
        "fusion map": Part(0.3, change=no_fusion_map),
    },
}
"""Parts by method. Attention of equal weights still gathers; that of SPAMO and SpaBalance is left out altogether."""

LOSSES: dict[str, dict[str, Mapping[str, Any]]] = {
    "spamo": {
        "graph loss": {"graph_weight": 0.0},
        "smoothness loss": {"smooth_weight": 0.0},
        "infomax loss": {"infomax_weight": 0.0},
    },
    "spabalance": {
        "infomax loss": {"infomax_weight": 0.0},
        "consistency loss": {"consistency_weight": 0.0},
        "barlow loss": {"barlow_weight": 0.0},
        "balance of losses": {"balance": "none"},
    },
    "smart": {"triplet loss": {"triplet_weight": 0.0}},
    "spamca": {
        "instance loss": {"instance_weight": 0.0},
        "cluster loss": {"cluster_weight": 0.0},
        "target loss": {"target_weight": 0.0},
        "instance, cluster and target loss": {"instance_weight": 0.0, "cluster_weight": 0.0, "target_weight": 0.0},
    },
    "mcgate": {},
    "spatialfuser": {
        "pairs, triplet and direction loss": {"fusion_weight": 0.0},
        "direction loss": {"direction_weight": 0.0},
    },
}
"""Settings that leave out each loss, except the reconstruction, by method."""
