"""Panels of a slide beside its maps, each at its position on the figure."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from spatialweave.domains.matching import FOUND_AGAIN
from spatialweave.passport.passport import Change, Passport
from spatialweave.passport.words import (
    certainty_sentence,
    need_sentence,
    no_markers_sentence,
    p_text,
    seen_sentence,
)
from spatialweave.report.text import decimals
from spatialweave.results.sightings import BINS
from spatialweave.results.titles import modality_title

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, SOFT, LINE, ACCENT, OTHERS, ALARM = "#1b2430", "#55606e", "#d5dbe2", "#0072b2", "#c9ced6", "#9b2c1f"
TINY, SMALL, TEXT, HEAD = 7.5, 8, 9, 10.5
MARKERS_SHOWN, ROWS_SHOWN, LINES_SHOWN, TABLES_SHOWN = 5, 9, 4, 3
LEFT, MIDDLE, RIGHT = 0.36, 0.685, 0.975
"""Horizontal limits of the columns beside the maps, as fractions of the width."""


def head(figure: Figure, x: float, y: float, text: str) -> None:
    """Draw a heading."""
    figure.text(x, y, text, fontsize=HEAD, fontweight="bold", va="center")


def cut(text: str, length: int) -> str:
    """Cut a text to at most `length` characters."""
    return text if len(text) <= length else text[: length - 1] + "…"


def _wrapped(text: str, width: int) -> str:
    return "\n".join(textwrap.wrap(text, width)[:5])


def _plain(axes: Axes) -> None:
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    axes.tick_params(length=0, labelsize=SMALL)


def certainty(figure: Figure, one: Passport, labels: Mapping[int, str]) -> None:
    """Draw the certainty of the domain: a distribution and a sentence."""
    if one.certainty is None:
        return
    head(figure, LEFT, 0.85, "How sure is it?")
    axes = figure.add_axes((LEFT + 0.03, 0.6, 0.25, 0.2))
    shares = 100 * np.array(one.certainty.counts) / max(sum(one.certainty.counts), 1)
    axes.bar((np.arange(BINS) + 0.5) / BINS, shares, width=0.92 / BINS, color=ACCENT)
    axes.set(xlim=(0, 1))
    axes.set_xlabel(f"{one.certainty_is} of a spot (0 to 1)", fontsize=SMALL)
    axes.set_ylabel("spots, %", fontsize=SMALL)
    _plain(axes)
    sentence = _wrapped(certainty_sentence(one, labels), 66)
    figure.text(LEFT, 0.535, sentence, fontsize=SMALL, color=SOFT, va="top")


def sightings(figure: Figure, one: Passport, titles: Mapping[str, str]) -> None:
    """Draw which runs see the domain: a dot each, and a sentence."""
    if not one.sightings:
        return
    text, alone = seen_sentence(one, titles)
    head(figure, MIDDLE, 0.85, "Which methods see it?")
    methods: dict[str, list[float]] = {}
    for sighting in one.sightings:
        methods.setdefault(titles.get(sighting.method, sighting.method), []).append(sighting.jaccard)
    # If there is not enough room, those that see it best.
    shown = sorted(methods, key=lambda name: -max(methods[name]))[:ROWS_SHOWN]
    axes = figure.add_axes((MIDDLE + 0.115, 0.6, 0.17, 0.2))
    for row, name in enumerate(shown):
        fill = ACCENT if max(methods[name]) >= FOUND_AGAIN else "white"
        axes.plot(methods[name], [row] * len(methods[name]), "o", ms=5, mec=ACCENT, mfc=fill)
    axes.axvline(FOUND_AGAIN, color=SOFT, lw=0.8, ls="--")
    axes.set(xlim=(-0.03, 1.03), ylim=(len(shown) - 0.5, -0.5), yticks=range(len(shown)))
    axes.set_yticklabels([cut(name, 24) for name in shown])
    axes.grid(axis="x", color=LINE, lw=0.5)
    axes.set_axisbelow(True)
    axes.set_xlabel("Jaccard index with its matching domain", fontsize=SMALL)
    _plain(axes)
    weight, colour = ("bold", ALARM) if alone else ("normal", INK)
    figure.text(MIDDLE, 0.535, _wrapped(text, 62), fontsize=SMALL, va="top", color=colour, fontweight=weight)


def need(figure: Figure, one: Passport) -> None:
    """Write a sentence on which modality the domain needs."""
    figure.text(MIDDLE, 0.485, _wrapped(need_sentence(one), 62), fontsize=SMALL, va="top", color=SOFT)


def markers(figure: Figure, one: Passport) -> None:
    """Draw a small table per modality: feature, fold change, AUC, fractions and p."""
    # If there is not enough room, the modalities that have some.
    known = sorted(one.markers, key=lambda found: not found.best)[:TABLES_SHOWN]
    if not known:
        return
    head(figure, LEFT, 0.45, "What marks it?")
    width = (RIGHT - LEFT) / len(known)
    columns = (0.0, *((min(width, 0.22) - 0.014) * at for at in (0.5, 0.62, 0.83, 1.0)))
    for index, found in enumerate(known):
        left = LEFT + index * width
        figure.text(left, 0.42, modality_title(found.modality), fontsize=SMALL, fontweight="bold", va="center")
        if not found.best:
            figure.text(left, 0.404, _wrapped(no_markers_sentence(found), 34), fontsize=TINY, va="top", color=SOFT)
            continue
        rows = [
            (
                cut(m.feature, 14), decimals(m.log2_fold_change, signed=True, digits=1), f"{m.auc:.2f}",
                f"{100 * m.fraction_in:.0f}|{100 * m.fraction_out:.0f}",
                p_text(m.p_adjusted),
            )
            for m in found.best[:MARKERS_SHOWN]
        ]  # fmt: skip
        for line, cells in enumerate([("", "log2FC", "AUC", "in|out, %", "adj. p"), *rows]):
            for x, cell in zip(columns, cells, strict=True):
                side, colour = "right" if x else "left", INK if line else SOFT
                figure.text(left + x, 0.397 - 0.024 * line, cell, fontsize=TINY, va="center", ha=side, color=colour)


def texts(figure: Figure, one: Passport, labels: Mapping[int, str]) -> None:
    """Write the remaining facts in three columns."""
    for x, (title, lines) in zip((LEFT, 0.57, 0.78), _blocks(one, labels), strict=False):
        head(figure, x, 0.225, title)
        figure.text(x, 0.2, "\n".join(lines), fontsize=SMALL, va="top", linespacing=1.45)


def _blocks(one: Passport, labels: Mapping[int, str]) -> list[tuple[str, list[str]]]:
    """Return titles and lines, the most important first."""
    blocks = []
    if one.neighbours:
        lines = [
            f"{cut(labels.get(n.domain, str(n.domain)), 22)}: {100 * n.fraction:.0f}% of the border"
            for n in one.neighbours[:LINES_SHOWN]
        ]
        blocks.append(("What lies beside it?", lines))
    if one.changes:
        blocks.append(("Does it differ by condition?", [_wrapped(_change(change), 40) for change in one.changes[:3]]))
    named = next((n for n in one.names if n.named), None)
    if named:
        text = f"{named.name}, score {named.score:.2f}, p {p_text(named.p)}: {named.evidence}"
        blocks.append(("Why this name?", [_wrapped(text, 40)]))
    if one.gene_sets:
        lines = [f"{cut(s.name, 26)}: {s.overlap} of {s.set_size}, p {p_text(s.p_adjusted)}" for s in one.gene_sets]
        blocks.append(("Which gene sets?", lines[:LINES_SHOWN]))
    if len(one.sections) > 1:
        held = sorted(one.sections, key=lambda s: -s.of_section)[:LINES_SHOWN]
        blocks.append(
            ("In which sections?", [f"{cut(s.section, 18)}: {100 * s.of_section:.1f}% of its spots" for s in held])
        )
    for column, classes in one.classes.items():
        lines = [f"{cut(name, 24)}: {100 * share:.0f}%" for name, _, share in classes[:LINES_SHOWN]]
        blocks.append((f"By {column.removeprefix('meta_').replace('_', ' ')}", lines))
    return blocks


def _change(change: Change) -> str:
    pair = f"{change.condition} against {change.reference}"
    if change.log2_ratio != change.log2_ratio:
        return f"{pair}: too few spots"
    interval = f"{change.log2_ratio:+.2f} ({change.low:.2f} to {change.high:.2f})"
    return f"{pair}: log2 ratio {interval}, adjusted p {p_text(change.p_adjusted)}".replace("-", "−")
