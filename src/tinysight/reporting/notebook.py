"""A run in a few lines: for the terminal, and for a notebook's output cell."""

from __future__ import annotations

from html import escape

from tinysight.reporting.figures import learning_curves
from tinysight.reporting.gathering import Gathered, gather
from tinysight.reporting.inlining import inline
from tinysight.reporting.reading import ending
from tinysight.reporting.theme import LIGHT, to_svg
from tinysight.run import RunFolder

__all__ = ["html", "summary"]


def summary(folder: RunFolder) -> str:
    """Return a run's outcome as plain lines."""
    return "\n".join(f"{name:<20}{value}" for name, value in _rows(folder, gather(folder)))


def html(folder: RunFolder) -> str:
    """Return a run's outcome as a table, with its learning curves, for a notebook."""
    run = gather(folder)
    cells = "".join(
        f"<tr><th style='text-align:left'>{escape(name)}</th>"
        f"<td style='text-align:left'>{escape(value)}</td></tr>"
        for name, value in _rows(folder, run)
    )
    curves = ""
    if run.epochs:
        svg = to_svg(
            learning_curves(run.epochs, rates=run.rates, split=run.recipe.held_out, theme=LIGHT)
        )
        curves = inline(svg, prefix=f"{run.name}-curves-", label="Learning curves")
    return f"<div style='max-width:60rem'><table>{cells}</table>{curves}</div>"


def _rows(folder: RunFolder, run: Gathered) -> list[tuple[str, str]]:
    rows = [("run", str(folder.path))]
    for split, found in run.evaluated.items():
        mark = ", test-selected" if run.recipe.chosen_on == "test" else ""
        rows.append((f"{split} accuracy", f"{found.metrics.top1}{mark}"))
        if found.augmented:
            rows.append(("", str(found.augmented)))
    if run.fitting:
        rows.append(("verdict", run.fitting.sentence))
    if said := ending(run):
        rows.append(("training", said))
    if folder.report_html.exists():
        rows.append(("report", str(folder.report_html)))
    return rows
