"""The stages put together: what `import tinysight` offers and what the command line calls."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tinysight import data as datasets
from tinysight.augment import augment
from tinysight.data.dataset import DataSet
from tinysight.data.published import PUBLISHED, named, store
from tinysight.errors import (
    DataError,
    Diverged,
    TinysightError,
    UnknownName,
    UsageError,
    unknown,
)
from tinysight.evaluation import result
from tinysight.evaluation.predict import Prediction
from tinysight.evaluation.predict import predict as predict_pictures
from tinysight.evaluation.result import Evaluation
from tinysight.machine import choose_device
from tinysight.models import Classifier
from tinysight.models import resolve as resolve_model
from tinysight.models.restore import restore
from tinysight.pictures.formats import READ, REFUSED
from tinysight.progress import Progress, megabytes
from tinysight.recipe import Data, Facts, Recipe
from tinysight.recipes import resolve as resolve_recipe
from tinysight.reporting import notebook, spread, theme, write_report
from tinysight.reporting import preview as draw_preview
from tinysight.run import RunFolder, write_atomic
from tinysight.training import Plan
from tinysight.training import plan as make_plan
from tinysight.training import train as carry_out

__all__ = [
    "Run",
    "add_data",
    "carry_out_and_report",
    "evaluate",
    "fetch_data",
    "load",
    "load_data",
    "plan",
    "predict",
    "preview",
    "report",
    "train",
    "verify_data",
]

PREVIEWED = 6  # pictures whose augmentation is drawn


@dataclass(eq=False)
class Run:
    """A training that was done, and what can be asked of it.

    In a notebook it shows itself: headline, table and curves.
    """

    folder: RunFolder
    _data: DataSet | None = field(default=None, repr=False)

    @property
    def path(self) -> Path:
        """The run folder."""
        return self.folder.path

    @cached_property
    def recipe(self) -> Recipe:
        """What the run was trained by."""
        return self.folder.recipe()

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """The class names, in the order of the logits."""
        return tuple(self.folder.data()["classes"])

    @property
    def history(self) -> list[dict[str, float]]:
        """The rows of metrics.csv, one an epoch."""
        return self.folder.metrics()

    def model(self, checkpoint: str = "best") -> Classifier:
        """Return the trained network in evaluation mode: n c h w pictures of 0..255 to logits."""
        return restore(self.folder, checkpoint)

    def evaluate(self, split: str = "validation", *, data: Any = None) -> Evaluation:
        """See `tinysight.evaluate`."""
        return evaluate(self, split, data=data)

    def predict(self, pictures: Any, *, top: int = 5) -> list[Prediction]:
        """See `tinysight.predict`."""
        return predict(self, pictures, top=top)

    def report(self) -> Path:
        """See `tinysight.report`."""
        return report(self)

    def data(self, source: Any = None) -> DataSet:
        """Read the run's data set again and check that it is what the run was trained on.

        Args:
            source: where it is now, if it has moved or was in memory; as for `load_data`.

        Raises:
            DataError: it has changed, has moved, or was in memory.
        """
        if self._data is None or source is not None:
            self._data = _reload(self.folder, self.recipe.data, source)
        return self._data

    def __str__(self) -> str:
        return notebook.summary(self.folder)

    def _repr_html_(self) -> str:
        return notebook.html(self.folder)


def load_data(source: Any, *, quiet: bool = False, **options: Any) -> DataSet:
    """Read a data set: a name, a path, arrays or a torch Dataset; shows how far it is.

    A published data set that is named and not on this machine is downloaded.

    Takes the fields of `recipe.Data` (size, label, validation_share, test_share, split_seed)
    and the further arguments of `data.load`.

    Raises:
        UnknownName: no such data set, or no such argument.
        DataError: it cannot be read; the message says where and why.

    >>> digits = load_data("digits")
    >>> digits.shape, len(digits.classes)
    ((32, 32, 1), 10)
    """
    further = set(inspect.signature(datasets.load).parameters) - {"source", "settings"}
    for key in options:
        if key not in Data.model_fields and key not in further:
            raise unknown("argument of load_data", key, [*Data.model_fields, *further])
    fields = {k: options.pop(k) for k in list(options) if k in Data.model_fields}
    settings = Recipe(data=fields).data
    return _read(source, settings, quiet=quiet, **options)


def fetch_data(name: str, *, quiet: bool = False) -> Path:
    """Download a published data set, where it is not on this machine already; return its path.

    Raises:
        UnknownName: no published data set has this name.
        DataError, ResourceError, UsageError: see `data.published.download`.
    """
    progress = Progress(quiet=quiet)
    with progress.moving(f"fetching {name}") as moved:
        return store.fetch(name, progress=moved, say=progress.say)


def add_data(name: str, source: str | Path, *, quiet: bool = False) -> Path:
    """Take a published data set from a path of the user's; return what is read from now on.

    Raises:
        UnknownName, UsageError, DataError, ResourceError: see `data.published.store.add`.
    """
    with Progress(quiet=quiet).moving(f"taking {name}") as moved:
        return store.add(name, Path(source), check=_other_than(name, quiet), progress=moved)


def verify_data(name: str, *, quiet: bool = False) -> tuple[store.Checked, ...]:
    """Read the files of a published data set in full and say of each whether it is that one.

    Raises:
        UnknownName: no published data set has this name.
    """
    with Progress(quiet=quiet).moving(f"checking {name}") as moved:
        return store.verify(name, check=_other_than(name, quiet), progress=moved)


def _other_than(name: str, quiet: bool) -> Callable[[Path], str | None]:
    """What says of a path that it is another data set than a canonical one."""

    def check(path: Path) -> str | None:
        with Progress(quiet=quiet).counting("reading pictures") as counter:
            return named.other_than(name, path, progress=counter)

    return check


def plan(
    data: Any,
    recipe: str | Path | Recipe = "quick",
    *,
    out: str | Path | None = None,
    device: str = "auto",
    skip_bad: bool = False,
    quiet: bool = False,
    **overrides: Any,
) -> Plan:
    """Read the data and build the model of a training without starting it.

    What can be refused is refused before the data is read. Args as for `train`.
    """
    # Once with the facts of no data set in particular, so that a wrong field is refused before
    # anything is read; then with the facts of this one.
    draft = _adapt(recipe, Facts(), overrides)
    choose_device(device)
    RunFolder.check(out)
    if draft.init is not None:
        RunFolder.open(draft.init)
    if isinstance(data, DataSet):
        _agree(draft.data, data, overrides)
        overrides = {k: v for k, v in overrides.items() if not k.startswith("data.")}
    else:
        data = _read(data, draft.data, skip_bad=skip_bad, quiet=quiet)
    facts = Facts(pictures=len(data.train), mirror=data.mirror)
    fitted = _adapt(recipe, facts, overrides).model_copy(update={"data": data.settings})
    return make_plan(data, fitted, device=device)


def train(
    data: Any,
    recipe: str | Path | Recipe = "quick",
    *,
    out: str | Path | None = None,
    device: str = "auto",
    evaluate_test: bool = False,
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
        evaluate_test: also evaluate on test after it; the read of the labels is counted.
        skip_bad: leave unreadable pictures out rather than refuse the data set.
        overrides: recipe fields, dotted names by `**{"optim.lr": 0.2}`.

    Raises:
        TinysightError: see the tree in `tinysight.errors`.
    """
    progress = Progress(quiet=quiet)
    ready = plan(data, recipe, out=out, device=device, skip_bad=skip_bad, quiet=quiet, **overrides)
    run = carry_out_and_report(ready, out=out, evaluate_test=evaluate_test, progress=progress)
    progress.say(str(run))
    return run


