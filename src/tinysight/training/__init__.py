"""Training: from a recipe and a data set to a run folder.

planning.py   a training that is ready to start, and what is refused before it does
loop.py       the training loop
ratetest.py   the learning-rate range test
resuming.py   what it carries from step to step
step.py       a step: its batch, and the update of the weights
pictures.py   the pictures, where it computes
"""

from __future__ import annotations

import copy
import json
import logging
import math
from pathlib import Path

from tinysight.errors import UsageError
from tinysight.models.foreign import is_foreign, sources
from tinysight.progress import Progress
from tinysight.run import Checkpoint, RunFolder
from tinysight.training.batches import steps, steps_in_all
from tinysight.training.loop import fit
from tinysight.training.planning import Plan, plan
from tinysight.training.resuming import Standing, stood
from tinysight.training.signals import StopRequest

__all__ = ["Plan", "is_complete", "plan", "resume", "train"]

ENDS = (
    "completed",
    "early",
    "reached",
)  # of a training that has nothing left to do by its own plan


def train(
    ready: Plan, *, out: str | Path | None = None, trace: bool = False, progress: Progress
) -> RunFolder:
    """Carry out a plan; return the run folder with its metrics and checkpoints.

    The plan's own model stays as it is, so that a plan can be carried out again.

    Args:
        trace: look at some steps, see `tracing`.

    Raises:
        UsageError, ResourceError: the folder `out` cannot be used.
        Diverged, Interrupted: see `loop.fit`.
    """
    stem = f"{ready.data.name}-{ready.recipe.name}"
    # From before the folder is there, so that a signal never leaves one that is half made.
    with StopRequest() as stop, RunFolder.made(stem, out) as folder:
        own = ready.recipe.model.name
        network = sources(own) if is_foreign(own) else {}
        folder.write(
            {
                **network,
                "data.json": _json(ready.facts()),
                "model.json": _json(ready.table.to_dict()),
                "recipe.json": ready.recipe.to_json(),  # last: it makes the folder a run
            }
        )
        with folder.logging(progress.say):
            _carry_out(ready, folder, None, stop, trace, progress)
    return folder


def resume(ready: Plan, folder: RunFolder, *, trace: bool = False, progress: Progress) -> RunFolder:
    """Go on with the training of a run where it was stopped; see `train`.

    One that is complete and only lacks its evaluation and report is left as it is.

    Args:
        ready: as the run was planned; its epochs may be others.

    Raises:
        CheckpointError: another process trains there, or no checkpoint is whole.
        UsageError: nothing is left to do.
        Diverged, Interrupted: see `loop.fit`.
    """
    with StopRequest() as stop, folder.training(), folder.logging(progress.say):
        start = folder.newest(progress.warn)
        now = stood(start, folder) if start else Standing()
        per_epoch = steps(ready.sizes[0], ready.recipe.batch_size)
        total = steps_in_all(per_epoch, ready.recipe.epochs)
        state = start.state if start else {}
        # The end of an earlier plan is none of a longer one.
        ended = state.get("stopped") in ENDS and total <= (state.get("steps_in_all") or total)
        if now.step > total or (ended and _reported(folder)):
            planned = folder.recipe().epochs
            raise UsageError(
                f"{folder.path} has done {now.step / per_epoch:.3g} of {planned:g} epochs"
                f"{' and is complete' if ended else ''}; to go on, give it more, "
                f"epochs={2 * math.ceil(planned)} say"
            )
        if ended or (now.step == total and now.step == now.epoch * per_epoch):
            progress.say("the training is complete; it is evaluated and reported")
            if not ended:
                folder.complete(total, ready.recipe)
            return folder
        _remember_place(ready, folder)
        progress.say(
            f"going on from step {now.step:,} of {total:,}"
            if start
            else "nothing was saved yet: beginning anew"
        )
        _carry_out(ready, folder, start, stop, trace, progress)
    return folder


def is_complete(folder: RunFolder) -> bool:
    """Say whether the training of a run has come to the end of its own plan.

    Raises:
        CheckpointError: the last checkpoint's state is damaged.
    """
    return folder.has_json("checkpoints/last") and folder.state("last").get("stopped") in ENDS


def _remember_place(ready: Plan, folder: RunFolder) -> None:
    """Write down where the data set lies now."""
    said = folder.data()
    source = ready.data.source
    if source.get("origin") is not None and source != said["source"]:
        folder.write({"data.json": _json(said | {"source": source})})


def _reported(folder: RunFolder) -> bool:
    """Whether the weights that the run ended with are evaluated and reported."""
    if not folder.report_html.is_file():
        return False
    split = folder.recipe().chosen_on
    if split is None:  # a final fit is evaluated where that is asked for
        return True
    if not folder.has_json(f"evaluation/{split}/metrics"):
        return False
    found = folder.read_json(f"evaluation/{split}/metrics")
    return found.get("weights") == folder.digest("best")


def _carry_out(
    ready: Plan,
    folder: RunFolder,
    start: Checkpoint | None,
    stop: StopRequest,
    trace: bool,
    progress: Progress,
) -> None:
    logging.getLogger("tinysight").info("%s\n%s", folder.path, ready)
    if ready.recipe.chosen_on == "test":
        folder.count_test_read("train, by protocol=source")
    fit(
        copy.deepcopy(ready.model),
        *ready.splits,
        ready.recipe,
        folder,
        classes=len(ready.data.classes),
        mean=ready.mean,
        device=ready.device,
        threads=ready.threads,
        precision=ready.precision,
        compilation=ready.compilation,
        progress=progress,
        stop=stop,
        start=start,
        trace=trace,
    )


def _json(value: object) -> str:
    return json.dumps(value, indent=2, allow_nan=False) + "\n"
