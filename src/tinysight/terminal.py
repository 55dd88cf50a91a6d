"""Results as text for a terminal, on standard output, and what a terminal must not get.

Names of files and classes come from strangers: their control characters are escaped here.
"""

from __future__ import annotations

import csv
import io
import json
import os
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager, redirect_stdout
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from tinysight.api import Run
    from tinysight.data.published.store import Status
    from tinysight.evaluation.predict import Prediction
    from tinysight.evaluation.result import Evaluation
    from tinysight.models.describe import Description
    from tinysight.run import Checked

__all__ = [
    "checked",
    "evaluation",
    "evaluation_json",
    "known_data",
    "layers",
    "predictions",
    "predictions_csv",
    "predictions_json",
    "recipe",
    "recipes",
    "release",
    "run_json",
    "safe",
    "say",
    "studies",
    "table",
    "take_any_text",
    "unreadable",
    "working",
]

ALWAYS = ("epochs", "batch_size", "model.name", "optim.name", "optim.lr", "schedule.name")
LONGEST = 100_000  # characters; a message is escaped whole


def safe(text: str) -> str:
    """Return the text with its control characters escaped, line ends among them."""
    if text.isprintable():
        return text
    from tinysight.pictures.formats import printable

    return printable(text, LONGEST)


def say(what: object, *, file: TextIO | None = None) -> None:
    """Print something line by line, without control characters."""
    for line in str(what).split("\n"):
        print(safe(line), file=file)


def working() -> AbstractContextManager[object]:
    """Keep what is printed meanwhile, by the user's own network say, off the results."""
    from tinysight.progress import standard_error

    return redirect_stdout(standard_error())


def take_any_text() -> None:
    """Make standard output and error take any name: escaped where their encoding lacks a letter.

    One that is closed drops what it gets.
    """
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def release() -> None:
    """Write out standard output, or drop it where nobody takes it, so that the exit is quiet.

    As the notes on SIGPIPE in the documentation of Python's `signal` have it.
    """
    try:
        sys.stdout.flush()
    except OSError:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        try:
            os.dup2(nowhere, sys.stdout.fileno())
        except io.UnsupportedOperation:  # no file: nothing is written at the exit either
            pass
        finally:
            os.close(nowhere)


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print rows under column heads; what is no terminal gets them unwrapped."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    drawn = Table(*columns, box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for row in rows:
        drawn.add_row(*map(safe, row))
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
    mark = ", test-selected" if found.test_selected else ""
    view = ", single view" if found.augmented else ""
    print(f"{found.split} accuracy {metrics.top1}{mark}{view}")
    if found.augmented:
        print(f"{found.augmented}; what follows is of the single view")
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
    n = f"{metrics.top1.n:,}"
    rows += [
        (name, n, f"{a.recall:.1%}", "", f"{a.precision:.1%}", f"{a.f1:.1%}")
        for name, a in (("macro mean", metrics.macro), ("weighted mean", metrics.weighted))
    ]
    table(["class", "n", "accuracy (recall)", "95 % interval", "precision", "F1"], rows)
    pairs = ", ".join(f"{true} taken for {said} ({n})" for true, said, n in metrics.confused(3))
    if pairs:
        say(f"most confused: {pairs}")


def evaluation_json(found: Evaluation) -> None:
    """Print an evaluation as JSON."""
    values = {
        "split": found.split,
        "checkpoint": found.checkpoint,
        "device": found.device,
        "metrics": found.metrics.to_dict(),
        "augmented": found.augmented.to_dict() if found.augmented else None,
        "test_selected": found.test_selected,
    }
    print(json.dumps(values, indent=2))


def predictions(found: Sequence[Prediction]) -> None:
    """Print a row a picture; what was done to a picture on the way in goes to standard error."""
    rows = [(p.picture, *(f"{name} {value:.1%}" for name, value in p.top)) for p in found if p.top]
    if rows:
        table(["picture", *(f"{i}." for i in range(1, len(rows[0])))], rows)
    for p in found:
        for note in p.notes:
            say(f"{p.picture}: {note}", file=sys.stderr)


def predictions_csv(found: Sequence[Prediction]) -> None:
    """Print a row for each picture and class, as CSV; JSON alone has the names unescaped."""
    writer = csv.writer(sys.stdout)
    writer.writerow(["picture", "rank", "class", "probability", "error"])
    for p in found:
        for rank, (name, value) in enumerate(p.top, 1):
            writer.writerow([safe(p.picture), rank, safe(name), f"{value:.6f}", ""])
        if p.error:
            writer.writerow([safe(p.picture), "", "", "", safe(p.error)])


