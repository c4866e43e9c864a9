"""SpatialFuser before its first epoch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from spatialweave.io.dataset import Dataset
from spatialweave.methods import spatialfuser
from spatialweave.methods.spatialfuser import Config
from spatialweave.training.run import Run

Split = Callable[..., Dataset]

SHORT = Config(epochs=4, fusion_epochs=6, match_step=3, step=2, n_dims=8, heads=2, alpha=0.3)


@dataclass
class SetUp:
    """A training before its first epoch."""

    network: spatialfuser.SpatialFuser
    parts: list[spatialfuser.SectionGroup]
    terms: Callable[[int], dict]


def set_up(dataset: Dataset, config: Config, run: Run) -> SetUp:
    """The initial network, its encoders and its loss terms."""
    sections = dataset.section_rows()
    finder = spatialfuser.pair_finder(dataset, config, run)
    parts = spatialfuser.make_parts(dataset, sections, config, run)
    encoders = [part.encoder.network for part in parts]
    network = spatialfuser.SpatialFuser(encoders, finder, config.identity_start)
    network.reset_parameters(run.torch_generator())
    return SetUp(network, parts, spatialfuser.loss_terms(network, parts, config, run))
