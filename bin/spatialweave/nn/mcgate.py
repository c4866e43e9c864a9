"""The MCGATE network (bioRxiv 2025.09.14.676067): graph attention, encoder and decoder with the same weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from spatialweave.errors import InputError
from spatialweave.nn.graph_attention import AttentionWeights, GraphAttention, Neighbourhood
from spatialweave.nn.initial_weights import reset_linear
from spatialweave.nn.over_spots import SpotNorm
from spatialweave.settings import option

NONE = "none"
MAX_WIDTH = 4096


@dataclass(frozen=True)
class McgateConfig:
    """Settings of the network and of its attention."""

    ELSEWHERE = MappingProxyType({"K": "--n_neighbours (and the setting n_nearest)", "n_svgs": "--variable_features"})

    n_dims: int = option(32, "Dimensions of the embedding.", low=1, high=4096)
    n_hidden: str = option(
        NONE, "Widths of the layers before the embedding's, first to last, e.g. 512 or 512-64; none."
    )
    heads: int = option(4, "Heads of the attention; they divide all widths.", low=1, high=64)
    split_input: bool = option(False, "Each head sees its own block of the input columns only.")
    temperature: float = option(0.2, "Divides the attention scores; small = sharp.", low=1e-3)
    local_pattern: bool = option(True, "Neighbours with similar embeddings count more.")
    alpha: float = option(0.1, "Fraction of the attention that goes to long-range neighbours.", 0.0, 1.0)
    n_nearest: int = option(10, "Nearest embeddings among which long-range neighbours are searched.", low=1, high=50)
    beyond: int = option(3, "Long-range neighbours are more than this many steps away.", low=1, high=10)
    step: int = option(50, "Epochs after which long-range neighbours are searched again.", low=1)
    feed_forward: bool = option(True, "A residual block after each layer's attention.", aliases=("encoder_mlp",))
    block_start: float = option(0.1, "Factor on the initial weights of the residual blocks.", low=0, high=10)
    output_elu: bool = option(False, "The rebuilt input goes through an ELU, as published; for inputs above -1 only.")
    stacked_start: bool = option(
        False, "Initial weights of the attention are as small as for all heads in one matrix, as in the released code."
    )


class AttentionLayer(nn.Module):
    """Attention and batch normalisation; then, with `feed_forward`, x + ELU(W x + b) and batch normalisation."""

    def __init__(self, n_inputs: int, n_outputs: int, config: McgateConfig) -> None:
        super().__init__()
        self.attention = GraphAttention(n_inputs, n_outputs, config.heads, config.split_input)
        self.stacked_start = config.stacked_start
        self.norm = SpotNorm(n_outputs, eps=1e-6)
        self.block = nn.Linear(n_outputs, n_outputs) if config.feed_forward else None
        self.block_norm = SpotNorm(n_outputs, eps=1e-6) if config.feed_forward else None
        self.block_start = config.block_start

    def reset_parameters(self, generator: torch.Generator) -> None:
        """Set the initial weights of attention and block."""
        self.attention.reset_parameters(generator, self.stacked_start)
        reset_linear(self, generator)
        if self.block is not None:
            # The block starts as a small correction to the linear path, which carries weak signal.
            with torch.no_grad():
                self.block.weight.mul_(self.block_start)
                self.block.bias.mul_(self.block_start)

    def forward(self, x: Tensor, around: Neighbourhood) -> tuple[Tensor, AttentionWeights]:
        """Map `x` (spots x inputs) to spots x outputs; returns the attention weights too."""
        gathered, weights = self.attention(x, around)
        y: Tensor = self.norm(gathered)
        if self.block is not None and self.block_norm is not None:
            y = self.block_norm(y + functional.elu(self.block(y)))
        return y, weights


class Mcgate(nn.Module):
    """Layers of the encoder, whose attention also decodes, and the embedding that gives the next epoch's pattern.

    Attributes
    ----------
    latest, anchor
        Buffers, so that a checkpoint holds them: the embedding of the last epoch, and the one used to find the current
        long-range neighbours.
    """

    latest: Tensor
    anchor: Tensor

    def __init__(self, n_spots: int, n_inputs: int, config: McgateConfig) -> None:
        super().__init__()
        widths = layer_widths(config)
        self.n_inputs, self.output_elu = n_inputs, config.output_elu
        self.padding = -n_inputs % config.heads if config.split_input else 0
        inputs = [n_inputs + self.padding, *widths[:-1]]
        self.layers = nn.ModuleList([AttentionLayer(n, m, config) for n, m in zip(inputs, widths, strict=True)])
        for name in ("latest", "anchor"):
            self.register_buffer(name, torch.zeros(n_spots, config.n_dims))
        self._anchored_after = 0

    def settle_anchor(self, done: int) -> None:
        """Use the last embedding to find long-range neighbours, once after `done` epochs."""
        if self._anchored_after != done:
            self.anchor.copy_(self.latest)
            self._anchored_after = done

    @property
    def stack(self) -> list[AttentionLayer]:
        """The layers, from first to last."""
        return cast("list[AttentionLayer]", list(self.layers))

    def reset_parameters(self, generator: torch.Generator) -> None:
        """Set the initial weights, layer by layer."""
        for layer in self.stack:
            layer.reset_parameters(generator)

    def forward(self, x: Tensor, around: Neighbourhood) -> tuple[Tensor, list[AttentionWeights]]:
        """Return the embedding (spots x dimensions) of the input (spots x inputs), and each layer's attention."""
        x = functional.pad(x, (0, self.padding))
        weights = []
        for layer in self.stack:
            x, given = layer(x, around)
            weights.append(given)
        return x, weights

    def decode(self, z: Tensor, around: Neighbourhood, weights: Sequence[AttentionWeights]) -> Tensor:
        """Rebuild the input from the embedding by the transposed layers, with an ELU between them (and at the end)."""
        for number, layer in reversed(list(enumerate(self.stack))):
            z = layer.attention.transposed(z, around, weights[number])
            if number > 0 or self.output_elu:
                z = functional.elu(z)
        return z[:, : self.n_inputs]


def layer_widths(config: McgateConfig) -> list[int]:
    """Return the width of each layer; refuse hidden widths that are not numbers or not divisible by the heads."""
    named = [("n_hidden", width) for width in hidden_widths(config.n_hidden)] + [("n_dims", config.n_dims)]
    for name, width in named:
        if width % config.heads:
            raise InputError(f"setting '{name}'", f"{width} is not divisible by heads = {config.heads}", "a multiple")
    return [width for _, width in named]


def hidden_widths(text: str) -> list[int]:
    """Return the widths in a text such as 512-64; no widths for "none" and for 0."""
    parts = [] if text in (NONE, "0") else text.split("-")
    if not all(part.isdecimal() and 0 < int(part) <= MAX_WIDTH for part in parts):
        raise InputError("setting 'n_hidden'", f"'{text}'", f"widths up to {MAX_WIDTH}, e.g. 512 or 512-64, or {NONE}")
    return [int(part) for part in parts]
