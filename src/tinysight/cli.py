"""The command line: verbs, and `field=value` for what is in a recipe.

Heavy imports are inside the commands, so that `--help` answers at once. Progress and errors go
to standard error, results to standard output.
"""

from __future__ import annotations

import json
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer
from typer.exceptions import TyperException

from tinysight import __version__, terminal
from tinysight.errors import PictureError, TinysightError, UsageError, unknown

if TYPE_CHECKING:
    from tinysight.recipe import Recipe

__all__ = ["main"]

ALWAYS = ("epochs", "batch_size", "model.name", "optim.name", "optim.lr", "schedule.name")

app = typer.Typer(
    name="tinysight",
    help="Classify small pictures well, fast and honestly, on the machine you have.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)
data_app = typer.Typer(help="List, inspect and look at data sets.", no_args_is_help=True)
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
RecipeName = Annotated[
    str, typer.Option("--recipe", "-r", help="A name (see recipes) or a recipe.json.")
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
    out: Annotated[Optional[str], typer.Option(help="The run folder, new or empty.")] = None,  # noqa: UP045
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
    evaluate_test: Annotated[
        bool, typer.Option("--evaluate-test", help="Evaluate on test after the training.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show plan, layers and costs; train nothing.")
    ] = False,
    as_json: Json = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print the result alone.")] = False,
) -> None:
    """Train a model, evaluate it on validation and write the report."""
    overrides = _fields(fields)
    _check_recipe(recipe, overrides)
    from tinysight import api
    from tinysight.training import Progress

    progress = Progress(quiet=quiet)
    ready = api.plan(data, recipe, device=device, quiet=quiet, **overrides)
    if dry_run:
        if as_json:
            print(json.dumps(ready.table.to_dict(), indent=2))
        else:
            print(ready)
            terminal.layers(ready.table)
        return
    run = api.carry_out_and_report(ready, out=out, evaluate_test=evaluate_test, progress=progress)
    if as_json:
        print(json.dumps(_run_as_json(run), indent=2))
    else:
        print(run)


@app.command()
def evaluate(
    run: RunName,
    split: Annotated[str, typer.Option(help="validation or test.")] = "validation",
    as_json: Json = False,
) -> None:
    """Measure a run's best checkpoint on a split, class by class."""
    from tinysight import api

    opened = api.load(run)
    found = api.evaluate(opened, split)
    if as_json:
        values = {
            "split": split,
            "checkpoint": found.checkpoint,
            "metrics": found.metrics.to_dict(),
        }
        print(json.dumps(values, indent=2))
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
    as_json: Json = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print a row a picture and class.")] = False,
) -> None:
    """Classify pictures of your own."""
    if as_json and as_csv:
        raise UsageError("--json and --csv exclude each other; choose one")
    from tinysight import api

    found = api.predict(run, pictures, top=top)
    if as_json:
        values = [
            {
                "picture": p.picture,
                "top": [{"class": c, "probability": v} for c, v in p.top],
                "notes": list(p.notes),
                "error": p.error,
            }
            for p in found
        ]
        print(json.dumps(values, indent=2))
    elif as_csv:
        terminal.predictions_csv(found)
    else:
        terminal.predictions(found)
    bad = [p for p in found if p.error]
    if bad:
        for p in bad[:10]:
            print(f"{p.picture}: {p.error}", file=sys.stderr)
        raise PictureError(f"{len(bad)} of {len(found)} pictures could not be read")


@app.command()
def report(run: RunName) -> None:
    """Write a run's report as one HTML page, and print where it is."""
    from tinysight import api

    print(api.report(run))


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
        found = {n: record(n) for n in RECIPES}
        terminal.table(
            ["recipe", "for", "expected"], [(n, r["for"], r["expected"]) for n, r in found.items()]
        )
    elif as_json:
        print(find(name)(Facts()).to_json(), end="")
    else:
        found = record(name)
        print(f"{name}: {found.pop('about')}\n")
        for key, text in found.items():
            print(f"{key + ':':<10}{text}")
        print("\nfields, as for CIFAR-10 (they adapt to the number of pictures):")
        recipe = find(name)(Facts())
        shown = {field: value for field, value in recipe.fields().items() if field in ALWAYS}
        shown |= {field: value for field, value, _ in recipe.changed()}
        terminal.table(["field", "value"], [(field, str(value)) for field, value in shown.items()])


