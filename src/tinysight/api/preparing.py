"""A recipe and a data set brought together, what can be refused early refused before reading."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tinysight.api.data import read
from tinysight.data.dataset import DataSet
from tinysight.data.readers.arrays import Layout, Range
from tinysight.errors import UsageError
from tinysight.evaluation.predict import TTA
from tinysight.models import resolve as resolve_model
from tinysight.recipe import Data, Facts, Recipe
from tinysight.recipes import resolve as resolve_recipe
from tinysight.run import RunFolder

__all__ = ["check_views", "draft", "fitted", "given", "taken"]


def draft(recipe: str | Path | Recipe, overrides: Mapping[str, Any]) -> Recipe:
    """Return the recipe for no data set in particular, so that it is refused before one is read.

    Raises:
        UnknownName, RecipeError: no such recipe, run to start from, field or value.
    """
    found = _adapt(recipe, Facts(), overrides)
    if found.init is not None:
        RunFolder.open(found.init)
    return found


def taken(
    data: Any, asked: Recipe, overrides: Mapping[str, Any], *, quiet: bool, **options: Any
) -> DataSet:
    """Return a data set as it was given, or read as the recipe `asked` for it.

    Raises:
        UsageError: it is read already, and otherwise than it is asked for.
    """
    if not isinstance(data, DataSet):
        return read(data, asked.data, quiet=quiet, **options)
    _agree(asked.data, data, overrides)
    if name := next((n for n in options if n != "skip_bad"), None):
        raise UsageError(
            f"{name} comes too late: the data set is read already; give it to load_data"
        )
    return data


def fitted(recipe: str | Path | Recipe, data: DataSet, overrides: Mapping[str, Any]) -> Recipe:
    """Return the recipe for this data set, which is read."""
    own = {k: v for k, v in overrides.items() if not k.startswith("data.")}
    found = _adapt(recipe, Facts(len(data.train), len(data.classes), data.mirror), own)
    return found.model_copy(update={"data": data.settings})


def check_views(tta: str, data: DataSet | None = None) -> None:
    """Refuse a test-time augmentation that there is none of, or that does not suit `data`.

    Raises:
        UsageError: no such name; mirror images are of another class, or shifts leave no picture.
    """
    if tta not in TTA:
        raise UsageError(f"tta must be one of {', '.join(TTA)}, got {tta!r}")
    if tta == "none" or data is None:
        return
    if not data.mirror:
        raise UsageError(
            f"tta={tta} looks at mirror images, which are not of their class in {data.name}; "
            "use tta=none"
        )
    if tta == "mirror+shift" and min(data.shape[:2]) < 2:
        raise UsageError(f"tta={tta} moves pictures by a pixel, which needs 2; use tta=mirror")


def given(
    value_range: Range | None, layout: Layout | None, classes: Sequence[str] | None
) -> dict[str, Any]:
    """Return those of the arguments of `data.load` that were given."""
    options = {"value_range": value_range, "layout": layout, "classes": classes}
    return {name: value for name, value in options.items() if value is not None}


def _agree(asked: Data, data: DataSet, overrides: Mapping[str, Any]) -> None:
    """Refuse fields that would have to read a data set again which is read already."""
    for key in overrides:
        field = key.removeprefix("data.")
        if key == field or getattr(asked, field) == getattr(data.settings, field):
            continue
        raise UsageError(
            f"{key}={overrides[key]} comes too late: the data set was read with "
            f"{field}={getattr(data.settings, field)}; give it to load_data"
        )


def _adapt(recipe: str | Path | Recipe, facts: Facts, overrides: Mapping[str, Any]) -> Recipe:
    """Return the recipe of that name or file, adapted to a data set's facts and overridden.

    Raises:
        UnknownName, RecipeError: no such recipe, field or value.
    """
    found = resolve_recipe(recipe, facts).override_all(overrides)
    # What is read from a file or a run may come from somebody else.
    named = isinstance(recipe, Recipe) or not {"model", "model.name"}.isdisjoint(overrides)
    return found.model_copy(update={"model": resolve_model(found.model, named=named)})
