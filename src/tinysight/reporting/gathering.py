"""What a run folder holds, read into one value; whatever is missing is None or empty."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tinysight.evaluation.fitting import Fitting, judge
from tinysight.evaluation.intervals import wilson
from tinysight.evaluation.metrics import Metrics
from tinysight.recipe import Recipe
from tinysight.run import RunFolder

__all__ = ["Evaluated", "Gathered", "gather"]

MISLEADING = {
    *"\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
}  # turn text around


@dataclass(frozen=True)
class Evaluated:
    """One evaluation: its metrics, and cards of right and wrong answers (see gallery.json)."""

    split: str
    checkpoint: str
    metrics: Metrics
    right: Sequence[Mapping[str, Any]]
    wrong: Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Gathered:
    """A run, as its folder tells it.

    Attributes:
        data, model, environment: the JSON files of these names; empty where missing.
        epochs: the rows of metrics.csv.
        best, last: the states of the checkpoints; empty where missing.
        evaluated: by split; "test" first where both are there.
    """

    name: str
    recipe: Recipe
    data: Mapping[str, Any]
    model: Mapping[str, Any]
    environment: Mapping[str, Any]
    epochs: Sequence[Mapping[str, float]]
    best: Mapping[str, Any]
    last: Mapping[str, Any]
    evaluated: Mapping[str, Evaluated]
    test_reads: Sequence[Mapping[str, str]]

    @property
    def main(self) -> Evaluated | None:
        """The evaluation that the report is about: on test, or else on validation."""
        return next(iter(self.evaluated.values()), None)

    @property
    def fitting(self) -> Fitting | None:
        """The verdict on the best checkpoint, where what it takes was measured."""
        accuracy, n = self.best.get("train_accuracy_clean"), self.best.get("train_clean_n")
        if accuracy is None or not math.isfinite(accuracy) or not n:
            return None
        if "validation" in self.evaluated:
            validation = self.evaluated["validation"].metrics.top1
        else:
            held_out = (self.data.get("splits", {}).get("validation") or {}).get("n", 0)
            seen = self.best.get("validation_accuracy")
            if seen is None or not math.isfinite(seen) or not held_out:
                return None
            validation = wilson(round(seen * held_out), held_out)
        if not validation.n:
            return None
        running = [
            row["train_accuracy_running"]
            for row in self.epochs
            if row["epoch"] == self.best.get("epoch")
            and math.isfinite(row["train_accuracy_running"])
        ]
        return judge(wilson(round(accuracy * n), n), validation, running=next(iter(running), None))


def gather(folder: RunFolder) -> Gathered:
    """Read everything that a report is made of.

    Raises:
        CheckpointError: a file is there but is not JSON.
        RecipeError: recipe.json is not a recipe.
    """
    found = {split: _evaluated(folder, split) for split in ("test", "validation")}
    return Gathered(
        name=_readable(folder.name),
        recipe=folder.recipe(),
        data=_json(folder, "data"),
        model=_json(folder, "model"),
        environment=_json(folder, "environment"),
        epochs=folder.metrics(),
        best=_json(folder, "checkpoints/best").get("state", {}),
        last=_json(folder, "checkpoints/last").get("state", {}),
        evaluated={split: e for split, e in found.items() if e is not None},
        test_reads=_readable(folder.test_reads()),
    )


def _evaluated(folder: RunFolder, split: str) -> Evaluated | None:
    said = _json(folder, f"evaluation/{split}/metrics")
    if not said:
        return None
    cards = _json(folder, f"evaluation/{split}/gallery")
    return Evaluated(
        split,
        said["checkpoint"],
        Metrics.from_dict(said["metrics"]),
        cards.get("right", []),
        cards.get("wrong", []),
    )


def _json(folder: RunFolder, name: str) -> Any:
    if not (folder.path / f"{name}.json").exists():
        return {}
    return _readable(folder.read_json(name))


def _readable(value: Any) -> Any:
    """The same value with what cannot or should not be shown in its strings replaced.

    File names may hold control characters, halves of surrogate pairs, and marks that turn the
    direction of the text around them.
    """
    if isinstance(value, str):
        return "".join(
            "\ufffd" if c in MISLEADING or unicodedata.category(c) in ("Cc", "Cs") else c
            for c in value
        )
    if isinstance(value, dict):
        return {_readable(k): _readable(v) for k, v in value.items()}
    return [_readable(v) for v in value] if isinstance(value, list) else value
