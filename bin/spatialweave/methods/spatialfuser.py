"""SpatialFuser: encoders of several sections, one fusion map, and spots matched across sections brought together.

bioRxiv 2025.09.14.676067. The encoder is :mod:`spatialweave.methods.mcgate`; docs/methods/spatialfuser.md says what
differs from the publication, and what each part is worth.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from spatialweave.alignment.exchange import exchanged
from spatialweave.alignment.match_settings import PUBLISHED, MatchSettings
from spatialweave.alignment.matching import match
from spatialweave.errors import InputError
from spatialweave.graphs.spatial import spacing
from spatialweave.io.notices import warn
from spatialweave.method import Fitted
from spatialweave.methods import mcgate
from spatialweave.mining.remote import remote_spots
from spatialweave.nn.fusion import Partners, direction_loss
from spatialweave.settings import option
from spatialweave.training.hidden_inputs import HiddenInputs, hidden_spots, prepare_inputs
from spatialweave.training.loop import Schedule, Terms, train
from spatialweave.training.sections import restricted, several_sections

if TYPE_CHECKING:
    from spatialweave.io.dataset import Dataset
    from spatialweave.nn.graph_attention import Weights
    from spatialweave.training.run import Run


@dataclass(frozen=True)
class Config(mcgate.Config):
    """Settings: those of MCGATE, and those of the fusion."""

    shared_encoder: bool = option(True, "Sections of the same modalities share one encoder; published: never.")
    alpha: float = option(0.0, "Share of the attention that goes to long-range neighbours.", 0.0, 1.0)
    epochs: int = option(100, "Epochs of the pre-training; one update each.", low=0)
    fusion_epochs: int = option(60, "Epochs of the fusion, after those of the pre-training.", low=0)
    match_step: int = option(20, "Epochs of the fusion after which spots are matched anew.", low=1)
    radius: float = option(
        3.0, "Spots this near may match, in spot spacings; far spots are farther.", low=0.1, high=100
    )
    match_temperature: float = option(0.1, "Divides the cosines that spots are matched by.", low=1e-3)
    top: int = option(1, "Each spot of a pair must be among the other's this many best.", low=1, high=20)
    matching: Literal["default", "published"] = option("default", "Rules by which spots are matched.")
    draw_shared: bool = option(False, "The fusion's losses draw sections together that share an encoder, too.")
    exchange: float = option(
        1.0, "Weight of all counterparts of a spot in a neighbouring section, against its own 1; published: 0.", low=0
    )
    margin: float = option(1.0, "Margin of the triplet losses.", low=0)
    relative: bool = option(True, "Distances count in mean deviations of the embedding; published: in its own units.")
    fusion_weight: float = option(
        0.1, "Weight of what draws sections together, against the reconstruction's 1; published: 1/60 to 1.", low=0
    )
    direction_weight: float = option(0.1, "Weight of the direction loss, against the pairs' 1.", low=0)

    def schedule(self) -> Schedule:
        """Both phases, one after the other."""
        return Schedule(self.epochs + self.fusion_epochs, self.learning_rate, self.weight_decay)

    def match_settings(self) -> MatchSettings:
        """How spots are matched."""
        rules = PUBLISHED if self.matching == "published" else MatchSettings()
        return replace(rules, radius=self.radius, temperature=self.match_temperature, top=self.top)


class Network(nn.Module):
    """The encoders and the map that all sections share.

    Attributes
    ----------
    matched, pair_counts
        Buffers, so that a checkpoint holds them: the embedding that the present pairs were found in, and how many pairs
        each refresh found (refreshes x pairs of sections).
    """

    matched: Tensor
    pair_counts: Tensor

    def __init__(self, encoders: Sequence[mcgate.Network], n_spots: int, n_refreshes: int, n_pairs: int) -> None:
        super().__init__()
        n_dims = encoders[0].latest.shape[1]
        self.encoders = nn.ModuleList(encoders)
        self.fusion = nn.Linear(n_dims, n_dims)
        self.register_buffer("matched", torch.zeros(n_spots, n_dims))
        self.register_buffer("pair_counts", torch.zeros(n_refreshes, n_pairs, dtype=torch.int64))

    def draw(self, generator: torch.Generator) -> None:
        """Set the initial weights of the encoders; the map begins as the identity."""
        for encoder in self.encoders:
            cast(mcgate.Network, encoder).draw(generator)
        with torch.no_grad():
            self.fusion.weight.copy_(torch.eye(len(self.fusion.weight)))
            self.fusion.bias.zero_()


@dataclass
class Part:
    """The spots of one encoder: those of a section, or of all sections with the same modalities.

    Attributes
    ----------
    names
        Sections.
    rows
        Its spots in the dataset.
    """

    names: list[str]
    rows: Tensor
    inputs: HiddenInputs
    encoder: mcgate.Encoder


class Matcher:
    """Keeps the pairs of matched spots up to date between epochs; pairs join consecutive sections only.

    Attributes
    ----------
    sections
        Rows of each section by its name, in the order of the stack.
    drawn
        Pairs of sections that the fusion's losses draw together.
    """

    def __init__(self, dataset: Dataset, sections: dict[str, np.ndarray], config: Config, run: Run) -> None:
        if dataset.aligned is None:
            fix = "let the alignment stage run before, and give its coordinates to this one"
            raise InputError(f"dataset '{dataset.name}'", "its sections are not aligned", "one frame for all", fix)
        encoders = encoder_keys(dataset, sections, config)
        self.drawn = [(a, b) for a, b in pairwise(sections) if config.draw_shared or encoders[a] != encoders[b]]
        self.sections, self.aligned = sections, dataset.aligned
        self.config, self.run = config, run
        self.partners: Partners | None = None
        self._found_after = -1

    @torch.no_grad()
    def prepare(self, epoch: int, network: Network, embed: Callable[[], Tensor]) -> Partners | None:
        """The pairs that an epoch uses, by the embedding of the last multiple of `match_step`; None if it uses none."""
        done = epoch - 1 - self.config.epochs
        if done < 0 or not self.drawn:
            return None
        found_after = done - done % self.config.match_step
        if found_after != self._found_after:
            if found_after == done:
                network.matched.copy_(embed())
            # Else a checkpoint was resumed, which holds the embedding that they were found in.
            self.partners, counts = self.find(network.matched.cpu().numpy(), found_after)
            network.pair_counts[found_after // self.config.match_step] = torch.tensor(counts)
            self._found_after = found_after
        return self.partners

    def find(self, embedding: np.ndarray, moment: int) -> tuple[Partners, list[int]]:
        """Pairs of the sections that are drawn together, a far spot for every spot; and how many pairs each has."""
        rng = np.random.default_rng((self.run.seed, moment))
        settings = self.config.match_settings()
        first, second, far = [], [], np.arange(len(embedding))
        for a, b in self.drawn:
            rows_a, rows_b = self.sections[a], self.sections[b]
            found = match(embedding[rows_a], embedding[rows_b], self.aligned[rows_a], self.aligned[rows_b], settings)
            first.append(rows_a[found.a[found.accepted]])
            second.append(rows_b[found.b[found.accepted]])
        for rows in self.sections.values():
            points = self.aligned[rows]
            far[rows] = rows[remote_spots(points, self.config.radius * spacing(points), rng)]
        counts = [len(pairs) for pairs in first]
        for (a, b), count in zip(self.drawn, counts, strict=True):
            self.run.log(f"{a}--{b}: {count} pairs of matched spots")
            if count == 0:
                warn(f"sections {a}--{b}", "no spots match, so nothing draws them together; do they overlap?")
        return Partners(np.concatenate(first), np.concatenate(second), far, self.run.device), counts


def fit(dataset: Dataset, config: Config, run: Run) -> Fitted:
    """Embed all sections of `dataset`; needs the spatial graph and aligned coordinates."""
    started = time.monotonic()
    sections = several_sections(dataset, "SpatialFuser", "mcgate")
    matcher = Matcher(dataset, sections, config, run)
    parts = make_parts(dataset, sections, config, run)
    n_refreshes = -(-config.fusion_epochs // config.match_step)
    network = Network([part.encoder.network for part in parts], dataset.n_spots, n_refreshes, len(matcher.drawn))
    network.draw(run.torch_generator())
    network.to(run.device)
    prepared = time.monotonic() - started
    history = train(network, loss_terms(network, parts, matcher, config, run), config.schedule(), run)
    own, denoised, attention = results(dataset, network, parts, history.epochs)
    pairs = zip(matcher.drawn, network.pair_counts.T.tolist(), strict=True)
    record = {
        "variant": "",
        **history.record(),
        "receptive_field": {
            name if len(parts) == 1 else f"{name}, {' and '.join(part.names)}": facts
            for part in parts
            for name, facts in part.inputs.record().items()
        },
        "pairs": {f"{a}--{b}": counts for (a, b), counts in pairs},
        "timings": {"preparation": round(prepared, 3), "training": round(history.seconds, 3)},
    }
    fitted = Fitted(own, record, extras={"attention": attention}, denoised=denoised)
    if config.exchange == 0:
        return fitted
    embedding = exchanged(own, sections, matcher.aligned, config.match_settings(), config.exchange)
    return replace(fitted, embedding=embedding, own=own)


def encoder_keys(dataset: Dataset, sections: dict[str, np.ndarray], config: Config) -> dict[str, Any]:
    """For every section a key; sections with the same one share an encoder."""
    if not config.shared_encoder:
        return {name: name for name in sections}
    return {
        name: tuple(one.name for one in dataset.modalities if one.present[rows].any())
        for name, rows in sections.items()
    }


def make_parts(dataset: Dataset, sections: dict[str, np.ndarray], config: Config, run: Run) -> list[Part]:
    """The encoders, with what they see: one per section, or per set of modalities where encoders are shared."""
    groups: dict[Any, list[str]] = {}
    for name, key in encoder_keys(dataset, sections, config).items():
        groups.setdefault(key, []).append(name)
    parts = []
    for names in groups.values():
        rows = np.sort(np.concatenate([sections[name] for name in names]))
        own = restricted(dataset, rows)
        if len(rows) < 2:
            raise InputError(f"dataset '{dataset.name}', section '{names[0]}'", "has one spot", "two spots or more")
        inputs = prepare_inputs(own, config, run)
        network = mcgate.Network(len(rows), sum(inputs.widths), config).to(run.device)
        parts.append(
            Part(names, torch.as_tensor(rows, device=run.device), inputs, mcgate.Encoder(own, network, config, run))
        )
    return parts


def loss_terms(network: Network, parts: Sequence[Part], matcher: Matcher, config: Config, run: Run) -> Terms:
    """The weighted loss terms of an epoch.

    Per modality the mean squared error on hidden spots, mean over sections. Where sections are drawn together, also,
    0 in the pre-training: the distance of matched spots, their triplet losses; the direction loss, mean over pairs of
    sections. The reconstruction weighs the same in both phases: a jump of the loss in scale would multiply Adam's steps
    until its averages have followed.
    """
    n_spots, n_sections = len(network.matched), len(matcher.sections)
    rows = {name: torch.as_tensor(own, device=run.device) for name, own in matcher.sections.items()}

    def terms(epoch: int) -> dict[str, Tensor]:
        hidden = hidden_spots(n_spots, config.hidden_share, run.seed, epoch).to(run.device)
        for part in parts:
            part.encoder.prepare(epoch)
        partners = matcher.prepare(epoch, network, lambda: encode(network, parts)[0])
        fused, weights = encode(network, parts, hidden)
        values: dict[str, Tensor] = {}
        for part, given in zip(parts, weights, strict=True):
            rebuilt = part.encoder.network.decode(fused[part.rows], part.encoder.around, given)
            errors = part.inputs.reconstruction_terms(rebuilt.split(part.inputs.widths, dim=1), hidden[part.rows])
            for name, error in errors.items():
                share = len(part.names) / n_sections * error
                values[name] = values[name] + share if name in values else share
        if not matcher.drawn:
            return values
        nothing = fused.new_zeros(())
        # In units of its spread, whose gradient counts: else spots would come together by shrinking all embeddings.
        spread = fused.std(dim=0).mean().clamp_min(1e-6) if config.relative else 1.0
        near, apart = (nothing, nothing) if partners is None else partners.losses(fused / spread, config.margin)
        direction = nothing
        if partners is not None:
            losses = [direction_loss(fused[rows[a]], fused[rows[b]]) for a, b in matcher.drawn]
            direction = config.direction_weight * torch.stack(losses).mean()
        joining = {"pairs": near, "triplet": apart, "direction": direction}
        return values | {name: config.fusion_weight * value for name, value in joining.items()}

    return terms


def encode(network: Network, parts: Sequence[Part], hidden: Tensor | None = None) -> tuple[Tensor, list[list[Weights]]]:
    """The fused embedding (spots x dimensions) and each encoder's attention, by the present surroundings.

    An embedding made with `hidden` spots, i.e. in training, is the one that the next epoch's patterns are of.
    """
    encoded, weights = [], []
    for part in parts:
        seen = part.inputs.seen(None if hidden is None else hidden[part.rows])
        z, given = part.encoder.network(torch.cat(seen, dim=1), part.encoder.around)
        if hidden is not None:
            part.encoder.network.latest.copy_(z.detach())
        encoded.append(z)
        weights.append(given)
    return network.fusion(in_order(encoded, parts)), weights


def in_order(values: Sequence[Tensor], parts: Sequence[Part]) -> Tensor:
    """Rows of all parts, in the order of the dataset."""
    return torch.cat(list(values))[torch.argsort(torch.cat([part.rows for part in parts]))]


@torch.no_grad()
def results(
    dataset: Dataset, network: Network, parts: Sequence[Part], epochs: int
) -> tuple[np.ndarray, dict[str, np.ndarray], pd.DataFrame]:
    """The embedding by own sections with no spot hidden, the rebuilt latents of what all have, the attention."""
    settled = [part.encoder.settle(torch.cat(part.inputs.seen(), dim=1), epochs) for part in parts]
    fused = network.fusion(in_order([z for z, _ in settled], parts))
    denoised: dict[str, np.ndarray] = {}
    tables = []
    for part, (_, weights) in zip(parts, settled, strict=True):
        around, rows = part.encoder.around, part.rows.cpu().numpy()
        rebuilt = part.encoder.network.decode(fused[part.rows], around, weights)
        tables.append(mcgate.attention_table(around, weights[-1], dataset.obs.index[rows]))
        for name, latent in part.inputs.to_latents(rebuilt.split(part.inputs.widths, dim=1)).items():
            full = denoised.setdefault(name, np.zeros((dataset.n_spots, latent.shape[1]), dtype=np.float32))
            full[rows] = latent
    everywhere = {one.name for one in parts[0].inputs.modalities}.intersection(
        *({one.name for one in part.inputs.modalities} for part in parts)
    )
    kept = {name: latent for name, latent in denoised.items() if name in everywhere}
    return fused.float().cpu().numpy(), kept, pd.concat(tables).loc[dataset.obs.index]
