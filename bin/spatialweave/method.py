"""Interface of an integration method: a module of :mod:`spatialweave.methods`, and its result.

A method's module has a frozen dataclass `Config` (every setting, made with :func:`spatialweave.settings.option`) and a
function `fit(dataset, config, run) -> Fitted`. A method that can embed spots on which it was not trained also has a
function `embed(dataset, config, run, state) -> Fitted`, and its preset has `inductive: true`. The module is imported
only when it is used.
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
    """Result of a method.

    Attributes
    ----------
    embedding
        float32, spots x dimensions.
    record
        Entries for the training record: the result of `History.record`, and additions of the method. Empty = nothing
        was trained.
    extras
        Other results per spot, as tables with one row per spot and named columns: ``modality_weights``,
        ``view_weights`` (spatial against feature graph), ``cluster_probabilities``, ``attention`` (to the spot itself,
        its neighbours, far spots).
    denoised
        Latents that the method rebuilds from the embedding, by modality: float32, spots x latent dimensions, in the
        units of the latents.
    own
        The embedding before averaging (float32, spots x dimensions), if the embedding averages spots over their
        counterparts in other sections. Spots are matched by it; otherwise every match would confirm itself.
    state
        Arrays by name that `embed` needs, for methods that can embed other spots without training.
    """

    embedding: np.ndarray
    record: dict[str, Any] = field(default_factory=dict)
    extras: dict[str, pd.DataFrame] = field(default_factory=dict)
    denoised: dict[str, np.ndarray] = field(default_factory=dict)
    own: np.ndarray | None = None
    state: dict[str, np.ndarray] = field(default_factory=dict)


class Method(Protocol):
    """Interface of a method's module."""

    Config: type

    def fit(self, dataset: Dataset, config: Any, run: Run) -> Fitted:
        """Learn the embedding of `dataset`."""


def method_names() -> list[str]:
    """Return the names of all method modules."""
    return sorted(module.name for module in pkgutil.iter_modules([str(FOLDER)]))


def load_method(name: str) -> Method:
    """Import the method of that name; an unknown name is refused with the nearest known name."""
    if name not in method_names():
        raise InputError("method", f"'{name}' is not known", nearest_name(name, method_names()))
    return cast(Method, importlib.import_module(f"spatialweave.methods.{name}"))
