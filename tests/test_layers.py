"""Modules import only from their own or lower layers (docs/design.md)."""

from __future__ import annotations

import grimp
import pytest

LAYERS = (
    ("methods",),
    (
        "training",
        "baselines",
        "weave",
        "report",
        "assemble",
        "comparison",
        "summary",
        "assess",
        "characterise",
        "cohort",
        "passport",
        "estimate",
        "reference",
    ),
    ("metrics",),
    ("mining", "nn", "alignment", "domains"),
    ("graphs", "preprocess", "qc", "simulate", "export"),
    ("io", "cli"),
    ("method", "presets"),
    ("errors", "settings", "modalities", "platforms", "prose", "sampling", "threads"),
)
"""Parts of the package, highest first. Methods are loaded by name: no module but their own imports one."""


@pytest.fixture(scope="module")
def imports() -> grimp.ImportGraph:
    """Who imports whom, but for type checking."""
    return grimp.build_graph("spatialweave", exclude_type_checking_imports=True, cache_dir=None)


def test_every_part_of_the_package_is_in_a_layer(imports: grimp.ImportGraph) -> None:
    parts = {name.partition(".")[2] for name in imports.find_children("spatialweave")}
    assert parts == {part for layer in LAYERS for part in layer}


def test_imports_go_down(imports: grimp.ImportGraph) -> None:
    layers = tuple(grimp.Layer(*layer, independent=False) for layer in LAYERS)
    illegal = imports.find_illegal_dependencies_for_layers(layers, containers={"spatialweave"})
    found = {
        " -> ".join((*sorted(route.heads), *route.middle, *sorted(route.tails)))
        for dependency in illegal
        for route in dependency.routes
    }
    assert found == set()


@pytest.mark.parametrize("part", ["report", "assemble", "comparison", "summary", "assess", "characterise", "passport"])
def test_what_reads_results_knows_nothing_of_training(imports: grimp.ImportGraph, part: str) -> None:
    own = {f"spatialweave.{part}", *imports.find_descendants(f"spatialweave.{part}")}
    known = {name for module in own for name in imports.find_upstream_modules(module)}
    assert not {name for name in known if name.startswith("spatialweave.training")}


def test_mining_does_without_torch(imports: grimp.ImportGraph) -> None:
    known = imports.find_upstream_modules("spatialweave.mining", as_package=True)
    assert not {name for name in known if name.startswith("spatialweave.nn")}
