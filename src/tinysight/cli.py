"""The command line: verbs, and `field=value` for what is in a recipe.

Heavy imports are inside the commands, so that `--help` answers at once. Progress and errors go
to standard error, results to standard output.
"""

from __future__ import annotations

import json
import sys
import traceback
from pathlib import Path
from typing import Annotated, Any, Optional

import typer
from typer.core import TyperGroup
from typer.exceptions import TyperException

from tinysight import __version__, stopping, terminal, words
from tinysight.errors import (
    DataError,
    PictureError,
    TinysightError,
    UnknownName,
    UsageError,
    unknown,
)

__all__ = ["main"]


class _Verbs(TyperGroup):
    """Verbs that refuse a wrong one by our own words, and show the help when none is given."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if not args:
            print(ctx.get_help(), end="")
            raise typer.Exit(2)
        return super().parse_args(ctx, args)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        name = args[0]
        if self.get_command(ctx, name) is None and not name.startswith("-"):
            whole = f"{ctx.command_path} {name}".removeprefix("tinysight ")
            said = str(unknown("verb", name, self.list_commands(ctx)))
            raise UnknownName(said.replace(repr(name), repr(whole), 1))
        return super().resolve_command(ctx, args)


app = typer.Typer(
    name="tinysight",
    cls=_Verbs,
    help="Classify small pictures well, fast and honestly, on the machine you have.",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)
data_app = typer.Typer(cls=_Verbs, help="List, get, inspect and look at data sets.")
app.add_typer(data_app, name="data")

Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
RunName = Annotated[
    str, typer.Argument(metavar="RUN", help="A run folder, or its name below runs/.")
]
Source = Annotated[str, typer.Argument(metavar="DATA", help="A name (see data list) or a path.")]
Words = Annotated[
    Optional[list[str]],  # noqa: UP045 - typer reads it at run time
    typer.Argument(metavar="[FIELD=VALUE]...", help="Recipe fields, e.g. epochs=4 optim.lr=0.2."),
]
DataWords = Annotated[
    Optional[list[str]],  # noqa: UP045 - typer reads it at run time
    typer.Argument(metavar="[FIELD=VALUE]...", help="Fields of data, e.g. size=32 label=coarse."),
]
DataName = Annotated[str, typer.Argument(metavar="NAME", help="A name; see data list.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print the result alone.")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")]
ValueRange = Annotated[
    Optional[str],  # noqa: UP045 - typer reads it at run time
    typer.Option(metavar="LOW,HIGH", help="What black and white are, in arrays but uint8."),
]
Layout = Annotated[
    Optional[str],  # noqa: UP045 - typer reads it at run time
    typer.Option(metavar="nhwc|nchw", help="The axes of arrays whose shape leaves them open."),
]
Classes = Annotated[
    Optional[str],  # noqa: UP045 - typer reads it at run time
    typer.Option(metavar="A,B,C", help="Names of classes that the data knows by number."),
]
SkipBad = Annotated[bool, typer.Option("--skip-bad", help="Leave unreadable pictures out.")]
RecipeName = Annotated[
    str, typer.Option("--recipe", "-r", help="A name (see recipes), a recipe.json, or a run.")
]


def _version(asked: bool) -> None:
    if asked:
        print(__version__)
        raise typer.Exit


@app.callback()
def top(
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_version, help="Print the version.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False,
) -> None:
    """Hold the options that stand before a verb."""


@app.command()
def train(
    data: Source,
    fields: Words = None,
    recipe: RecipeName = "quick",
    out: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(help="The run folder, new or empty; else runs/DATA-RECIPE-001 and so on."),
    ] = None,
    device: Device = "auto",
    evaluate_test: Annotated[
        bool, typer.Option("--evaluate-test", help="Evaluate on test after the training.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show plan, layers and costs; train nothing.")
    ] = False,
    value_range: ValueRange = None,
    layout: Layout = None,
    classes: Classes = None,
    skip_bad: SkipBad = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Train a model, evaluate it on validation and write the report."""
    overrides = words.fields(fields)
    words.check_recipe(recipe, overrides)
    reading = words.reading(value_range, layout, classes, skip_bad=skip_bad)
    from tinysight import api
    from tinysight.progress import Progress

    progress = Progress(quiet=quiet)
    ready = api.plan(data, recipe, out=out, device=device, quiet=quiet, **reading, **overrides)
    if dry_run:
        if as_json:
            print(json.dumps(ready.table.to_dict(), indent=2))
        else:
            terminal.say(ready)
            terminal.layers(ready.table)
        return
    run = api.carry_out_and_report(ready, out=out, evaluate_test=evaluate_test, progress=progress)
    if as_json:
        terminal.run_json(run)
    else:
        terminal.say(run)


@app.command()
def evaluate(
    run: RunName,
    split: Annotated[str, typer.Option(help="validation or test.")] = "validation",
    data: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(help="Where the run's data set is now, if it has moved."),
    ] = None,
    device: Device = "auto",
    as_json: Json = False,
) -> None:
    """Measure a run's best checkpoint on a split, class by class."""
    from tinysight import api

    opened = api.load(run)
    found = api.evaluate(opened, split, data=data, device=device)
    if as_json:
        terminal.evaluation_json(found)
        return
    terminal.evaluation(found)
    if split == "test":
        reads = len(opened.folder.test_reads())
        print(f"test labels read {reads} time{'s' if reads != 1 else ''} for this run")


