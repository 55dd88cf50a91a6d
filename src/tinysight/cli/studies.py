"""The verb `tinysight study`."""

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
    SkipBad,
    ValueRange,
    Words,
)

__all__ = ["study"]


def study(
    name: Annotated[
        Optional[str],  # noqa: UP045 - typer reads it at run time
        typer.Argument(metavar="[NAME]", help="Which; without it they are listed."),
    ] = None,
    data: Annotated[
        Optional[str],  # noqa: UP045
        typer.Argument(metavar="[DATA]", help="A name or a path; else the study's own."),
    ] = None,
    fields: Words = None,
    seeds: Annotated[int, typer.Option(help="Trainings of each recipe.")] = 3,
    scale: Annotated[
        str, typer.Option(metavar="small|full", help="small: minutes, offline; full: CIFAR-10.")
    ] = "small",
    out: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(help="The study's folder; else studies/NAME-DATA-SCALE."),
    ] = None,
    device: Device = "auto",
    value_range: ValueRange = None,
    layout: Layout = None,
    classes: Classes = None,
    skip_bad: SkipBad = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Carry out an experiment that teaches: train its recipes, compare them, write its page."""
    if name is None:
        terminal.studies()
        return
    data, overrides = words.data_and_fields(data, fields, optional=True)
    reading = words.reading(value_range, layout, classes, skip_bad=skip_bad)
    from tinysight.study import run_study

    with terminal.working():
        found = run_study(
            name,
            data,
            seeds=seeds,
            scale=scale,
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
