"""The command line: verbs, and `field=value` for what is in a recipe.

Heavy imports are inside the commands, so that `--help` answers at once. Progress and errors go
to standard error, results to standard output.
"""

from __future__ import annotations

import json
import sys
import traceback
from pathlib import Path
from typing import Annotated, Optional

import typer
from typer.exceptions import TyperException

from tinysight import __version__, faults, stopping, terminal, words
from tinysight.cli import data, rates, studies
from tinysight.cli.options import (
    Classes,
    Device,
    Json,
    Layout,
    Quiet,
    RunName,
    SkipBad,
    Tta,
    ValueRange,
    Verbs,
    Words,
)
from tinysight.errors import (
    CheckpointError,
    ModelError,
    PictureError,
    TinysightError,
    UsageError,
)

__all__ = ["main"]


app = typer.Typer(
    name="tinysight",
    cls=Verbs,
    help="Classify small pictures well, fast and honestly, on the machine you have.",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(data.app, name="data")


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
    data: Annotated[
        Optional[str],  # noqa: UP045
        typer.Argument(metavar="DATA", help="A name (see data list) or a path."),
    ] = None,
    fields: Words = None,
    recipe: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(
            "--recipe", "-r", help="A name (see recipes), a recipe.json, or a run; else quick."
        ),
    ] = None,
    resume: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(metavar="RUN", help="Go on with this run; DATA only where it has moved."),
    ] = None,
    out: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(help="The run folder, new or empty; else runs/DATA-RECIPE-001 and so on."),
    ] = None,
    device: Device = "auto",
    evaluate_test: Annotated[
        bool, typer.Option("--evaluate-test", help="Evaluate on test after the training.")
    ] = False,
    tta: Tta = "none",
    compile_: Annotated[
        str,
        typer.Option(
            "--compile", metavar="auto|on|off", help="on: torch.compile; auto: what pays here."
        ),
    ] = "auto",
    trace: Annotated[
        bool, typer.Option("--trace", help="Write where some steps' time goes: a table, a trace.")
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
    data, overrides = words.data_and_fields(data, fields, optional=resume is not None)
    reading = words.reading(value_range, layout, classes, skip_bad=skip_bad)
    words.check_recipe(recipe or "quick", {} if resume else overrides)
    if resume is not None:
        words.check_resumed(out=out, **reading)
    from tinysight import api
    from tinysight.api.preparing import check_views
    from tinysight.progress import Progress

    check_views(tta)
    progress = Progress(quiet=quiet)
    how = {"device": device, "compilation": compile_, "quiet": quiet}
    resumed = None
    with terminal.working():
        if resume is not None:
            resumed = api.load(resume).folder
            ready = api.plan_to_resume(
                resumed, data=data, recipe=recipe, overrides=overrides, **how
            )
        else:
            ready = api.plan(data, recipe or "quick", out=out, **how, **reading, **overrides)
    if dry_run:
        if as_json:
            print(json.dumps(ready.table.to_dict(), indent=2))
        else:
            terminal.say(ready)
            if resumed is not None and resumed.has_json("checkpoints/last"):
                terminal.say(f"resumed from step {resumed.state('last')['step']:,}")
            terminal.layers(ready.table)
        return
    with terminal.working():
        run = api.carry_out_and_report(
            ready,
            out=out,
            resumed=resumed,
            evaluate_test=evaluate_test,
            tta=tta,
            trace=trace,
            progress=progress,
        )
    if as_json:
        terminal.run_json(run)
    else:
        terminal.say(run)


app.command("lr-find")(rates.lr_find)
app.command()(studies.study)


@app.command()
def evaluate(
    run: RunName,
    split: Annotated[str, typer.Option(help="validation or test.")] = "validation",
    data: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(help="Where the run's data set is now, if it has moved."),
    ] = None,
    tta: Tta = "none",
    device: Device = "auto",
    as_json: Json = False,
) -> None:
    """Measure a run's best checkpoint on a split, class by class."""
    from tinysight import api

    opened = api.load(run)
    with terminal.working():
        found = api.evaluate(opened, split, tta=tta, data=data, device=device)
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

    with terminal.working():
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
def verify(run: RunName, as_json: Json = False) -> None:
    """Read all files of a run and say of each whether it is what was written."""
    from tinysight import api

    found = api.verify(run)
    wrong = [f for f in found if f.problem]
    if as_json:
        terminal.checked(found, as_json=True)
    else:
        for file in wrong:
            terminal.say(f"{file.path} {file.problem}")
        if not wrong:
            terminal.say(f"all {len(found)} files are as written")
    if wrong:
        raise CheckpointError(f"{len(wrong)} of {len(found)} files are not what was written")


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
        _check_current_folder()
        code = _run(given)
        sys.stdout.flush()
    except TinysightError as error:
        return _fail(str(error), error.exit_code, debug)
    except TyperException as error:
        return _fail(words.as_field(error) or error.format_message(), 2, debug)
    except (KeyboardInterrupt, typer.Abort) as error:
        by = stopping.stopped_by(error)
        return _fail(f"stopped by {by.name}", 128 + by, debug)
    except (BrokenPipeError, SystemExit) as error:  # rich makes the one into the other
        if said := faults.raised_by_user(error):
            return _fail(said, ModelError.exit_code, debug)
        return 141
    except Exception as error:
        if found := faults.told(error):
            return _fail(*found, debug)
        raise
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


def _check_current_folder() -> None:
    """Refuse to start in a folder that was deleted; libraries fail there in words of their own.

    Raises:
        UsageError: it is gone.
    """
    try:
        Path.cwd()
    except FileNotFoundError:
        raise UsageError("the current folder no longer exists; change into another") from None


def _fail(message: str, code: int, debug: bool) -> int:
    if debug:
        traceback.print_exc()
    print(f"error: {terminal.safe(message)}", file=sys.stderr)
    return code
