"""What an integration method is: a module of :mod:`spatialweave.methods`, and what it returns.

A method's module has a frozen dataclass `Config` (every setting, made with :func:`spatialweave.settings.option`) and a
function `fit(dataset, config, run) -> Fitted`. One that can embed spots that it was not trained on has a function
`embed(dataset, config, run, state) -> Fitted`, and its preset says `inductive: true`. It is imported only when it is
used.
"""

from __future__ import annotations

import importlib
import pkgutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

import numpy as np

from spatialweave.errors import InputError
from spatialweave.settings import nearest_name

if TYPE_CHECKING:
    import pandas as pd

    from spatialweave.io.dataset import Dataset
    from spatialweave.training.run import Run

FOLDER = Path(__file__).parent / "methods"


@dataclass
class Fitted:
    """What a method returns.

    Attributes
    ----------
    embedding
        float32, spots x dimensions.
    record
        How it came about, for the training record: what `History.record` makes of a training, and what the method adds.
        Empty = nothing was trained.
    extras
        What else the method computes per spot, as tables with one row per spot and named columns:
        ``modality_weights``, ``view_weights`` (spatial against feature graph), ``cluster_probabilities``,
        ``attention`` (to the spot itself, its neighbours, far ones).
    denoised
        Modality -> the latents that the method rebuilds from the embedding: float32, spots x latent dimensions, in the
        units of the latents.
    own
        Where the embedding averages spots over their counterparts in other sections: the embedding before that
        (float32, spots x dimensions). Spots are matched by it, or every match would confirm itself.
    state
        Of methods that can embed other spots without training: what `embed` needs, as arrays by name.
    """

    embedding: np.ndarray
    record: dict[str, Any] = field(default_factory=dict)
    extras: dict[str, pd.DataFrame] = field(default_factory=dict)
    denoised: dict[str, np.ndarray] = field(default_factory=dict)
    own: np.ndarray | None = None
    state: dict[str, np.ndarray] = field(default_factory=dict)


class Method(Protocol):
    """What a method's module provides."""

    Config: type

    def fit(self, dataset: Dataset, config: Any, run: Run) -> Fitted:
        """Learn the embedding of `dataset`."""


def method_names() -> list[str]:
    """Names of all method modules."""
    return sorted(module.name for module in pkgutil.iter_modules([str(FOLDER)]))


def load_method(name: str) -> Method:
    """Import the method of that name; an unknown one is refused with the nearest right name."""
    if name not in method_names():
        raise InputError("method", f"'{name}' is not known", nearest_name(name, method_names()))
    return cast(Method, importlib.import_module(f"spatialweave.methods.{name}"))
