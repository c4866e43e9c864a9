"""Recipes: which steps a method's preprocessing takes, read from YAML and checked word by word."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spatialweave.errors import InputError
from spatialweave.modalities import MODALITIES
from spatialweave.platforms import PLATFORMS, Platform

OPTIONS = {
    "rna": ("min_spots", "variable_features", "target_sum", "scale", "components"),
    "adt": ("min_spots", "clr_per", "scale", "components"),
    "atac": ("min_spots", "method", "target_sum", "components"),
    "histone": ("min_spots", "method", "target_sum", "components"),
    "metabolite": ("min_spots", "target_sum", "scale", "components"),
}
"""The options of each modality; a recipe that treats a modality gives all of them."""

WORDS = {"clr_per": ("protein", "spot"), "method": ("tf_idf", "lsi")}
"""The options that are one of a few words."""

JOINING = ("harmony", "theta", "rounds")
"""The options of the block `sections`: what is done where a dataset has several."""

PANEL = "panel"
WITHOUT_PANEL = 50
"""Components of `panel` in a dataset without proteins."""

IMAGE_BASED, SEVERAL_SECTIONS = "image_based", "several_sections"
OVERRIDES = (IMAGE_BASED, *PLATFORMS, SEVERAL_SECTIONS)


@dataclass(frozen=True)
class Settings:
    """How one modality is treated. Options that a modality does not have keep their neutral defaults.

    Attributes
    ----------
    min_spots
        Features detected in fewer spots are left out.
    variable_features
        How many highly variable features are kept; None keeps all.
    target_sum
        The total to which every spot is scaled.
    scale
        Whether features are divided by their standard deviation.
    components
        Dimensions of the latent: principal components, or those of LSI.
    clr_per
        Whether proteins are compared with their mean over the spots ("protein") or with the spot's mean ("spot").
    method
        How chromatin is prepared: "tf_idf" or "lsi".
    """

    min_spots: int = 0
    variable_features: int | None = None
    target_sum: float = 1e4
    scale: bool = False
    components: int = 30
    clr_per: str = "protein"
    method: str = "tf_idf"


@dataclass(frozen=True)
class SectionsSettings:
    """What is done about differences between the sections of a dataset.

    Attributes
    ----------
    harmony
        Whether the latents are corrected by section.
    theta
        Harmony's penalty on clusters that hold few of the sections; 0 is none.
    rounds
        Rounds of clustering and correction at most.
    """

    harmony: bool
    theta: float = 0.0
    rounds: int = 1


@dataclass(frozen=True)
class Recipe:
    """A recipe as written: options per modality, and what changes for kinds of data sets; `sections` if it says so."""

    path: Path
    modalities: dict[str, dict[str, Any]]
    overrides: dict[str, dict[str, dict[str, Any]]]
    sections: SectionsSettings | None = None

    @property
    def name(self) -> str:
        """The file's name without its ending."""
        return self.path.stem

    def settings(self, modality: str, platform: Platform, n_sections: int, n_proteins: int | None = None) -> Settings:
        """The settings of a modality on a platform, with the overrides that apply.

        `n_proteins` is the size of the dataset's panel, None without proteins: `components: panel` is one less.

        Raises
        ------
        InputError
            When the recipe says nothing about this modality.
        """
        if modality not in self.modalities:
            raise InputError(
                str(self.path),
                f"says nothing about the modality '{modality}' of this dataset",
                f"an entry modalities.{modality}",
                "add it, or leave the modality out of the samplesheet",
            )
        options = dict(self.modalities[modality])
        for kind, applies in (
            (IMAGE_BASED, platform.image_based),
            (platform.name, True),
            (SEVERAL_SECTIONS, n_sections > 1),
        ):
            if applies:
                options |= self.overrides.get(kind, {}).get(modality, {})
        if options.get("variable_features") == "all":
            options["variable_features"] = None
        if options["components"] == PANEL:
            options["components"] = WITHOUT_PANEL if n_proteins is None else max(1, n_proteins - 1)
        return Settings(**options)


