"""A recipe: everything that decides what a training computes, as one frozen value.

A recipe is plain data. `override` returns a changed copy, `to_json` and `from_json` carry it to
disk and back, and what is on disk repeats the run. What does not change the result (where to
write, which device, how to show progress) is no part of it.

parts.py      the groups of fields: model, data, augment, optim, schedule, loss
reading.py    text from a command line as the value of a field
refusals.py   what is said of a field or a value that is refused
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, ValidationError, model_validator

from tinysight.errors import RecipeError
from tinysight.recipe.parts import (
    Augment,
    Data,
    Epochs,
    Loss,
    Model,
    Number,
    Optim,
    Part,
    Schedule,
    Switch,
    Whole,
)
from tinysight.recipe.reading import as_typed
from tinysight.recipe.refusals import refusal, unknown_field

__all__ = ["Augment", "Data", "Facts", "Loss", "Model", "Optim", "Recipe", "Schedule"]


@dataclass(frozen=True)
class Facts:
    """What a recipe may adapt to in a data set; the defaults are CIFAR-10's.

    Attributes:
        pictures: in the training split.
        classes: how many there are.
        mirror: whether a left-right mirrored picture keeps its class, as digits do not.
    """

    pictures: int = 45_000
    classes: int = 10
    mirror: bool = True


class Recipe(Part):
    """A whole training. `tinysight.RECIPES` has ready ones.

    >>> recipe = Recipe(name="mine", epochs=2).override("optim.lr", 0.2)
    >>> recipe.optim.lr
    0.2
    >>> Recipe.from_json(recipe.to_json()) == recipe
    True
    """

    format: Literal[1] = Field(default=1, description="version of this file's layout")
    name: str = Field(
        default="custom", min_length=1, max_length=64, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$"
    )
    epochs: Epochs = Field(
        default=10, gt=0, le=100_000, description="the last is cut short where it is no whole one"
    )
    batch_size: Whole = Field(default=256, ge=1, le=65_536)
    seed: Whole = Field(default=0, ge=0, lt=2**63, description="of weights, order and augmentation")
    model: Model = Model()
    data: Data = Data()
    augment: Augment = Augment()
    optim: Optim = Optim()
    schedule: Schedule = Schedule()
    loss: Loss = Loss()
    ema: Number = Field(
        default=0.0, ge=0, lt=1, description="decay a step of the averaged weights; 0: off"
    )
    patience: Whole | None = Field(
        default=None,
        ge=1,
        description="stop after so many epochs without a better validation accuracy",
    )
    stop_at: Number | None = Field(
        default=None,
        gt=0,
        le=1,
        description="stop after the epoch whose running training accuracy reaches it",
    )
    keep: Literal["best", "last"] = Field(
        default="best",
        description="whose weights are the result: the best epoch's by validation, or the last's",
    )
    final: Switch = Field(
        default=False,
        description="train on train and validation together and keep the last weights; nothing "
        "is chosen",
    )
    protocol: Literal["locked", "source"] = Field(
        default="locked",
        description="source: train on train and validation together, with test in the place of "
        "validation, as many tutorials do; to reproduce them, since the result is test-selected",
    )
    precision: Literal["auto", "bf16", "fp32"] = "auto"
    init: str | None = Field(
        default=None, description="a run whose weights are the start, where they fit"
    )

    @model_validator(mode="after")
    def _final_chooses_nothing(self) -> Self:
        waits = {
            "patience": self.patience is not None,
            "schedule.name=plateau": self.schedule.name == "plateau",
        }
        if self.final and any(waits.values()):
            name = next(name for name, asked in waits.items() if asked)
            raise ValueError(f"final=true leaves no validation for {name} to follow; drop one")
        return self

    @model_validator(mode="after")
    def _one_protocol(self) -> Self:
        if self.final and self.protocol == "source":
            raise ValueError("final=true chooses nothing, protocol=source on test; drop one")
        return self

    @model_validator(mode="after")
    def _warmup_ends(self) -> Self:
        if self.schedule.warmup >= self.epochs:
            raise ValueError(
                f"schedule.warmup ({self.schedule.warmup:g}) must end before the training does, "
                f"after {self.epochs} epochs; schedule.warmup=0 leaves it out"
            )
        return self

    @property
    def chosen_on(self) -> Literal["validation", "test"] | None:
        """The split that is held out while it trains; None: nothing is."""
        if self.final:
            return None
        return "test" if self.protocol == "source" else "validation"

    @property
    def held_out(self) -> Literal["validation", "test"]:
        """What is called validation in a training's numbers: see `chosen_on`."""
        return self.chosen_on or "validation"

    def __init__(self, **fields: Any) -> None:
        try:
            super().__init__(**fields)
        except ValidationError as error:
            raise refusal(error, type(self)) from None

    def override(self, path: str, value: Any) -> Recipe:
        """Return a copy with the field at the dotted `path` replaced; text is read as its type.

        Raises:
            RecipeError: no such field, or a value that it refuses.
        """
        return self.override_all({path: value})

    def override_all(self, values: Mapping[str, Any]) -> Recipe:
        """Return a copy with several fields replaced, which only together need be valid.

        Their order has no effect: a whole part is replaced before fields of it. Another `name`, of
        the optimiser say, brings its own defaults: what was set for the old one is dropped. Another
        model begins on pictures of full size, since not every one takes smaller ones, unless
        `augment.shrink` is asked for as well.

        Raises:
            RecipeError: as `override`.
        """
        fields = self.model_dump()
        order = sorted(values, key=lambda path: (path.count("."), not path.endswith(".name")))
        for path in order:
            value = values[path]
            *parents, last = path.split(".")
            node: Any = fields
            for name in parents:
                if name == "model" and isinstance(node.get(name), str):
                    node[name] = {"name": node[name]}  # the bare name that came before
                node = node.get(name) if isinstance(node, dict) else None
            if not isinstance(node, dict):
                raise unknown_field(path, type(self))
            if last == "name" and parents and node.get(last) != value:
                node.clear()
            node[last] = as_typed(value, path, type(self)) if isinstance(value, str) else value
        changed = type(self)(**fields)
        if changed.model.name == self.model.name or values.keys() & {"augment", "augment.shrink"}:
            return changed
        full = changed.augment.model_copy(update={"shrink": 1.0})
        return changed.model_copy(update={"augment": full})

    def fields(self) -> dict[str, Any]:
        """Return every field under its dotted name, as plain JSON values."""
        return _flat(self.model_dump(mode="json"))

    def changed(self) -> list[tuple[str, Any, Any]]:
        """Return the fields that differ from the defaults: dotted name, value, default.

        Options of a model have no default here; None stands for it.
        """
        default = type(self)().fields()
        return [
            (name, value, default.get(name))
            for name, value in self.fields().items()
            if name not in ("name", "format") and (name not in default or value != default[name])
        ]

    def to_json(self) -> str:
        """Return the recipe as indented JSON, every field written out."""
        return json.dumps(self.model_dump(mode="json"), indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str | Path) -> Recipe:
        """Read a recipe back from JSON text or from a file.

        Raises:
            RecipeError: not JSON, or not a recipe.
        """
        where = "recipe"
        if isinstance(text, Path):
            where = str(text)
            try:
                text = text.read_text(encoding="utf-8")
            except UnicodeDecodeError:
                raise RecipeError(f"{where} is not a recipe: no UTF-8 text") from None
            except (OSError, ValueError) as error:  # ValueError: a path with a zero byte
                said = getattr(error, "strerror", None) or error
                raise RecipeError(f"cannot read the recipe {where}: {said}") from None
        try:
            fields = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise RecipeError(f"{where} is not JSON: {error}") from None
        if not isinstance(fields, dict):
            raise RecipeError(f"{where} must be a JSON object, got {type(fields).__name__}")
        return cls(**fields)


def _flat(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested fields under dotted names."""
    found: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, dict):
            found |= _flat(value, f"{prefix}{name}.")
        else:
            found[prefix + name] = value
    return found
