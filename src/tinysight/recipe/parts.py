"""The parts of a recipe: frozen, validated groups of plain values."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Integral
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    PlainSerializer,
    Strict,
    model_validator,
)
from pydantic_core import CoreSchema

__all__ = [
    "Augment",
    "Data",
    "Epochs",
    "Loss",
    "Model",
    "Number",
    "Optim",
    "Part",
    "Schedule",
    "Switch",
    "Whole",
]

# Neither text nor a truth value stands for a number; what is typed is read by `Recipe.override`.
Whole = Annotated[int, Strict()]
Number = Annotated[float, Strict()]
Switch = Annotated[bool, Strict()]
Epochs = Annotated[
    Number,
    AfterValidator(lambda n: int(n) if n == int(n) else n),
    PlainSerializer(lambda n: n),  # a whole number as one
]

# Which choices of `name` read a field that not all of them do.
OPTIM_READERS = {
    "momentum": ("sgd", "muon"),
    "nesterov": ("sgd", "muon"),
    "betas": ("adam", "adamw"),
    "eps": ("adam", "adamw"),
    "convention": ("adam", "adamw"),
}
RATES: Mapping[str, float] = {"sgd": 0.1, "muon": 0.12, "adam": 1e-3, "adamw": 1e-3}
SCHEDULE_READERS = {
    "warmup": ("constant", "cosine", "linear", "plateau"),
    "peak": ("onecycle",),
    "end": ("cosine", "linear", "onecycle"),
    "factor": ("plateau",),
    "patience": ("plateau",),
}


class Part(BaseModel):
    """What all of them have in common: no change, no unknown field, no NaN."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _plain_numbers(cls, values: Any) -> Any:
        """Whole numbers of numpy are taken as Python's, which the strict types below ask for."""
        if not isinstance(values, Mapping):
            return values
        return {
            name: int(value) if isinstance(value, Integral) and type(value) is not bool else value
            for name, value in values.items()
        }

    def _refuse_idle(self, group: str, chosen: str, readers: Mapping[str, tuple[str, ...]]) -> None:
        """Refuse a field that is no default and that nothing reads by the `name` that is chosen.

        Args:
            group: what this part is called in a recipe.
            chosen: its `name`.
            readers: fields, and which names read each.
        """
        for field, read_by in readers.items():
            value, default = getattr(self, field), type(self).model_fields[field].default
            if value != default and chosen not in read_by:
                *first, last = read_by
                names = f"{', '.join(first)} and {last} read it" if first else f"{last} reads it"
                raise ValueError(
                    f"{group}.{field}={value} has no effect with {chosen}, only {names}; leave it "
                    f"at {default} or choose another {group}.name"
                )


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

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        bare = {"type": "string", "description": "the name; its options are as the model has them"}
        return {"anyOf": [handler.resolve_ref_schema(handler(core)), bare]}

    @property
    def options(self) -> dict[str, Any]:
        """The builder's options, without the name."""
        return dict(self.model_extra or {})


class Data(Part):
    """How the pictures are brought to one size and split."""

    size: Whole | None = Field(
        default=None, ge=4, le=512, description="height and width, pixels; none: as found"
    )
    label: str | None = Field(
        default=None, description="which label column, where a data set has several"
    )
    validation_share: Number = Field(
        default=0.1, gt=0, lt=1, description="share of train held out for choosing"
    )
    test_share: Number = Field(
        default=0.1, gt=0, lt=1, description="share cut off where the layout has no test split"
    )
    split_seed: Whole = Field(default=0, ge=0)


