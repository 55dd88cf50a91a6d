"""What the JSON files of a run must hold; whatever else they hold is nobody's concern."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from tinysight.errors import CheckpointError

__all__ = ["Checkpoint", "Data", "Manifest", "Read", "check", "parse", "text"]

Sum = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]  # SHA-256
Tensors = Annotated[str, Field(pattern=r"^[a-z]+-[0-9a-f]{12}\.safetensors$")]
Below = Annotated[str, Field(pattern=r"^\w[\w.-]*(/\w[\w.-]*)*$")]  # a path, never upwards


class _Split(BaseModel):
    n: int = Field(ge=0)
    counts: list[Annotated[int, Field(ge=0)]]
    digest: str


class _Options(BaseModel):
    """What `data.load` is given again, beside the recipe's settings."""

    model_config = ConfigDict(extra="forbid")

    classes: list[str] | None = None
    skip_bad: bool | None = None
    name: str | None = None
    value_range: tuple[float, float] | None = None
    layout: Literal["nhwc", "nchw"] | None = None


class _Source(BaseModel):
    origin: str | None = None
    options: _Options = _Options()


class Data(BaseModel):
    """What data.json must hold."""

    name: str
    title: str
    classes: list[str] = Field(min_length=1)
    shape: list[Annotated[int, Field(gt=0)]] = Field(min_length=3, max_length=3)
    splits: dict[str, _Split | None]
    fingerprints: dict[str, str]
    split_seed: int
    init: Sum | None = None
    mean: list[Annotated[float, Field(allow_inf_nan=False)]]
    deviation: list[Annotated[float, Field(allow_inf_nan=False, ge=0)]]
    source: _Source

    @model_validator(mode="after")
    def _sizes_agree(self) -> Self:
        channels, classes = self.shape[2], len(self.classes)
        if not len(self.mean) == len(self.deviation) == channels:
            raise ValueError(
                f"mean and deviation must have a value for each of {channels} channels"
            )
        for name, split in self.splits.items():
            if split is not None and len(split.counts) != classes:
                raise ValueError(f"splits.{name}.counts must have {classes} counts, one a class")
        return self


class _State(BaseModel):
    epoch: int | None = None
    step: int | None = None
    steps_in_all: int | None = None
    train_accuracy_clean: float | None = None
    train_clean_n: int | None = None
    validation_accuracy: float | None = None
    validation_loss: float | None = None
    seconds: float | None = None
    seconds_process: float | None = None
    stopped: str | None = None
    peak_memory_bytes: int | None = None


class Read(BaseModel):
    """What a line of evaluation/test_reads.jsonl must hold."""

    by: str
    at: str


class Manifest(BaseModel):
    """What manifest.json must hold: the sum of each file, and what the last change took away."""

    files: dict[Below, Sum]
    dropped: list[Below]


class Checkpoint(BaseModel):
    """What checkpoints/<tag>.json must hold; `training` and `numbers` where it is gone on from."""

    weights: Tensors
    state: _State
    training: Tensors | None = None
    numbers: dict[str, Any] = {}

    @model_validator(mode="after")
    def _either_or_both(self) -> Self:
        if self.training is None and self.numbers:
            raise ValueError("numbers of a training need a file of its tensors")
        return self


def parse(path: Path, raw: bytes) -> Any:
    """Return what JSON says.

    Raises:
        CheckpointError: it is none.
    """
    try:
        return json.loads(text(path, raw))
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{path} is not JSON: {error}") from None


def text(path: Path, raw: bytes) -> str:
    """Return UTF-8 as text.

    Raises:
        CheckpointError: it is none.
    """
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        raise CheckpointError(
            f"{path} is damaged: no UTF-8 text, first at byte {error.start:,}"
        ) from None


def check(path: Path, value: Any, form: type[BaseModel]) -> None:
    """Refuse what came from a JSON file and has not the fields of a form, or of other types."""
    if not isinstance(value, dict):
        raise CheckpointError(
            f"{path} is damaged: a JSON object expected, {type(value).__name__} found"
        )
    # Names of files may hold halves of surrogate pairs, which pydantic refuses.
    raw = json.dumps(value, ensure_ascii=False).encode(errors="replace")
    try:
        form.model_validate_json(raw, strict=True)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        said = first["msg"].removeprefix("Value error, ").replace("Input should", "must")
        raise CheckpointError(f"{path} is damaged: {where} {said}".replace(":  ", ": ")) from None
