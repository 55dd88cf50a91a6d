"""What a run folder holds, read into one value; whatever is missing is None or empty."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, Field

from tinysight.errors import CheckpointError
from tinysight.evaluation.fitting import Fitting, judge
from tinysight.evaluation.intervals import Share, wilson
from tinysight.evaluation.metrics import Metrics
from tinysight.evaluation.result import Augmented
from tinysight.recipe import Recipe
from tinysight.run import RunFolder
from tinysight.training.batches import steps_in_all
from tinysight.training.schedule import factor

__all__ = ["Evaluated", "Gathered", "gather"]

RATES = 300  # points of the learning rate's curve
MISLEADING = {
    *"\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
}  # turn text around


class _Evaluation(BaseModel):
    """What evaluation/<split>/metrics.json must hold; the next, what gallery.json must."""

    checkpoint: str
    weights: str | None = None
    device: str | None = None
    metrics: Metrics
    augmented: Augmented | None = None


class _Card(BaseModel):
    label: str
    predicted: str
    probability: float
    probability_label: float
    id: str | None = None
    file: str | None = None


class _Gallery(BaseModel):
    right: list[_Card]
    wrong: list[_Card]


class _Layer(BaseModel):
    name: str
    kind: str
    output: list[int]
    parameters: int
    flops: int
    receptive_field: int | None


class _Model(BaseModel):
    name: str
    parameters: int
    flops: int
    note: str | None = None
    layers: list[_Layer] = []


class _Environment(BaseModel):
    command: str | None = None


class _Diverged(BaseModel):
    """What diverged.json holds: see `training.loop`."""

    epoch: int
    steps: list[int] = Field(min_length=2, max_length=2)
    learning_rate: float
    at_once: bool = False


@dataclass(frozen=True)
class Evaluated:
    """One evaluation: its metrics, and cards of right and wrong answers (see gallery.json)."""

    split: str
    checkpoint: str
    metrics: Metrics
    augmented: Augmented | None
    weights: str | None
    right: Sequence[Mapping[str, Any]]
    wrong: Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Gathered:
    """A run, as its folder tells it.

    Attributes:
        data, model, environment: the JSON files of these names; empty where missing.
        epochs: the rows of metrics.csv.
        best, last: the states of the checkpoints; empty where missing.
        diverged: where the loss left the finite numbers; empty where it did not.
        evaluated: by split; "test" first where both are there.
        outdated: the splits of which the evaluation is of weights before the best ones.
    """

    name: str
    recipe: Recipe
    data: Mapping[str, Any]
    model: Mapping[str, Any]
    environment: Mapping[str, Any]
    epochs: Sequence[Mapping[str, float]]
    best: Mapping[str, Any]
    last: Mapping[str, Any]
    diverged: Mapping[str, Any]
    evaluated: Mapping[str, Evaluated]
    test_reads: Sequence[Mapping[str, str]]
    outdated: Sequence[str] = ()

    @property
    def main(self) -> Evaluated | None:
        """The evaluation that the report is about: on test, or else on validation."""
        return next(iter(self.evaluated.values()), None)

    @property
    def switched_on(self) -> tuple[str, ...]:
        """What of "augmentation" and "dropout" the training of this run had on."""
        layers = self.model.get("layers")
        dropout = (
            any("Dropout" in layer["kind"] for layer in layers)
            if layers
            else bool(self.recipe.model.options.get("dropout"))
        )
        found = {"augmentation": self.recipe.augment.on, "dropout": dropout}
        return tuple(name for name, on in found.items() if on)

    @property
    def rates(self) -> list[tuple[float, float]]:
        """Epochs done and the learning rate there, step by step, at most some RATES of them.

        The schedule is a function of the step, so it is computed again; where that is not what
        metrics.csv has, as with "plateau", which follows the loss, nothing is returned.
        """
        whole = all(0 < row["epoch"] <= row["step"] < math.inf for row in self.epochs)
        if not self.epochs or not whole:
            return []
        first, epochs = self.epochs[0], self.recipe.epochs
        per_epoch = round(first["step"] / min(first["epoch"], epochs))
        done, total = int(self.epochs[-1]["step"]), steps_in_all(per_epoch, epochs)

        def rate(step: int) -> float:
            settings = self.recipe.schedule
            return self.recipe.optim.lr * factor(settings, step - 1, total, per_epoch)

        for row in self.epochs:
            if not math.isclose(rate(int(row["step"])), row["learning_rate"], abs_tol=1e-12):
                return []
        steps = sorted({*range(1, done + 1, max(1, done // RATES)), done})
        return [(step / per_epoch, rate(step)) for step in steps]

    @property
    def seen(self) -> Share | None:
        """The best checkpoint's validation accuracy as the training measured it."""
        value = self.best.get("validation_accuracy")
        n = (self.data.get("splits", {}).get(self.recipe.chosen_on) or {}).get("n", 0)
        if value is None or not math.isfinite(value) or not n:
            return None
        return wilson(round(value * n), n)

    @property
    def fitting(self) -> Fitting | None:
        """The verdict on the best checkpoint, where what it takes was measured."""
        accuracy, n = self.best.get("train_accuracy_clean"), self.best.get("train_clean_n")
        if accuracy is None or not math.isfinite(accuracy) or not n:
            return None
        chosen_on = self.recipe.chosen_on
        if chosen_on is not None and chosen_on in self.evaluated:
            validation = self.evaluated[chosen_on].metrics.top1
        else:
            validation = self.seen
        if validation is None or not validation.n:
            return None
        kept = [row for row in self.epochs if row["epoch"] == self.best.get("epoch")]
        running = [row["train_accuracy_running"] for row in kept]
        losses = [row["train_loss_clean"] for row in [*kept, *self.epochs[-1:]]]
        return judge(
            wilson(round(accuracy * n), n),
            validation,
            running=next(filter(math.isfinite, running), None),
            switched_on=self.switched_on,
            loss=max(filter(math.isfinite, losses), default=None),
            classes=len(self.data.get("classes") or ()) or None,
            split=self.recipe.held_out,
        )


