"""The verbs of `tinysight data`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Optional

import typer

from tinysight import terminal, words
from tinysight.cli.options import (
    Classes,
    DataName,
    DataWords,
    Json,
    Layout,
    Quiet,
    RecipeName,
    SkipBad,
    Source,
    ValueRange,
    Verbs,
    Words,
)
from tinysight.errors import DataError, PictureError

__all__ = ["app"]

app = typer.Typer(cls=Verbs, help="List, get, inspect and look at data sets.")


@app.command("list")
def list_(as_json: Json = False) -> None:
    """List the data sets that are known by name, and which are on this machine."""
    terminal.known_data(as_json=as_json)


@app.command("fetch")
def fetch(name: DataName, quiet: Quiet = False) -> None:
    """Download a data set; what was cut off goes on where it stopped. Prints where it is."""
    words.check_published(name)
    from tinysight import api

    terminal.say(api.fetch_data(name, quiet=quiet))


@app.command("add")
def add(
    name: DataName,
    source: Annotated[
        str, typer.Option("--from", metavar="PATH", help="Its archives, or any layout of CIFAR.")
    ],
    quiet: Quiet = False,
) -> None:
    """Take a data set from this machine's disk, checked by its digest. Prints where it is."""
    words.check_published(name)
    from tinysight import api

    path = api.add_data(name, source, quiet=quiet)
    if not quiet and path == Path(source).resolve():
        print("read where it lies, from now on by its name; keep it there", file=sys.stderr)
    terminal.say(path)


@app.command("verify")
def verify(name: DataName, as_json: Json = False, quiet: Quiet = False) -> None:
    """Check the files of a data set by their digests."""
    words.check_published(name)
    from tinysight import api

    found = api.verify_data(name, quiet=quiet)
    terminal.checked(found, as_json=as_json)
    if wrong := sum(file.problem is not None for file in found):
        raise DataError(
            f"{wrong} of {len(found)} files of {name} are not there or not as published; get them "
            f"with: tinysight data fetch {name}"
        )


@app.command("remove")
def remove(name: DataName) -> None:
    """Delete the archives of a data set; cifar100 and cifar100-coarse share one."""
    words.check_published(name)
    from tinysight import api
    from tinysight.progress import megabytes

    freed = megabytes(api.remove_data(name))
    print(f"{freed} freed; what was added from a path of yours stays there")


@app.command("info")
def info(
    data: Source,
    fields: DataWords = None,
    value_range: ValueRange = None,
    layout: Layout = None,
    classes: Classes = None,
    as_json: Json = False,
) -> None:
    """Count, measure and check a data set: classes, sizes, duplicates, unreadable files."""
    settings = words.data_fields(fields)
    reading = words.reading(value_range, layout, classes, skip_bad=False)
    from tinysight import api
    from tinysight.data.statistics import inspect

    try:
        found = api.load_data(data, **reading, **settings)
    except PictureError:  # which they are is what is asked for
        found = api.load_data(data, **reading | {"skip_bad": True}, **settings)
    info = inspect(found)
    if as_json:
        print(json.dumps(info.to_dict(), indent=2))
    else:
        terminal.say(info)


@app.command("preview")
def preview(
    data: Source,
    fields: Words = None,
    recipe: RecipeName = "quick",
    out: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(help="The picture to write, PNG; else the next free preview.png."),
    ] = None,
    value_range: ValueRange = None,
    layout: Layout = None,
    classes: Classes = None,
    skip_bad: SkipBad = False,
) -> None:
    """Draw samples of each class, and what a recipe's augmentation makes of them."""
    overrides = words.fields(fields)
    words.check_recipe(recipe, overrides)
    reading = words.reading(value_range, layout, classes, skip_bad=skip_bad)
    from tinysight import api

    terminal.say(api.preview(data, recipe, out=out, **reading, **overrides))
