"""The ready recipes, by name.

A recipe is a function of a data set's facts that returns a Recipe. Its docstring is its record:
`tinysight recipes` lists its lines `For:` and `Expected:`, `tinysight recipes NAME` shows all.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping

from tinysight.errors import unknown
from tinysight.recipe import Facts, Recipe
from tinysight.recipes.linear import linear
from tinysight.recipes.quick import quick

__all__ = ["RECIPES", "find", "record"]

RECIPES: Mapping[str, Callable[[Facts], Recipe]] = {
    "linear": linear,
    "quick": quick,
}


def find(name: str) -> Callable[[Facts], Recipe]:
    """Return the recipe function called `name`.

    Raises:
        UnknownName: there is none; names the nearest.
    """
    if name not in RECIPES:
        raise unknown("recipe", name, RECIPES)
    return RECIPES[name]


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