def carry_out_and_report(
    ready: Plan, *, out: str | Path | None, evaluate_test: bool, progress: Progress
) -> Run:
    """Train by a plan, then evaluate and report; a training that diverged is reported as well."""
    if evaluate_test and ready.data.test is None:
        raise UsageError(f"--evaluate-test: {ready.data.name} has no test split")
    progress.say(str(ready))
    try:
        folder = carry_out(ready, out=out, progress=progress)
    except Diverged as error:
        with suppress(TinysightError):
            write_report(RunFolder(error.run))
        raise
    run = Run(folder, ready.data)
    for split in ("validation", "test") if evaluate_test else ("validation",):
        run.evaluate(split)
    run.report()
    return run


def load(run: str | Path) -> Run:
    """Open a run by its folder, or by its name below `runs/`.

    Raises:
        UnknownName: there is no such run.
    """
    if not isinstance(run, str | Path):
        raise UsageError(f"run must be a name or a path, got {type(run).__name__}")
    return Run(RunFolder.open(run))


def evaluate(run: str | Path | Run, split: str = "validation", *, data: Any = None) -> Evaluation:
    """Evaluate a run's best checkpoint on a split, leave the numbers in its folder, return them.

    A read of the test labels is counted in the run.

    Args:
        data: where the run's data set is now, if it has moved or was in memory.

    Raises:
        UsageError: no such split.
        DataError: the data set is not there, or not what the run was trained on.
    """
    run = _run(run)
    if split not in ("validation", "test"):
        raise UsageError(f"split must be validation or test, got {split!r}")
    data = run.data(data)
    part = data.split(split)
    if part is None:
        raise UsageError(f"{data.name} has no {split} split; evaluate on validation")
    model = run.model()
    if split == "test":
        run.folder.count_test_read("evaluate")
    found = result.evaluate(model, part, data.classes, name=split, checkpoint="best")
    result.save(found, part, run.folder)
    return found


