"""SpatialFuser on small tissues: sections that come together, also those with other modalities."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score
from sklearn.neighbors import NearestNeighbors

from spatialweave.domains.mixture import tied_mixture
from spatialweave.errors import InputError
from spatialweave.io.dataset import Dataset
from spatialweave.io.notices import InputWarning
from spatialweave.matching.match import match, transport_plan
from spatialweave.methods import spatialfuser
from spatialweave.methods.spatialfuser import Config
from spatialweave.presets import read_preset
from spatialweave.training.run import Run
from spatialweave.training.sections import restricted
from spatialweave.training.session import fit_preset

from .spatialfuser_setup import SHORT, Split

Tissue = Callable[..., Dataset]


def matched_accuracy(dataset: Dataset, embedding: np.ndarray) -> tuple[float, int]:
    """Fraction of accepted pairs of the first two sections whose domains are the same, and their number."""
    a, b = list(dataset.section_rows().values())[:2]
    found = match(embedding[a], embedding[b], dataset.aligned[a], dataset.aligned[b])
    label = dataset.obs["label"].to_numpy()
    same = label[a][found.a] == label[b][found.b]
    return float(same[found.accepted].mean()), int(found.accepted.sum())


@pytest.mark.parametrize("shared", [True, False])
def test_fusion_mixes_the_sections_of_one_tissue(split: Split, run: Run, shared: bool) -> None:
    dataset = split(side=16, offset=1.0)
    config = Config(epochs=40, fusion_epochs=40, match_step=10, shared_encoder=shared, fusion_weight=1)
    section = dataset.obs["section"].to_numpy().astype(str)

    def mixed(embedding: np.ndarray) -> float:
        nearest = NearestNeighbors(n_neighbors=11).fit(embedding).kneighbors(embedding, return_distance=False)[:, 1:]
        return float((section[nearest] != section[:, None]).mean())

    fused = spatialfuser.fit(dataset, config, run)
    before = spatialfuser.fit(dataset, replace(config, fusion_epochs=0), run)
    assert mixed(fused.embedding) > mixed(before.embedding) + 0.1
    assert adjusted_rand_score(dataset.obs["label"], tied_mixture(fused.embedding, 3, seed=0).labels) > 0.7
    assert matched_accuracy(dataset, fused.embedding)[0] > 0.9


def test_sections_of_different_modalities(split: Split, run: Run) -> None:
    dataset = split((("rna",), ("adt",)), side=18)
    config, run = Config(epochs=60, fusion_epochs=60, match_step=20, held_out=0.35), replace(run, seed=0)
    fitted = spatialfuser.fit(dataset, config, run)
    assert fitted.embedding.shape == (324, 32) and np.isfinite(fitted.embedding).all()
    accuracy, n_pairs = matched_accuracy(dataset, fitted.embedding)
    assert accuracy > 0.9 and n_pairs > 40
    # Nothing but the losses makes domains of one embedding of the two.
    apart = spatialfuser.fit(dataset, replace(config, fusion_weight=0), run)
    drawn, undrawn = (
        adjusted_rand_score(dataset.obs["label"], tied_mixture(one.embedding, 3, seed=0).labels)
        for one in (fitted, apart)
    )
    assert drawn > 0.7 > 0.4 > undrawn
    # Each modality is rebuilt for the section that lacks it, and agrees with what its partners measured.
    assert {name: latent.shape for name, latent in fitted.denoised.items()} == {
        one.name: one.latent.shape for one in dataset.modalities
    }
    assert set(fitted.record["rebuilt"]) == {"adt of a by b", "rna of b by a"}
    unjoined = apart.record["rebuilt"]
    for name, facts in fitted.record["rebuilt"].items():
        assert facts["partners"] >= 10 and facts["correlation"] > 0.3
        assert facts["correlation"] > unjoined.get(name, {"correlation": 0.0})["correlation"] + 0.1
    assert set(fitted.record["receptive_field"]) == {"rna, a", "adt, b"}


def test_consecutive_sections_are_matched(split: Split, run: Run) -> None:
    dataset = split((("rna",), ("rna", "adt"), ("rna",)))
    fitted = spatialfuser.fit(dataset, SHORT, run)
    assert list(fitted.record["pairs"]) == ["a--b", "b--c"]
    for counts in fitted.record["pairs"].values():
        # Refreshed after 0 and 3 of the 6 epochs of fusion.
        assert len(counts) == 2 and min(counts) > 10
    # The first and the third section share an encoder, the second has one of its own.
    assert set(fitted.record["receptive_field"]) == {"rna, a and c", "rna, b", "adt, b"}
    assert set(fitted.denoised) == {"rna", "adt"} and fitted.denoised["rna"].shape == (196, 8)
    assert (fitted.denoised["rna"] != 0).any(axis=1).all()


@pytest.mark.parametrize(
    "changed",
    [
        {"shared_encoder": False},
        {"match_step": 6},
        {"matching": "published"},
        {"margin": 30.0},
        {"relative": False},
        {"direction_weight": 1.0},
        {"fusion_weight": 1.0},
        {"radius": 1.5},
        {"exchange": 0.5},
        {"identity_start": False},
        {"join_shared": True},
        {"fusion_rate": 0.1},
        {"encoder_rates": "b:0.1"},
    ],
)
def test_every_part_changes_the_result(split: Split, run: Run, changed: dict) -> None:
    whole, other = (spatialfuser.fit(split(), config, run) for config in (SHORT, replace(SHORT, **changed)))
    assert np.abs(whole.embedding - other.embedding).max() > 1e-4


def test_all_consecutive_sections_are_joined(split: Split, run: Run) -> None:
    """Those that share an encoder, too."""
    record = spatialfuser.fit(split((("rna",), ("rna",), ("adt",))), SHORT, run).record
    assert list(record["pairs"]) == ["a--b", "b--c"] and min(min(counts) for counts in record["pairs"].values()) > 10
    for name in ("pairs", "triplet", "direction"):
        assert record["losses"][name][:4] == [0.0] * 4 and min(record["losses"][name][4:]) > 0


def test_exchange_joins_a_spots_mean_with_its_counterparts(split: Split, run: Run) -> None:
    """Three sections: those of the middle one take from both sides, and no section from one that is not consecutive."""
    dataset = split((("rna",), ("rna",), ("rna",)))
    fitted = spatialfuser.fit(dataset, replace(SHORT, exchange=2.0), run)
    assert fitted.own is not None
    settings = replace(SHORT.rules().pairs, epsilon=1.0)
    rows = list(dataset.section_rows().values())
    weights = np.eye(dataset.n_spots)
    for a, b in pairwise(rows):
        plan = transport_plan(fitted.own[a], fitted.own[b], dataset.aligned[a], dataset.aligned[b], settings).toarray()
        weights[np.ix_(a, b)], weights[np.ix_(b, a)] = 2 * plan, 2 * plan.T
    assert (weights[np.ix_(rows[0], rows[2])] == 0).all() and weights[np.ix_(rows[1], rows[2])].sum() > 10
    expected = weights @ fitted.own / weights.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(fitted.embedding, expected, rtol=1e-4, atol=1e-5)
    alone = spatialfuser.fit(dataset, SHORT, run)
    np.testing.assert_array_equal(alone.embedding, fitted.own)
    assert alone.own is None


def test_names_of_sections_and_coordinate_system_do_not_matter(split: Split, run: Run) -> None:
    # No spots are exactly at the radius, where rounding would decide.
    dataset, config = split(), replace(SHORT, radius=2.9)
    renamed = replace(dataset, obs=dataset.obs.assign(section=dataset.obs["section"].map({"a": "z", "b": "y"})))
    turned = dataset.aligned @ np.array([[0.6, 0.8], [-0.8, 0.6]]) + 50
    expected = spatialfuser.fit(dataset, config, run).embedding
    np.testing.assert_array_equal(spatialfuser.fit(renamed, config, run).embedding, expected)
    moved = spatialfuser.fit(replace(dataset, aligned=turned), config, run)
    np.testing.assert_allclose(moved.embedding, expected, atol=1e-3)


def test_overfits_a_tiny_pair(split: Split, run: Run) -> None:
    """Where it may see what it rebuilds, and has more dimensions than features."""
    config = Config(
        epochs=200,
        fusion_epochs=100,
        learning_rate=1e-2,
        mask_fraction=0,
        max_rounds=0,
        alpha=0,
        fusion_weight=1,
    )
    values = spatialfuser.fit(split(side=7), config, run).record["losses"]
    assert values["reconstruction_rna"][199] < 0.1 * values["reconstruction_rna"][0]
    assert values["pairs"][-1] < 0.6 * values["pairs"][200]


@pytest.mark.parametrize("killed_at", [3, 5, 6, 8, 10])
def test_resumed_equals_undisturbed(split: Split, run: Run, tmp_path: Path, killed_at: int) -> None:
    """In the pre-training, at the first refresh (5), after it, at the second (8), and in the last epoch."""
    expected = spatialfuser.fit(split(), SHORT, run)

    def kill(line: str) -> None:
        if line.startswith(f"epoch {killed_at:2d}"):
            raise KeyboardInterrupt

    resuming = replace(run, checkpoint=tmp_path / "c.pt", checkpoint_seconds=0.0, progress_seconds=0.0)
    with pytest.raises(KeyboardInterrupt):
        spatialfuser.fit(split(), SHORT, replace(resuming, log=kill))
    lines: list[str] = []
    fitted = spatialfuser.fit(split(), SHORT, replace(resuming, log=lines.append))
    assert any(f"resuming after epoch {killed_at - 1}" in line for line in lines)
    np.testing.assert_array_equal(fitted.embedding, expected.embedding)
    assert fitted.record["losses"] == expected.record["losses"]
    assert fitted.record["pairs"] == expected.record["pairs"]


def test_sections_that_do_not_overlap_cause_a_warning(split: Split, run: Run) -> None:
    dataset = split()
    apart = dataset.aligned + 1000 * (dataset.obs["section"] == "b").to_numpy()[:, None]
    config = replace(SHORT, exchange=1.0)
    unjoined = pytest.warns(InputWarning, match="a--b: no spots match, so the sections are not joined")
    with unjoined, pytest.warns(InputWarning, match="a--b: no spots match, so nothing joins them"):
        fitted = spatialfuser.fit(replace(dataset, aligned=apart), config, run)
    assert fitted.record["pairs"] == {"a--b": [0, 0]} and np.isfinite(fitted.embedding).all()
    assert fitted.record["losses"]["pairs"] == fitted.record["losses"]["triplet"] == [0.0] * 10
    np.testing.assert_array_equal(fitted.embedding, fitted.own)


def test_attention_is_given_for_every_spot(split: Split, run: Run) -> None:
    dataset = split((("rna",), ("adt",)))
    table = spatialfuser.fit(dataset, SHORT, run).extras["attention"]
    assert table.index.equals(dataset.obs.index)
    np.testing.assert_allclose(table.sum(axis=1), 1, atol=1e-5)


def test_what_it_cannot_use_is_refused(tissue: Tissue, split: Split, run: Run) -> None:
    dataset = split((("rna",), ("adt",)))
    rows = dataset.section_rows()
    with pytest.raises(InputError, match=r"section 'b'.*has one spot"):
        spatialfuser.fit(restricted(dataset, np.append(rows["a"], rows["b"][:1])), SHORT, run)
    with pytest.raises(InputError, match=r"one section.*'mcgate'"):
        spatialfuser.fit(tissue(), SHORT, run)
    with pytest.raises(InputError, match=r"not aligned.*alignment stage"):
        spatialfuser.fit(replace(split(), aligned=None), SHORT, run)


@pytest.mark.parametrize("preset", ["hexagonal", "cells", "stereo_seq"])
@pytest.mark.filterwarnings("ignore:.*no spots match")  # No two of these sections' spots are at one point.
def test_published_presets_run(split: Split, run: Run, project: Path, preset: str) -> None:
    published = read_preset(project / "assets" / "methods" / "spatialfuser_paper.yml")
    short = ["epochs=2", "fusion_epochs=3", "match_step=2"]
    fitted = fit_preset(split((("rna",), ("adt",))), published, run, None if preset == "hexagonal" else preset, short)
    assert fitted.embedding.shape == (196, 32)
    config = fitted.record["config"]
    assert config["mask_fraction"] == 0 and not config["shared_encoder"] and config["matching"] == "published"