@app.command()
def predict(
    run: RunName,
    pictures: Annotated[list[str], typer.Argument(metavar="PICTURE|FOLDER...")],
    top: Annotated[int, typer.Option(help="How many classes to name.")] = 5,
    device: Device = "auto",
    as_json: Json = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print a row a picture and class.")] = False,
) -> None:
    """Classify pictures of your own."""
    if as_json and as_csv:
        raise UsageError("--json and --csv exclude each other; choose one")
    from tinysight import api

    found = api.predict(run, pictures, top=top, device=device)
    if as_json:
        terminal.predictions_json(found)
    elif as_csv:
        terminal.predictions_csv(found)
    else:
        terminal.predictions(found)
    if bad := terminal.unreadable(found):
        raise PictureError(f"{bad} of {len(found)} pictures could not be read")


@app.command()
def report(run: RunName) -> None:
    """Write a run's report as one HTML page, and print where it is."""
    from tinysight import api

    terminal.say(api.report(run))


@app.command()
def recipes(
    name: Annotated[Optional[str], typer.Argument(metavar="[NAME]")] = None,  # noqa: UP045
    as_json: Json = False,
    schema: Annotated[
        bool, typer.Option("--schema", help="Print the JSON schema of a recipe.")
    ] = False,
) -> None:
    """List the recipes, or show one: its source, what it is for, what to expect, its fields."""
    from tinysight.recipe import Facts, Recipe
    from tinysight.recipes import RECIPES, find, record

    if schema:
        print(json.dumps(Recipe.model_json_schema(), indent=2))
    elif name is None and as_json:
        print(json.dumps({n: record(n) for n in RECIPES}, indent=2))
    elif name is None:
        terminal.recipes()
    elif as_json:
        print(find(name)(Facts()).to_json(), end="")
    else:
        terminal.recipe(name)


@data_app.command("list")
def data_list(as_json: Json = False) -> None:
    """List the data sets that are known by name, and which are on this machine."""
    terminal.known_data(as_json=as_json)


@data_app.command("fetch")
def data_fetch(name: DataName, quiet: Quiet = False) -> None:
    """Download a data set; what was cut off goes on where it stopped. Prints where it is."""
    words.check_published(name)
    from tinysight import api

    terminal.say(api.fetch_data(name, quiet=quiet))


@data_app.command("add")
def data_add(
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


@data_app.command("verify")
def data_verify(name: DataName, as_json: Json = False, quiet: Quiet = False) -> None:
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


@data_app.command("remove")
def data_remove(name: DataName) -> None:
    """Delete the archives of a data set; cifar100 and cifar100-coarse share one."""
    words.check_published(name)
    from tinysight import api
    from tinysight.progress import megabytes

    freed = megabytes(api.remove_data(name))
    print(f"{freed} freed; what was added from a path of yours stays there")


@data_app.command("info")
def data_info(
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


@data_app.command("preview")
def data_preview(
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

    out = out or words.free("preview", ".png")
    terminal.say(api.preview(data, recipe, out=out, **reading, **overrides))


def main(arguments: list[str] | None = None) -> None:
    """Run the command line; exits with 0, or with the exit code of the error's kind."""
    given = sys.argv[1:] if arguments is None else arguments
    debug = "--debug" in given
    terminal.take_any_text()
    with stopping.hearing_sigterm():
        code = _carried_out([w for w in given if w != "--debug"], debug)
    terminal.release()
    sys.exit(code)


def _carried_out(given: list[str], debug: bool) -> int:
    """Carry a verb out, and say in one line what stopped it; return the exit code."""
    try:
        words.check_current_folder()
        code = _run(given)
        sys.stdout.flush()
    except TinysightError as error:
        return _fail(str(error), error.exit_code, debug)
    except TyperException as error:
        return _fail(words.as_field(error) or error.format_message(), 2, debug)
    except (KeyboardInterrupt, typer.Abort) as error:
        by = stopping.stopped_by(error)
        return _fail(f"stopped by {by.name}", 128 + by, debug)
    except (BrokenPipeError, SystemExit):  # rich makes the one into the other
        return 141
    except (OSError, MemoryError, RuntimeError) as error:
        said = terminal.lacking(error)
        if said is None:
            raise
        return _fail(said, 5, debug)
    return code


def _run(given: list[str]) -> int:
    """Carry a verb out. Typer's own `main` would turn a broken pipe and Ctrl-C into exit codes."""
    verbs = typer.main.get_command(app)
    try:
        with verbs.make_context("tinysight", list(given)) as context:
            verbs.invoke(context)
    except typer.Exit as left:
        return left.exit_code
    return 0


def _fail(message: str, code: int, debug: bool) -> int:
    if debug:
        traceback.print_exc()
    print(f"error: {terminal.safe(message)}", file=sys.stderr)
    return code