def predict(run: str | Path | Run, pictures: Any, *, top: int = 5) -> list[Prediction]:
    """Classify pictures: paths, folders, PIL images or arrays (uint8, h w c), one or many.

    Raises:
        UsageError: `top` is not positive, or there is no picture.
    """
    run = _run(run)
    if type(top) is not int or top < 1:
        raise UsageError(f"top must be a whole number of 1 or more, got {top!r}")
    found = [p for given in _many(pictures) for p in _walk(given)]
    if not found:
        endings = ", ".join(sorted(e[1:] for e in READ))
        raise UsageError(f"no picture to classify; looked for files ending in {endings}")
    h, w, c = run.folder.data()["shape"]
    return predict_pictures(run.model(), found, shape=(h, w, c), classes=run.classes, top=top)


def preview(
    data: Any,
    recipe: str | Path | Recipe = "quick",
    *,
    out: str | Path,
    skip_bad: bool = False,
    **overrides: Any,
) -> Path:
    """Draw samples of each class and what the recipe's augmentation makes of some, as one PNG.

    Raises:
        UsageError: `out` does not end in .png.
        ResourceError: it cannot be written.
    """
    if Path(out).suffix.lower() != ".png":
        raise UsageError(f"the preview is a PNG; out must end in .png, got {str(out)!r}")
    ready = plan(data, recipe, device="cpu", skip_bad=skip_bad, **overrides)
    train = ready.data.train
    chosen = torch.from_numpy(spread(train.labels.numpy(), PREVIEWED))
    pictures = train.images[chosen].permute(0, 3, 1, 2)
    rows = [pictures] + [
        augment(
            pictures, chosen, ready.recipe.augment, seed=ready.recipe.seed, epoch=e, mean=ready.mean
        )
        for e in range(1, 9)
    ]
    columns = torch.stack(rows, dim=1).permute(0, 1, 3, 4, 2).numpy()
    figure = draw_preview(
        train.images.numpy(), train.labels.numpy(), ready.data.classes, list(columns)
    )
    write_atomic(Path(out), theme.to_png(figure))
    return Path(out)


