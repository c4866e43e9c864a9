"""Latents of every modality rebuilt for every section, and their accuracy for modalities not measured there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from spatialweave.matching.match import match
from spatialweave.matching.settings import MatchSettings
from spatialweave.training.mcgate_encoder import Encoded
from spatialweave.training.section_encoders import SectionGroup, SectionsBatch

if TYPE_CHECKING:
    from spatialweave.io.dataset import Dataset

FEWEST = 10
"""Least number of held-out partners for a correlation."""


def hold_out(groups: Sequence[SectionGroup], held: Tensor) -> None:
    """Treat the spots `held` (bool) as not measured, in training, in every modality that another group lacks."""
    everywhere = set.intersection(*({one.name for one in group.inputs.modalities} for group in groups))
    for group in groups:
        kept = ~held[torch.as_tensor(group.rows, device=held.device)]
        modalities = [
            one if one.name in everywhere else replace(one, present=one.present & kept)
            for one in group.inputs.modalities
        ]
        group.known = replace(group.inputs, modalities=modalities)


def rebuild(
    batch: SectionsBatch,
    groups: Sequence[SectionGroup],
    fused: Tensor,
    encoded: Sequence[Encoded],
) -> dict[str, np.ndarray]:
    """Rebuild the latents of every modality (float32, spots x dimensions) from the fused embedding of a part's spots.

    The spots of a group are decoded with its own decoder. Modalities that it lacks come from the mean of the decoders
    of the groups that have them. For these, the spots gather by their own attention of the last layer, since the
    attention of another encoder is not defined between them, and the other decoder maps the result.

    Parameters
    ----------
    groups
        All groups of the dataset, including those without spots in the part.
    encoded
        The spots of each group of the part, as its encoder embeds them.
    """
    sums: dict[str, np.ndarray] = {}
    times: dict[str, np.ndarray] = {}
    for one, own in zip(batch.groups, encoded, strict=True):
        measured = {modality.name for modality in one.inputs.modalities}
        rows = one.rows.cpu().numpy()
        for decoding in groups:
            names = {modality.name for modality in decoding.inputs.modalities}
            if decoding is not one.group and measured.issuperset(names):
                continue
            network = decoding.network
            attention = own.attention if decoding is one.group else [own.attention[-1]] * len(network.stack)
            rebuilt = network.decode(fused[one.rows], own.around, attention)
            for name, latent in decoding.inputs.to_latents(rebuilt.split(decoding.inputs.widths, dim=1)).items():
                if decoding is not one.group and name in measured:
                    continue
                sums.setdefault(name, np.zeros((len(fused), latent.shape[1]), dtype=np.float32))[rows] += latent
                times.setdefault(name, np.zeros((len(fused), 1), dtype=np.float32))[rows] += 1
    return {name: total / times[name] for name, total in sums.items()}


def rebuilt_against_partners(
    dataset: Dataset, rebuilt: dict[str, np.ndarray], embedding: np.ndarray, held: np.ndarray, settings: MatchSettings
) -> dict[str, dict[str, Any]]:
    """Compare rebuilt latents of modalities that a section lacks with those measured in matched spots.

    Only partners that were held out from training count (`held`, bool). A key names the modality, the section that it
    is rebuilt for and the one that measured it. Its value has the number of partners and their correlation: that of
    each latent dimension, averaged by its variance.
    """
    found: dict[str, dict[str, Any]] = {}
    if not held.any():
        return found
    rows, points = dataset.section_rows(), dataset.aligned
    assert points is not None
    lacks = {name: {one.name for one in dataset.modalities if not one.present[own].any()} for name, own in rows.items()}
    for a, b in dataset.section_pairs():
        # A modality that both lack was measured in neither.
        if lacks[a] == lacks[b]:
            continue
        matches = match(embedding[rows[a]], embedding[rows[b]], points[rows[a]], points[rows[b]], settings)
        ends = rows[a][matches.a[matches.accepted]], rows[b][matches.b[matches.accepted]]
        for names, (here, there) in (((a, b), ends), ((b, a), ends[::-1])):
            for modality in dataset.modalities:
                if modality.name not in lacks[names[0]]:
                    continue
                known = held[there] & modality.present[there]
                if known.sum() >= FEWEST:
                    r = correlation(rebuilt[modality.name][here[known]], modality.latent[there[known]])
                    facts = {"partners": int(known.sum()), "correlation": round(r, 4)}
                    found[f"{modality.name} of {names[0]} by {names[1]}"] = facts
    return found


def correlation(rebuilt: np.ndarray, measured: np.ndarray) -> float:
    """Return the Pearson correlations of columns (spots x dimensions), averaged with measured variances as weights."""
    x, y = (values.astype(np.float64) - values.mean(axis=0, dtype=np.float64) for values in (rebuilt, measured))
    covariance, scale = (x * y).mean(axis=0), x.std(axis=0) * y.std(axis=0)
    of_each = np.divide(covariance, scale, out=np.zeros_like(covariance), where=scale > 0)
    weight = y.var(axis=0)
    return float((of_each * weight).sum() / weight.sum()) if weight.sum() > 0 else 0.0


def draw_held(n_spots: int, fraction: float, rng: np.random.Generator, device: str) -> Tensor:
    """Draw the spots to hold out (bool), each with probability `fraction`."""
    return torch.as_tensor(rng.random(n_spots) < fraction, device=device)
