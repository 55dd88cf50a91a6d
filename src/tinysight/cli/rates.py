"""The verb `tinysight lr-find`."""

from __future__ import annotations

import json
from typing import Annotated, Optional

import typer

from tinysight import terminal, words
from tinysight.cli.options import (
    Classes,
    Device,
    Json,
    Layout,
    Quiet,
    RecipeName,
    SkipBad,
    Source,
    ValueRange,
    Words,
)

__all__ = ["lr_find"]


def lr_find(
    data: Source,
    fields: Words = None,
    recipe: RecipeName = "quick",
    low: Annotated[
        Optional[float],  # noqa: UP045 - typer reads it at run time
        typer.Option(
            help="The first rate; else, below --high, a hundredth of the optimiser's usual one."
        ),
    ] = None,
    high: Annotated[
        Optional[float],  # noqa: UP045
        typer.Option(
            help="The last rate; else a thousand times the optimiser's usual one, or what may be."
        ),
    ] = None,
    steps: Annotated[int, typer.Option(help="How many rates are tried, a step each.")] = 200,
    out: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(help="The folder, new or empty; else lr-find/DATA-RECIPE-001 and so on."),
    ] = None,
    device: Device = "auto",
    value_range: ValueRange = None,
    layout: Layout = None,
    classes: Classes = None,
    skip_bad: SkipBad = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Suggest a learning rate: train for some steps while it rises, and plot the loss."""
    overrides = words.fields(fields)
    words.check_recipe(recipe, overrides)
    reading = words.reading(value_range, layout, classes, skip_bad=skip_bad)
    from tinysight import api

    with terminal.working():
        found = api.find_rate(
            data,
            recipe,
            low=low,
            high=high,
            steps=steps,
            out=out,
            device=device,
            quiet=quiet,
            **reading,
            **overrides,
        )
    if as_json:
        print(json.dumps(found.to_dict(), indent=2))
    else:
        terminal.say(found)
        terminal.say(found.folder)
