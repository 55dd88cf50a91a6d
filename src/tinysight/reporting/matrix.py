"""The confusion matrix as a heat map, from two classes to hundreds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tinysight.evaluation.metrics import Metrics
from tinysight.reporting.theme import (
    LIGHT,
    Theme,
    as_drawn,
    dress,
    head,
    new_figure,
    panel,
    style,
    widest,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["confusion"]

NUMBERED = 20  # up to so many classes the cells show their numbers
SIDE = 1050  # pixels at most, with which a hundred classes are all named
THINNED = 890  # pixels where there are more: with its names the matrix is as wide as a page


def confusion(metrics: Metrics, *, normalised: bool = False, theme: Theme = LIGHT) -> Figure:
    """Draw the confusion matrix as a heat map: counts, or shares of each true class.

    The colour follows the square root, so that rare mistakes can be seen beside the diagonal.
    """
    import seaborn
    from matplotlib.colors import LinearSegmentedColormap, PowerNorm

    shown = np.array(metrics.confusion, dtype=np.float64)
    if normalised:
        rows = shown.sum(axis=1, keepdims=True)
        shown = np.divide(shown, rows, out=np.zeros_like(shown), where=rows > 0)
    k = len(shown)
    few = k <= NUMBERED
    size, cell = (
        (11, max(38.0, min(72.0, 320 / k)))
        if few
        else (9, min(20.0, SIDE / k) if k <= 100 else THINNED / k)
    )
    names = as_drawn([c.name for c in metrics.classes], 20 if few else 16)
    every = _step((size + 1) / cell)
    label = 10 + widest(names[::every], size)
    turn = 90 if not few else 45 if label - 10 > cell - 4 else 0  # of the names below, degrees
    below = {90: label, 45: 0.74 * label + 6, 0: 24}[turn]
    above = 52 if few else 42 + label  # where there are many, their names stand above, too
    side, beside = k * cell, 4 if few else 58  # cells that show their number need no scale
    with style():
        figure = new_figure(max(300, label + side + beside), above + side + below + 6, theme)
        what = "share of each true class" if normalised else "counts"
        said = "Rows: true class; columns: predicted"
        if every > 1:
            said += f"; of {k} classes every {every}{'nd' if every == 2 else 'th'} is named"
        head(figure, f"Confusion, {what}", said, theme)
        axes = panel(figure, label, above, side, side)
        dress(axes, theme, grid="")
        bar = None if few else panel(figure, label + side + 14, above, 10, 240)
        seaborn.heatmap(
            shown, ax=axes, cbar=not few, cbar_ax=bar, rasterized=not few,
            xticklabels=False, yticklabels=False,
            cmap=LinearSegmentedColormap.from_list("tinysight", theme.heat),
            norm=PowerNorm(0.5, vmin=0, vmax=1.0 if normalised else max(1.0, float(shown.max()))),
            annot=_numbers(shown, normalised=normalised) if few else False, fmt="",
            annot_kws={"fontsize": 11}, linewidths=1 if few else 0, linecolor=theme.paper,
        )  # fmt: skip
        _name_classes(axes, names, every, size, turn, theme)
        if not few:
            _rule(axes, k, max(10, _step(30 / cell)), theme)
        if bar is not None:
            _scale(bar, normalised, theme)
    return figure


def _scale(bar: Axes, normalised: bool, theme: Theme) -> None:
    """The colours' scale, its marks where the square root leaves them room."""
    dress(bar, theme, grid="")
    if normalised:
        bar.set_yticks([0, 0.01, 0.1, 0.25, 0.5, 1], ["0", "1%", "10%", "25%", "50%", "100%"])
    bar.tick_params(labelcolor=theme.muted, labelsize=10, length=0, pad=4)
    bar.minorticks_off()


def _numbers(shown: np.ndarray, *, normalised: bool) -> np.ndarray:
    """What the cells say: whole percents or counts; nothing where there is nothing."""

    def text(value: float) -> str:
        if not value:
            return ""
        if not normalised:
            return f"{int(value)}"
        return f"{100 * value:.0f}" if round(100 * value) else "<1"

    return np.array([[text(v) for v in row] for row in shown], dtype=object)


def _step(least: float) -> int:
    """The smallest of 1, 2, 5, 10, 20, 50 … that is no less than `least`.

    >>> [_step(least) for least in (0.3, 1.2, 2.9, 6)]
    [1, 2, 5, 10]
    """
    ten = 1
    while True:
        for step in (ten, 2 * ten, 5 * ten):
            if step >= least:
                return step
        ten *= 10


def _rule(axes: Axes, k: int, every: int, theme: Theme) -> None:
    """Thin lines that lead the eye."""
    for place in range(every, k, every):
        axes.axhline(place, color=theme.muted, linewidth=0.4, alpha=0.6)
        axes.axvline(place, color=theme.muted, linewidth=0.4, alpha=0.6)


def _name_classes(
    axes: Axes, names: list[str], every: int, size: int, turn: int, theme: Theme
) -> None:
    """Name every so many-th class on the sides and below; where there are many, above as well."""
    at = np.arange(len(names))[::every] + 0.5
    axes.set_yticks(at, names[::every], rotation=0, va="center_baseline")
    axes.set_xticks(
        at, names[::every], rotation=turn, rotation_mode="anchor",
        ha="right" if turn else "center", va="center" if turn == 90 else "top",
    )  # fmt: skip
    axes.tick_params(labelcolor=theme.ink, labelsize=size, length=0, pad=4)
    if turn != 90:
        return
    for x, name in zip(at, names[::every], strict=True):
        axes.annotate(
            name, (x, 1), (0, 4), xycoords=axes.get_xaxis_transform(), textcoords="offset points",
            rotation=90, rotation_mode="anchor", ha="left", va="center", fontsize=size,
            color=theme.ink, annotation_clip=False,
        )  # fmt: skip
