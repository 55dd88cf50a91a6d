"""The options of the models' builders: their types, and how a recipe's values are checked."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Annotated, Any, get_type_hints

from pydantic import BeforeValidator, Field, TypeAdapter, ValidationError
from pydantic_core import to_jsonable_python

from tinysight.errors import RecipeError, unknown

__all__ = ["Dropout", "Hidden", "Order", "ProjectedWidth", "Width", "Widths", "check"]


def _listed(value: Any) -> Any:
    if not isinstance(value, list | tuple) or not 1 <= len(value) <= 16:
        raise ValueError("must be a list of 1 to 16 widths, such as [512, 256]")
    return value


def _three(value: Any) -> Any:
    if not isinstance(value, list | tuple) or len(value) != 3:
        raise ValueError("must be a list of 3 widths, such as [64, 256, 256]")
    return value


Width = Annotated[int, Field(strict=True, ge=1, le=512)]
Widths = Annotated[tuple[Width, Width, Width], BeforeValidator(_three)]
# Below 16 channels the backward pass of a 1x1 convolution with stride 2, an odd batch and two
# threads crashes in torch 2.13 on a CPU with AVX-512 (oneDNN); seen with 8 and 12, not with 16.
ProjectedWidth = Annotated[int, Field(strict=True, ge=16, le=512)]
Dropout = Annotated[float, Field(strict=True, ge=0, lt=1, allow_inf_nan=False)]
Order = Annotated[int, Field(strict=True, ge=0, lt=2**63)]  # a seed
Hidden = Annotated[
    tuple[Annotated[int, Field(strict=True, ge=1, le=16_384)], ...],
    BeforeValidator(_listed),
]


def check(name: str, builder: Callable[..., Any], options: dict[str, Any]) -> dict[str, Any]:
    """Return every option of the builder as a plain value: the given ones checked, the defaults.

    The builder's keyword-only parameters are the options, their annotations the types and ranges.

    Raises:
        RecipeError: an option that the model lacks, or a value that it refuses.
    """
    parameters = inspect.signature(builder).parameters.values()
    defaults = {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY}
    for option in options:
        if option not in defaults:
            raise RecipeError(str(unknown(f"option of model {name}", option, defaults)))
    types = get_type_hints(builder, include_extras=True)
    values = {}
    for option, default in defaults.items():
        try:
            value = TypeAdapter(types[option]).validate_python(options.get(option, default))
        except ValidationError as error:
            first = error.errors()[0]
            path = ".".join(["model", option, *map(str, first["loc"])])
            said = first["msg"].removeprefix("Value error, ").replace("Input should", "must")
            raise RecipeError(f"{path} {said}, got {first['input']!r}") from None
        values[option] = to_jsonable_python(value)
    return values
