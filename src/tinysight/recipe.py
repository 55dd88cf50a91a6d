"""A recipe: everything that decides what a training computes, as one frozen value.

A recipe is plain data. `override` returns a changed copy, `to_json` and `from_json` carry it to
disk and back, and what is on disk repeats the run. What does not change the result (where to
write, which device, how to show progress) is no part of it.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails

from tinysight.errors import RecipeError

__all__ = ["Augment", "Data", "Facts", "Loss", "Model", "Optim", "Recipe", "Schedule"]

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


@dataclass(frozen=True)
class Facts:
    """What a recipe may adapt to in a data set; the defaults are CIFAR-10's.

    Attributes:
        pictures: in the training split.
        mirror: whether a left-right mirrored picture keeps its class, as digits do not.
    """

    pictures: int = 45_000
    mirror: bool = True


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Model(_Part):
    """The network: its name in `MODELS`, and that builder's own options beside it.

    A bare name is accepted where a Model is expected: `model=resnet18`. Options are checked
    against the builder when the model is built, e.g. `model.width=32`.
    """

    model_config = ConfigDict(extra="allow")

    name: str = "resnet9"

    @model_validator(mode="before")
    @classmethod
    def _from_name(cls, value: Any) -> Any:
        return {"name": value} if isinstance(value, str) else value

    @property
    def options(self) -> dict[str, Any]:
        """The builder's options, without the name."""
        return dict(self.model_extra or {})


class Data(_Part):
    """How the pictures are brought to one size and split."""

    size: int | None = Field(
        default=None, ge=4, le=512, description="height and width, pixels; none: as found"
    )
    label: str | None = Field(
        default=None, description="which label column, where a data set has several"
    )
    validation_share: float = Field(
        default=0.1, gt=0, lt=1, description="share of train held out for choosing"
    )
    test_share: float = Field(
        default=0.1, gt=0, lt=1, description="share cut off where the layout has no test split"
    )
    split_seed: int = Field(default=0, ge=0)


class Augment(_Part):
    """What each picture goes through, in the order of the fields; all off by default.

    Ranges are symmetric: `rotate=36` draws from -36 to +36 degrees, `zoom=0.1` scales by 0.9 to
    1.1, `brightness=0.2` multiplies by 0.8 to 1.2. Translation, rotation and zoom are one
    bilinear resampling.
    """

    flip: bool = Field(default=False, description="mirror left-right with probability one half")
    crop: int = Field(
        default=0, ge=0, le=64, description="pad by so many pixels, cut the old size out at random"
    )
    translate: float = Field(default=0.0, ge=0, le=1, description="shift, as a share of the side")
    rotate: float = Field(default=0.0, ge=0, le=180, description="degrees")
    zoom: float = Field(default=0.0, ge=0, lt=1, description="scale by 1 - zoom to 1 + zoom")
    fill: Literal["zero", "reflect"] = Field(
        default="reflect",
        description="what stands outside the picture; reflect repeats the edge, save for crop",
    )
    trivial: bool = Field(
        default=False, description="TrivialAugment (wide): one random transform a picture"
    )
    brightness: float = Field(default=0.0, ge=0, le=1, description="blend with black")
    contrast: float = Field(default=0.0, ge=0, le=1, description="blend with the mean grey")
    saturation: float = Field(default=0.0, ge=0, le=1, description="blend with each pixel's grey")
    hue: float = Field(
        default=0.0, ge=0, le=0.5, description="turn of the colour circle, as a share of it"
    )
    cutout: int = Field(
        default=0, ge=0, le=512, description="side of a square set to the mean, pixels"
    )
    erase: float = Field(
        default=0.0, ge=0, le=1, description="probability of a random box set to the mean"
    )
    mixup: float = Field(
        default=0.0, ge=0, le=10, description="alpha of the Beta distribution; 0: off"
    )
    cutmix: float = Field(
        default=0.0, ge=0, le=10, description="alpha of the Beta distribution; 0: off"
    )


class Optim(_Part):
    """The optimiser. Weight decay is never applied to norms and biases."""

    name: Literal["sgd", "adam", "adamw"] = "sgd"
    lr: float = Field(
        default=0.1, gt=0, le=100, description="peak learning rate, for the mean loss of a batch"
    )
    momentum: float = Field(default=0.9, ge=0, lt=1, description="of sgd")
    nesterov: bool = Field(default=True, description="of sgd")
    weight_decay: float = Field(default=5e-4, ge=0, le=10)
    betas: tuple[float, float] = Field(default=(0.9, 0.999), description="of adam and adamw")
    eps: float = Field(default=1e-8, gt=0, le=1, description="of adam and adamw")
    clip: float | None = Field(default=None, gt=0, description="largest norm of the gradient")

    @model_validator(mode="after")
    def _betas_below_one(self) -> Self:
        if not all(0 <= b < 1 for b in self.betas):
            raise ValueError(f"optim.betas must lie in [0, 1), got {list(self.betas)}")
        return self


