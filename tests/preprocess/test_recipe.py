"""Recipes: the shipped one, the overrides, and every refusal."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from spatialweave.errors import InputError
from spatialweave.modalities import MODALITIES
from spatialweave.platforms import PLATFORMS, platform
from spatialweave.preprocess.recipe import SectionsSettings, Settings, read_recipe

ADT = "modalities: {adt: {min_spots: 1, clr_per: protein, scale: true, components: 5}}\n"

REFUSED = {
    "unknown top key": (ADT + "modality: {}\n", "unknown key 'modality'", "write 'modalities'"),
    "unknown modality": ("modalities: {rnaa: {}}\n", "unknown key 'rnaa'", "write 'rna'"),
    "unknown option": (ADT.replace("scale", "scales"), "unknown key 'scales'", "write 'scale'"),
    "option of another modality": (
        ADT.replace("scale", "target_sum"),
        "unknown key 'target_sum'",
        "min_spots, clr_per, scale",
    ),
    "unknown override": (ADT + "overrides: {visum: {}}\n", "unknown key 'visum'", "write 'visium'"),
    "missing option": ("modalities: {adt: {scale: true}}\n", "lacks min_spots, clr_per, components", "every option"),
    "no modality": ("description: nothing\n", "is missing or empty", "at least one of rna"),
    "negative": (ADT.replace("min_spots: 1", "min_spots: -1"), "is -1", "a whole number, 0 or more"),
    "no components": (ADT.replace("components: 5", "components: 0"), "is 0", "a whole number above 0"),
    "fraction": (ADT.replace("components: 5", "components: 2.5"), "is 2.5", "a whole number above 0"),
    "truth for a number": (ADT.replace("components: 5", "components: true"), "is True", "a whole number above 0"),
    "word for truth": (ADT.replace("true", "maybe"), "is 'maybe'", "true or false"),
    "word for a number": (ADT.replace("components: 5", "components: panels"), "is 'panels'", "above 0, or panel"),
    "unknown word": (ADT.replace("protein", "cell"), "is 'cell'", "protein or spot"),
    "unknown method": (
        "modalities: {atac: {min_spots: 1, method: svd, target_sum: 1, components: 5}}\n",
        "is 'svd'",
        "tf_idf or lsi",
    ),
    "bad value in an override": (ADT + "overrides: {misar: {adt: {scale: 3}}}\n", "is 3", "true or false"),
    "options are a list": ("modalities: {adt: [1, 2]}\n", "is [1, 2]", "a mapping"),
    "a list": ("- rna\n- adt\n", "is ['rna', 'adt']", "a mapping"),
    "empty": ("", "is None", "a mapping"),
    "unknown option of sections": (ADT + "sections: {harmoni: true}\n", "unknown key 'harmoni'", "write 'harmony'"),
    "sections without all options": (ADT + "sections: {harmony: true, theta: 2}\n", "lacks rounds", "harmony: false"),
    "sections without harmony": (ADT + "sections: {theta: 2, rounds: 3}\n", "lacks harmony", "harmony: false"),
    "sections empty": (ADT + "sections:\n", "sections: is None", "a mapping"),
    "harmony no truth": (ADT + "sections: {harmony: 1}\n", "is 1", "true or false"),
    "theta negative": (ADT + "sections: {harmony: true, theta: -1, rounds: 3}\n", "is -1", "a number, 0 or more"),
    "theta infinite": (ADT + "sections: {harmony: true, theta: .inf, rounds: 3}\n", "is inf", "a number, 0 or more"),
    "theta not a number": (
        ADT + "sections: {harmony: true, theta: .nan, rounds: 3}\n",
        "is nan",
        "a number, 0 or more",
    ),
    "theta truth": (ADT + "sections: {harmony: true, theta: true, rounds: 3}\n", "is True", "a number, 0 or more"),
    "no rounds": (ADT + "sections: {harmony: true, theta: 2, rounds: 0}\n", "is 0", "a whole number above 0"),
    "not YAML": ("modalities: {adt: [\n", "is not YAML", "a recipe in YAML"),
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
    with pytest.raises(InputError, match="cannot be read"):
        read_recipe(tmp_path / "none.yml")


def test_smart_recipe_follows_the_method(project: Path) -> None:
    recipe = read_recipe(project / "assets" / "preprocess" / "smart.yml")
    assert recipe.name == "smart"
    visium = platform("visium")
    assert recipe.settings("rna", visium, 1) == Settings(10, 3000, 1e4, True, 30)
    assert recipe.settings("adt", visium, 1) == Settings(min_spots=1, scale=True, components=30)
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
        assert (settings.min_spots, settings.variable_features) == (0, None)


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
    assert recipe.settings("adt", platform("visium"), 1) == Settings(1, scale=True, components=5)
    assert recipe.settings("adt", platform("merfish"), 1) == Settings(0, scale=True, components=2)
    assert recipe.settings("adt", platform("codex"), 1) == Settings(0, scale=False, components=3)
    assert recipe.settings("adt", platform("codex"), 2) == Settings(0, scale=False, components=4)


def test_spatialglue_recipe_follows_the_methods(project: Path) -> None:
    recipe = read_recipe(project / "assets" / "preprocess" / "spatialglue.yml")
    visium, epigenome, thymus = platform("visium"), platform("misar"), platform("stereo_seq")
    assert recipe.settings("rna", visium, 1, 31) == Settings(10, 3000, 1e4, True, 30)
    assert recipe.settings("adt", visium, 1, 31) == Settings(1, scale=True, components=30, clr_per="spot")
    assert recipe.settings("rna", epigenome, 1) == Settings(10, 3000, 1e4, True, 50)
    assert recipe.settings("atac", epigenome, 1) == Settings(1, target_sum=1e4, components=50, method="lsi")
    assert recipe.settings("atac", epigenome, 1, 21).components == 20
    assert recipe.settings("histone", epigenome, 1).method == "lsi"
    assert recipe.settings("rna", thymus, 1, 19) == Settings(10, 3000, 1e4, False, 18)
    assert recipe.settings("adt", thymus, 1, 19) == Settings(50, scale=False, components=18, clr_per="spot")
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


def test_a_modality_that_the_recipe_lacks_is_refused(recipe_file: Callable[[str], Path]) -> None:
    with pytest.raises(InputError, match="says nothing about the modality 'rna'"):
        read_recipe(recipe_file(ADT)).settings("rna", platform("visium"), 1)
