"""What a training will be: the model built, the machine's settings chosen, nothing trained."""

from __future__ import annotations

import math
import textwrap
from dataclasses import dataclass
from typing import Any

import torch

from tinysight.augment import size_at
from tinysight.data.dataset import SPLITS, DataSet, Split
from tinysight.data.statistics import mean_and_deviation
from tinysight.errors import RecipeError
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
from tinysight.models import adapt, build, check_copied
from tinysight.models.classifier import Classifier
from tinysight.models.describe import Description, describe
from tinysight.models.keras_network import KerasNetwork
from tinysight.models.restore import warm_start
from tinysight.pictures.formats import sized
from tinysight.recipe import Recipe
from tinysight.run import RunFolder
from tinysight.training.batches import steps, steps_in_all
from tinysight.training.kernels import blocks
from tinysight.training.pictures import clean_pictures

__all__ = ["Plan", "plan"]

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
    def sizes(self) -> tuple[int, int]:
        """How many pictures are trained on, and how many held out."""
        return _sizes(self.data, self.recipe)

    @property
    def splits(self) -> tuple[Split, Split | None]:
        """What is trained on, and what is held out: see `Recipe.chosen_on`."""
        if self.recipe.chosen_on == "validation":
            return self.data.train, self.data.validation
        held_out = self.data.test if self.recipe.chosen_on == "test" else None
        return self.data.train.joined(self.data.validation), held_out

    def facts(self) -> dict[str, Any]:
        """Return what data.json says; how many a class has in test is no read of its labels."""
        data = self.data
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
            "split_seed": self.recipe.data.split_seed,
            "init": self.init,
            "mean": list(self.mean),
            "deviation": list(self.deviation),
            "source": data.source,
            "notes": list(self.notes),
        }

    def __str__(self) -> str:
        d, r = self.data, self.recipe
        train, validation = self.sizes
        sizes = ", ".join(f"{len(s):,} {n}" for n in SPLITS if (s := d.split(n)) is not None)
        per_epoch = steps(train, r.batch_size)
        clean = clean_pictures(train, validation)
        chosen = (
            f"{r.chosen_on} accuracy of {_count(validation, 'picture')}, "
            f"{_within(validation)} (95%)"
            if validation
            else "final fit on train and validation, the last weights are kept: nothing is chosen"
        )
        if r.chosen_on == "test":
            chosen += (
                ", test-selected (protocol=source, which learns from validation too): no measure "
                "of new pictures"
            )
        is_last = self.model.memory_format == torch.channels_last
        layout = "channels-last" if is_last else "contiguous"
        lines = {
            "data": f"{d.title}: {sizes}; {sized(d.shape)}, {len(d.classes)} classes",
            "model": f"{r.model.name}: {self.table.parameters:,} parameters, "
            f"{self.table.flops / 1e6:,.1f} MFLOPs a picture; {self.model.note}",
            "plan": f"recipe {r.name}: {_count(r.epochs, 'epoch')} of "
            f"{_count(per_epoch, 'step')}, batch {r.batch_size}, {r.optim.name} {r.optim.lr:g} "
            f"{r.schedule.name}, seed {r.seed}",
            "score": f"{chosen}; clean training accuracy of {clean:,}, {_within(clean)}",
            "machine": f"{self.device.type}, {self.threads}; {layout}; "
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
        if isinstance(model.net, KerasNetwork):
            precision = _for_keras(recipe, precision)
        chosen = choose_compilation(
            compilation,
            place,
            total,
            # the kernels' maps are channels-last
            blocks=blocks(model) if model.memory_format == torch.channels_last else 0,
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
        check_copied(model)
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


def _check(recipe: Recipe, data: DataSet) -> None:
    if recipe.protocol == "source" and data.test is None:
        raise RecipeError(f"protocol=source: {data.name} has no test split to choose on")
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


def _for_keras(recipe: Recipe, chosen: Precision) -> Precision:
    """The number format of a Keras network, which has a policy of its own.

    Raises:
        RecipeError: an optimiser that takes torch's kernels.
    """
    if recipe.optim.name == "muon":
        raise RecipeError(
            "optim.name=muon takes kernels as torch lays them out, and those of Keras are not; use "
            "optim.name=adam or sgd"
        )
    if recipe.precision == "auto":
        return Precision("fp32", "a Keras network has a policy of its own")
    return chosen


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
    if recipe.chosen_on == "validation":
        return n, held
    return n + held, len(data.test) if recipe.chosen_on == "test" and data.test else 0


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
