"""Training: from a recipe and a data set to a run folder."""

from __future__ import annotations

import copy
import json
import logging
import math
import textwrap
from dataclasses import dataclass
from pathlib import Path

import torch

from tinysight.augment import size_at
from tinysight.data.dataset import SPLITS, DataSet, Split
from tinysight.data.statistics import mean_and_deviation
from tinysight.errors import RecipeError, UsageError
from tinysight.evaluation.intervals import wilson
from tinysight.machine import (
    Compilation,
    Precision,
    Threads,
    choose_compilation,
    choose_device,
    choose_precision,
    choose_threads,
    using,
)
from tinysight.models import adapt, build
from tinysight.models.describe import Description, describe
from tinysight.models.layers import Classifier
from tinysight.models.restore import warm_start
from tinysight.progress import Progress
from tinysight.recipe import Recipe
from tinysight.run import Checkpoint, RunFolder
from tinysight.training.batches import steps, steps_in_all
from tinysight.training.kernels import blocks
from tinysight.training.loop import clean_pictures, fit
from tinysight.training.signals import StopRequest

__all__ = ["Plan", "plan", "resume", "train"]

COLUMNS = 100  # of a terminal


@dataclass(frozen=True, eq=False)
class Plan:
    """A training that is ready to start.

    Attributes:
        init: the SHA-256 sum of the weights that a warm start took, where there is one.
    """

    data: DataSet
    recipe: Recipe
    model: Classifier
    table: Description
    mean: tuple[float, ...]
    deviation: tuple[float, ...]
    device: torch.device
    threads: Threads
    precision: Precision
    compilation: Compilation
    notes: tuple[str, ...]
    init: str | None = None

    @property
    def splits(self) -> tuple[Split, Split | None]:
        """What is trained on, and what is held out: of a final fit nothing is."""
        if self.recipe.final:
            return self.data.train.joined(self.data.validation), None
        return self.data.train, self.data.validation

    def __str__(self) -> str:
        d, r, h = self.data, self.recipe, self.data.shape
        train, validation = _sizes(d, r)
        sizes = ", ".join(f"{len(s):,} {n}" for n in SPLITS if (s := d.split(n)) is not None)
        per_epoch = steps(train, r.batch_size)
        clean = clean_pictures(train, validation)
        chosen = (
            f"validation accuracy of {_count(validation, 'picture')}, {_within(validation)} (95%)"
            if validation
            else "final fit on train and validation, the last weights are kept: nothing is chosen"
        )
        lines = {
            "data": f"{d.title}: {sizes}; {h[0]}x{h[1]}x{h[2]}, {len(d.classes)} classes",
            "model": f"{r.model.name}: {self.table.parameters:,} parameters, "
            f"{self.table.flops / 1e6:,.1f} MFLOPs a picture; {self.model.note}",
            "plan": f"recipe {r.name}: {_count(r.epochs, 'epoch')} of "
            f"{_count(per_epoch, 'step')}, batch {r.batch_size}, {r.optim.name} {r.optim.lr:g} "
            f"{r.schedule.name}, seed {r.seed}",
            "score": f"{chosen}; clean training accuracy of {clean:,}, {_within(clean)}",
            "machine": f"{self.device.type}, {self.threads}; channels-last; "
            f"{self.precision.name}: {self.precision.why}; {self.compilation}",
        }
        notes = [("note", note) for note in self.notes]
        return "\n".join(_wrapped(name, said) for name, said in [*lines.items(), *notes])


