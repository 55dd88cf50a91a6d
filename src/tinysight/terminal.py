"""Results as tables for a terminal, on standard output."""

from __future__ import annotations

import csv
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tinysight.evaluation.predict import Prediction
    from tinysight.evaluation.result import Evaluation
    from tinysight.models.describe import Description

__all__ = ["evaluation", "layers", "predictions", "predictions_csv", "table"]


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print rows under column heads; what is no terminal gets them unwrapped."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    drawn = Table(*columns, box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for row in rows:
        drawn.add_row(*row)
    width = None if sys.stdout.isatty() else 10_000
    Console(highlight=False, markup=False, width=width).print(drawn)


def layers(found: Description) -> None:
    """Print a model's layers with their costs."""
    rows = [
        (
            layer.name,
            layer.kind,
            "x".join(map(str, layer.output)),
            f"{layer.parameters:,}",
            f"{layer.flops / 1e6:,.2f}",
            str(layer.receptive_field or "all"),
        )
        for layer in found.layers
    ]
    rows.append(("total", "", "", f"{found.parameters:,}", f"{found.flops / 1e6:,.2f}", ""))
    table(["layer", "kind", "output", "parameters", "MFLOPs", "field, px"], rows)


def evaluation(found: Evaluation) -> None:
    """Print an evaluation: the whole, each class, the means."""
    metrics = found.metrics
    print(f"{found.split} accuracy {metrics.top1}")
    if metrics.top5:
        print(f"top-5 accuracy {metrics.top5}")
    rows = [
        (
            c.name,
            f"{c.support:,}",
            f"{c.accuracy.value:.1%}",
            f"{c.accuracy.low:.1%} to {c.accuracy.high:.1%}",
            f"{c.precision:.1%}",
            f"{c.f1:.1%}",
        )
        for c in metrics.classes
    ]
    rows += [
        (name, "", f"{a.recall:.1%}", "", f"{a.precision:.1%}", f"{a.f1:.1%}")
        for name, a in (("macro mean", metrics.macro), ("weighted mean", metrics.weighted))
    ]
    table(["class", "n", "accuracy (recall)", "95 % interval", "precision", "F1"], rows)
    pairs = ", ".join(f"{true} taken for {said} ({n})" for true, said, n in metrics.confused(3))
    if pairs:
        print(f"most confused: {pairs}")


def predictions(found: Sequence[Prediction]) -> None:
    """Print a row a picture; what was done to a picture on the way in goes to standard error."""
    rows = [(p.picture, *(f"{name} {value:.1%}" for name, value in p.top)) for p in found if p.top]
    if rows:
        table(["picture", *(f"{i}." for i in range(1, len(rows[0])))], rows)
    for p in found:
        for note in p.notes:
            print(f"{p.picture}: {note}", file=sys.stderr)


def predictions_csv(found: Sequence[Prediction]) -> None:
    """Print a row for each picture and class, as CSV."""
    writer = csv.writer(sys.stdout)
    writer.writerow(["picture", "rank", "class", "probability", "error"])
    for p in found:
        for rank, (name, value) in enumerate(p.top, 1):
            writer.writerow([p.picture, rank, name, f"{value:.6f}", ""])
        if p.error:
            writer.writerow([p.picture, "", "", "", p.error])
