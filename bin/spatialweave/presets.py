"""Reads assets/methods/<name>.yml: what a method is, what it needs, and its settings per platform."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from spatialweave.errors import InputError
from spatialweave.method import method_names
from spatialweave.modalities import MODALITIES
from spatialweave.settings import nearest_name, read_yaml


@dataclass(frozen=True)
class MethodPreset:
    """One file of assets/methods.

    Attributes
    ----------
    name
        The file's stem; the method's name in file names, tables and reports.
    module
        The module in spatialweave.methods (:func:`module_of`).
    title, summary, citation, doi
        For the report.
    preprocess, graph
        The recipes it needs.
    sections
        What the method requires of a dataset: "several" sections, or several that are "aligned"; "" = nothing.
    variant_of
        For a variant, the method of which it is one: a run of all methods leaves variants out.
    environment
        The software environment that the method runs in; "" = that of the pipeline.
    control
        Whether it is there to be beaten: no member of the consensus, and no part of a run of all methods.
    baseline
        Whether it is a method of others, run beside the pipeline's own under the same clustering: no member of the
        consensus, and no part of a run of all methods.
    needs
        Modalities without which the method leaves a dataset out, separated by commas; "" = none in particular.
    gpu
        Whether the method can use a GPU.
    inductive
        Whether the method can embed spots that it was not trained on, so that its runs can be saved as models.
    distributed
        Whether several processes, on a GPU each, can share a training of the method.
    most_spots
        Of a dataset that the method can take; 0 = any number.
    config
        Settings that hold for every dataset.
    presets
        Further settings by platform (``visium``, ``stereo_seq``...), layout (``hexagonal``, ``square``, ``cells``), for
        ``three_modalities`` or more, or by other name.
    """

    name: str
    module: str
    title: str
    summary: str
    preprocess: str
    graph: str
    sections: str = ""
    variant_of: str = ""
    citation: str = ""
    doi: str = ""
    environment: str = ""
    control: bool = False
    baseline: bool = False
    needs: str = ""
    gpu: bool = True
    distributed: bool = False
    inductive: bool = False
    most_spots: int = 0
    config: dict[str, Any] = field(default_factory=dict)
    presets: dict[str, dict[str, Any]] = field(default_factory=dict)

    def settings(
        self, platform: str, layout: str, n_modalities: int, preset_name: str | None = None
    ) -> tuple[str, dict[str, Any]]:
        """Choose the preset of that name, else that of three modalities for as many, the platform's, or the layout's.

        Returns its name ("" = none) and its settings. A method without presets takes any name: one name may be meant
        for several methods.
        """
        if preset_name is None or not self.presets:
            kinds = (*([THREE] if n_modalities >= 3 else []), platform, layout)
            name = next((name for name in kinds if name in self.presets), "")
            return name, self.presets.get(name, {})
        if preset_name not in self.presets:
            raise InputError("--preset", f"'{preset_name}' is not a preset", nearest_name(preset_name, self.presets))
        return preset_name, self.presets[preset_name]


THREE = "three_modalities"
"""The preset of datasets with three modalities or more, whatever the platform."""

_REQUIRED = ("title", "summary", "preprocess", "graph")
_KINDS: dict[str, tuple[type, str]] = {
    "control": (bool, "true or false"),
    "baseline": (bool, "true or false"),
    "gpu": (bool, "true or false"),
    "distributed": (bool, "true or false"),
    "inductive": (bool, "true or false"),
    "most_spots": (int, "a whole number"),
    "config": (Mapping, "a mapping"),
    "presets": (Mapping, "a mapping"),
}
"""Type of the value of each key, and its name in messages; all others hold text."""

CONTROLS = frozenset(
    {
        *("pca_smooth", "pca_smooth_1", "pca_smooth_4", "pca", "coordinates", "noise"),
        *("rna_alone", "adt_alone", "atac_alone", "histone_alone", "metabolite_alone"),
    }
)
"""The methods with ``control: true``, for stages that read results without the preset files."""

VARIANTS = {
    **dict.fromkeys(("smart_paper", "smart_released"), "smart"),
    **dict.fromkeys(("spamca_paper", "spamca_released"), "spamca"),
    **{f"{name}_paper": name for name in ("mcgate", "smart_ms", "spabalance", "spamo", "spatialfuser")},
    "mofa_smooth": "mofa",
    **dict.fromkeys(("pca", "pca_smooth_1", "pca_smooth_4"), "pca_smooth"),
    **{f"{name}_alone": "pca_smooth" for name in ("rna", "adt", "atac", "histone", "metabolite")},
}
"""The method of which each variant is one (that of ``variant_of``, followed to the end), for stages that read results
without the preset files."""

SECTIONS = ("several", "aligned")
"""What a method may require of a dataset's sections."""


def read_preset(path: Path) -> MethodPreset:
    """Read and check a method's preset file.

    Raises
    ------
    InputError
        When it is no YAML mapping, lacks a key, has an unknown one, or a value of another type.
    """
    content = read_yaml(path)
    known = {item.name for item in fields(MethodPreset)} - {"name", "module"}
    for key in content:
        if key not in known:
            raise InputError(str(path), f"key '{key}' is unknown", nearest_name(str(key), known))
    for key in _REQUIRED:
        if key not in content:
            raise InputError(str(path), f"key '{key}' is missing", "the keys " + ", ".join(_REQUIRED))
    for key, value in content.items():
        expected, kind = _KINDS.get(key, (str, "text"))
        if not isinstance(value, expected):
            raise InputError(f"{path}, key '{key}'", f"holds {type(value).__name__}", kind)
    if not re.fullmatch(r"([a-z0-9][a-z0-9_-]*)?", content.get("environment", "")):
        found = f"'{content['environment']}' is not a name"
        raise InputError(
            f"{path}, key 'environment'", found, "small letters, digits, - and _, beginning with a letter or digit"
        )
    if content.get("sections", SECTIONS[0]) not in SECTIONS:
        raise InputError(f"{path}, key 'sections'", f"'{content['sections']}' is not known", " or ".join(SECTIONS))
    for name in content.get("needs", "").split(",") if "needs" in content else []:
        if name not in MODALITIES:
            raise InputError(f"{path}, key 'needs'", f"'{name}' is no modality", nearest_name(name, MODALITIES))
    for name, settings in content.get("presets", {}).items():
        if not isinstance(settings, Mapping):
            raise InputError(f"{path}, preset '{name}'", f"holds {type(settings).__name__}", "a mapping of settings")
    return MethodPreset(name=path.stem, module=module_of(path, content.get("variant_of", "")), **content)


def module_of(path: Path, variant_of: str) -> str:
    """The module that runs a preset: that of its own name or, for a variant without one, that of `variant_of`."""
    known = method_names()
    for name in (path.stem, variant_of):
        if name in known:
            return name
    if variant_of:
        raise InputError(f"{path}, key 'variant_of'", f"'{variant_of}' is not known", nearest_name(variant_of, known))
    raise InputError(str(path), f"there is no method '{path.stem}'", nearest_name(path.stem, known))
