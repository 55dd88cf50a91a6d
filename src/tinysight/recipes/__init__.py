"""The ready recipes, by name.

A recipe is a function of a data set's facts that returns a Recipe. Its docstring is its record:
`tinysight recipes` lists its lines `For:` and `Expected:`, `tinysight recipes NAME` shows all.
"""

from __future__ import annotations

import inspect
import os
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from tinysight.errors import UnknownName, UsageError, unknown
from tinysight.recipe import Facts, Recipe
from tinysight.recipes.batchnorm import batchnorm
from tinysight.recipes.best import best
from tinysight.recipes.deep_dive import deep_dive
from tinysight.recipes.fast import fast
from tinysight.recipes.hands_on import hands_on
from tinysight.recipes.linear import linear
from tinysight.recipes.overfitting import overfit_base, overfit_robust
from tinysight.recipes.quick import quick
from tinysight.recipes.residual import residual
from tinysight.recipes.standard import standard
from tinysight.run import RunFolder

__all__ = ["RECIPES", "find", "record", "resolve"]

RECIPES: Mapping[str, Callable[[Facts], Recipe]] = {
    "batchnorm": batchnorm,
    "best": best,
    "deep-dive": deep_dive,
    "fast": fast,
    "hands-on": hands_on,
    "linear": linear,
    "overfit-base": overfit_base,
    "overfit-robust": overfit_robust,
    "quick": quick,
    "residual": residual,
    "standard": standard,
}


def find(name: str) -> Callable[[Facts], Recipe]:
    """Return the recipe function called `name`.

    Raises:
        UnknownName: there is none; names the nearest.
    """
    if name not in RECIPES:
        raise unknown("recipe", name, RECIPES)
    return RECIPES[name]


def resolve(recipe: str | os.PathLike[str] | Recipe, facts: Facts) -> Recipe:
    """Return the recipe that is meant: itself, a JSON file, a run folder, or by name for `facts`.

    Raises:
        UsageError: it is none of these.
        RecipeError: the file is none of a recipe.
        CheckpointError: the run's recipe is damaged or missing.
    """
    if isinstance(recipe, Recipe):
        return recipe
    if not isinstance(recipe, str | os.PathLike):
        raise UsageError(
            f"recipe must be a name, a file, a run folder or a Recipe, got {type(recipe).__name__}"
        )
    if isinstance(recipe, str) and recipe in RECIPES:
        return RECIPES[recipe](facts)
    path = Path(recipe)
    with suppress(UnknownName):
        return RunFolder.open(_run_of(path)).recipe()
    try:
        named = isinstance(recipe, str) and path.suffix != ".json" and not path.is_file()
    except OSError:  # a name that no file system takes
        named = True
    return find(os.fspath(recipe))(facts) if named else Recipe.from_json(path)


def _run_of(path: Path) -> Path:
    """The run folder whose recipe.json this is, so that it is checked by its sum; else itself."""
    try:
        beside = (path.parent / name for name in ("manifest.json", "data.json"))
        of_run = path.name == "recipe.json" and all(p.is_file() for p in beside)
    except OSError:
        of_run = False
    return path.parent if of_run else path


def record(name: str) -> dict[str, str]:
    """Return a recipe's record: "about" and the fields of its docstring, in lower case.

    >>> sorted(record("quick"))
    ['about', 'expected', 'for', 'record', 'source']
    """
    text = inspect.getdoc(find(name)) or ""
    about, *rest = text.split("\n\n")
    fields = re.findall(r"^([A-Z]\w+): (.*(?:\n {4}.*)*)", "\n".join(rest), flags=re.MULTILINE)
    found = {key.lower(): re.sub(r"\s+", " ", value) for key, value in fields}
    return {"about": re.sub(r"\s+", " ", about)} | found
