"""The curve of a learning-rate range test: loss over rate, and what it suggests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tinysight.reporting.theme import LIGHT, Theme, dress, head, legend, new_figure, panel, style
from tinysight.training.suggesting import RateTest

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["rate_curve"]

ROOM = 1.25  # times the range of the smoothed loss that is drawn: single losses may be of any size


def rate_curve(found: RateTest, *, name: str = "", theme: Theme = LIGHT) -> Figure:
    """Draw the loss of each step over its rate, smoothed too, with the suggestion on it.

    Args:
        found: a range test.
        name: of what was trained, for the title.
        theme: the colours.
    """
    remark = (
        f"No rate is suggested: {found.refusal}"
        if found.suggested is None
        else f"Suggested: {found.suggested:.2g}; the recipe has {found.recipe_rate:.3g}"
    )
    with style():
        figure = new_figure(680, 396, theme)
        head(figure, f"Learning-rate range test{f': {name}' if name else ''}", remark, theme)
        axes = panel(figure, 46, 74, 618, 270)
        dress(axes, theme)
        _scale(axes, found)
        axes.plot(
            found.rates, found.losses, color=theme.first_pale, linewidth=1.0, label="Each step"
        )
        axes.plot(
            found.rates, found.smoothed, color=theme.first, linewidth=2.2, label="Smoothed",
            solid_capstyle="round",
        )  # fmt: skip
        _marks(axes, found, theme)
        axes.set_xlabel("Learning rate", color=theme.muted, fontsize=10)
        axes.set_ylabel("Loss, nats", color=theme.muted, fontsize=10)
        legend(axes, theme, columns=6)
    return figure


def _marks(axes: Axes, found: RateTest, theme: Theme) -> None:
    """The loss of guessing, the rates that work, the one suggested, and where it diverged."""
    axes.axhline(
        found.guess, color=theme.muted, linewidth=1.0, linestyle=(0, (1, 2)), label="Guessing"
    )
    if found.low is not None and found.high is not None:
        axes.axvspan(found.low, found.high, color=theme.soft, zorder=0, label="Loss falls")
    if found.suggested is not None:
        axes.axvline(found.suggested, color=theme.second, linewidth=1.6, label="Suggested")
    if found.diverged is not None:
        axes.axvline(
            found.diverged, color=theme.ink, linewidth=1.2, linestyle=(0, (3, 2)), label="Diverged"
        )


def _scale(axes: Axes, found: RateTest) -> None:
    """Powers of ten below; to the left what the smoothed line needs, save for its explosion."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(numticks=12))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda rate, _: f"{rate:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    low = min(*found.losses, found.guess)
    seen = max(*found.smoothed[: -(len(found.smoothed) // 10) or None], found.guess)
    room = ROOM * (seen - low)
    axes.set_ylim(max(0.0, low - 0.05 * room), low + room)
    axes.set_xlim(found.rates[0], max(found.rates[-1], found.diverged or 0.0))
