"""A learning rate found by a range test: a folder with its numbers and its plot."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from tinysight.api.preparing import draft, fitted, given, taken
from tinysight.data.readers.arrays import Layout, Range
from tinysight.machine import choose_device, environment
from tinysight.progress import Progress
from tinysight.recipe import Recipe
from tinysight.reporting import rate_curve, theme
from tinysight.run import folders, write_atomic
from tinysight.training import Plan
from tinysight.training import plan as make_plan
from tinysight.training.ratetest import STEPS, bounds, check_bounds, check_steps, range_test
from tinysight.training.signals import StopRequest
from tinysight.training.suggesting import RateTest

__all__ = ["find_rate"]

ROOT = "lr-find"  # below the current folder, beside `runs`
FILE = "lr-find"


def find_rate(
    data: Any,
    recipe: str | Path | Recipe = "quick",
    *,
    low: float | None = None,
    high: float | None = None,
    steps: int = STEPS,
    out: str | Path | None = None,
    device: str = "auto",
    value_range: Range | None = None,
    layout: Layout | None = None,
    classes: Sequence[str] | None = None,
    skip_bad: bool = False,
    quiet: bool = False,
    **overrides: Any,
) -> RateTest:
    """Suggest a learning rate for a recipe by a range test on the train split.

    The recipe's network is trained for some steps while the rate rises from `low` to `high`, until
    the loss is past help. Nothing of it is kept but a folder with lr-find.json, lr-find.png and
    lr-find.svg. Validation and test are not looked at.

    Args:
        low, high: the rates to begin and to end at; else a hundredth, and a thousand times, of what
            is usual for the optimiser, the latter as far as the recipe's other rates, which keep
            their ratio to it, may go; below a `high` under that hundredth, a 100,000th of it.
        steps: how many rates are tried, from 20 to 2,000.
        out: the folder, new or empty; without it the next free one below `lr-find/`.
        data, recipe, device, value_range, layout, classes, skip_bad, overrides: as for `train`.

    Raises:
        TinysightError: see the tree in `tinysight.errors`.
        Interrupted: SIGINT or SIGTERM came before the end; nothing was saved.
    """
    check_steps(steps)
    reading = given(value_range, layout, classes)
    asked = draft(recipe, overrides)
    check_bounds(low, high)
    choose_device(device)
    folders.check(out, ROOT)
    data = taken(data, asked, overrides, skip_bad=skip_bad, quiet=quiet, **reading)
    # Own kernels and compilers are not worth their start for so few steps.
    ready = make_plan(data, fitted(recipe, data, overrides), device=device, compilation="off")
    low, high = bounds(ready.recipe.optim, low, high)
    progress, n = Progress(quiet=quiet), len(ready.data.train)
    progress.say(
        f"range test of {ready.recipe.name} on {ready.data.name}, {n:,} training pictures: "
        f"{steps} steps of {min(ready.recipe.batch_size, n)}, {ready.recipe.optim.name} from "
        f"{low:.3g} to {high:.3g}, {ready.device.type}"
    )
    # A stop that comes while it is saved is heard after that.
    with StopRequest() as stop:
        with progress.counting("range test") as shown:
            found = range_test(ready, low=low, high=high, steps=steps, shown=shown, stop=stop)
        return _saved(found, ready, out)


def _saved(found: RateTest, ready: Plan, out: str | Path | None) -> RateTest:
    """Write the folder; return what was found with its path."""
    name = f"{ready.data.name}-{ready.recipe.name}"
    folder = folders.new(ROOT, name, out)
    figure = rate_curve(found, name=f"{ready.recipe.name} on {ready.data.name}")
    theme.save(figure, folder / FILE)
    found = replace(found, folder=str(folder))
    values = {
        **found.to_dict(),
        "recipe": ready.recipe.model_dump(mode="json"),
        "data": {
            "name": ready.data.name,
            "title": ready.data.title,
            "split": "train",
            "n": len(ready.data.train),
            "digest": ready.data.train.digest,
            "fingerprints": ready.data.fingerprints,
            "split_seed": ready.recipe.data.split_seed,
        },
        "environment": environment(
            ready.device,
            ready.threads,
            ready.precision,
            ready.compilation,
            ready.model.memory_format,
        ),
    }
    write_atomic(folder / f"{FILE}.json", json.dumps(values, indent=2, allow_nan=False) + "\n")
    return found
