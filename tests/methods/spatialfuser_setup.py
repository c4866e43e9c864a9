"""SpatialFuser before its first epoch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from spatialweave.io.dataset import Dataset
from spatialweave.methods import spatialfuser
from spatialweave.methods.spatialfuser import Config
from spatialweave.training.run import Run
from spatialweave.training.section_encoders import SectionGroup, SectionsBatch, make_batches, make_groups

Split = Callable[..., Dataset]

SHORT = Config(epochs=4, fusion_epochs=6, match_step=3, step=2, n_dims=8, heads=2, alpha=0.3)


@dataclass
class SetUp:
    """A training before its first epoch; `terms` maps an epoch and a batch to its loss terms."""

    network: spatialfuser.SpatialFuser
    groups: list[SectionGroup]
    batches: list[SectionsBatch]
    terms: Callable[[int, SectionsBatch], dict]


def set_up(dataset: Dataset, config: Config, run: Run) -> SetUp:
    """The initial network, its encoders, the parts of the dataset and its loss terms."""
    tiling = spatialfuser.make_tiling(dataset, config, run)
    groups = make_groups(tiling, dataset.section_rows(), config, run)
    finder = spatialfuser.pair_finder(tiling, config, run)
    network = spatialfuser.SpatialFuser([group.network for group in groups], finder, config.identity_start)
    network.reset_parameters(run.torch_generator())
    batches = make_batches(tiling, groups, run)
    parts = [batches.part(number) for number in range(tiling.n_parts)]
    return SetUp(network, groups, parts, spatialfuser.loss_terms(network, groups, batches, config))
