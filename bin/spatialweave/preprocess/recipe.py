"""Recipes: the steps of a method's preprocessing, read from YAML and checked key by key."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from spatialweave.errors import InputError
from spatialweave.modalities import MODALITIES, known_names
from spatialweave.platforms import PLATFORMS, Platform
from spatialweave.preprocess.preparations import OF_INTENSITIES, preparation_of
from spatialweave.preprocess.prepared import PreparationSettings
from spatialweave.settings import REQUIRED, check_block, configure, option, read_yaml

WITHOUT_PANEL = 50
"""Number of components for `panel` in a dataset without proteins."""

IMAGE_BASED, SEVERAL_SECTIONS = "image_based", "several_sections"


@dataclass(frozen=True)
class SectionsSettings:
    """Options for the correction of differences between the sections of a dataset."""

    harmony: bool = option(REQUIRED, "Whether the latents are corrected by section.")
    theta: float = option(0.0, "Harmony's penalty on clusters that hold few of the sections; 0 is none.", low=0)
    rounds: int = option(1, "Rounds of clustering and correction at most.", low=1)


@dataclass(frozen=True)
class Recipe:
    """Recipe as written: options per modality, overrides for kinds of datasets, and `sections` if given.

    `intensities` are the options for intensities of modalities that are usually counted. `changes` are options that
    replace those of the file in every modality that has them.
    """

    path: Path
    modalities: dict[str, dict[str, Any]]
    overrides: dict[str, dict[str, dict[str, Any]]]
    intensities: dict[str, Any] | None = None
    sections: SectionsSettings | None = None
    changes: dict[str, int] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The file's name without its ending."""
        return self.path.stem

    def changed(self, variable_features: int | None = None, components: int | None = None) -> Recipe:
        """Return the recipe with other numbers of variable features and of components; None leaves them unchanged."""
        changes = {"variable_features": variable_features, "components": components}
        return replace(self, changes={name: number for name, number in changes.items() if number is not None})

    def settings(
        self,
        modality: str,
        platform: Platform,
        n_sections: int,
        n_proteins: int | None = None,
        is_intensities: bool = False,
    ) -> PreparationSettings:
        """Return the settings of a modality on a platform, with the overrides that apply.

        For intensities of a modality that is usually counted, the settings are those of `intensities`. `n_proteins` is
        the size of the dataset's panel, None without proteins; `components: panel` is `n_proteins` minus 1.

        Raises
        ------
        InputError
            When the recipe has no options for this modality.
        """
        preparation = preparation_of(modality, is_intensities)
        if preparation is OF_INTENSITIES and self.intensities is None:
            raise InputError(
                str(self.path),
                f"has no options for intensities, which the modality '{modality}' of this dataset holds",
                "a block intensities",
                "copy the block of assets/preprocess/smart.yml",
            )
        if modality not in self.modalities:
            raise InputError(
                str(self.path),
                f"has no options for the modality '{modality}' of this dataset",
                f"an entry modalities.{modality}",
                "add it, or leave the modality out of the samplesheet",
            )
        kinds = ((IMAGE_BASED, platform.image_based), (platform.name, True), (SEVERAL_SECTIONS, n_sections > 1))
        overrides = [self.overrides.get(kind, {}).get(modality, {}) for kind, applies in kinds if applies]
        block = preparation.settings
        changes = {item.name: self.changes[item.name] for item in fields(block) if item.name in self.changes}
        # Overrides apply only to counts.
        options = [self.intensities] if preparation is OF_INTENSITIES else [self.modalities[modality], *overrides]
        settings: PreparationSettings = configure(block, str(self.path), *options, changes)
        if settings.components is None:
            return replace(settings, components=WITHOUT_PANEL if n_proteins is None else max(1, n_proteins - 1))
        return settings


def read_recipe(path: Path) -> Recipe:
    """Read a recipe and check every key and value.

    Raises
    ------
    InputError
        When a key or value is wrong; names the file, the key, the value and the nearest known name.
    """
    modalities = {modality: preparation_of(modality).settings for modality in MODALITIES}
    overrides = dict.fromkeys((IMAGE_BASED, *PLATFORMS, SEVERAL_SECTIONS), modalities)
    blocks = {
        "description": str,
        "modalities": modalities,
        "intensities": OF_INTENSITIES.settings,
        "overrides": overrides,
        "sections": SectionsSettings,
    }
    content = read_yaml(path)
    recipe = check_block(blocks, str(path), content)
    if not recipe.get("modalities"):
        raise InputError(f"{path}, setting 'modalities'", "is missing or empty", f"at least one of {known_names()}")
    for modality, options in content["modalities"].items():
        configure(modalities[modality], f"{path}, modalities.{modality}", options)
    if "intensities" in recipe:
        configure(OF_INTENSITIES.settings, f"{path}, intensities", content["intensities"])
    sections = None
    if "sections" in recipe:
        sections = configure(SectionsSettings, f"{path}, sections", content["sections"])
        missing = [name for name in ("theta", "rounds") if sections.harmony and name not in recipe["sections"]]
        if missing:
            raise InputError(f"{path}, sections", f"lacks {', '.join(missing)}", "both where harmony is true")
    return Recipe(Path(path), content["modalities"], content.get("overrides", {}), content.get("intensities"), sections)