def gather(folder: RunFolder) -> Gathered:
    """Read everything that a report is made of.

    Raises:
        CheckpointError: a file is there but is damaged.
        RecipeError: recipe.json is not a recipe.
    """
    best = folder.digest("best") if folder.has_json("checkpoints/best") else None
    found = {split: _evaluated(folder, split) for split in ("test", "validation")}
    outdated = [s for s, e in found.items() if e and best and e.weights not in (None, best)]
    return Gathered(
        name=_readable(folder.name),
        recipe=folder.recipe(),
        data=_readable(folder.data()) if folder.has_json("data") else {},
        model=_json(folder, "model", _Model),
        environment=_json(folder, "environment", _Environment),
        epochs=folder.metrics(),
        best=_state(folder, "best"),
        last=_state(folder, "last"),
        diverged=_json(folder, "diverged", _Diverged),
        evaluated={s: e for s, e in found.items() if e is not None and s not in outdated},
        test_reads=_readable(folder.test_reads()),
        outdated=outdated,
    )


def _evaluated(folder: RunFolder, split: str) -> Evaluated | None:
    said = _json(folder, f"evaluation/{split}/metrics", _Evaluation)
    if not said:
        return None
    metrics = Metrics.from_dict(said["metrics"])
    augmented = said.get("augmented")
    k = len(metrics.classes)
    if not k or [len(row) for row in metrics.confusion] != [k] * k:
        raise CheckpointError(
            f"{folder.evaluation(split) / 'metrics.json'} is damaged: its confusion matrix has not "
            f"a row and a column for each of {k} classes"
        )
    cards = _json(folder, f"evaluation/{split}/gallery", _Gallery)
    return Evaluated(
        split,
        said["checkpoint"],
        metrics,
        Augmented(augmented["tta"], Share(**augmented["top1"])) if augmented else None,
        said.get("weights"),
        cards.get("right", []),
        cards.get("wrong", []),
    )


def _json(folder: RunFolder, name: str, form: type[BaseModel]) -> dict[str, Any]:
    return _readable(folder.read_json(name, form)) if folder.has_json(name) else {}


def _state(folder: RunFolder, tag: str) -> dict[str, Any]:
    return _readable(folder.state(tag)) if folder.has_json(f"checkpoints/{tag}") else {}


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
