"""The figures of studies, from their numbers: dots and lines with intervals, maps, curves."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from tinysight.reporting.theme import (
    LIGHT,
    Theme,
    dress,
    head,
    legend,
    new_figure,
    panel,
    style,
    widest,
)
from tinysight.study.estimate import Estimate
from tinysight.study.saying import percent

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["curves", "dots", "heat", "lines", "told"]

ROW = 30  # pixels of a row of dots
MARKERS = ("o", "s", "D", "^")
DASHES = ("-", "-", (0, (4, 2)), (0, (4, 2)))


def dots(
    rows: Mapping[str, Sequence[Estimate]],
    series: Sequence[str],
    *,
    title: str,
    remark: str,
    points: bool = False,
    theme: Theme = LIGHT,
) -> Figure:
    """Draw a row a name, in it a dot with its interval for each of the series.

    Args:
        points: the values are differences, drawn in percentage points around a line at none.
    """
    from matplotlib.ticker import FuncFormatter

    label = 14 + widest([*rows, " " * 12], 11)
    high = len(rows) * (ROW + 8 * (len(series) - 1))
    with style():
        figure = new_figure(label + 470, 92 + high + 30, theme)
        head(figure, title, remark, theme)
        axes = panel(figure, label, 76, 440, high)
        dress(axes, theme, grid="x")
        for number, name in enumerate(series):
            colour, marker = _look(number, theme)
            shift = 0.24 * (number - (len(series) - 1) / 2)
            at = [i + shift for i in range(len(rows))]
            found = [estimates[number] for estimates in rows.values()]
            axes.hlines(at, *_ends(found), color=colour, linewidth=1.6)
            axes.plot(
                [e.value for e in found], at, linestyle="", marker=marker, markersize=7,
                color=colour, label=name, clip_on=False,
            )  # fmt: skip
        if points:
            axes.axvline(0, color=theme.muted, linewidth=1.2)
            axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{100 * x:+.3g}"))
            axes.set_xlabel("Percentage points", color=theme.muted, fontsize=10)
        else:
            axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{100 * x:.3g}%"))
        axes.set_yticks(range(len(rows)), list(rows), va="center_baseline")
        axes.tick_params(axis="y", labelcolor=theme.ink, labelsize=11)
        axes.set_ylim(len(rows) - 0.5, -0.5)
        legend(axes, theme, columns=len(series))
    return figure


def lines(
    series: Mapping[str, Sequence[tuple[float, Estimate]]],
    *,
    title: str,
    remark: str,
    across: str,
    logarithmic: bool = False,
    theme: Theme = LIGHT,
) -> Figure:
    """Draw a line for each of the series through its dots with their intervals, all fractions.

    Args:
        across: what the horizontal axis is.
    """
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    with style():
        figure = new_figure(560, 380, theme)
        head(figure, title, remark, theme)
        axes = panel(figure, 46, 92, 490, 230)
        dress(axes, theme)
        for number, (name, placed) in enumerate(series.items()):
            colour, marker = _look(number, theme)
            x = [place for place, _ in placed]
            found = [estimate for _, estimate in placed]
            axes.vlines(x, *_ends(found), color=colour, linewidth=1.4, alpha=0.7)
            axes.plot(
                x, [e.value for e in found], color=colour, marker=marker, markersize=6,
                linestyle=DASHES[number % len(DASHES)], linewidth=2, label=name, clip_on=False,
            )  # fmt: skip
        if logarithmic:
            axes.set_xscale("log")
        places = sorted({place for placed in series.values() for place, _ in placed})
        axes.xaxis.set_major_locator(FixedLocator(places))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{100 * y:.3g}%"))
        axes.set_xlabel(across, color=theme.muted, fontsize=10)
        legend(axes, theme, columns=2 if len(series) > 3 else len(series))
    return figure


def heat(
    cells: Sequence[Sequence[float]],
    marks: Sequence[Sequence[str]],
    *,
    down: tuple[str, Sequence[str]],
    across: tuple[str, Sequence[str]],
    title: str,
    remark: str,
    theme: Theme = LIGHT,
) -> Figure:
    """Draw fractions as a map, each cell with its percentage and its mark below.

    Args:
        cells: a row a list.
        marks: "" or a few letters a cell.
        down, across: what an axis is, and what its rows or columns are called.
    """
    from matplotlib.colors import LinearSegmentedColormap

    shown = np.array(cells)
    wide, high = 74 * shown.shape[1], 46 * shown.shape[0]
    with style():
        figure = new_figure(84 + wide, 60 + high + 52, theme)
        head(figure, title, remark, theme)
        axes = panel(figure, 74, 56, wide, high)
        dress(axes, theme, grid="")
        colours = LinearSegmentedColormap.from_list("heat", theme.heat)
        axes.imshow(shown, cmap=colours, vmin=0, vmax=1, aspect="auto")
        for (y, x), value in np.ndenumerate(shown):
            ink = _readable(colours(float(value)), theme)
            said = f"{100 * value:.1f}" + (f"\n{marks[y][x]}" if marks[y][x] else "")
            axes.text(x, y, said, ha="center", va="center", fontsize=10, color=ink)
        axes.set_yticks(range(len(down[1])), list(down[1]))
        axes.set_xticks(range(len(across[1])), list(across[1]))
        axes.set_ylabel(down[0], color=theme.muted, fontsize=10)
        axes.set_xlabel(across[0], color=theme.muted, fontsize=10)
    return figure


def curves(
    panels: Mapping[str, Mapping[str, Sequence[float]]],
    *,
    title: str,
    remark: str,
    theme: Theme = LIGHT,
) -> Figure:
    """Draw fractions over the epochs, the panels two by two on one scale.

    Args:
        panels: by a panel's name its lines, by a line's name a value an epoch.
    """
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    values = [v for named in panels.values() for line in named.values() for v in line]
    low, high = min(values, default=0.0), max(values, default=1.0)
    room = 0.04 * (high - low) + 1e-3
    deep = math.ceil(len(panels) / 2)
    with style():
        figure = new_figure(2 * 290, 60 + 220 * deep, theme)
        head(figure, title, remark, theme)
        for place, (name, named) in enumerate(panels.items()):
            left, top = 290 * (place % 2) + 42, 60 + 220 * (place // 2) + 34
            axes = panel(figure, left, top, 236, 140)
            dress(axes, theme)
            axes.set_title(name, loc="left", fontsize=11, fontweight="bold", color=theme.ink)
            for number, (line, points) in enumerate(named.items()):
                axes.plot(
                    range(1, len(points) + 1), points, color=_look(number, theme)[0],
                    linewidth=2, label=line,
                )  # fmt: skip
            axes.set_ylim(low - room, high + room)
            axes.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True, min_n_ticks=1))
            axes.yaxis.set_major_locator(MaxNLocator(nbins=5))
            axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{100 * y:.3g}%"))
            if place == 0:
                legend(axes, theme, columns=len(named), raised=0.12)
    return figure


def told(series: Mapping[str, Sequence[tuple[float, Estimate]]]) -> str:
    """Return what `lines` draws, for those who do not see it."""
    return "; ".join(
        f"{name.lower()} {', '.join(f'{x:g} {percent(estimate)}' for x, estimate in placed)}"
        for name, placed in series.items()
    )


def _look(number: int, theme: Theme) -> tuple[str, str]:
    colours = (theme.first, theme.second, theme.ink, theme.muted)
    return colours[number % len(colours)], MARKERS[number % len(MARKERS)]


def _readable(ground: tuple[float, ...], theme: Theme) -> str:
    """The end of the theme's ramp that stands out more from a ground (red, green, blue, 0..1)."""
    from matplotlib.colors import to_rgb

    def luminance(colour: tuple[float, ...]) -> float:
        """Of sRGB, as WCAG 2 has it."""
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in colour[:3]]
        return float(np.dot(linear, (0.2126, 0.7152, 0.0722)))

    def contrast(ink: str) -> float:
        dark, light = sorted((luminance(to_rgb(ink)), luminance(ground)))
        return (light + 0.05) / (dark + 0.05)

    return max((theme.heat[0], theme.heat[-1]), key=contrast)


def _ends(found: Sequence[Estimate]) -> tuple[list[float], list[float]]:
    """Where the intervals begin and end; one that is infinite is a point."""
    low = [e.low if math.isfinite(e.low) else e.value for e in found]
    high = [e.high if math.isfinite(e.high) else e.value for e in found]
    return low, high
