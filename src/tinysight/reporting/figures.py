"""Curves and bars of a result, from its values, never from models."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from tinysight.evaluation.metrics import ClassMetrics, Metrics
from tinysight.reporting.theme import (
    LIGHT,
    Theme,
    as_drawn,
    dress,
    head,
    legend,
    new_figure,
    panel,
    style,
    widest,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["PANELS", "class_accuracy", "confused_pairs", "learning_curves"]

PANELS = ("loss", "accuracy", "rate")
PANEL = 340  # pixels: three stand side by side in a page, one fits a phone
SHORT = 3  # points that are marked: a line of one is invisible
FEW = 20  # classes that are drawn larger
COLUMN = 34  # classes in one column of bars: a hundred make three, and one fits a phone
PAGE = 1060  # pixels: what stands side by side is no wider, save where it cannot be

Rows = Sequence[Mapping[str, float]]  # of metrics.csv, an epoch each


def learning_curves(
    rows: Rows,
    panels: Sequence[str] = PANELS,
    *,
    best: int | None = None,
    rates: Sequence[tuple[float, float]] = (),
    split: str = "validation",
    theme: Theme = LIGHT,
) -> Figure:
    """Draw how a training went, a panel each for "loss", "accuracy" and learning "rate".

    Args:
        rows: those of metrics.csv, an epoch each.
        panels: which of PANELS.
        best: the epoch whose weights were kept; it is marked on the line of validation.
        rates: epochs done and the learning rate there, step by step; else each epoch's last.
        split: which stands for validation in the rows.
        theme: the colours.
    """
    draw = {
        "loss": partial(_loss, split=split),
        "accuracy": partial(_accuracy, split=split),
        "rate": partial(_rate, rates=rates),
    }
    with style():
        figure = new_figure(PANEL * len(panels), 264, theme)
        for place, name in enumerate(panels):
            axes = panel(figure, PANEL * place + 42, 48, PANEL - 52, 178)
            draw[name](axes, rows, theme)
            if name != "rate":
                _mark(axes, rows, f"validation_{name}", best, theme)
            _epochs(axes, rows, theme)
            if name == "rate" and rates:
                axes.set_xlim(0, rates[-1][0])
    return figure


def _loss(axes: Axes, rows: Rows, theme: Theme, *, split: str) -> None:
    dress(axes, theme, title="Loss (cross-entropy, nats)")
    _lines(axes, rows, ("train_loss_running", "train_loss_clean", "validation_loss"), split, theme)


def _accuracy(axes: Axes, rows: Rows, theme: Theme, *, split: str) -> None:
    from matplotlib.ticker import PercentFormatter

    dress(axes, theme, title="Accuracy")
    columns = ("train_accuracy_running", "train_accuracy_clean", "validation_accuracy")
    _lines(axes, rows, columns, split, theme)
    low, high = axes.get_ylim()
    axes.set_ylim(max(0.0, low), min(1.01, high))
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0 if high - low > 0.05 else 1))


def _rate(axes: Axes, rows: Rows, theme: Theme, *, rates: Sequence[tuple[float, float]]) -> None:
    dress(axes, theme, title="Learning rate" if rates else "Learning rate (at the epoch's end)")
    points = rates or [(row["epoch"], row["learning_rate"]) for row in rows]
    marker = "" if len(points) > SHORT else "o"
    axes.plot(
        [x for x, _ in points], [y for _, y in points],
        color=theme.muted, linewidth=1.8, marker=marker, markersize=5, clip_on=False,
    )  # fmt: skip
    axes.set_ylim(0, 1.08 * max([r for _, r in points if math.isfinite(r)], default=1.0) or 1.0)


def _lines(axes: Axes, rows: Rows, columns: Sequence[str], split: str, theme: Theme) -> None:
    """Running, clean and validation, in that order, with their legend above the axes."""
    names = ("Train, running", "Train, clean", split.capitalize())
    looks = (
        (theme.first_pale, 1.6, (0, (3, 1.5))),
        (theme.first, 2.0, "-"),
        (theme.second, 2.0, "-"),
    )
    for column, name, (colour, width, dashes) in zip(columns, names, looks, strict=True):
        if not any(math.isfinite(row[column]) for row in rows):
            continue  # of a final fit nothing was held out
        axes.plot(
            _column(rows, "epoch"), _column(rows, column),
            color=colour, linewidth=width, linestyle=dashes, label=name,
            marker="" if len(rows) > SHORT else "o", markersize=5, solid_capstyle="round",
        )  # fmt: skip
    legend(axes, theme, columns=3)


def _mark(
    axes: Axes,
    rows: Rows,
    column: str,
    best: int | None,
    theme: Theme,
) -> None:
    """A ring on the validation line at the epoch whose weights were kept."""
    for row in rows:
        if row["epoch"] == best and math.isfinite(row[column]):
            axes.plot(
                [row["epoch"]], [row[column]], marker="o", markersize=8, color=theme.second,
                markerfacecolor=theme.paper, markeredgewidth=2, zorder=5, clip_on=False,
            )  # fmt: skip


def _epochs(axes: Axes, rows: Rows, theme: Theme) -> None:
    from matplotlib.ticker import MaxNLocator

    epochs = _column(rows, "epoch")
    axes.xaxis.set_major_locator(MaxNLocator(nbins=7, integer=True, min_n_ticks=1))
    axes.yaxis.set_major_locator(MaxNLocator(nbins=5, steps=[1, 2, 2.5, 5, 10]))
    if epochs:
        room = max(0.5, 0.03 * (epochs[-1] - epochs[0]))
        axes.set_xlim(epochs[0] - room, epochs[-1] + room)
    axes.set_xlabel("Epoch", color=theme.muted, fontsize=10)


def _column(rows: Rows, name: str) -> list[float]:
    return [row[name] for row in rows]


def class_accuracy(metrics: Metrics, *, theme: Theme = LIGHT) -> Figure:
    """Draw each class's accuracy as a bar with its 95 % interval, the best first.

    Classes without pictures come last, without a bar.
    """
    drawn = as_drawn([c.name for c in metrics.classes], 22)
    named = sorted(
        zip(metrics.classes, drawn, strict=True),
        key=lambda pair: (not pair[0].support, -pair[0].accuracy.value, pair[0].name),
    )
    order, names = [c for c, _ in named], [name for _, name in named]
    size, row = (11, 24) if len(order) <= FEW else (10, 16)
    label, beside = 10 + widest(names, size), 58
    columns = min(math.ceil(len(order) / COLUMN), int(PAGE / (label + 120 + beside)))
    count = math.ceil(len(order) / columns)
    bar = 290 if columns == 1 else min(205, PAGE / columns - label - beside)
    wide = label + bar + beside
    with style():
        figure = new_figure(columns * wide, 56 + count * row + 26, theme)
        head(
            figure,
            "Accuracy of each class",
            f"Line: 95% interval; dashed: all classes, {metrics.top1.value:.1%}",
            theme,
        )
        for place in range(columns):
            part = order[place * count : (place + 1) * count]
            axes = panel(figure, place * wide + label, 52, bar, len(part) * row)
            _bars(axes, names[place * count : (place + 1) * count], part, size, theme)
            axes.axvline(
                metrics.top1.value, color=theme.second, linewidth=1.4, linestyle=(0, (2, 2))
            )
    return figure


def _bars(
    axes: Axes, names: Sequence[str], part: Sequence[ClassMetrics], size: int, theme: Theme
) -> None:
    from matplotlib.ticker import PercentFormatter

    dress(axes, theme, grid="x")
    known = [i for i, c in enumerate(part) if c.support]
    shares = [part[i].accuracy for i in known]
    axes.barh(known, [s.value for s in shares], height=0.66, color=theme.bar)
    axes.hlines(known, [s.low for s in shares], [s.high for s in shares], color=theme.ink, lw=1.5)
    for i, c in enumerate(part):
        axes.annotate(
            f"{c.accuracy.value:.1%}" if c.support else "none", (1, i), (50, 0),
            xycoords=axes.get_yaxis_transform(), textcoords="offset points", ha="right",
            va="center_baseline", fontsize=size, color=theme.ink if c.support else theme.muted,
            annotation_clip=False,
        )  # fmt: skip
    axes.set_yticks(np.arange(len(part)), names, va="center_baseline")
    axes.tick_params(axis="y", labelcolor=theme.ink, labelsize=size)
    axes.set_xticks([0, 0.25, 0.5, 0.75, 1])
    axes.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    axes.set_xlim(0, 1.004)  # so that an interval which ends at 1 is drawn whole
    axes.set_ylim(len(part) - 0.5, -0.5)


def confused_pairs(metrics: Metrics, most: int = 12, *, theme: Theme = LIGHT) -> Figure:
    """Draw the most frequent mistakes, "true → predicted", as bars with their counts."""
    pairs = metrics.confused(most)
    support = {c.name: c.support for c in metrics.classes}
    classes = [c.name for c in metrics.classes]
    drawn = dict(zip(classes, as_drawn(classes, 18), strict=True))
    names = [f"{drawn[true]} → {drawn[predicted]}" for true, predicted, _ in pairs]
    label, row, rows = 10 + widest([*names, " " * 20], 11), 24, max(len(pairs), 1)
    with style():
        figure = new_figure(label + 320, 56 + rows * row + 4, theme)
        head(figure, "Most confused", "True → predicted; count, and share of the true class", theme)
        axes = panel(figure, label, 52, 220, rows * row)
        dress(axes, theme, grid="")
        counts = [n for *_, n in pairs]
        axes.barh(range(len(pairs)), counts, height=0.66, color=theme.second)
        for i, (true, _, n) in enumerate(pairs):
            axes.annotate(
                f"{n:,}  ({n / support[true]:.1%})", (n, i), (6, 0), textcoords="offset points",
                va="center_baseline", fontsize=10, color=theme.muted, annotation_clip=False,
            )  # fmt: skip
        axes.set_yticks(range(len(pairs)), names, va="center_baseline")
        axes.tick_params(axis="y", labelcolor=theme.ink, labelsize=11)
        axes.set_xticks([])
        axes.set_xlim(0, max(counts, default=1))
        axes.set_ylim(rows - 0.5, -0.5)
    return figure
