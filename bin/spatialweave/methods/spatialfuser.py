"""SpatialFuser: encoders of several sections, one fusion map, and losses that join matched spots of different sections.

bioRxiv 2025.09.14.676067. The encoder is :mod:`spatialweave.methods.mcgate`; docs/methods/spatialfuser.md lists what
differs from the publication, and what each part is worth.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from spatialweave.alignment.exchange import exchanged
from spatialweave.alignment.match_settings import RULES, MatchingRules
from spatialweave.io.embeddings import LONG_RANGE
from spatialweave.method import Fitted
from spatialweave.nn.fusion import Partners, direction_loss
from spatialweave.nn.initial_weights import reset_linear
from spatialweave.nn.mcgate import Mcgate
from spatialweave.settings import option
from spatialweave.training.loop import Terms, train
from spatialweave.training.masking import random_mask
from spatialweave.training.matched_pairs import PairFinder
from spatialweave.training.mcgate_encoder import attention_table, long_range_partners
from spatialweave.training.optimisers import Schedule
from spatialweave.training.rebuilding import draw_held, held_out, rebuild, rebuilt_against_partners
from spatialweave.training.section_encoders import SectionEncodersConfig, SectionGroup, encode, make_parts
from spatialweave.training.sections import several_sections

if TYPE_CHECKING:
    from spatialweave.io.dataset import Dataset
    from spatialweave.training.run import Run

HELD_OUT = 1_000_003
"""Moment of the random stream of the spots held out; searches of pairs have the numbers of their epochs."""


@dataclass(frozen=True)
class Config(SectionEncodersConfig):
    """Settings: those of MCGATE, and those of the fusion."""

    temperature: float = option(0.3, "Divides the attention scores; small = sharp.", low=1e-3)
    alpha: float = option(0.0, "Fraction of the attention that goes to long-range neighbours.", 0.0, 1.0)
    epochs: int = option(100, "Epochs of the pre-training; one update each.", low=0)
    fusion_epochs: int = option(
        60, "Epochs of the fusion, after those of the pre-training.", low=0, aliases=("fusion_epoch",)
    )
    match_step: int = option(
        20, "Epochs of the fusion after which spots are matched again.", low=1, aliases=("match_step_size",)
    )
    radius: float = option(
        3.0, "Spots this near may match, in spot spacings; far spots are farther.", low=0.1, high=100
    )
    match_temperature: float = option(0.1, "Divides the cosines that spots are matched by.", low=1e-3, aliases=("tau",))
    top: int = option(
        1, "Each spot of a pair must be among the other's this many best.", low=1, high=20, aliases=("m_top_K",)
    )
    matching: Literal["default", "published", "released"] = option(
        "default", "Rules by which spots are matched: ours, the publication's, or those of its released code."
    )
    enough: float | None = option(
        None, "Spots are matched with their 2, 3, ... `top` best only while pairs are fewer per spot.", 0
    )
    match_epsilon: float | None = option(
        None,
        "Entropic regularisation of the matching, the publication's lambda; 0 = exact transport.",
        low=0,
        aliases=("epsilon",),
    )
    bin_score: float | None = option(None, "Constant score of the dustbin, the publication's S_bin.")
    null: Literal["auto", "section", "radius"] = option(
        "auto",
        "What the whole-section mapping compares with: far pairs, or pairs within the radius; auto: by the rules.",
    )
    exchange: float = option(
        0.0, "Weight of all counterparts of a spot in a consecutive section, against its own 1, after training.", low=0
    )
    margin: float = option(1.0, "Margin of the triplet losses.", low=0)
    relative: bool = option(
        True, "Distances are in mean standard deviations of the embedding; published: its own units."
    )
    fusion_weight: float = option(
        0.1, "Weight of what joins sections, against the reconstruction's 1; published: 1/120 to 1/2.", low=0
    )
    steady: bool = option(
        True,
        "The reconstruction weighs the same in both phases; else, as published, it is a sum over sections in the "
        "pre-training, and what joins sections weighs 1 in the fusion.",
    )
    direction_weight: float = option(
        0.1, "Weight of the direction loss, against the pairs' 1.", low=0, aliases=("beta_dir",)
    )
    fusion_rate: float | None = option(None, "learning_rate of the fusion map; none: as the encoders.", 0)
    identity_start: bool = option(True, "The fusion map begins as the identity; published: with random weights.")
    join_shared: bool = option(
        False,
        "What joins sections trains encoders that they share, too, not only the map and encoders of their own.",
    )
    held_out: float = option(
        0.1,
        "Fraction of the spots whose measurement of modalities that other sections lack takes no part in training, so "
        "that these modalities, rebuilt for other sections, can be compared with it.",
        0.0,
        0.5,
    )

    def schedule(self) -> Schedule:
        """Both phases, one after the other."""
        return replace(super().schedule(), epochs=self.epochs + self.fusion_epochs)

    def rules(self) -> MatchingRules:
        """How spots are matched, in training and after it."""
        rules = RULES[self.matching]
        pairs = replace(rules.pairs, radius=self.radius, temperature=self.match_temperature, top=self.top)
        if self.enough is not None:
            pairs = replace(pairs, enough=self.enough)
        if self.match_epsilon is not None:
            pairs = replace(pairs, epsilon=self.match_epsilon)
        if self.bin_score is not None:
            pairs = replace(pairs, dustbin="constant", bin_score=self.bin_score)
        mapping = replace(rules.mapping, radius=self.radius)
        return MatchingRules(pairs, mapping if self.null == "auto" else replace(mapping, null=self.null))


class SpatialFuser(nn.Module):
    """The encoders, the map that all sections share, and the pairs of matched spots."""

    def __init__(self, encoders: Sequence[Mcgate], finder: PairFinder, identity_start: bool) -> None:
        super().__init__()
        n_dims = encoders[0].latest.shape[1]
        self.encoders = nn.ModuleList(encoders)
        self.fusion = nn.Linear(n_dims, n_dims)
        self.finder, self.identity_start = finder, identity_start
        self._order: Tensor | None = None

    def forward(self, encoded: Sequence[Tensor], parts: Sequence[SectionGroup]) -> Tensor:
        """The fused embedding (spots x dimensions, in the order of the dataset) of each encoder's embedding."""
        if self._order is None:
            self._order = torch.argsort(torch.cat([part.rows for part in parts]))
        fused: Tensor = self.fusion(torch.cat(list(encoded))[self._order])
        return fused

    def reset_parameters(self, generator: torch.Generator) -> None:
        """Set the initial weights of the encoders and of the map, which may begin as the identity."""
        for encoder in self.encoders:
            cast(Mcgate, encoder).reset_parameters(generator)
        if not self.identity_start:
            reset_linear(self.fusion, generator)
            return
        with torch.no_grad():
            self.fusion.weight.copy_(torch.eye(len(self.fusion.weight)))
            self.fusion.bias.zero_()