@data_app.command("list")
def data_list(as_json: Json = False) -> None:
    """List the data sets that are known by name."""
    from tinysight.data import DATASETS

    about = {
        name: (reader.__doc__ or "").strip().splitlines()[0] for name, reader in DATASETS.items()
    }
    if as_json:
        print(json.dumps(about, indent=2))
    else:
        terminal.table(["name", "what it is"], list(about.items()))
        print("Any path is taken too: a folder of pictures, or parquet files.")


@data_app.command("info")
def data_info(
    data: Source,
    fields: Words = None,
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="Leave unreadable pictures out.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Count, measure and check a data set: classes, sizes, duplicates, unreadable files."""
    from tinysight.data.statistics import inspect

    info = inspect(_load(data, fields, skip_bad=skip_bad))
    print(json.dumps(info.to_dict(), indent=2) if as_json else info)


@data_app.command("preview")
def data_preview(
    data: Source,
    fields: Words = None,
    recipe: RecipeName = "quick",
    out: Annotated[str, typer.Option(help="The picture to write, PNG.")] = "preview.png",
) -> None:
    """Draw samples of each class, and what a recipe's augmentation makes of them."""
    overrides = _fields(fields)
    _check_recipe(recipe, overrides)
    from tinysight import api

    print(api.preview(data, recipe, out=out, **overrides))


def _load(source: str, fields: list[str] | None, *, skip_bad: bool) -> Any:
    from tinysight import api
    from tinysight.training import Progress

    overrides = {k.removeprefix("data."): v for k, v in _fields(fields).items()}
    with Progress().counting("reading pictures") as counter:
        return api.load_data(source, skip_bad=skip_bad, progress=counter, **overrides)


def _fields(words: list[str] | None) -> dict[str, str]:
    """The words of the form field=value; anything else is refused."""
    found = {}
    for word in words or []:
        name, sign, value = word.partition("=")
        if not sign:
            raise UsageError(f"expected FIELD=VALUE, got {word!r}; the data set comes first")
        found[name] = value
    return found


def _check_recipe(recipe: str, overrides: dict[str, str]) -> None:
    """Refuse a wrong name, field or value before torch is imported."""
    from tinysight.recipe import Facts, Recipe
    from tinysight.recipes import find

    found: Recipe = (
        Recipe.from_json(Path(recipe)) if recipe.endswith(".json") else find(recipe)(Facts())
    )
    for path, value in overrides.items():
        found = found.override(path, value)


def _run_as_json(run: Any) -> dict[str, Any]:
    values: dict[str, Any] = {"run": str(run.path), "report": str(run.folder.report_html)}
    for split in ("validation", "test"):
        path = run.folder.evaluation(split) / "metrics.json"
        if path.exists():
            values[split] = json.loads(path.read_text())["metrics"]["top1"]
    return values


def main(arguments: list[str] | None = None) -> None:
    """Run the command line; exits with 0, or with the exit code of the error's kind."""
    words = sys.argv[1:] if arguments is None else arguments
    debug = "--debug" in words
    words = [w for w in words if w != "--debug"]
    try:
        code = app(args=words, prog_name="tinysight", standalone_mode=False) or 0
    except TinysightError as error:
        code = _fail(str(error), error.exit_code, debug)
    except TyperException as error:
        said = error.format_message()
        if said.startswith("No such command"):
            said = str(
                unknown(
                    "verb",
                    words[0],
                    [c.name or c.callback.__name__ for c in app.registered_commands if c.callback]
                    + ["data"],
                )
            )
        code = _fail(said, 2, debug)
    except (KeyboardInterrupt, typer.Abort):
        code = _fail("interrupted", 130, debug)
    except BrokenPipeError:
        code = 141
    except MemoryError as error:
        code = _fail(f"out of memory: {error}", 5, debug)
    sys.exit(code)


def _fail(message: str, code: int, debug: bool) -> int:
    if debug:
        traceback.print_exc()
    print(f"error: {message}", file=sys.stderr)
    return code