def read_recipe(path: Path) -> Recipe:
    """Read a recipe and check every key and value.

    Raises
    ------
    InputError
        Naming the file, the key, what was found and the nearest right name.
    """
    import yaml

    try:
        content = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(str(path), f"cannot be read ({error})", "a recipe in YAML") from error
    except yaml.YAMLError as error:
        raise InputError(str(path), f"is not YAML ({' '.join(str(error).split())})", "a recipe in YAML") from error
    top = _mapping(path, "the recipe", content, ("description", "modalities", "overrides", "sections"))
    modalities = _modalities(path, "modalities", top.get("modalities"))
    if not modalities:
        raise InputError(f"{path}, modalities", "is missing or empty", "at least one of " + ", ".join(MODALITIES))
    for modality, options in modalities.items():
        missing = [option for option in OPTIONS[modality] if option not in options]
        if missing:
            raise InputError(
                f"{path}, modalities.{modality}", f"lacks {', '.join(missing)}", "every option of the modality"
            )
    overrides = _mapping(path, "overrides", top.get("overrides") or {}, OVERRIDES)
    return Recipe(
        Path(path),
        modalities,
        {kind: _modalities(path, f"overrides.{kind}", part) for kind, part in overrides.items()},
        _sections(path, top["sections"]) if "sections" in top else None,
    )


def _sections(path: Path, part: Any) -> SectionsSettings:
    """Check the block `sections`; only `harmony: true` needs the other options."""
    options = dict(_mapping(path, "sections", part, JOINING))
    for option, value in options.items():
        _check_value(f"{path}, sections.{option}", option, value)
    missing = [option for option in (JOINING if options.get("harmony") else JOINING[:1]) if option not in options]
    if missing:
        raise InputError(f"{path}, sections", f"lacks {', '.join(missing)}", "harmony: false, or all of its options")
    return SectionsSettings(**options)


def _modalities(path: Path, where: str, part: Any) -> dict[str, dict[str, Any]]:
    """Check a mapping of modalities to options."""
    checked: dict[str, dict[str, Any]] = {}
    for modality, options in _mapping(path, where, part or {}, MODALITIES).items():
        here = f"{where}.{modality}"
        checked[modality] = dict(_mapping(path, here, options, OPTIONS[modality]))
        for option, value in checked[modality].items():
            _check_value(f"{path}, {here}.{option}", option, value)
    return checked


def _mapping(path: Path, where: str, part: Any, known: Iterable[str]) -> Mapping[str, Any]:
    """Check that `part` is a mapping of known keys; an unknown key is refused with the nearest known one."""
    if not isinstance(part, dict):
        raise InputError(f"{path}, {where}", f"is {part!r}", "a mapping of names to values")
    for key in part:
        if key not in known:
            near = difflib.get_close_matches(str(key), list(known), n=1)
            fix = f"write '{near[0]}'" if near else ""
            raise InputError(f"{path}, {where}", f"unknown key '{key}'", "one of " + ", ".join(known), fix)
    return part


def _check_value(where: str, option: str, value: Any) -> None:
    """Refuse a value of the wrong type or out of bounds. YAML's true is a Python int, hence the type comparisons."""
    whole = type(value) is int
    if option in ("scale", "harmony"):
        right, expected = type(value) is bool, "true or false"
    elif option == "target_sum":
        right, expected = type(value) in (int, float) and 0 < value < float("inf"), "a number above 0"
    elif option == "theta":
        right, expected = type(value) in (int, float) and 0 <= value < float("inf"), "a number, 0 or more"
    elif option == "rounds":
        right, expected = whole and value >= 1, "a whole number above 0"
    elif option == "min_spots":
        right, expected = whole and value >= 0, "a whole number, 0 or more"
    elif option == "variable_features":
        right, expected = value == "all" or (whole and value >= 1), "a whole number above 0, or all"
    elif option == "components":
        right, expected = value == PANEL or (whole and value >= 1), f"a whole number above 0, or {PANEL}"
    else:
        right, expected = value in WORDS[option], " or ".join(WORDS[option])
    if not right:
        raise InputError(where, f"is {value!r}", expected)