def pair_finder(dataset: Dataset, config: Config, run: Run) -> PairFinder:
    """What finds the pairs of the consecutive sections that the fusion's losses join."""
    settings, epochs = config.rules().pairs, config.fusion_epochs
    return PairFinder(dataset, dataset.section_pairs(), config.n_dims, settings, epochs, config.match_step, run)


def parameter_groups(network: SpatialFuser, parts: Sequence[SectionGroup], config: Config) -> list[dict[str, Any]]:
    """The encoders and the map, each with its step size."""
    groups = [{"params": list(part.encoder.network.parameters()), "lr": part.learning_rate} for part in parts]
    rate = config.learning_rate if config.fusion_rate is None else config.fusion_rate
    return [*groups, {"params": list(network.fusion.parameters()), "lr": rate}]


def fit(dataset: Dataset, config: Config, run: Run) -> Fitted:
    """Embed all sections of `dataset`; needs the spatial graph and aligned coordinates."""
    sections = several_sections(dataset, "SpatialFuser", "mcgate")
    finder = pair_finder(dataset, config, run)
    parts = make_parts(dataset, sections, config, run)
    network = SpatialFuser([part.encoder.network for part in parts], finder, config.identity_start)
    network.reset_parameters(run.torch_generator())
    network.to(run.device)
    groups = parameter_groups(network, parts, config)
    held = draw_held(dataset.n_spots, config.held_out, run.numpy_generator(HELD_OUT), run.device)
    with held_out(parts, held):
        history = train(network, loss_terms(network, parts, config, run), config.schedule(), run, groups=groups)
    own, denoised, extras = results(dataset, network, parts, config, history.epochs)
    pairs = zip(finder.joined, finder.counts.T.tolist(), strict=True)
    record = history.record(
        receptive_field={
            name if len(parts) == 1 else f"{name}, {' and '.join(part.names)}": facts
            for part in parts
            for name, facts in part.inputs.record().items()
        },
        pairs={f"{a}--{b}": counts for (a, b), counts in pairs},
        matching=config.rules().record(),
        rebuilt=rebuilt_against_partners(dataset, denoised, own, held.cpu().numpy(), config.rules().pairs),
    )
    fitted = Fitted(own, record, extras=extras, denoised=denoised)
    if config.exchange == 0:
        return fitted
    embedding = exchanged(own, dataset, config.rules().pairs, config.exchange)
    return replace(fitted, embedding=embedding, own=own)