def predictions_json(found: Sequence[Prediction]) -> None:
    """Print a list of what is known of each picture, as JSON."""
    values = [
        {
            "picture": p.picture,
            "top": [{"class": name, "probability": value} for name, value in p.top],
            "notes": list(p.notes),
            "error": p.error,
        }
        for p in found
    ]
    print(json.dumps(values, indent=2))


def recipes() -> None:
    """Print a row a recipe."""
    from tinysight.recipes import RECIPES, record

    found = {name: record(name) for name in RECIPES}
    table(["recipe", "for", "expected"], [(n, r["for"], r["expected"]) for n, r in found.items()])


def recipe(name: str) -> None:
    """Print a recipe's record, and the fields that matter: ALWAYS, and what is no default."""
    from tinysight.recipe import Facts
    from tinysight.recipes import find, record

    found = record(name)
    print(f"{name}: {found.pop('about')}\n")
    for key, text in found.items():
        print(f"{key + ':':<10}{text}")
    print("\nfields, as for CIFAR-10 (they adapt to the number of pictures):")
    fitted = find(name)(Facts())
    shown = {field: value for field, value in fitted.fields().items() if field in ALWAYS}
    shown |= {field: value for field, value, _ in fitted.changed()}
    table(["field", "value"], [(field, str(value)) for field, value in shown.items()])


def studies() -> None:
    """Print a row a study."""
    from tinysight.study import STUDIES

    table(["study", "question"], [(name, study.question) for name, study in STUDIES.items()])


def run_json(run: Run) -> None:
    """Print where a run is, and its accuracies with their intervals, as JSON."""
    from tinysight.reporting.gathering import gather

    values: dict[str, Any] = {"run": str(run.path), "report": str(run.folder.report_html)}
    evaluated = gather(run.folder).evaluated
    for split in ("validation", "test"):
        if split in evaluated:
            values[split] = asdict(evaluated[split].metrics.top1)
            values["test_selected"] = run.recipe.chosen_on == "test"
            if augmented := evaluated[split].augmented:
                values[f"{split}_augmented"] = augmented.to_dict()
    print(json.dumps(values, indent=2))


def known_data(*, as_json: bool) -> None:
    """Print the data sets that are known by name, and which of them are on this machine."""
    from tinysight.data import DATASETS
    from tinysight.data.published.store import status

    there = {own.name: own for own in status()}
    if as_json:
        values = {
            name: {
                "about": about,
                "here": name not in there or there[name].path is not None,
                "path": str(there[name].path) if name in there and there[name].path else None,
                "download_bytes": there[name].download if name in there else 0,
            }
            for name, about in DATASETS.items()
        }
        print(json.dumps(values, indent=2))
        return
    rows = [
        (name, about, _state(there[name]) if name in there else "comes with tinysight")
        for name, about in DATASETS.items()
    ]
    table(["name", "what it is", "on this machine"], rows)
    print("Any path is taken too: a folder, an archive or a file of a layout that is read.")


def _state(found: Status) -> str:
    """Whether a published data set is there, in words."""
    from tinysight.progress import megabytes

    if found.problem:
        return found.problem
    if found.path is None:
        return f"no, {megabytes(found.download)} to download"
    return f"yes, {found.path}" if found.added else f"yes, {megabytes(found.size)}"


def checked(found: Sequence[Checked], *, as_json: bool) -> None:
    """Print what was found of each file."""
    if as_json:
        values = [{"path": str(f.path), "bytes": f.size, "problem": f.problem} for f in found]
        print(json.dumps(values, indent=2))
        return
    rows = [
        (str(f.path), f"{f.size:,}" if f.size else "", f.problem or "as published") for f in found
    ]
    table(["file", "bytes", "found"], rows)


def unreadable(found: Sequence[Prediction]) -> int:
    """Say on standard error why pictures are unreadable, of ten at most; return how many are."""
    from tinysight.pictures.formats import printable

    bad = [p for p in found if p.error]
    for p in bad[:10]:
        named = str(p.error).startswith(printable(p.picture))
        say(p.error if named else f"{p.picture}: {p.error}", file=sys.stderr)
    return len(bad)
