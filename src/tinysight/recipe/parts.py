"""The parts of a recipe: frozen, validated groups of plain values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

__all__ = ["Augment", "Data", "Loss", "Model", "Optim", "Part", "Schedule"]


class Part(BaseModel):
    """What all of them have in common: no change, no unknown field, no NaN."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _truth_is_no_number(cls, values: Any) -> Any:
        if isinstance(values, Mapping):
            for name, value in values.items():
                field = cls.model_fields.get(name)
                if isinstance(value, bool) and field and field.annotation is not bool:
                    raise ValueError(f"{name} must not be {value}: it is no switch")
        return values


class Model(Part):
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


class Data(Part):
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


class Augment(Part):
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


class Optim(Part):
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


class Schedule(Part):
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
        default=5,
        ge=1,
        description="plateau: epochs without a lower validation loss before the next lowers lr",
    )

    @model_validator(mode="after")
    def _warmup_has_effect(self) -> Self:
        if self.name == "onecycle" and self.warmup:
            raise ValueError(
                "schedule.warmup has no effect with onecycle, whose rise is schedule.peak; "
                "set schedule.warmup=0 or choose another schedule.name"
            )
        return self


class Loss(Part):
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