def loss_terms(network: SpatialFuser, parts: Sequence[SectionGroup], config: Config, run: Run) -> Terms:
    """The weighted loss terms of an epoch.

    Per modality the mean squared error on masked spots, mean over sections; and, 0 in the pre-training, the distance of
    matched spots, their triplet losses, and the direction loss, mean over pairs of sections. With `steady` the
    reconstruction weighs the same in both phases; as published the loss rises in scale at the fusion, which multiplies
    Adam's steps until its averages have followed.
    """
    finder = network.finder
    n_spots, n_sections = len(finder.matched), len(finder.sections)
    rows = {name: torch.as_tensor(own, device=run.device) for name, own in finder.sections.items()}
    in_pretraining = 1.0 if config.steady else n_sections
    in_fusion = 1.0 if config.steady or config.fusion_weight == 0 else 1 / config.fusion_weight

    def terms(epoch: int, batch: None = None) -> dict[str, Tensor]:
        mask = random_mask(n_spots, config.mask_fraction, run, epoch)
        for part in parts:
            part.encoder.prepare(epoch)
        partners = finder.prepare(epoch - 1 - config.epochs, lambda: network(encode(parts)[0], parts))
        encoded, weights = encode(parts, mask)
        fused = network(encoded, parts)
        values: dict[str, Tensor] = {}
        for part, given in zip(parts, weights, strict=True):
            rebuilt = part.encoder.network.decode(fused[part.rows], part.encoder.around, given)
            errors = part.inputs.reconstruction_terms(rebuilt.split(part.inputs.widths, dim=1), mask[part.rows])
            for name, error in errors.items():
                weighted = len(part.names) / n_sections * error
                values[name] = values[name] + weighted if name in values else weighted
        joining = dict.fromkeys(("pairs", "triplet", "direction"), fused.new_zeros(()))
        if partners is not None:
            joining = joining_terms(fused if config.join_shared else network(comparable(encoded), parts), partners)
        values |= {name: config.fusion_weight * value for name, value in joining.items()}
        scale = in_fusion if epoch > config.epochs else in_pretraining
        return {name: scale * value for name, value in values.items()}

    def comparable(encoded: Sequence[Tensor]) -> list[Tensor]:
        # Sections that share an encoder are comparable as they are: losses that change it cost agreement.
        return [z.detach() if len(part.names) > 1 else z for z, part in zip(encoded, parts, strict=True)]

    def joining_terms(fused: Tensor, partners: Partners) -> dict[str, Tensor]:
        # In units of its scale, whose gradient counts: else distances would fall by shrinking all embeddings.
        unit = fused.std(dim=0).mean().clamp_min(1e-6) if config.relative else 1.0
        near, apart = partners.losses(fused / unit, config.margin)
        losses = [direction_loss(fused[rows[a]], fused[rows[b]]) for a, b in finder.joined]
        return {"pairs": near, "triplet": apart, "direction": config.direction_weight * torch.stack(losses).mean()}

    return terms


@torch.no_grad()
def results(
    dataset: Dataset, network: SpatialFuser, parts: Sequence[SectionGroup], config: Config, epochs: int
) -> tuple[np.ndarray, dict[str, np.ndarray], dict[str, pd.DataFrame]]:
    """The embedding by own sections with no spot mask, the rebuilt latents of every modality, the extras."""
    settled = [part.encoder.settle(torch.cat(part.inputs.seen(), dim=1), epochs) for part in parts]
    fused = network([z for z, _ in settled], parts)
    weights = [given for _, given in settled]
    attention, partners = [], []
    for part, given in zip(parts, weights, strict=True):
        around, rows = part.encoder.around, part.rows.cpu().numpy()
        spots = dataset.obs.index[rows]
        attention.append(attention_table(around, given[-1], spots))
        partners.append(long_range_partners(around, given[-1], spots, config.n_nearest, rows))
    extras = {"attention": pd.concat(attention).loc[dataset.obs.index]}
    if config.alpha > 0:
        extras[LONG_RANGE] = pd.concat(partners).loc[dataset.obs.index]
    return fused.float().cpu().numpy(), rebuild(parts, fused, weights), extras