def plan(data: DataSet, recipe: Recipe, *, device: str = "auto", compilation: str = "auto") -> Plan:
    """Build the model and find the machine's settings, without training anything.

    Raises:
        UsageError: no such device, model or option, or the recipe does not fit the data set.
    """
    _check(recipe, data)
    place = choose_device(device)
    precision = choose_precision(recipe.precision, place)
    n = _sizes(data, recipe)[0]
    total = steps_in_all(steps(n, recipe.batch_size), recipe.epochs)
    threads = choose_threads()
    with using(threads):
        mean, deviation = mean_and_deviation(data.train.images)
        model = build(
            recipe.model,
            data.shape,
            len(data.classes),
            mean=mean,
            deviation=deviation,
            seed=recipe.seed,
        )
        adapt(model, data.train.images)
        chosen = choose_compilation(
            compilation,
            place,
            total,
            blocks=blocks(model),
            pixels=total * recipe.batch_size * math.prod(data.shape[:2]),
        )
        notes, init = list(data.notes), None
        if recipe.init is not None:
            start = RunFolder.open(recipe.init)
            said, init = warm_start(model, start)
            notes += [said, *([] if recipe.final else _strangers(start, data))]
        table = describe(model, data.shape)
        _check_statistics(recipe, n, table)
        small = size_at(0.0, recipe.augment, *data.shape[:2])
        if small != data.shape[:2]:
            model.accept(*small)
            _check_statistics(recipe, n, describe(model, (*small, data.shape[2])))
    return Plan(
        data,
        recipe,
        model,
        table,
        mean,
        deviation,
        place,
        threads,
        precision,
        chosen,
        tuple(notes),
        init,
    )


def train(
    ready: Plan, *, out: str | Path | None = None, trace: bool = False, progress: Progress
) -> RunFolder:
    """Carry out a plan; return the run folder with its metrics and checkpoints.

    The plan's own model stays as it is, so that a plan can be carried out again.

    Args:
        trace: look at some steps, see `tracing`.

    Raises:
        UsageError, ResourceError: the folder `out` cannot be used.
        Diverged, Interrupted: see `loop.fit`.
    """
    stem = f"{ready.data.name}-{ready.recipe.name}"
    # From before the folder is there, so that a signal never leaves one that is half made.
    with StopRequest() as stop, RunFolder.made(stem, out) as folder:
        folder.write(
            {
                "data.json": _json(_data(ready)),
                "model.json": _json(ready.table.to_dict()),
                "recipe.json": ready.recipe.to_json(),  # last: it makes the folder a run
            }
        )
        with folder.logging(progress.say):
            _carry_out(ready, folder, None, stop, trace, progress)
    return folder


def resume(ready: Plan, folder: RunFolder, *, trace: bool = False, progress: Progress) -> RunFolder:
    """Go on with the training of a run where it was stopped; see `train`.

    Args:
        ready: as the run was planned; its epochs may be others.

    Raises:
        CheckpointError: another process trains there, or no checkpoint is whole.
        UsageError: nothing is left to do.
        Diverged, Interrupted: see `loop.fit`.
    """
    with StopRequest() as stop, folder.training(), folder.logging(progress.say):
        start = folder.newest(progress.say)
        step = start.training.numbers.get("step", 0) if start and start.training else 0
        per_epoch = steps(_sizes(ready.data, ready.recipe)[0], ready.recipe.batch_size)
        total = steps_in_all(per_epoch, ready.recipe.epochs)
        stopped = start.state.get("stopped") if start else None
        # The end of an earlier plan is none of a longer one.
        ended = (stopped == "completed" and step >= total) or (
            stopped == "early" and start is not None and start.state["steps_in_all"] >= total
        )
        if ended and step <= total and not _reported(folder):
            progress.say("the training is complete; it is evaluated and reported")
            return folder
        if ended or step > total:
            raise UsageError(
                f"{folder.path} has done {step / per_epoch:.3g} of {ready.recipe.epochs:g} epochs"
                f"{' and is complete' if ended else ''}; to go on, give it more, "
                f"epochs={2 * math.ceil(step / per_epoch)} say"
            )
        if ready.recipe.epochs != folder.recipe().epochs:
            folder.write({"recipe.json": ready.recipe.to_json()})
        progress.say(
            f"going on from step {step:,} of {total:,}"
            if start
            else "nothing was saved yet: beginning anew"
        )
        _carry_out(ready, folder, start, stop, trace, progress)
    return folder


def _reported(folder: RunFolder) -> bool:
    """Whether there is a report from after the last checkpoint."""
    try:
        checkpoint = folder.path / "checkpoints" / "last.json"
        return folder.report_html.stat().st_mtime_ns >= checkpoint.stat().st_mtime_ns
    except OSError:
        return False


def _carry_out(
    ready: Plan,
    folder: RunFolder,
    start: Checkpoint | None,
    stop: StopRequest,
    trace: bool,
    progress: Progress,
) -> None:
    logging.getLogger("tinysight").info("%s\n%s", folder.path, ready)
    fit(
        copy.deepcopy(ready.model),
        *ready.splits,
        ready.recipe,
        folder,
        classes=len(ready.data.classes),
        mean=ready.mean,
        device=ready.device,
        threads=ready.threads,
        precision=ready.precision,
        compilation=ready.compilation,
        progress=progress,
        stop=stop,
        start=start,
        trace=trace,
    )


