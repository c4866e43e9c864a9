"""SpatialFuser: encoders of several sections, one fusion map, and losses that join matched spots of different sections.

bioRxiv 2025.09.14.676067. The encoder is :mod:`spatialweave.methods.mcgate`; docs/methods/spatialfuser.md lists the
differences from the publication, and the effect of each part.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np
import torch
from torch import Tensor, nn

from spatialweave.io.embeddings import LONG_RANGE
from spatialweave.matching.exchange import exchanged
from spatialweave.matching.settings import RULES, MatchingRules
from spatialweave.method import Fitted
from spatialweave.nn.fusion import direction_loss
from spatialweave.nn.initial_weights import reset_linear
from spatialweave.nn.mcgate import Mcgate
from spatialweave.settings import option
from spatialweave.training.batches import EMBEDDING, Batches
from spatialweave.training.loop import Terms, train
from spatialweave.training.matched_pairs import JoinedSpots, PairFinder, aligned_coordinates
from spatialweave.training.mcgate_encoder import ATTENTION, Encoded, attention_table, extras_of, long_range_partners
from spatialweave.training.optimisers import Schedule
from spatialweave.training.rebuilding import draw_held, hold_out, rebuild, rebuilt_against_partners
from spatialweave.training.section_encoders import (
    GroupBatch,
    SectionEncodersConfig,
    SectionGroup,
    SectionsBatch,
    encode,
    everywhere,
    make_batches,
    make_groups,
)
from spatialweave.training.sections import several_sections
from spatialweave.training.tiles import Patch, Tiling

if TYPE_CHECKING:
    from spatialweave.io.dataset import Dataset
    from spatialweave.training.run import Run

HELD_OUT = 1_000_003
"""Moment of the random stream of the held-out spots; searches of pairs have the numbers of their epochs."""


@dataclass(frozen=True)
class Config(SectionEncodersConfig):
    """Settings of MCGATE and of the fusion."""

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
        """Return the schedule of both phases, one after the other."""
        return replace(super().schedule(), epochs=self.epochs + self.fusion_epochs)

    def rules(self) -> MatchingRules:
        """Return how spots are matched, in training and after it."""
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
    """Encoders, the map that all sections share, and the pairs of matched spots."""

    def __init__(self, encoders: Sequence[Mcgate], finder: PairFinder, identity_start: bool) -> None:
        super().__init__()
        n_dims = encoders[0].latest.shape[1]
        self.encoders = nn.ModuleList(encoders)
        self.fusion = nn.Linear(n_dims, n_dims)
        self.finder, self.identity_start = finder, identity_start

    def forward(self, encoded: Sequence[Tensor], batch: SectionsBatch) -> Tensor:
        """Return the fused embedding (the part's spots x dimensions) of each encoder's embedding."""
        fused: Tensor = self.fusion(torch.cat(list(encoded))[batch.order])
        return fused

    def reset_parameters(self, generator: torch.Generator) -> None:
        """Set the initial weights of the encoders and of the map, which may start as the identity."""
        for encoder in self.encoders:
            cast(Mcgate, encoder).reset_parameters(generator)
        if not self.identity_start:
            reset_linear(self.fusion, generator)
            return
        with torch.no_grad():
            self.fusion.weight.copy_(torch.eye(len(self.fusion.weight)))
            self.fusion.bias.zero_()


def make_tiling(dataset: Dataset, config: Config, run: Run) -> Tiling:
    """Return the parts of the dataset, with tiles through all sections: a part has both ends of most pairs."""
    aligned_coordinates(dataset)
    return Tiling(dataset, config.batch_spots, config.schedule().epochs, run, through_sections=True)


def pair_finder(tiling: Tiling, config: Config, run: Run) -> PairFinder:
    """Return the finder of pairs of the consecutive sections that the fusion's losses join."""
    settings, epochs = config.rules().pairs, config.fusion_epochs
    return PairFinder(tiling, tiling.dataset.section_pairs(), config.n_dims, settings, epochs, config.match_step, run)


def parameter_groups(network: SpatialFuser, groups: Sequence[SectionGroup], config: Config) -> list[dict[str, Any]]:
    """Return the encoders and the map, each with its step size."""
    encoders = [{"params": list(group.network.parameters()), "lr": group.learning_rate} for group in groups]
    rate = config.learning_rate if config.fusion_rate is None else config.fusion_rate
    return [*encoders, {"params": list(network.fusion.parameters()), "lr": rate}]


def fit(dataset: Dataset, config: Config, run: Run) -> Fitted:
    """Embed all sections of `dataset`; needs the spatial graph and aligned coordinates."""
    sections = several_sections(dataset, "SpatialFuser", "mcgate")
    tiling = make_tiling(dataset, config, run)
    finder = pair_finder(tiling, config, run)
    groups = make_groups(tiling, sections, config, run)
    network = SpatialFuser([group.network for group in groups], finder, config.identity_start)
    network.reset_parameters(run.torch_generator())
    network.to(run.device)
    held = draw_held(dataset.n_spots, config.held_out, run.numpy_generator(HELD_OUT), run.device)
    hold_out(groups, held)
    batches = make_batches(tiling, groups, run)
    terms = loss_terms(network, groups, batches, config)
    rates = parameter_groups(network, groups, config)
    history = train(network, terms, config.schedule(), run, groups=rates, batches=batches)

    def settled(one: GroupBatch) -> Encoded:
        return one.encoder.settle(torch.cat(one.inputs.seen(), dim=1), history.epochs)

    def function(batch: SectionsBatch, encoded: list[Encoded]) -> dict[str, Tensor]:
        return embedded(batch, encoded, network, groups, config)

    denoised = everywhere(batches, groups, settled, function)
    own, extras = denoised.pop(EMBEDDING), extras_of(denoised, dataset)
    pairs = zip(finder.joined, finder.counts.T.tolist(), strict=True)
    record = history.record(
        receptive_field={
            name if len(groups) == 1 else f"{name}, {group.name}": facts
            for group in groups
            for name, facts in group.inputs.record().items()
        },
        pairs={f"{a}--{b}": counts for (a, b), counts in pairs},
        matching=config.rules().record(),
        rebuilt=rebuilt_against_partners(dataset, denoised, own, held.cpu().numpy(), config.rules().pairs),
        **tiling.record(),
    )
    fitted = Fitted(own, record, extras=extras, denoised=denoised)
    if config.exchange == 0:
        return fitted
    embedding = exchanged(own, dataset, config.rules().pairs, config.exchange)
    return replace(fitted, embedding=embedding, own=own)


def loss_terms(
    network: SpatialFuser, groups: Sequence[SectionGroup], batches: Batches[SectionsBatch], config: Config
) -> Terms:
    """Return the weighted loss terms of an epoch.

    These are, for each modality, the mean squared error on masked spots, mean over sections; and, 0 in the
    pre-training, the distance of matched spots, their triplet losses, and the direction loss, mean over pairs of
    sections. With `steady` the reconstruction has the same weight in both phases. As published, the scale of the loss
    rises at the fusion, which multiplies Adam's steps until its averages have followed.
    """
    finder = network.finder
    n_sections = len(finder.sections)
    in_pretraining = 1.0 if config.steady else n_sections
    in_fusion = 1.0 if config.steady or config.fusion_weight == 0 else 1 / config.fusion_weight

    def terms(epoch: int, batch: SectionsBatch) -> dict[str, Tensor]:
        mask = batch.mask(epoch)
        for one in batch.groups:
            one.encoder.prepare(epoch)
        joined = finder.prepare(epoch - 1 - config.epochs, lambda: visible(epoch), batch.patch)
        encoded = encode(batch, mask)
        fused = network([own.embedding for own in encoded], batch)
        values: dict[str, Tensor] = {}
        for one, own in zip(batch.groups, encoded, strict=True):
            rebuilt = one.encoder.network.decode(fused[one.rows], own.around, own.attention)
            errors = one.known.reconstruction_terms(rebuilt.split(one.inputs.widths, dim=1), mask[one.rows])
            for name, error in errors.items():
                weighted = len(one.group.names) / n_sections * error
                values[name] = values[name] + weighted if name in values else weighted
        zero = fused.new_zeros(())
        # A section, and so a modality, may be missing in a part.
        for group in groups:
            for modality in group.inputs.modalities:
                values.setdefault(f"reconstruction_{modality.name}", zero)
        joining = dict.fromkeys(("pairs", "triplet", "direction"), zero)
        if joined is not None:
            joining = joining_terms(
                fused if config.join_shared else network(comparable(batch, encoded), batch), joined, batch.patch
            )
        values |= {name: config.fusion_weight * value for name, value in joining.items()}
        scale = in_fusion if epoch > config.epochs else in_pretraining
        return {name: scale * value for name, value in values.items()}

    def visible(epoch: int) -> Tensor:
        # The embedding of all spots, with none masked.
        def encoded(one: GroupBatch) -> Encoded:
            one.encoder.prepare(epoch)
            return one.encoder.encode(torch.cat(one.known.seen(), dim=1))

        tables = everywhere(
            batches,
            groups,
            encoded,
            lambda batch, found: {EMBEDDING: network([own.embedding for own in found], batch)},
        )
        return torch.from_numpy(tables[EMBEDDING])

    def comparable(batch: SectionsBatch, encoded: Sequence[Encoded]) -> list[Tensor]:
        # Sections that share an encoder are comparable as they are; losses that change it would cost agreement.
        return [
            own.embedding.detach() if len(one.group.names) > 1 else own.embedding
            for own, one in zip(encoded, batch.groups, strict=True)
        ]

    def joining_terms(fused: Tensor, joined: JoinedSpots, patch: Patch) -> dict[str, Tensor]:
        # In units of its scale, including its gradient; otherwise smaller embeddings would lower the distances.
        unit = patch.counted(fused).std(dim=0).mean().clamp_min(1e-6) if config.relative else 1.0
        near, apart = (joined.weight * loss for loss in joined.partners.losses(fused / unit, config.margin))
        losses = [direction_loss(fused[a], fused[b]) for a, b in joined.sections]
        direction = torch.stack(losses).mean() if losses else fused.new_zeros(())
        return {"pairs": near, "triplet": apart, "direction": config.direction_weight * direction}

    return terms


def embedded(
    batch: SectionsBatch,
    encoded: Sequence[Encoded],
    network: SpatialFuser,
    groups: Sequence[SectionGroup],
    config: Config,
) -> dict[str, Tensor]:
    """Return a part's embedding by own sections, attention fractions, and every modality's rebuilt latents, by name."""
    fused = network([own.embedding for own in encoded], batch)
    dataset_rows = np.arange(batch.patch.n_all) if batch.patch.rows is None else batch.patch.rows
    attention, partners = [], []
    for one, own in zip(batch.groups, encoded, strict=True):
        spots, last = one.encoder.patch.dataset.obs.index, own.attention[-1]
        attention.append(attention_table(own.around, last, spots))
        rows = dataset_rows[one.rows.cpu().numpy()]
        partners.append(long_range_partners(own.around, last, spots, config.n_nearest, rows))
    order = batch.order.cpu().numpy()
    tables: dict[str, Any] = {EMBEDDING: fused, ATTENTION: np.concatenate(attention)[order]}
    if config.alpha > 0:
        tables[LONG_RANGE] = np.concatenate(partners)[order]
    tables |= rebuild(batch, groups, fused, encoded)
    return {name: torch.as_tensor(table) for name, table in tables.items()}
