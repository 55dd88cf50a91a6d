"""What is said of a field or a value that a recipe refuses, in one line of ours."""

from __future__ import annotations

import difflib
import re

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from tinysight.errors import RecipeError
from tinysight.recipe.parts import Part

__all__ = ["nearest_field", "refusal", "unknown_field"]

# Names that people know from elsewhere, for the hint beside an unknown field.
SYNONYMS = {
    "batch": "batch_size",
    "decay": "optim.weight_decay",
    "image_size": "data.size",
    "learning_rate": "optim.lr",
    "max_epochs": "epochs",
    "optimizer": "optim.name",
    "optimiser": "optim.name",
    "random_erasing": "augment.erase",
    "random_seed": "seed",
    "rotation": "augment.rotate",
    "scheduler": "schedule.name",
    "weight_averaging": "ema",
}


# What is asked for, by pydantic's name of the error; the others are in words that will do.
ASKED = {
    "bool_type": "must be true or false",
    "float_type": "must be a number",
    "int_type": "must be a whole number",
    "missing": "is missing",
    "model_type": "must be a group of fields",
    "string_type": "must be text",
    "too_long": "has too many values",
    "tuple_type": "must be a list",
}


def _paths(kind: type[Part], prefix: str = "") -> list[str]:
    """Every dotted field name of a recipe."""
    found = []
    for name, field in kind.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, Part):
            found += _paths(inner, f"{prefix}{name}.")
        else:
            found.append(prefix + name)
    return found


def refusal(error: ValidationError, kind: type[Part]) -> RecipeError:
    """Return the first thing that pydantic found wrong, in one line of ours."""
    # Of a union's branches the one that went deepest says most.
    first: ErrorDetails = max(error.errors(), key=lambda found: len(found["loc"]))
    path = _path(first)
    if first["type"] == "extra_forbidden":
        return unknown_field(path, kind)
    if first["type"] == "value_error":
        return RecipeError(first["msg"].removeprefix("Value error, "))
    from tinysight.pictures.formats import printable  # loads numpy and PIL

    branches = [
        ASKED.get(found["type"]) or _BEGINNING.sub("must", found["msg"])
        for found in error.errors()
        if _path(found) == path and len(found["loc"]) == len(first["loc"])
    ]
    said = " or ".join([branches[0], *(text.removeprefix("must be ") for text in branches[1:])])
    return RecipeError(f"{path} {said}, got {printable(repr(first['input']))}")


def nearest_field(path: str, kind: type[Part]) -> str | None:
    """Return the dotted field that was meant, by the last name in `path` or by a synonym."""
    words = {p.rpartition(".")[2]: p for p in reversed(_paths(kind))} | SYNONYMS
    last = path.rpartition(".")[2].lower().replace("-", "_")
    near = difflib.get_close_matches(last, words, n=1, cutoff=0.6)
    return words[near[0]] if near else None


def unknown_field(path: str, kind: type[Part]) -> RecipeError:
    """Return the refusal of a field that is none, with the nearest, else with the groups."""
    if near := nearest_field(path, kind):
        hint = f"; did you mean {near!r}?"
    else:
        tops = (p.partition(".")[::2] for p in _paths(kind))
        names = dict.fromkeys(f"{top}.…" if below else top for top, below in tops)
        hint = f". Known: {', '.join(names)}"
    from tinysight.pictures.formats import printable  # loads numpy and PIL

    return RecipeError(
        f"unknown recipe field '{printable(path)}'{hint} (all: tinysight recipes --schema)"
    )


def _path(found: ErrorDetails) -> str:
    """The dotted field that an error is about."""
    return ".".join(str(part) for part in found["loc"] if not _is_branch(part))


_BEGINNING = re.compile("^(Input|String|Tuple) should")


def _is_branch(part: int | str) -> bool:
    """Whether pydantic named a branch of a union rather than a field."""
    return isinstance(part, str) and (
        part.startswith(("literal[", "tuple[")) or part in ("int", "str")
    )
