"""Experiments that teach: one question, a few recipes, an answer computed from the numbers.

design.py         what a study is
overfitting.py    source project P1: by heart or not, and what helps
mlp_vs_cnn.py     what a CNN knows of neighbouring pixels
batchnorm.py      is training steadier and faster with it
stability.py      learning rate against batch size
depth.py          capacity, regularisation, residual connections
augmentation.py   each transform alone, and together
arms.py           what the arms of several studies have in common
columns.py        and what their tables have

running.py        the trainings, each a run folder; those that are done are used again
outcome.py        what came of them
estimate.py       means with intervals over seeds and pictures
comparing.py      classes and groups of classes, won and lost
drawing.py        the figures
saying.py         the numbers as people read them
report.py         all of it as a page and as JSON
"""

from __future__ import annotations

import hashlib
import json
import re
import shlex
import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, cast

from tinysight.api import load_data
from tinysight.api.preparing import given
from tinysight.data.dataset import DataSet
from tinysight.data.readers.arrays import Layout, Range
from tinysight.errors import UsageError, unknown
from tinysight.machine import choose_device
from tinysight.progress import Progress
from tinysight.recipe import Data, Recipe
from tinysight.reporting import formats
from tinysight.run import folders
from tinysight.run.files import is_unfinished
from tinysight.study import augmentation, batchnorm, depth, mlp_vs_cnn, overfitting, stability
from tinysight.study.design import SCALES, Arm, Scale, Study
from tinysight.study.report import Report
from tinysight.study.running import carry_out, overridden

__all__ = ["STUDIES", "Report", "run_study"]

STUDIES: Mapping[str, Study] = {
    "augmentation": augmentation.STUDY,
    "batchnorm": batchnorm.STUDY,
    "depth": depth.STUDY,
    "mlp-vs-cnn": mlp_vs_cnn.STUDY,
    "overfitting": overfitting.STUDY,
    "stability": stability.STUDY,
}

ROOT = "studies"  # below the current folder, beside `runs`
CONTENTS = {"runs", "figures", "study.html", "study.json"}
RUN = re.compile(r".+-s\d+-[0-9a-f]{8}")


def run_study(
    name: str,
    data: Any = None,
    *,
    seeds: int = 3,
    scale: str = "small",
    out: str | Path | None = None,
    device: str = "auto",
    value_range: Range | None = None,
    layout: Layout | None = None,
    classes: Sequence[str] | None = None,
    skip_bad: bool = False,
    quiet: bool = False,
    **overrides: Any,
) -> Report:
    """Carry out a study: train its recipes with several seeds, compare them, write its page.

    Test is not read: all is measured on validation, by the last weights of each training, so that
    nothing is chosen. Trainings that are done are used again, and one that was stopped goes on;
    the same call with more seeds, or after a stop, does only what is left.

    Args:
        name: in STUDIES.
        data: a DataSet, or anything that `load_data` takes; None: the study's own for the scale.
        seeds: how many trainings each recipe has, seeds 0, 1, 2 and so on.
        scale: "small", minutes on a data set that needs no network; "full", CIFAR-10.
        out: the study's folder: new, empty, or its own from before; else
            `studies/NAME-DATA-SCALE`, with a digest behind it where fields or data are others.
        device, value_range, layout, classes, skip_bad: as for `tinysight.train`.
        overrides: fields of all its recipes, and of its data (`data.size`).

    Raises:
        UnknownName: no such study.
        UsageError, RecipeError: what is asked for cannot be done, or the study sets it itself.
        ResourceError: the folder cannot be written.
        Interrupted: it was stopped; what is done is kept.
    """
    study = _find(name)
    if type(seeds) is not int or not 1 <= seeds <= 100:
        raise UsageError(f"seeds must be a whole number from 1 to 100, got {seeds!r}")
    if scale not in SCALES:
        raise UsageError(f"scale must be {' or '.join(SCALES)}, got {scale!r}")
    size = cast(Scale, scale)
    choose_device(device)
    other = f"holds something other than the study {name}"
    folders.check(out, ROOT, is_empty=partial(_is_of, name), full=other)
    began = time.perf_counter()
    progress = Progress(quiet=quiet)
    reading = {**given(value_range, layout, classes), "skip_bad": skip_bad}
    found = _data(study, data, size, overrides, quiet=quiet, **reading)
    own = {field: value for field, value in overrides.items() if not field.startswith("data.")}
    arms = overridden(study.arms(found, size), found, own)
    place = _place(study, found, size, arms, plain=not own) if out is None else Path(out)
    progress.say(
        f"{name}, {size}: {len(arms)} recipes with {seeds} seed{'s' * (seeds > 1)} on {found.title}"
    )
    results, reused = carry_out(
        arms, range(seeds), found, place / "runs", device=device, progress=progress
    )
    report = Report(
        study,
        size,
        found,
        arms,
        range(seeds),
        results,
        reused,
        time.perf_counter() - began,
        own,
        _command(name, data, seeds, size, out, device, overrides, reading),
        place,
    )
    report.write()
    return report


