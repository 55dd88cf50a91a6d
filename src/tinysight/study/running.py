"""A study's trainings: carried out one after the other, those that are done used again."""

from __future__ import annotations

import hashlib
import json
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

import tinysight
from tinysight import training
from tinysight.api import Run, plan_to_resume
from tinysight.data.dataset import DataSet
from tinysight.errors import Diverged, Interrupted, RecipeError
from tinysight.machine import choose_device, choose_precision
from tinysight.models import resolve as resolve_model
from tinysight.progress import Progress, duration
from tinysight.recipe import Recipe
from tinysight.run import RunFolder
from tinysight.study.design import Arm
from tinysight.study.outcome import Outcome, Results, read

__all__ = ["carry_out", "overridden"]

# Of a recipe: what makes the trainings of a study comparable, and test unread.
OWN = {"seed", "name", "protocol", "final", "keep", "patience", "stop_at", "init"}


def overridden(arms: Sequence[Arm], data: DataSet, values: Mapping[str, Any]) -> list[Arm]:
    """Return the arms with fields of all their recipes replaced, and all options written out.

    Raises:
        RecipeError: a field that the study itself sets, one that an arm refuses, or a schedule that
            goes by validation.
    """
    varied = {name for name, several in _values(arms).items() if len(several) > 1}
    if name := next((n for n in values if n in varied or n in OWN), None):
        raise RecipeError(f"{name} is set by the study itself; leave it out")
    named = not {"model", "model.name"}.isdisjoint(values)  # by the user just now, see `foreign`
    found = []
    for arm in arms:
        recipe = arm.recipe.override_all(values)
        before, after = arm.recipe.fields(), recipe.fields()
        if name := next((n for n in varied if before.get(n) != after.get(n)), None):
            by = [field for field in values if field.partition(".")[0] == name.partition(".")[0]]
            raise RecipeError(
                f"{', '.join(by)} would change {name}, which the study itself sets; leave it out"
            )
        model = resolve_model(recipe.model, named=named)
        if recipe.schedule.name == "plateau":
            raise RecipeError(
                "schedule.name=plateau goes by the validation loss, and validation is what the "
                "study compares on; take another schedule"
            )
        changed = {"name": arm.name, "data": data.settings, "model": model}
        found.append(Arm(arm.name, recipe.model_copy(update=changed), arm.at))
    return found


def carry_out(
    arms: Sequence[Arm],
    seeds: Sequence[int],
    data: DataSet,
    place: Path,
    *,
    device: str,
    progress: Progress,
) -> tuple[Results, int]:
    """Train every arm with every seed; return what came of it, and how many were done already.

    Each training has its run folder below `place`, named after the arm, its seed and a digest of
    what it computes (versions, device, number format, data, recipe): one that is complete there is
    used again, one that was stopped goes on.

    Raises:
        RecipeError, ModelError: one of them cannot be trained; none was.
        Interrupted: a signal came; what is done stays.
    """
    kind = choose_device(device)
    place_of, device = _places(data, place, kind), kind.type
    with progress.counting("planning") as counter:  # what cannot be trained is refused first
        for number, arm in enumerate(arms):
            counter(number, len(arms))
            first = arm.recipe.model_copy(update={"seed": seeds[0]})
            if not (place_of(first) / "recipe.json").is_file():
                training.plan(data, first, device=device)
    outcomes: dict[str, list[Outcome]] = {arm.name: [] for arm in arms}
    labels, k = data.validation.labels.numpy(), len(data.classes)
    total, done, reused, spent = len(arms) * len(seeds), 0, 0, 0.0
    for seed in seeds:  # all arms of a seed before the next: a study that is stopped has whole ones
        for arm in arms:
            began = time.perf_counter()
            recipe = arm.recipe.model_copy(update={"seed": seed})
            path = place_of(recipe)
            at = f"{done + 1} of {total}: {arm.name}, seed {seed}"
            folder, fresh = _trained(recipe, data, path, at, device=device, progress=progress)
            outcome = read(folder, arm.name, labels, k)
            outcomes[arm.name].append(outcome)
            done, reused = done + 1, reused + (not fresh)
            spent += (time.perf_counter() - began) * fresh
            progress.say(f"{at}: {'; '.join(_said(outcome, fresh, done, reused, total, spent))}")
    places = {arm.name: arm.at for arm in arms}
    return Results(data.classes, labels, len(data.train), places, outcomes), reused


def _said(
    outcome: Outcome, fresh: bool, done: int, reused: int, total: int, spent: float
) -> Iterator[str]:
    yield "diverged" if outcome.diverged else f"validation {outcome.accuracy:.2%}"
    if not fresh:
        yield "done before"
    elif done < total and done - reused:
        yield f"about {duration(spent / (done - reused) * (total - done))} left"


def _trained(
    recipe: Recipe, data: DataSet, path: Path, at: str, *, device: str, progress: Progress
) -> tuple[RunFolder, bool]:
    """Return the run of a recipe, trained and evaluated now if that was not done before."""
    inner, folder = progress.within(at), RunFolder(path)
    begun = (path / "recipe.json").is_file()
    if begun and folder.has_json("diverged"):
        return folder, False
    is_complete = begun and training.is_complete(folder)
    if is_complete and _is_evaluated(folder):
        return folder, False
    try:
        if begun and not is_complete:
            ready = plan_to_resume(folder, data=data, device=device, quiet=True, overrides={})
            training.resume(ready, folder, progress=inner)
        elif not begun:
            training.train(training.plan(data, recipe, device=device), out=path, progress=inner)
        Run(folder, data, inner).evaluate("validation", device=device)
    except Diverged:
        pass
    except (Interrupted, KeyboardInterrupt) as error:
        raise Interrupted(
            f"stopped at {at}; what is done is kept: give the same command again to go on",
            error.exit_code if isinstance(error, Interrupted) else 128 + signal.SIGINT,
        ) from None
    return folder, True


def _is_evaluated(folder: RunFolder) -> bool:
    name = "evaluation/validation/metrics"
    return folder.has_json(name) and folder.read_json(name)["weights"] == folder.digest("best")


def _places(data: DataSet, place: Path, device: torch.device) -> Callable[[Recipe], Path]:
    """What names the run folder of a recipe: by what is computed, and by what in which numbers."""
    splits = [data.train.digest, data.validation.digest, list(data.classes)]

    def path(recipe: Recipe) -> Path:
        precision = choose_precision(recipe.precision, device).name
        fields = recipe.model_dump(mode="json")
        versions = [tinysight.__version__, torch.__version__]
        said = json.dumps([*versions, device.type, precision, splits, fields])
        digest = hashlib.sha256(said.encode()).hexdigest()[:8]
        return place / f"{recipe.name}-s{recipe.seed}-{digest}"

    return path


def _values(arms: Sequence[Arm]) -> dict[str, set[str]]:
    """By field, the values that it has among the arms."""
    fields = [arm.recipe.fields() for arm in arms]
    names = {name for several in fields for name in several}
    return {name: {json.dumps(f.get(name)) for f in fields} for name in names}
