"""The figures of a report: drawn for light and for dark, and left as files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from tinysight.evaluation.metrics import Metrics
from tinysight.reporting import figures
from tinysight.reporting.gathering import Gathered
from tinysight.reporting.inlining import inline
from tinysight.reporting.matrix import confusion
from tinysight.reporting.theme import DARK, LIGHT, UNITS, cut, to_png, to_svg

if TYPE_CHECKING:
    from collections.abc import Callable

    from markupsafe import Markup
    from matplotlib.figure import Figure

__all__ = ["MANY", "NAME", "Plot", "extremes", "plot", "plots"]

FIGURES = "evaluation/figures"  # of the run folder
MANY = 20  # classes beyond which figures keep their size and scroll, and tables are folded
NAME = 40  # letters of a class name within a sentence


class Plot(NamedTuple):
    """A figure in the page, once for light and once for dark.

    `keep` says that it stands at its own `width` (pixels) and scrolls where that is too wide.
    `files` are what is left of it in the run folder, by their paths below it.
    """

    name: str
    light: Markup
    dark: Markup
    width: int
    keep: bool
    files: Mapping[str, str | bytes]


def plots(run: Gathered, shown: Callable[[int, int], object]) -> Iterator[Plot]:
    """Draw every figure that the run has numbers for.

    Args:
        shown: told how many of how many are drawn.
    """
    wanted = list(_wanted(run))
    for done, (name, file, label, draw, keep) in enumerate(wanted):
        shown(done, len(wanted))
        yield plot(name, f"{FIGURES}/{file}", label, draw, keep=keep)


def plot(
    name: str, file: str, label: str, draw: Callable[..., Figure], *, keep: bool = False
) -> Plot:
    """Draw a figure for light and for dark.

    Args:
        file: its path below the folder it is left in, without its ending.
        label: its text for those who do not see it.
        draw: called with `theme`.
        keep: see `Plot`.
    """
    from markupsafe import Markup

    figure = draw(theme=LIGHT)
    svg = to_svg(figure)
    light = inline(svg, prefix=f"{name}-l-", label=label)
    dark = inline(to_svg(draw(theme=DARK)), prefix=f"{name}-d-", label=label)
    width = round(float(figure.get_size_inches()[0]) * UNITS)
    files: dict[str, str | bytes] = {f"{file}.svg": svg, f"{file}.png": to_png(figure)}
    return Plot(name, Markup(light), Markup(dark), width, keep, files)


def _wanted(run: Gathered) -> Iterator[tuple[str, str, str, Callable[..., Figure], bool]]:
    """Name, file, text for those who do not see it, how to draw it, and `keep`."""
    held_out = run.recipe.held_out
    if run.epochs:
        for name, said in (
            ("loss", f"Loss by epoch: training running and clean, and {held_out}."),
            ("accuracy", f"Accuracy by epoch: training running and clean, and {held_out}."),
            ("rate", "Learning rate over the epochs."),
        ):
            best, rates = run.best.get("epoch"), run.rates
            how = {"best": best, "rates": rates, "split": held_out}
            draw = partial(figures.learning_curves, run.epochs, [name], **how)
            yield name, f"curve-{name}", said, draw, False
    if run.main is None:
        return
    metrics, split = run.main.metrics, run.main.split
    many = len(metrics.classes) > MANY
    diagonal = f"{metrics.top1.value:.1%} of the pictures stand on the diagonal."
    for name in ("shares", "counts"):
        said = f"Confusion matrix on {split}, {name}: {diagonal}"
        draw = partial(confusion, metrics, normalised=name == "shares")
        yield name, f"{split}-confusion-{name}", said, draw, many
    said = f"Accuracy of each class on {split} with its interval, sorted. {extremes(metrics)}"
    draw = partial(figures.class_accuracy, metrics)
    yield "bars", f"{split}-class-accuracy", said, draw, many
    pairs = metrics.confused(12)
    if pairs:
        named = "; ".join(f"{true} taken for {predicted}, {n}" for true, predicted, n in pairs)
        draw = partial(figures.confused_pairs, metrics)
        yield "pairs", f"{split}-confused-pairs", f"Most confused pairs: {named}.", draw, False


def extremes(metrics: Metrics) -> str:
    """Say which class is read best and which worst; "" where there is none."""
    known = [c for c in metrics.classes if c.support]
    if not known:
        return ""
    best, worst = (f(known, key=lambda c: c.accuracy.value) for f in (max, min))
    if best.accuracy.value == worst.accuracy.value:
        return f"Every class is at {best.accuracy.value:.1%}."
    return (
        f"Best: {cut(best.name, NAME)}, {best.accuracy.value:.1%}; "
        f"worst: {cut(worst.name, NAME)}, {worst.accuracy.value:.1%}."
    )
