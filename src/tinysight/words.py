"""What the words of a command line mean: fields of a recipe, and how data is read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from typer.exceptions import TyperException

from tinysight.errors import UsageError, unknown

__all__ = [
    "as_field",
    "check_published",
    "check_recipe",
    "check_resumed",
    "data_and_fields",
    "data_fields",
    "fields",
    "reading",
]


def fields(words: list[str] | None) -> dict[str, Any]:
    """Return what the words of the form field=value say, as text.

    Raises:
        UsageError: a word of another form, or a field given twice.
    """
    found: dict[str, Any] = {}
    for word in words or []:
        name, sign, value = word.partition("=")
        if not sign:
            raise UsageError(f"expected FIELD=VALUE, got {word!r}; the data set comes first")
        if name in found:
            raise UsageError(f"{name} is given twice: {found[name]} and {value}; leave one out")
        found[name] = value
    return found


def data_and_fields(
    data: str | None, words: list[str] | None, *, optional: bool
) -> tuple[str | None, dict[str, Any]]:
    """Return the data set and the fields; where the set is `optional`, a field may come first.

    Raises:
        UsageError: as `fields`, or there is no data set.
    """
    if data is None and not optional:
        raise UsageError("missing argument DATA: a name (see data list) or a path")
    if optional and data is not None and "=" in data and not Path(data).exists():
        return None, fields([data, *(words or [])])
    return data, fields(words)


def check_resumed(*, out: str | None, skip_bad: bool, **reading: Any) -> None:
    """Refuse what a run has settled already.

    Raises:
        UsageError: the folder, or how the data is read, is given again.
    """
    given = {"out": out, "skip_bad": skip_bad, **reading}
    if name := next((name for name, value in given.items() if value), None):
        option = f"--{name.replace('_', '-')}"
        raise UsageError(f"{option} is settled by the run that --resume names; leave it out")


def data_fields(words: list[str] | None) -> dict[str, Any]:
    """Return what the words say that name fields of a recipe's data, with their values read.

    Raises:
        UsageError: as `fields`, or another field.
        RecipeError: a value that the field refuses.
    """
    from tinysight.recipe import Data, Recipe

    recipe, found = Recipe(), {}
    for word, value in fields(words).items():
        name = word.removeprefix("data.")
        if name not in Data.model_fields:
            raise unknown("field of data", word, Data.model_fields)
        recipe = recipe.override(f"data.{name}", value)
        found[name] = getattr(recipe.data, name)
    return found


def reading(
    value_range: str | None, layout: str | None, classes: str | None, *, skip_bad: bool
) -> dict[str, Any]:
    """Return the options on how data is read, as `api` takes them.

    Raises:
        UsageError: `value_range` is no two numbers.
    """
    found: dict[str, Any] = {"skip_bad": skip_bad}
    if value_range is not None:
        try:
            low, high = map(float, value_range.split(","))
        except ValueError:
            raise UsageError(
                f"--value-range must be LOW,HIGH, what black and white are, such as 0,1 or 0,255; "
                f"got {value_range!r}"
            ) from None
        found["value_range"] = (low, high)
    if layout is not None:
        found["layout"] = layout
    if classes is not None:
        found["classes"] = [name.strip() for name in classes.split(",")]
    return found


def check_recipe(recipe: str, overrides: dict[str, Any]) -> None:
    """Refuse a wrong name, field or value before torch is imported.

    Raises:
        UnknownName, RecipeError: it is one.
    """
    from tinysight.recipe import Facts
    from tinysight.recipes import resolve

    resolve(recipe, Facts()).override_all(overrides)


def check_published(name: str) -> None:
    """Refuse the name of a data set that needs no files.

    Raises:
        UsageError: it is one.
    """
    from tinysight.data.embedded import EMBEDDED

    if name in EMBEDDED:
        raise UsageError(f"{name} comes with tinysight: it has no files of its own")


def as_field(error: TyperException) -> str | None:
    """Return what to write where an option was meant to be a field of the recipe, else None."""
    option = getattr(error, "option_name", None)
    context = getattr(error, "ctx", None)
    if option is None or (context and all(p.name != "fields" for p in context.command.params)):
        return None
    from tinysight.recipe import Recipe
    from tinysight.recipe.refusals import nearest_field

    name = option.lstrip("-")
    near = nearest_field(name, Recipe)
    # A slip in an option's own name is answered with the nearest option.
    if near is None or (getattr(error, "possibilities", None) and name not in near):
        return None
    return f"no such option: {option}; a recipe's field is given without dashes: {near}=VALUE"
