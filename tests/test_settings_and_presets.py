"""Settings and preset files: types, bounds, and one clear line for whatever is wrong."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from types import MappingProxyType
from typing import Literal

import pytest
import yaml

from spatialweave.errors import InputError
from spatialweave.method import load_method, method_names
from spatialweave.presets import CONTROLS, VARIANTS, read_preset
from spatialweave.settings import REQUIRED, check_block, configure, option, parse_overrides, read_yaml


@dataclass(frozen=True)
class Config:
    epochs: int = option(10, "Epochs.", low=0)
    rate: float = option(0.1, "Rate.", low=0, high=1)
    kind: Literal["one", "two"] = option("one", "Kind.")
    flag: bool = option(False, "Flag.")
    cap: int | None = option(None, "Cap.", low=1)
    width: float = option(1.0, "Width.", above=0)


@dataclass(frozen=True)
class Published:
    ELSEWHERE = MappingProxyType({"KNN_k": "--feature_neighbours"})

    rna_weight: float = option(1.0, "Weight of RNA.", low=0, aliases=("RNA_weight",))
    other_weight: float = option(1.0, "Weight of the rest.", low=0, aliases=("ADT_weight", "ATAC_weight"))


def test_a_setting_can_be_given_by_its_published_name():
    assert configure(Published, "x", parse_overrides(["RNA_weight=5", "ATAC_weight=3"])) == Published(5.0, 3.0)
    assert configure(Published, "x", {"rna_weight": 5, "ADT_weight": 2}, {"RNA_weight": 4}) == Published(4.0, 2.0)
    assert configure(load_method("spamca").Config, "spamca", {"dim_output": "16"}).n_dims == 16


@pytest.mark.parametrize(
    ("items", "message"),
    [
        (["RNA_weight=5", "rna_weight=5"], "'RNA_weight' and 'rna_weight' are the same setting; expected one of them"),
        (["ADT_weight=5", "ATAC_weight=5"], "'ADT_weight' and 'ATAC_weight' are the same setting"),
        (["RNA_wieght=5"], "'RNA_wieght' is not a setting; expected 'RNA_weight', perhaps; one of other_weight, rna_"),
        (["RNA_weight=-1"], "setting 'rna_weight': -1.0 is out of bounds"),
        (["KNN_k=20"], "'KNN_k' is not a setting of the method; expected the parameter --feature_neighbours"),
    ],
)
def test_what_published_names_do_not_allow(items, message):
    with pytest.raises(InputError) as error:
        configure(Published, "method 'x'", parse_overrides(items))
    assert message in str(error.value)


def test_layers_and_types():
    config = configure(Config, "x", {"epochs": 5, "rate": 1}, parse_overrides(["rate=1e-3", "flag=yes", "cap=7"]))
    assert config == Config(epochs=5, rate=1e-3, flag=True, cap=7)
    assert isinstance(configure(Config, "x", {"rate": 1}).rate, float)
    assert configure(Config, "x", {"cap": 3}, {"cap": "none"}).cap is None


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("epoch=3", "'epoch' is not a setting; expected 'epochs', perhaps"),
        ("epochs=many", "setting 'epochs': 'many' cannot be used; expected a whole number"),
        ("epochs=2.5", "expected a whole number"),
        ("epochs=-1", "-1 is out of bounds; expected at least 0"),
        ("rate=nan", "expected a finite number"),
        ("rate=2", "2.0 is out of bounds; expected at least 0 and at most 1"),
        ("kind=tow", "'tow' is not a choice; expected 'two', perhaps"),
        ("flag=maybe", "expected true or false"),
        ("cap=0", "out of bounds"),
        ("width=0", "0.0 is out of bounds; expected above 0"),
        ("epochs=", "expected a whole number"),
    ],
)
def test_bad_overrides(override, message):
    with pytest.raises(InputError) as error:
        configure(Config, "method 'x'", parse_overrides([override]))
    assert message in str(error.value)


@pytest.mark.parametrize(("items", "message"), [(["rate"], "no name and value"), (["a=1", "a=2"], "given twice")])
def test_bad_items(items, message):
    with pytest.raises(InputError, match=message):
        parse_overrides(items)


def test_yaml_values_are_checked_too():
    for layer in ({"epochs": True}, {"epochs": 1.5}, {"rate": False}, {"rate": [1]}, {"epochs": None}):
        with pytest.raises(InputError):
            configure(Config, "x", layer)


GOOD = "title: T\nsummary: S\nvariant_of: smart\npreprocess: smart\ngraph: spatial\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [", "not a readable YAML"),
        ("- 1", "not a mapping"),
        (GOOD.replace("graph: spatial\n", ""), "key 'graph' is missing"),
        (GOOD + "presset: {}\n", "key 'presset' is unknown; expected 'presets', perhaps"),
        (GOOD.replace("title: T", "title: [T]"), "key 'title': holds list; expected text"),
        (GOOD + "config: [1]\n", "key 'config': holds list; expected a mapping"),
        (GOOD + "presets: {cells: 3}\n", "preset 'cells': holds int"),
        (GOOD + "gpu: perhaps\n", "key 'gpu': holds str; expected true or false"),
        (GOOD + "baseline: 1\n", "key 'baseline': holds int; expected true or false"),
        (GOOD + "needs: rna,protien\n", "key 'needs': 'protien' is no modality; expected"),
        (GOOD + "environment: ../mine\n", "key 'environment': '../mine' is not a name"),
        (GOOD.replace("variant_of: smart\n", ""), "there is no method 'variant'"),
        (GOOD.replace("smart\n", "smrt\n", 1), "key 'variant_of': 'smrt' is not known; expected 'smart', perhaps"),
    ],
)
def test_bad_preset_files(tmp_path, text, message):
    path = tmp_path / "variant.yml"
    path.write_text(text)
    with pytest.raises(InputError) as error:
        read_preset(path)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_environment_and_gpu(tmp_path, project):
    path = tmp_path / "mine.yml"
    path.write_text(GOOD)
    assert (read_preset(path).environment, read_preset(path).gpu) == ("", True)
    path.write_text(GOOD + "environment: other\ngpu: false\n")
    assert (read_preset(path).environment, read_preset(path).gpu) == ("other", False)
    assert not read_preset(project / "assets" / "methods" / "pca_smooth.yml").gpu


def test_choice_of_preset(tmp_path):
    path = tmp_path / "mine.yml"
    path.write_text(
        GOOD + "presets:\n  square: {epochs: 3}\n  special: {epochs: 4}\n  dbit: {epochs: 5}\n  spots: {epochs: 6}\n"
    )
    preset = read_preset(path)
    assert preset.name == "mine"
    # The platform's own, though its layout has one; a platform without one has its layout's.
    assert preset.settings("dbit", "square", 2) == ("dbit", {"epochs": 5})
    assert preset.settings("misar", "square", 2) == ("square", {"epochs": 3})
    assert preset.settings("square", "square", 2) == ("square", {"epochs": 3})
    assert preset.settings("spots", "hexagonal", 2) == ("spots", {"epochs": 6})
    assert preset.settings("visium", "hexagonal", 2) == preset.settings("codex", "cells", 2) == ("", {})
    assert preset.settings("dbit", "square", 2, "special") == ("special", {"epochs": 4})
    with pytest.raises(InputError, match="'specials' is not a preset; expected 'special', perhaps"):
        preset.settings("dbit", "square", 2, "specials")
    # Where there is one for three modalities, it goes before the platform's.
    path.write_text(GOOD + "presets:\n  three_modalities: {epochs: 7}\n  dbit: {epochs: 5}\n")
    preset = read_preset(path)
    assert preset.settings("dbit", "square", 3) == ("three_modalities", {"epochs": 7})
    assert preset.settings("dbit", "square", 2) == ("dbit", {"epochs": 5})
    assert preset.settings("dbit", "square", 3, "dbit") == ("dbit", {"epochs": 5})


def test_every_preset_of_the_project_is_valid(project):
    files = sorted((project / "assets" / "methods").glob("*.yml"))
    assert len(files) > 1
    for file in files:
        preset = read_preset(file)
        config = load_method(preset.module).Config
        for name in [*preset.presets, None]:
            settings = preset.presets.get(name, {}) if name else {}
            configure(config, str(file), preset.config, settings)
        for recipe in (f"preprocess/{preset.preprocess}", f"graphs/{preset.graph}"):
            assert (project / "assets" / f"{recipe}.yml").exists()


@pytest.mark.parametrize("name", method_names())
def test_the_defaults_of_a_method_are_within_its_bounds(name: str) -> None:
    config = load_method(name).Config
    # None is written as a word of its own.
    words = {item.name: item.metadata.get("none") for item in fields(config)}
    written = {key: words[key] if value is None else value for key, value in asdict(config()).items()}
    assert configure(config, name, written) == config()


@pytest.mark.parametrize("name", method_names())
def test_every_name_and_alias_means_one_setting(name: str) -> None:
    config = load_method(name).Config
    names = [word for item in fields(config) for word in (item.name, *item.metadata["aliases"])]
    names += getattr(config, "ELSEWHERE", {})
    assert len(names) == len(set(names))


def test_a_method_has_one_name(project):
    """Module, preset and name in tables are the same; a variant runs its own module, or that of a method."""
    presets = {path.stem: read_preset(path) for path in (project / "assets" / "methods").glob("*.yml")}
    assert {name for name, preset in presets.items() if preset.control} == CONTROLS

    def method_of(name):
        return method_of(presets[name].variant_of) if presets[name].variant_of else name

    assert {name: method_of(name) for name, preset in presets.items() if preset.variant_of} == VARIANTS
    assert set(method_names()) <= set(presets)
    for stem, preset in presets.items():
        assert preset.name == stem
        assert preset.module == (stem if stem in method_names() else preset.variant_of)
        assert preset.variant_of or preset.module == stem


def test_no_key_is_given_twice(project):
    """YAML takes the last of them without a warning."""
    files = sorted((project / "assets").rglob("*.yml"))
    assert len(files) > 15
    for file in files:
        pending = [yaml.compose(file.read_text(encoding="utf-8"))]
        while pending:
            node = pending.pop()
            if isinstance(node, yaml.MappingNode):
                keys = [key.value for key, _ in node.value]
                assert len(keys) == len(set(keys)), (file.name, keys)
                pending += [value for _, value in node.value]


def test_unknown_method():
    assert {"smart", "pca_smooth"} <= set(method_names())
    with pytest.raises(InputError, match="'smrt' is not known; expected 'smart', perhaps"):
        load_method("smrt")


@dataclass(frozen=True)
class Inner:
    size: int = option(REQUIRED, "Size.", low=1)
    width: int | None = option(None, "Width; auto: by itself.", low=1, none="auto")
    part: float = option(0.5, "Part.", above=0, high=1)


@dataclass(frozen=True)
class Outer:
    inner: Inner
    other: Inner | None = None
    flag: bool = option(False, "Flag.")


def test_blocks_are_built_and_later_layers_change_single_settings_of_them():
    first = {"inner": {"size": 3, "width": 4}, "flag": True}
    built = configure(Outer, "f.yml", first, {"inner": {"width": "auto", "part": 1}, "other": {"size": "2"}})
    assert built == Outer(Inner(3, None, 1.0), Inner(2), True)
    assert configure(Outer, "f.yml", first, {"other": {"size": 2}}, {"other": None}).other is None


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({}, "f.yml: lacks inner; expected a value for each"),
        ({"inner": {}}, "f.yml, setting 'inner': lacks size"),
        ({"inner": None}, "setting 'inner': is None; expected names and values: size, width, part"),
        ({"inner": {"sise": 3}}, "f.yml, setting 'inner': 'sise' is not a setting; expected 'size', perhaps"),
        ({"inner": {"size": 0}}, "f.yml, setting 'inner.size': 0 is out of bounds; expected at least 1"),
        (
            {"inner": {"size": 1, "width": "self"}},
            "setting 'inner.width': 'self' cannot be used; expected a whole number",
        ),
        ({"inner": {"size": 1, "width": 0}}, "expected at least 1, or auto"),
        ({"inner": {"size": 1, "width": None}}, "'None' cannot be used; expected a whole number, or auto"),
        ({"inner": {"size": 1, "part": 0}}, "0.0 is out of bounds; expected above 0 and at most 1"),
        ({"inner": {"size": 1}, "other": {"width": 2}}, "setting 'other': lacks size"),
        ({"inner": {"size": 1}, 3: 4}, "'3' is not a setting"),
    ],
)
def test_bad_blocks_are_named_with_dots(content, message):
    with pytest.raises(InputError) as error:
        configure(Outer, "f.yml", content)
    assert message in str(error.value)


def test_a_mapping_of_blocks_is_checked_and_what_is_not_given_stays_out():
    blocks = {"note": str, "kinds": {"a": Inner, "b": Inner}}
    assert check_block(blocks, "f.yml", {"note": 5, "kinds": {"b": {"width": "7"}}}) == {
        "note": "5",
        "kinds": {"b": {"width": 7}},
    }
    with pytest.raises(InputError, match=r"f\.yml, setting 'kinds': 'c' is not a setting; expected .*a, b"):
        check_block(blocks, "f.yml", {"kinds": {"c": {}}})
    with pytest.raises(InputError, match=r"f\.yml, setting 'kinds\.a\.size': 'x' cannot be used"):
        check_block(blocks, "f.yml", {"kinds": {"a": {"size": "x"}}})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"a: [", "is not a readable YAML file"),
        (b"\xff", "is not a readable YAML file"),
        (b"- 1", "is not a mapping but \\[1\\]"),
        (b"", "is not a mapping but None"),
        (None, "is not a readable YAML file"),
    ],
)
def test_what_is_no_yaml_mapping_is_refused_in_one_line(tmp_path, text, message):
    path = tmp_path / "f.yml"
    if text is not None:
        path.write_bytes(text)
    with pytest.raises(InputError, match=message) as error:
        read_yaml(path)
    assert str(error.value).startswith(str(path)) and "\n" not in str(error.value)
