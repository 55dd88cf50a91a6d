"""A run that is gone on with: what may be another than it was, and what is refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from tinysight.api.data import found_again, unlike
from tinysight.api.preparing import fitted
from tinysight.data.dataset import DataSet
from tinysight.errors import CheckpointError, UsageError
from tinysight.machine import choose_compilation, choose_device
from tinysight.recipe import Recipe
from tinysight.run import RunFolder
from tinysight.training import Plan
from tinysight.training import plan as make_plan

__all__ = ["plan_to_resume"]

MAY_CHANGE = ("epochs",)  # of a recipe; what is no part of one may change too


def plan_to_resume(
    folder: RunFolder,
    *,
    data: Any = None,
    recipe: str | Path | Recipe | None = None,
    device: str = "auto",
    compilation: str = "auto",
    quiet: bool = False,
    overrides: Mapping[str, Any],
) -> Plan:
    """Return the plan of a run again, with what is asked to be another.

    Args:
        data: where its data set is now; None: where it was.
        recipe: what the run is believed to be trained by; None: its own.

    Raises:
        CheckpointError: data or recipe are not the run's; says in what they differ.
        UsageError: the run diverged.
    """
    choose_compilation(compilation, choose_device(device), steps=0)
    with folder.training():  # another's is refused before the data is read
        pass
    if folder.has_json("diverged"):
        raise UsageError(
            f"{folder.path} diverged, and would again; train anew with a lower optim.lr, or with "
            "optim.clip=1"
        )
    own = folder.recipe()
    asked = own.override_all(overrides)
    _refuse(folder, _differences(own, asked))
    moved = f"resume(run, data=PATH), or tinysight train PATH --resume {folder.path}"
    again = found_again(folder, own.data, data, given=("resume(run, data=...)", moved), quiet=quiet)
    if recipe is not None:
        # What is asked of the data was compared above; the recipe may depend on the data.
        asked = fitted(recipe, again, {"epochs": own.epochs, **overrides})
    _refuse(folder, [*_differences(own, asked), *_other_data(again, folder)])
    # The weights of `init` were taken when the training began.
    ready = make_plan(
        again, asked.model_copy(update={"init": None}), device=device, compilation=compilation
    )
    return replace(ready, recipe=asked)


def _differences(own: Recipe, asked: Recipe) -> list[str]:
    there, here = own.fields(), asked.fields()
    return [
        f"{name} is {there.get(name)} in the run, {here.get(name)} is asked for"
        for name in dict.fromkeys([*there, *here])
        if name not in MAY_CHANGE and there.get(name) != here.get(name)
    ]


def _other_data(data: DataSet, folder: RunFolder) -> list[str]:
    return [f"the data differs in {what}" for what in unlike(data, folder.data())]


def _refuse(folder: RunFolder, differences: list[str]) -> None:
    if differences:
        raise CheckpointError(
            f"{folder.path} cannot be resumed as asked: {'; '.join(differences)}. Only "
            f"{' and '.join(MAY_CHANGE)} may be changed; for the rest train anew"
        )