def _json(value: object) -> str:
    return json.dumps(value, indent=2, allow_nan=False) + "\n"


def _check(recipe: Recipe, data: DataSet) -> None:
    n, weights = _sizes(data, recipe)[0], recipe.loss.class_weights
    if recipe.batch_size > n:
        raise RecipeError(
            f"batch_size ({recipe.batch_size}) is above the {n} training pictures; use at most {n}"
        )
    if isinstance(weights, tuple) and len(weights) != len(data.classes):
        raise RecipeError(
            f"loss.class_weights has {len(weights)} weights, "
            f"the data set {len(data.classes)} classes"
        )


def _check_statistics(recipe: Recipe, n: int, table: Description) -> None:
    """Refuse batches of one picture where a batch norm would see one value a channel of them.

    Raises:
        RecipeError: there are such batches and such a layer.
    """
    count = steps(n, recipe.batch_size)
    if n // count > 1:
        return
    for layer in table.layers:
        if layer.kind.startswith("BatchNorm") and math.prod(layer.output[1:]) == 1:
            raise RecipeError(
                f"batch_size ({recipe.batch_size}) leaves a batch of one of the {n} training "
                f"pictures, of which {layer.name} sees one value a channel and cannot take a "
                "deviation; use another batch_size, larger pictures (augment.shrink=1, where it is "
                "less) or a model without batch norm"
            )


def _sizes(data: DataSet, recipe: Recipe) -> tuple[int, int]:
    """How many pictures are trained on, and how many held out; as `Plan.splits` has them."""
    n, held = len(data.train), len(data.validation)
    return (n + held, 0) if recipe.final else (n, held)


def _count(n: float, thing: str) -> str:
    return f"{n:,} {thing}" if n == 1 else f"{n:,} {thing}s"


def _within(n: int) -> str:
    """How far off an accuracy of n pictures may be: half its interval where that is widest."""
    half = wilson(n // 2, n)
    return f"within {50 * (half.high - half.low):.1f} points"


def _wrapped(name: str, said: str) -> str:
    """A line under its name, in as many as it takes to stay within COLUMNS."""
    return textwrap.fill(
        said,
        COLUMNS,
        initial_indent=f"{name:<8}",
        subsequent_indent=8 * " ",
        break_long_words=False,
        break_on_hyphens=False,
    )


def _strangers(start: RunFolder, data: DataSet) -> list[str]:
    """Refuse a start that has seen this validation split; say where nothing is known of that.

    Raises:
        RecipeError: `start` was trained on another cut of the same pictures, or is a final fit.
    """
    if start.recipe().final:
        raise RecipeError(
            f"init={start.path} is a final fit: it was trained on its validation split too; start "
            "from a run that was not, or with final=true"
        )
    theirs = start.data()
    if theirs["fingerprints"] != data.fingerprints:
        return [
            f"{start.path} was trained on other data; whether it holds pictures of this "
            "validation split is not known"
        ]
    if theirs["splits"]["validation"]["digest"] != data.validation.digest:
        raise RecipeError(
            f"init={start.path} was trained on another cut of the same pictures, so it has seen "
            f"this validation split; use data.split_seed={theirs['split_seed']} and its shares"
        )
    return []


def _data(ready: Plan) -> dict[str, object]:
    """What data.json says. How many pictures a class has in test is no read of its labels."""
    data = ready.data
    splits = {
        name: {
            "n": len(split),
            "counts": split.counts(len(data.classes)),
            "digest": split.digest,
        }
        if split
        else None
        for name in SPLITS
        for split in [data.split(name)]
    }
    return {
        "name": data.name,
        "title": data.title,
        "classes": list(data.classes),
        "shape": list(data.shape),
        "splits": splits,
        "fingerprints": data.fingerprints,
        "split_seed": ready.recipe.data.split_seed,
        "init": ready.init,
        "mean": list(ready.mean),
        "deviation": list(ready.deviation),
        "source": data.source,
        "notes": list(ready.notes),
    }
