"""Text from a command line as the value of a recipe's field, by the type that the field has."""

from __future__ import annotations

import json
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from tinysight.recipe.parts import Part

__all__ = ["as_typed"]

SWITCHES = {"true": True, "yes": True, "on": True, "1": True}
SWITCHES |= {"false": False, "no": False, "off": False, "0": False}
DIGITS = 40  # of a number; a longer text is none


def as_typed(text: str, path: str, kind: type[Part]) -> Any:
    """Return what a text stands for in the field at a dotted path; what is none of it stays text.

    `none` and `null` are None. The brackets of a list may be left out. Where no type says more,
    in the options of a model, every JSON value is read.

    >>> from tinysight.recipe import Recipe
    >>> [as_typed("1e-3", "optim.lr", Recipe), as_typed("0.8,0.9", "optim.betas", Recipe)]
    [0.001, [0.8, 0.9]]
    """
    if text.lower() in ("none", "null"):
        return None
    kinds = _kinds_at(path, kind)
    if not kinds:
        return _json(text, text)
    if bool in kinds:
        return SWITCHES.get(text.lower(), text)
    if tuple in kinds:
        return _json(text if text.startswith("[") else f"[{text}]", text)
    return _number(text) if {int, float} & kinds else text


def _kinds_at(path: str, kind: type[Part]) -> set[Any]:
    """The types that the field at a path may have; none where there is no such field."""
    found: set[Any] = {kind}
    for name in path.split("."):
        part = next((k for k in found if isinstance(k, type) and issubclass(k, Part)), None)
        field = part.model_fields.get(name) if part else None
        if field is None:
            return set()
        found = _kinds(field.annotation)
    return found


def _kinds(annotation: Any) -> set[Any]:
    """The types of an annotation, taken out of unions; of a list or a literal what it is."""
    origin = get_origin(annotation)
    if origin in (Union, UnionType):
        return set().union(*map(_kinds, get_args(annotation)))
    if origin is Annotated:
        return _kinds(get_args(annotation)[0])
    return {origin or annotation}


def _number(text: str) -> int | float | str:
    for kind in (int, float):
        try:
            return kind(text) if len(text) <= DIGITS else text
        except ValueError:
            continue
    return text


def _json(text: str, otherwise: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return otherwise
