"""Recipes: the shipped one, the overrides, and every refusal."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from spatialweave.errors import InputError
from spatialweave.modalities import MODALITIES
from spatialweave.platforms import PLATFORMS, platform
from spatialweave.preprocess.adt import AdtSettings
from spatialweave.preprocess.chromatin import ChromatinSettings
from spatialweave.preprocess.recipe import SectionsSettings, read_recipe
from spatialweave.preprocess.rna import RnaSettings

ADT = "modalities: {adt: {min_spots: 1, clr_per: protein, scale: true, components: 5}}\n"

REFUSED = {
    "unknown top key": (ADT + "modality: {}\n", "'modality' is not a setting", "'modalities', perhaps"),
    "unknown modality": ("modalities: {rnaa: {}}\n", "setting 'modalities': 'rnaa' is not a setting", "'rna', perhaps"),
    "unknown option": (
        ADT.replace("scale", "scales"),
        "setting 'modalities.adt': 'scales' is not a setting",
        "'scale', perhaps",
    ),
    "option of another modality": (
        ADT.replace("scale", "target_sum"),
        "setting 'modalities.adt': 'target_sum' is not a setting",
        "one of clr_per, components, min_spots, scale",
    ),
    "unknown override": (
        ADT + "overrides: {visum: {}}\n",
        "setting 'overrides': 'visum' is not a setting",
        "'visium', perhaps",
    ),
    "missing option": (
        "modalities: {adt: {scale: true}}\n",
        "modalities.adt: lacks min_spots, components, clr_per",
        "a value for each",
    ),
    "no modality": ("description: nothing\n", "is missing or empty", "at least one of rna"),
    "negative": (
        ADT.replace("min_spots: 1", "min_spots: -1"),
        "setting 'modalities.adt.min_spots': -1 is out of bounds",
        "at least 0",
    ),
    "no components": (
        ADT.replace("components: 5", "components: -1"),
        "adt.components': -1 is out of bounds",
        "at least 0, or panel",
    ),
    "fraction": (ADT.replace("components: 5", "components: 2.5"), "'2.5' cannot be used", "a whole number, or panel"),
    "truth for a number": (
        ADT.replace("components: 5", "components: true"),
        "'True' cannot be used",
        "a whole number, or panel",
    ),
    "word for truth": (
        ADT.replace("true", "maybe"),
        "setting 'modalities.adt.scale': 'maybe' cannot be used",
        "true or false",
    ),
    "word for a number": (
        ADT.replace("components: 5", "components: panels"),
        "'panels' cannot be used",
        "a whole number, or panel",
    ),
    "unknown word": (ADT.replace("protein", "cell"), "'cell' is not a choice", "protein, spot"),
    "unknown method": (
        "modalities: {atac: {min_spots: 1, method: svd, target_sum: 1, components: 5}}\n",
        "'svd' is not a choice",
        "lsi, tf_idf",
    ),
    "bad value in an override": (
        ADT + "overrides: {misar: {adt: {scale: 3}}}\n",
        "setting 'overrides.misar.adt.scale': '3' cannot be used",
        "true or false",
    ),
    "options are a list": (
        "modalities: {adt: [1, 2]}\n",
        "setting 'modalities.adt': is [1, 2]",
        "names and values: min_spots",
    ),
    "a list": ("- rna\n- adt\n", "is not a mapping but ['rna', 'adt']", "names and values"),
    "empty": ("", "is not a mapping but None", "names and values"),
    "unknown option of sections": (
        ADT + "sections: {harmoni: true}\n",
        "setting 'sections': 'harmoni' is not a setting",
        "'harmony', perhaps",
    ),
    "sections without all options": (
        ADT + "sections: {harmony: true, theta: 2}\n",
        "lacks rounds",
        "both where harmony is true",
    ),
    "sections without harmony": (
        ADT + "sections: {theta: 2, rounds: 3}\n",
        "sections: lacks harmony",
        "a value for each",
    ),
    "sections empty": (ADT + "sections:\n", "setting 'sections': is None", "names and values: harmony"),
    "harmony no truth": (
        ADT + "sections: {harmony: 1}\n",
        "setting 'sections.harmony': '1' cannot be used",
        "true or false",
    ),
    "theta negative": (
        ADT + "sections: {harmony: true, theta: -1, rounds: 3}\n",
        "-1.0 is out of bounds",
        "at least 0",
    ),
    "theta infinite": (
        ADT + "sections: {harmony: true, theta: .inf, rounds: 3}\n",
        "'inf' cannot be used",
        "a finite number",
    ),
    "theta not a number": (
        ADT + "sections: {harmony: true, theta: .nan, rounds: 3}\n",
        "'nan' cannot be used",
        "a finite number",
    ),
    "theta truth": (
        ADT + "sections: {harmony: true, theta: true, rounds: 3}\n",
        "'True' cannot be used",
        "a finite number",
    ),
    "no rounds": (
        ADT + "sections: {harmony: true, theta: 2, rounds: 0}\n",
        "setting 'sections.rounds': 0 is out of bounds",
        "at least 1",
    ),
    "nothing to scale to": (
        "modalities: {metabolite: {min_spots: 1, target_sum: 0, scale: true, components: 5}}\n",
        "metabolite.target_sum': 0.0 is out of bounds",
        "above 0",
    ),
    "not YAML": ("modalities: {adt: [\n", "is not a readable YAML file", "line 2"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refusals_name_file_key_and_what_is_right(case: str, recipe_file: Callable[[str], Path]) -> None:
    text, found, expected = REFUSED[case]
    path = recipe_file(text)
    with pytest.raises(InputError) as refusal:
        read_recipe(path)
    message = str(refusal.value)
    assert message.startswith(str(path)) and "\n" not in message
    assert found in message and expected in message


def test_absent_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.yml: is not a readable YAML file"):
        read_recipe(tmp_path / "none.yml")


def test_smart_recipe_follows_the_method(project: Path) -> None:
    recipe = read_recipe(project / "assets" / "preprocess" / "smart.yml")
    assert recipe.name == "smart"
    visium = platform("visium")
    assert recipe.settings("rna", visium, 1) == RnaSettings(10, 30, 3000, 1e4, True)
    assert recipe.settings("adt", visium, 1) == AdtSettings(1, 30, "protein", True)
    assert recipe.settings("histone", visium, 1).components == 50
    assert recipe.settings("atac", platform("misar"), 1).components == 60
    for modality in MODALITIES:
        for known in PLATFORMS.values():
            assert recipe.settings(modality, known, 2).components >= 30


@pytest.mark.parametrize("name", [name for name, known in PLATFORMS.items() if known.image_based])
def test_image_based_platforms_keep_all_features(name: str, project: Path) -> None:
    recipe = read_recipe(project / "assets" / "preprocess" / "smart.yml")
    for modality in ("rna", "adt", "metabolite"):
        settings = recipe.settings(modality, platform(name), 1)
        assert settings.min_spots == 0
        assert modality != "rna" or settings.variable_features is None


def test_later_overrides_win(recipe_file: Callable[[str], Path]) -> None:
    recipe = read_recipe(
        recipe_file(
            ADT
            + "overrides:\n"
            + "  several_sections: {adt: {components: 4}}\n"
            + "  codex: {adt: {components: 3, scale: false}}\n"
            + "  image_based: {adt: {components: 2, min_spots: 0}}\n"
        )
    )
    assert recipe.settings("adt", platform("visium"), 1) == AdtSettings(1, 5, "protein", True)
    assert recipe.settings("adt", platform("merfish"), 1) == AdtSettings(0, 2, "protein", True)
    assert recipe.settings("adt", platform("codex"), 1) == AdtSettings(0, 3, "protein", False)
    assert recipe.settings("adt", platform("codex"), 2) == AdtSettings(0, 4, "protein", False)


def test_spatialglue_recipe_follows_the_methods(project: Path) -> None:
    recipe = read_recipe(project / "assets" / "preprocess" / "spatialglue.yml")
    visium, epigenome, thymus = platform("visium"), platform("misar"), platform("stereo_seq")
    assert recipe.settings("rna", visium, 1, 31) == RnaSettings(10, 30, 3000, 1e4, True)
    assert recipe.settings("adt", visium, 1, 31) == AdtSettings(1, 30, "spot", True)
    assert recipe.settings("rna", epigenome, 1) == RnaSettings(10, 50, 3000, 1e4, True)
    assert recipe.settings("atac", epigenome, 1) == ChromatinSettings(1, 50, "lsi", 1e4)
    assert recipe.settings("atac", epigenome, 1, 21).components == 20
    assert recipe.settings("histone", epigenome, 1).method == "lsi"
    assert recipe.settings("rna", thymus, 1, 19) == RnaSettings(10, 18, 3000, 1e4, False)
    assert recipe.settings("adt", thymus, 1, 19) == AdtSettings(50, 18, "spot", False)
    smart = read_recipe(project / "assets" / "preprocess" / "smart.yml")
    assert recipe.settings("metabolite", visium, 1) == smart.settings("metabolite", visium, 1)


@pytest.mark.parametrize("name", ["smart", "spatialglue"])
def test_sections_of_the_shipped_recipes(name: str, project: Path) -> None:
    recipe = read_recipe(project / "assets" / "preprocess" / f"{name}.yml")
    assert recipe.sections == SectionsSettings(harmony=True, theta=10, rounds=20)


def test_sections_in_a_recipe(recipe_file: Callable[[str], Path]) -> None:
    assert read_recipe(recipe_file(ADT)).sections is None
    assert read_recipe(recipe_file(ADT + "sections: {harmony: false}\n")).sections == SectionsSettings(harmony=False)
    given = read_recipe(recipe_file(ADT + "sections: {harmony: true, theta: 0, rounds: 1}\n")).sections
    assert given == SectionsSettings(harmony=True, theta=0, rounds=1)


@pytest.mark.parametrize(("n_proteins", "width"), [(None, 50), (31, 30), (2, 1), (1, 1), (0, 1)])
def test_width_by_the_panel(n_proteins: int | None, width: int, recipe_file: Callable[[str], Path]) -> None:
    recipe = read_recipe(recipe_file(ADT.replace("components: 5", "components: panel")))
    assert recipe.settings("adt", platform("visium"), 1, n_proteins).components == width


def test_numbers_that_hold_instead_of_the_recipes(project: Path) -> None:
    recipe = read_recipe(project / "assets" / "preprocess" / "smart.yml")
    other = recipe.changed(5000, 12)
    # Also where an override has its own.
    assert other.settings("rna", platform("codex"), 1) == RnaSettings(0, 12, 5000, 1e4, True)
    assert other.settings("atac", platform("misar"), 1).components == 12
    assert recipe.changed(components=9).settings("rna", platform("visium"), 1) == RnaSettings(10, 9, 3000, 1e4, True)
    assert recipe.changed().settings("atac", platform("misar"), 1).components == 60
    panel = read_recipe(project / "assets" / "preprocess" / "spatialglue.yml").changed(components=9)
    assert panel.settings("adt", platform("visium"), 1, 31) == AdtSettings(1, 9, "spot", True)


def test_a_modality_that_the_recipe_lacks_is_refused(recipe_file: Callable[[str], Path]) -> None:
    with pytest.raises(InputError, match="has no options for the modality 'rna'"):
        read_recipe(recipe_file(ADT)).settings("rna", platform("visium"), 1)