def _find(name: str) -> Study:
    if name not in STUDIES:
        raise unknown("study", name, STUDIES)
    return STUDIES[name]


def _data(
    study: Study,
    data: Any,
    scale: Scale,
    overrides: Mapping[str, Any],
    *,
    quiet: bool,
    **reading: Any,
) -> DataSet:
    """The data set that is asked: as given, or the study's own."""
    fields = {name: value for name, value in overrides.items() if name.startswith("data.")}
    if isinstance(data, DataSet):
        late = [*fields, *(option for option, value in reading.items() if value)]
        if late:
            raise UsageError(
                f"{late[0]} comes too late: the data set is read already; give it to load_data"
            )
        return data
    own, settings = study.data[scale]
    others = data is not None and data != own
    asked = Recipe(data=Data(**({} if others else settings))).override_all(fields).data
    return load_data(own if data is None else data, quiet=quiet, **reading, **asked.model_dump())


def _place(study: Study, data: DataSet, scale: Scale, arms: Sequence[Arm], *, plain: bool) -> Path:
    """The folder below ROOT; of recipes or data that are not the study's own it has a digest.

    Args:
        plain: whether the recipes are the study's own.
    """
    stem = f"{study.name}-{folders.plain_stem(data.name)}-{scale}"
    own, settings = study.data[scale]
    if not plain or data.name != own or data.settings != Data(**settings):
        said = [data.train.digest, data.validation.digest, *(a.recipe.to_json() for a in arms)]
        stem += f"-{hashlib.sha256(json.dumps(said).encode()).hexdigest()[:6]}"
    return Path(ROOT) / stem


def _is_of(name: str, folder: Path) -> bool:
    """Whether a folder holds nothing but this study, from before."""
    # A file that was being written when the process was killed has a name of its own.
    if any(p.name not in CONTENTS and not is_unfinished(p.name) for p in folder.iterdir()):
        return False
    runs = folder / "runs"
    if runs.is_dir() and not all(RUN.fullmatch(path.name) for path in runs.iterdir()):
        return False
    try:
        return json.loads((folder / "study.json").read_bytes())["study"] == name
    except FileNotFoundError:  # it was stopped before its end
        return True
    except (ValueError, KeyError, TypeError):
        return False


def _command(
    name: str,
    data: Any,
    seeds: int,
    scale: Scale,
    out: str | Path | None,
    device: str,
    overrides: Mapping[str, Any],
    reading: Mapping[str, Any],
) -> str | None:
    """The command line that carries the study out; None where the data is in memory."""
    if data is not None and not isinstance(data, str | Path):
        return None
    words = ["tinysight", "study", name, *([] if data is None else [str(data)])]
    words += [f"{field}={formats.plain(value)}" for field, value in overrides.items()]
    words += ["--seeds", str(seeds), "--scale", scale]
    for option, value in reading.items():
        if isinstance(value, bool):
            words += [f"--{option.replace('_', '-')}"] * value
        else:
            said = value if isinstance(value, str) else ",".join(map(formats.plain, value))
            words += [f"--{option.replace('_', '-')}", said]
    words += [] if out is None else ["--out", str(out)]
    return shlex.join([*words, *([] if device == "auto" else ["--device", device])])
