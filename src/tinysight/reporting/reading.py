"""What the numbers of a run say, in sentences."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from tinysight.progress import nats, span
from tinysight.reporting.gathering import Gathered

__all__ = ["curves", "ending", "reads"]


def curves(rows: Sequence[Mapping[str, float]], split: str = "validation") -> str:
    """Say in a sentence or two how the training went, from the rows of metrics.csv.

    Args:
        split: which stands for validation in them.
    """
    if not rows:
        return "No epoch was completed, so there is nothing to draw."
    if not any(math.isfinite(row["validation_accuracy"]) for row in rows):
        return "A final fit: nothing was held out, so there is no validation to draw."
    best = max(rows, key=lambda row: _or(row["validation_accuracy"], -1.0))
    top = f"{best['validation_accuracy']:.1%}"
    if len(rows) == 1:
        return (
            f"A single epoch: points, no curves yet. {split.capitalize()} accuracy stands at {top}."
        )
    said = f"{split.capitalize()} accuracy is highest in epoch {int(best['epoch'])}, at {top}"
    last = rows[-1]
    if best is not last:
        said += f"; the last epoch stands at {last['validation_accuracy']:.1%}"
    return f"{said}. {_course(rows, split)}"


def _course(rows: Sequence[Mapping[str, float]], split: str) -> str:
    """What happened at the end."""
    lowest = min(rows, key=lambda row: _or(row["validation_loss"], math.inf))
    last = rows[-1]
    turned = (
        lowest["epoch"] < last["epoch"]
        and last["validation_loss"] > 1.05 * lowest["validation_loss"]
        and last["train_loss_clean"] < lowest["train_loss_clean"]
    )
    if turned:
        return (
            f"{split.capitalize()} loss was lowest in epoch {int(lowest['epoch'])} "
            f"({nats(lowest['validation_loss'])}) and has risen to {nats(last['validation_loss'])} "
            "while the training loss still fell: the model grows surer of its mistakes."
        )
    late = max(1, len(rows) // 5)
    before = max(_or(row["validation_accuracy"], 0.0) for row in rows[:-late])
    gain = 100 * (max(_or(row["validation_accuracy"], 0.0) for row in rows[-late:]) - before)
    when = "The last epoch" if late == 1 else f"The last {late} epochs"
    if gain <= 0:
        return f"{when} brought nothing more."
    more = " More epochs would probably help." if gain > 1 else ""
    return f"{when} brought {gain:.1f} points.{more}"


def _or(value: float, otherwise: float) -> float:
    return value if math.isfinite(value) else otherwise


def ending(run: Gathered) -> str:
    """Say how the training ended where that is not simply its end, and what is older than it."""
    said = [_ended(run)]
    if run.outdated:
        splits = " and ".join(run.outdated)
        said.append(f"The evaluation on {splits} is of earlier weights and left out: do it again.")
    return " ".join(filter(None, said))


def _ended(run: Gathered) -> str:
    done, planned = len(run.epochs), math.ceil(run.recipe.epochs)
    stopped = run.last.get("stopped")
    if run.diverged:
        first, last = run.diverged["steps"]
        advice = (
            "The weights had not been changed once: the learning rate is not to blame."
            if run.diverged.get("at_once")
            else "A lower optim.lr, or optim.clip=1, may hold it."
        )
        kept = (
            "The checkpoints hold what was before."
            if run.last
            else "No epoch was complete, so there are no weights to evaluate or to predict with."
        )
        return (
            f"Stopped: the loss or a gradient became non-finite at {span(first, last)} (epoch "
            f"{run.diverged['epoch']}), at a learning rate of {run.diverged['learning_rate']:.3g}; "
            f"{done} of {planned} epochs were completed. {kept} {advice}"
        )
    if stopped == "interrupted":
        return (
            f"Interrupted: {done} of {planned} epochs were completed. These are its results so far."
        )
    if stopped == "early":
        return (
            f"Stopped early, as the recipe asks: {done} of {planned} epochs, after no better "
            f"{run.recipe.held_out} accuracy for {run.recipe.patience} of them."
        )
    if stopped == "reached":
        return (
            f"Stopped, as the recipe asks: {done} of {planned} epochs, when the running training "
            f"accuracy had reached {run.recipe.stop_at:.0%}."
        )
    if stopped is None and done < planned:
        return (
            f"This training has no recorded end: {done} of {planned} epochs were completed. "
            "It is still running, or was cut off."
        )
    return ""


def reads(run: Gathered) -> str:
    """Say how often the test labels were read."""
    times = len(run.test_reads)
    if not times:
        return "The test labels have never been read."
    often = {1: "once", 2: "twice"}.get(times, f"{times} times")
    said = f"The test labels have been read {often}"
    if times == 1:
        return f"{said}, for this evaluation."
    return f"{said}: what is chosen after looking at them is no longer an independent test."
