"""The stages put together: what `import tinysight` offers and what the command line calls.

run.py         a training that was done, and what can be asked of it
data.py        data sets read with progress, fetched, added, checked, removed
preparing.py   a recipe and a data set brought together
rates.py       a learning rate found by a range test
resuming.py    a run that is gone on with
sheet.py       a data set as one picture
pictures.py    the pictures that `predict` is given
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from tinysight.api.data import add_data, fetch_data, load_data, remove_data, verify_data
from tinysight.api.preparing import check_views, draft, fitted, given, taken
from tinysight.api.rates import find_rate
from tinysight.api.resuming import plan_to_resume
from tinysight.api.run import Run
from tinysight.api.sheet import preview
from tinysight.data.readers.arrays import Layout, Range
from tinysight.errors import Diverged, ResourceError, TinysightError, UsageError
from tinysight.evaluation.predict import Prediction
from tinysight.evaluation.result import Evaluation
from tinysight.machine import choose_compilation, choose_device
from tinysight.progress import Progress
from tinysight.recipe import Recipe
from tinysight.reporting import write_report
from tinysight.run import Checked, RunFolder
from tinysight.training import Plan
from tinysight.training import plan as make_plan
from tinysight.training import resume as go_on
from tinysight.training import train as carry_out

__all__ = [
    "Run",
    "add_data",
    "carry_out_and_report",
    "evaluate",
    "fetch_data",
    "find_rate",
    "load",
    "load_data",
    "plan",
    "plan_to_resume",
    "predict",
    "preview",
    "remove_data",
    "report",
    "resume",
    "train",
    "verify",
    "verify_data",
]


def plan(
    data: Any,
    recipe: str | Path | Recipe = "quick",
    *,
    out: str | Path | None = None,
    device: str = "auto",
    compilation: str = "auto",
    value_range: Range | None = None,
    layout: Layout | None = None,
    classes: Sequence[str] | None = None,
    skip_bad: bool = False,
    quiet: bool = False,
    **overrides: Any,
) -> Plan:
    """Read the data and build the model of a training without starting it.

    What can be refused is refused before the data is read. Args as for `train`.
    """
    reading = given(value_range, layout, classes)
    asked = draft(recipe, overrides)
    choose_compilation(compilation, choose_device(device), steps=0)
    RunFolder.check(out)
    data = taken(data, asked, overrides, skip_bad=skip_bad, quiet=quiet, **reading)
    return make_plan(data, fitted(recipe, data, overrides), device=device, compilation=compilation)


def train(
    data: Any,
    recipe: str | Path | Recipe = "quick",
    *,
    out: str | Path | None = None,
    device: str = "auto",
    compilation: str = "auto",
    trace: bool = False,
    evaluate_test: bool = False,
    tta: str = "none",
    value_range: Range | None = None,
    layout: Layout | None = None,
    classes: Sequence[str] | None = None,
    skip_bad: bool = False,
    quiet: bool = False,
    **overrides: Any,
) -> Run:
    """Train a model, evaluate it on validation, write the report, and return the run.

    Args:
        data: a DataSet, or anything that `load_data` takes.
        recipe: a name in RECIPES, a recipe.json, a run to do again, or a Recipe.
        out: the run folder, new or empty; without it the next free one below `runs/`.
        device: "auto", "cpu", "cuda" or "mps".
        compilation: what makes the network's code in place of torch: "on" torch.compile, "off"
            nothing, "auto" what pays on this machine, see `machine.choose_compilation`.
        trace: look at some steps: trace.txt and trace.json.gz in the run folder.
        evaluate_test: also evaluate on test after it; the read of the labels is counted.
        tta: test-time augmentation of the evaluations, as for `evaluate`.
        value_range, layout, classes: what the data leaves open; see `data.load`.
        skip_bad: leave unreadable pictures out rather than refuse the data set.
        overrides: recipe fields, dotted names by `**{"optim.lr": 0.2}`.

    Raises:
        TinysightError: see the tree in `tinysight.errors`.
    """
    check_views(tta)
    progress = Progress(quiet=quiet)
    ready = plan(
        data,
        recipe,
        out=out,
        device=device,
        compilation=compilation,
        skip_bad=skip_bad,
        quiet=quiet,
        **given(value_range, layout, classes),
        **overrides,
    )
    run = carry_out_and_report(
        ready, out=out, evaluate_test=evaluate_test, tta=tta, trace=trace, progress=progress
    )
    progress.say(str(run))
    return run


def resume(
    run: str | Path | Run,
    *,
    data: Any = None,
    recipe: str | Path | Recipe | None = None,
    device: str = "auto",
    compilation: str = "auto",
    trace: bool = False,
    evaluate_test: bool = False,
    tta: str = "none",
    quiet: bool = False,
    **overrides: Any,
) -> Run:
    """Go on with a training that was stopped; on the same CPU it ends as if it had not been.

    Of its recipe only `epochs` may be another than it was: a training that is complete goes on,
    with its schedule drawn out to the new end.

    Args:
        run: its name, its folder, or itself.
        data: where its data set is now, if it has moved or was in memory.
        recipe: what the run is believed to be trained by, which is compared.
        device, compilation, trace, evaluate_test, tta, overrides: as for `train`.

    Raises:
        CheckpointError: another process trains there, no checkpoint is whole, or data or recipe are
            not the run's; says in what they differ.
        UsageError: it is complete, or diverged.
    """
    check_views(tta)
    progress = Progress(quiet=quiet)
    folder = _run(run).folder
    ready = plan_to_resume(
        folder,
        data=data,
        recipe=recipe,
        device=device,
        compilation=compilation,
        quiet=quiet,
        overrides=overrides,
    )
    done = carry_out_and_report(
        ready, resumed=folder, evaluate_test=evaluate_test, tta=tta, trace=trace, progress=progress
    )
    progress.say(str(done))
    return done


def carry_out_and_report(
    ready: Plan,
    *,
    out: str | Path | None = None,
    resumed: RunFolder | None = None,
    evaluate_test: bool,
    tta: str = "none",
    trace: bool = False,
    progress: Progress,
) -> Run:
    """Train by a plan, then evaluate and report; a training that diverged is reported as well.

    A final fit is evaluated on test alone, and that only where it is asked for; one by
    protocol=source on test alone.

    Args:
        resumed: the run that is gone on with, in place of a new one in `out`.
    """
    if evaluate_test and ready.data.test is None:
        raise UsageError(f"--evaluate-test: {ready.data.name} has no test split")
    check_views(tta, ready.data)
    if tta != "none" and ready.recipe.final and not evaluate_test:
        raise UsageError(
            f"tta={tta} is for evaluations, and a final fit has none but on test; add "
            "--evaluate-test, or evaluate the run later"
        )
    progress.say(str(ready))
    try:
        if resumed is None:
            folder = carry_out(ready, out=out, trace=trace, progress=progress)
        else:
            folder = go_on(ready, resumed, trace=trace, progress=progress)
    except Diverged as error:
        with suppress(TinysightError):
            write_report(RunFolder(error.run))
        raise
    run = Run(folder, ready.data, progress)
    try:
        asked = {ready.recipe.chosen_on, "test" if evaluate_test else None}
        for split in sorted(filter(None, asked), reverse=True):  # validation first
            run.evaluate(split, tta=tta, device=ready.device.type)
        run.report()
    except ResourceError as error:
        raise ResourceError(
            f"{error}; the training is saved in {run.path}: make room, then run: tinysight "
            f"evaluate {run.path}, and: tinysight report {run.path}"
        ) from None
    except KeyboardInterrupt:
        progress.say(
            f"the training is complete and saved in {run.path}; what is left to do: tinysight "
            f"evaluate {run.path}, and: tinysight report {run.path}"
        )
        raise
    return run


def load(run: str | Path) -> Run:
    """Open a run by its folder, or by its name below `runs/`.

    Raises:
        UnknownName: there is no such run.
    """
    if not isinstance(run, str | Path):
        raise UsageError(f"run must be a name or a path, got {type(run).__name__}")
    return Run(RunFolder.open(run))


def evaluate(
    run: str | Path | Run,
    split: str = "validation",
    *,
    tta: str = "none",
    data: Any = None,
    device: str = "auto",
) -> Evaluation:
    """Evaluate a run's best checkpoint on a split, leave the numbers in its folder, return them.

    A read of the test labels is counted in the run.

    Args:
        tta: test-time augmentation: "none", "mirror" (2 views) or "mirror+shift" (6 views). Its
            accuracy stands beside that of the single view, of which all else is.
        data: where the run's data set is now, if it has moved or was in memory.
        device: as for `train`.

    Raises:
        UsageError: no such split, tta or device; or a split that the run was trained on.
        DataError: the data set is not there, or not what the run was trained on.
    """
    return _run(run).evaluate(split, tta=tta, data=data, device=device)


def predict(
    run: str | Path | Run,
    pictures: Any,
    *,
    top: int = 5,
    device: str = "auto",
    quiet: bool = False,
) -> list[Prediction]:
    """Classify pictures: paths, folders, PIL images or arrays (uint8, h w c), one or many.

    Files in a folder that are no pictures by their ending are skipped, counted and said.

    Raises:
        UsageError: `top` is not positive, there is no such device, or there is no picture.
    """
    return _run(run).predict(pictures, top=top, device=device, quiet=quiet)


def report(run: str | Path | Run) -> Path:
    """Write the run's report.html from what is in its folder; return its path."""
    return _run(run).report()


def verify(run: str | Path | Run) -> list[Checked]:
    """Read every file of a run and say of each whether it is what was written.

    Raises:
        CheckpointError: the manifest that the files are checked by is missing or damaged.
    """
    return _run(run).folder.verify()


def _run(run: str | Path | Run) -> Run:
    return run if isinstance(run, Run) else load(run)
