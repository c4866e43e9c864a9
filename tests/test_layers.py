"""Modules import only from their own part of the package or from lower layers (docs/design.md)."""

from __future__ import annotations

import grimp
import pytest

LAYERS = (
    ("methods", "weave", "reference"),
    ("baselines",),
    ("training", "slides", "assemble", "summary", "assess", "estimate"),
    ("report",),
    ("comparison", "cohort"),
    ("passport",),
    ("characterise",),
    ("results",),
    ("metrics",),
    ("mining", "nn", "alignment", "matching", "domains"),
    ("preprocess", "qc", "simulate", "export", "blocks"),
    ("graphs",),
    ("cli",),
    ("io",),
    ("presets",),
    ("method",),
    ("settings", "modalities", "platforms", "prose", "sampling", "threads"),
    ("errors",),
)
"""Parts of the package, highest first; those of one layer know nothing of each other. Methods are loaded by
name: no module but their own imports one.
"""


@pytest.fixture(scope="module")
def imports() -> grimp.ImportGraph:
    """Who imports whom, but for type checking."""
    return grimp.build_graph("spatialweave", exclude_type_checking_imports=True, cache_dir=None)


def test_every_part_of_the_package_is_in_a_layer(imports: grimp.ImportGraph) -> None:
    parts = {name.partition(".")[2] for name in imports.find_children("spatialweave")}
    assert parts == {part for layer in LAYERS for part in layer}


def test_imports_go_down(imports: grimp.ImportGraph) -> None:
    layers = tuple(grimp.Layer(*layer, independent=True) for layer in LAYERS)
    illegal = imports.find_illegal_dependencies_for_layers(layers, containers={"spatialweave"})
    found = {
        " -> ".join((*sorted(route.heads), *route.middle, *sorted(route.tails)))
        for dependency in illegal
        for route in dependency.routes
    }
    assert found == set()


@pytest.mark.parametrize(
    "part",
    [
        "report",
        "slides",
        "assemble",
        "comparison",
        "summary",
        "assess",
        "characterise",
        "passport",
        "results",
        "cohort",
    ],
)
def test_what_reads_results_knows_nothing_of_training(imports: grimp.ImportGraph, part: str) -> None:
    own = {f"spatialweave.{part}", *imports.find_descendants(f"spatialweave.{part}")}
    known = {name for module in own for name in imports.find_upstream_modules(module)}
    assert not {name for name in known if name.startswith("spatialweave.training")}


def test_mining_does_without_torch(imports: grimp.ImportGraph) -> None:
    known = imports.find_upstream_modules("spatialweave.mining", as_package=True)
    assert not {name for name in known if name.startswith("spatialweave.nn")}