def report(run: str | Path | Run) -> Path:
    """Write the run's report.html from what is in its folder; return its path."""
    return write_report(_run(run).folder)


def _read(source: Any, settings: Data, *, quiet: bool, **options: Any) -> DataSet:
    """A data set read, and fetched before if it is a published one that is not here."""
    if isinstance(source, str) and source in PUBLISHED and store.locate(source) is None:
        if Path(source).is_dir():
            raise UsageError(
                f"{source} is the name of a published data set, which is not on this machine, and "
                f"of a folder here; give ./{source} for the folder, or run: tinysight data fetch "
                f"{source}"
            )
        known = PUBLISHED[source]
        Progress(quiet=quiet).say(
            f"{known.title} is not on this machine: {megabytes(known.bytes)} to download to "
            f"{store.data_folder()}"
        )
        fetch_data(source, quiet=quiet)
    with Progress(quiet=quiet).counting("reading pictures") as counter:
        return datasets.load(source, settings, **{"progress": counter, **options})


def _run(run: str | Path | Run) -> Run:
    return run if isinstance(run, Run) else load(run)


def _many(pictures: Any) -> list[Any]:
    """What was given as a list: a batch of arrays or tensors (n h w c) taken apart."""
    if isinstance(pictures, torch.Tensor):
        pictures = pictures.cpu().numpy()
    if isinstance(pictures, np.ndarray):
        return list(pictures) if pictures.ndim == 4 else [pictures]
    if isinstance(pictures, Sequence) and not isinstance(pictures, str | bytes):
        return [one for given in pictures for one in _many(given)]
    return [pictures]


def _walk(given: Any) -> list[Any]:
    """A folder's pictures, sorted; anything else itself."""
    if isinstance(given, str | Path) and os.path.isdir(given):  # noqa: PTH112 - takes any name
        files = (Path(root) / f for root, _, names in os.walk(given) for f in names)
        return sorted(f for f in files if f.suffix.lower() in READ | REFUSED)
    return [given]


def _agree(asked: Data, data: DataSet, overrides: Mapping[str, Any]) -> None:
    """Refuse fields that would have to read a data set again which is read already."""
    for key in overrides:
        field = key.removeprefix("data.")
        if key == field or getattr(asked, field) == getattr(data.settings, field):
            continue
        raise UsageError(
            f"{key}={overrides[key]} comes too late: the data set was read with "
            f"{field}={getattr(data.settings, field)}; give it to load_data"
        )


def _adapt(recipe: str | Path | Recipe, facts: Facts, overrides: Mapping[str, Any]) -> Recipe:
    """Return the recipe of that name or file, adapted to a data set's facts and overridden.

    Raises:
        UnknownName, RecipeError: no such recipe, field or value.
    """
    found = resolve_recipe(recipe, facts).override_all(overrides)
    return found.model_copy(update={"model": resolve_model(found.model)})


def _reload(folder: RunFolder, settings: Data, source: Any) -> DataSet:
    """The data set of a run from where it was, or from `source`, checked by its digests."""
    said = folder.data()
    origin = said["source"].get("origin") if source is None else source
    if origin is None:
        raise DataError(
            f"the data of {folder.path} was in memory when it was trained; give it again: "
            "evaluate(run, data=...)"
        )
    if isinstance(origin, DataSet):
        data = origin
    else:
        try:
            data = datasets.load(origin, settings, **said["source"].get("options", {}))
        except UnknownName:
            raise DataError(
                f"the data of {folder.path} is not at {origin}; say where it is now: data=PATH, or "
                "--data PATH"
            ) from None
    splits = {k: data.split(k) for k, v in said["splits"].items() if v}
    changed = [k for k, v in splits.items() if v is None or v.digest != said["splits"][k]["digest"]]
    if list(data.classes) != said["classes"]:
        changed.append("the class names")
    if changed:
        raise DataError(
            f"{data.name} is not what {folder.path} was trained on: it differs in "
            f"{', '.join(changed)}"
        )
    return data