class Schedule(_Part):
    """The learning rate over the training, as a factor on `optim.lr`."""

    name: Literal["constant", "cosine", "onecycle", "plateau"] = "onecycle"
    warmup: float = Field(default=0.0, ge=0, description="epochs of linear rise, not for onecycle")
    peak: float = Field(
        default=0.25,
        gt=0,
        lt=1,
        description="onecycle: share of the training at which lr is reached",
    )
    start: float = Field(
        default=0.1, ge=0, le=1, description="onecycle and warm-up: factor at the first step"
    )
    end: float = Field(
        default=0.0, ge=0, le=1, description="cosine and onecycle: factor at the last step"
    )
    factor: float = Field(default=0.1, gt=0, lt=1, description="plateau: lr is multiplied by it")
    patience: int = Field(
        default=5, ge=1, description="plateau: epochs without a lower validation loss"
    )

    @model_validator(mode="after")
    def _warmup_has_effect(self) -> Self:
        if self.name == "onecycle" and self.warmup:
            raise ValueError(
                "schedule.warmup has no effect with onecycle, whose rise is schedule.peak; "
                "set schedule.warmup=0 or choose another schedule.name"
            )
        return self


class Loss(_Part):
    """Cross-entropy."""

    label_smoothing: float = Field(default=0.0, ge=0, lt=1)
    class_weights: Literal["balanced"] | tuple[float, ...] | None = Field(
        default=None, description="one weight a class, or 'balanced': inverse to the class's count"
    )

    @model_validator(mode="after")
    def _weights_count(self) -> Self:
        weights = self.class_weights
        if isinstance(weights, tuple) and (min(weights, default=0) < 0 or not any(weights)):
            raise ValueError(
                "loss.class_weights must be 0 or more, at least one of them above 0, "
                f"got {list(weights)}"
            )
        return self


class Recipe(_Part):
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
    epochs: int = Field(default=10, ge=1, le=100_000)
    batch_size: int = Field(default=256, ge=1, le=65_536)
    seed: int = Field(default=0, ge=0, lt=2**63, description="of weights, order and augmentation")
    model: Model = Model()
    data: Data = Data()
    augment: Augment = Augment()
    optim: Optim = Optim()
    schedule: Schedule = Schedule()
    loss: Loss = Loss()
    ema: float = Field(
        default=0.0, ge=0, lt=1, description="decay a step of the averaged weights; 0: off"
    )
    patience: int | None = Field(
        default=None,
        ge=1,
        description="stop after so many epochs without a better validation accuracy",
    )
    precision: Literal["auto", "bf16", "fp32"] = "auto"
    init: str | None = Field(
        default=None, description="a run whose weights are the start, where they fit"
    )

    def __init__(self, **fields: Any) -> None:
        try:
            super().__init__(**fields)
        except ValidationError as error:
            raise _refusal(error, type(self)) from None

    def override(self, path: str, value: Any) -> Recipe:
        """Return a copy with the field at the dotted `path` replaced; text is read as its type.

        Raises:
            RecipeError: no such field, or a value that it refuses.
        """
        return self.override_all({path: value})

    def override_all(self, values: Mapping[str, Any]) -> Recipe:
        """Return a copy with several fields replaced, which only together need be valid.

        Raises:
            RecipeError: as `override`.
        """
        fields = self.model_dump()
        for path, value in values.items():
            *parents, last = path.split(".")
            node: Any = fields
            for name in parents:
                if name == "model" and isinstance(node.get(name), str):
                    node[name] = {"name": node[name]}  # the bare name that came before
                node = node.get(name) if isinstance(node, dict) else None
            if not isinstance(node, dict):
                raise _unknown_field(path, type(self))
            node[last] = _read(value, typed=parents != ["model"] or last == "name")
        return type(self)(**fields)

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


def _read(value: Any, *, typed: bool) -> Any:
    """Text from a command line: `none`, lists, and, where no type says more, JSON values."""
    if not isinstance(value, str):
        return value
    if value.lower() in ("none", "null"):
        return None
    if value.startswith("[") or not typed:
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value


def _flat(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested fields under dotted names."""
    found: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, dict):
            found |= _flat(value, f"{prefix}{name}.")
        else:
            found[prefix + name] = value
    return found


def _paths(kind: type[_Part], prefix: str = "") -> list[str]:
    """Every dotted field name of a recipe."""
    found = []
    for name, field in kind.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, _Part):
            found += _paths(inner, f"{prefix}{name}.")
        else:
            found.append(prefix + name)
    return found


def _refusal(error: ValidationError, kind: type[_Part]) -> RecipeError:
    """The first thing pydantic found wrong, in one line of ours."""
    # Of a union's branches the one that went deepest says most.
    first: ErrorDetails = max(error.errors(), key=lambda found: len(found["loc"]))
    path = ".".join(str(p) for p in first["loc"] if not _is_branch(p))
    if first["type"] == "extra_forbidden":
        return _unknown_field(path, kind)
    if first["type"] == "value_error":
        return RecipeError(first["msg"].removeprefix("Value error, "))
    said = first["msg"].replace("Input should", "must")
    return RecipeError(f"{path} {said}, got {first['input']!r}")


def _unknown_field(path: str, kind: type[_Part]) -> RecipeError:
    """The refusal of a field that is none, with the nearest by its last name or by a synonym."""
    known = _paths(kind)
    words = {p.rpartition(".")[2]: p for p in reversed(known)} | SYNONYMS
    near = difflib.get_close_matches(path.rpartition(".")[2], words, n=1, cutoff=0.6)
    hint = f"; did you mean {words[near[0]]!r}?" if near else "."
    return RecipeError(f"unknown recipe field {path!r}{hint} Known: {', '.join(known)}")


def _is_branch(part: int | str) -> bool:
    """Whether pydantic named a branch of a union rather than a field."""
    return isinstance(part, str) and (
        part.startswith(("literal[", "tuple[")) or part in ("int", "str")
    )