class Augment(Part):
    """What each picture goes through, in the order of the fields; all off by default.

    Ranges are symmetric: `rotate=36` draws from -36 to +36 degrees, `zoom=0.1` scales by 0.9 to
    1.1, `brightness=0.2` multiplies by 0.8 to 1.2. Translation, rotation and zoom are one
    bilinear resampling.
    """

    flip: Switch = Field(default=False, description="mirror left-right with probability one half")
    alternate: Switch = Field(
        default=False,
        description="of flip: by lot in the first epoch, then in every other (arXiv:2404.00498)",
    )
    crop: Whole = Field(
        default=0, ge=0, le=64, description="pad by so many pixels, cut the old size out at random"
    )
    translate: Number = Field(default=0.0, ge=0, le=1, description="shift, as a share of the side")
    rotate: Number = Field(default=0.0, ge=0, le=180, description="degrees")
    zoom: Number = Field(default=0.0, ge=0, lt=1, description="scale by 1 - zoom to 1 + zoom")
    fill: Literal["zero", "reflect"] = Field(
        default="reflect",
        description="what stands outside the picture; reflect repeats the edge, save for crop",
    )
    trivial: Switch = Field(
        default=False, description="TrivialAugment (wide): one random transform a picture"
    )
    brightness: Number = Field(default=0.0, ge=0, le=1, description="blend with black")
    contrast: Number = Field(default=0.0, ge=0, le=1, description="blend with the mean grey")
    saturation: Number = Field(default=0.0, ge=0, le=1, description="blend with each pixel's grey")
    hue: Number = Field(
        default=0.0, ge=0, le=0.5, description="turn of the colour circle, as a share of it"
    )
    cutout: Whole = Field(
        default=0, ge=0, le=512, description="side of a square set to the mean, pixels"
    )
    erase: Number = Field(
        default=0.0, ge=0, le=1, description="probability of a random box set to the mean"
    )
    shrink: Number = Field(
        default=1.0,
        gt=0,
        le=1,
        description="start on smaller pictures: their side as a share; no side under 16 pixels",
    )
    shrink_until: Number = Field(
        default=0.5, gt=0, le=1, description="share of the training on smaller pictures"
    )
    mixup: Number = Field(
        default=0.0, ge=0, le=10, description="alpha of the Beta distribution; 0: off"
    )
    cutmix: Number = Field(
        default=0.0, ge=0, le=10, description="alpha of the Beta distribution; 0: off"
    )

    @property
    def on(self) -> bool:
        """Whether any picture is changed: not by a field that only says how another acts."""
        how = {"alternate", "fill", "shrink_until"}
        return self.model_dump(exclude=how) != Augment().model_dump(exclude=how)


class Optim(Part):
    """The optimiser. Weight decay is never applied to norms and biases.

    `muon` changes the inner layers and leaves the last one and the biases to sgd.
    """

    name: Literal["sgd", "adam", "adamw", "muon"] = "sgd"
    lr: Number = Field(
        default=0.1,
        gt=0,
        le=100,
        description="peak learning rate, for the mean loss of a batch; if not given, 0.1 for sgd, "
        "0.12 for muon, 0.001 for adam and adamw",
    )
    lr_head: Number | None = Field(
        default=None, gt=0, le=100, description="of the last layer; none: lr"
    )
    lr_bias: Number | None = Field(
        default=None, gt=0, le=1000, description="of norms and biases; none: lr"
    )
    momentum: Number = Field(default=0.9, ge=0, lt=1, description="of sgd and muon")
    nesterov: Switch = Field(default=True, description="of sgd and muon")
    weight_decay: Number = Field(default=5e-4, ge=0, le=10)
    betas: tuple[Number, Number] = Field(default=(0.9, 0.999), description="of adam and adamw")
    eps: Number = Field(default=1e-8, gt=0, le=1, description="of adam and adamw")
    convention: Literal["torch", "keras"] = Field(
        default="torch",
        description="of adam and adamw: where eps is added; keras: to the root of the second "
        "moment before its correction, 'epsilon hat' of arXiv:1412.6980, section 2",
    )
    clip: Number | None = Field(default=None, gt=0, description="largest norm of the gradient")

    @model_validator(mode="before")
    @classmethod
    def _own_rate(cls, values: Any) -> Any:
        if isinstance(values, Mapping) and "lr" not in values:
            name = values.get("name")
            if isinstance(name, str) and name in RATES:
                return {**values, "lr": RATES[name]}
        return values

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        if not all(0 <= b < 1 for b in self.betas):
            raise ValueError(f"optim.betas must lie in [0, 1), got {list(self.betas)}")
        self._refuse_idle("optim", self.name, OPTIM_READERS)
        return self


class Schedule(Part):
    """The learning rate over the training, as a factor on `optim.lr`."""

    name: Literal["constant", "cosine", "linear", "onecycle", "plateau"] = "onecycle"
    warmup: Number = Field(default=0.0, ge=0, description="epochs of linear rise, not for onecycle")
    peak: Number = Field(
        default=0.25,
        gt=0,
        lt=1,
        description="onecycle: share of the training at which lr is reached",
    )
    start: Number = Field(
        default=0.1, ge=0, le=1, description="onecycle and warm-up: factor at the first step"
    )
    end: Number = Field(
        default=0.0,
        ge=0,
        le=1,
        description="cosine, linear and onecycle: factor at the last step",
    )
    factor: Number = Field(default=0.1, gt=0, lt=1, description="plateau: lr is multiplied by it")
    patience: Whole = Field(
        default=5,
        ge=1,
        description="plateau: epochs without a lower validation loss before the next lowers lr",
    )

    @model_validator(mode="after")
    def _has_effect(self) -> Self:
        self._refuse_idle("schedule", self.name, SCHEDULE_READERS)
        if not self.warmup:
            self._refuse_idle("schedule", self.name, {"start": ("onecycle", "a warm-up")})
        return self


class Loss(Part):
    """Cross-entropy."""

    label_smoothing: Number = Field(default=0.0, ge=0, lt=1)
    class_weights: Literal["balanced"] | tuple[Number, ...] | None = Field(
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
