"""Training: from a recipe and a data set to a run folder.

planning.py   a training that is ready to start, and what is refused before it does
loop.py       the training loop
resuming.py   what it carries from step to step
"""

from __future__ import annotations

import copy
import json
import logging
import math
from pathlib import Path

from tinysight.errors import UsageError
from tinysight.progress import Progress
from tinysight.run import Checkpoint, RunFolder
from tinysight.training.batches import steps, steps_in_all
from tinysight.training.loop import fit
from tinysight.training.planning import Plan, plan
from tinysight.training.signals import StopRequest

__all__ = ["Plan", "plan", "resume", "train"]


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
        folder.write(
            {
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

    Args:
        ready: as the run was planned; its epochs may be others.

    Raises:
        CheckpointError: another process trains there, or no checkpoint is whole.
        UsageError: nothing is left to do.
        Diverged, Interrupted: see `loop.fit`.
    """
    with StopRequest() as stop, folder.training(), folder.logging(progress.say):
        start = folder.newest(progress.say)
        step = start.training.numbers.get("step", 0) if start and start.training else 0
        per_epoch = steps(ready.sizes[0], ready.recipe.batch_size)
        total = steps_in_all(per_epoch, ready.recipe.epochs)
        stopped = start.state.get("stopped") if start else None
        # The end of an earlier plan is none of a longer one.
        ended = (stopped == "completed" and step >= total) or (
            stopped == "early" and start is not None and start.state["steps_in_all"] >= total
        )
        if ended and step <= total and not _reported(folder):
            progress.say("the training is complete; it is evaluated and reported")
            return folder
        if ended or step > total:
            raise UsageError(
                f"{folder.path} has done {step / per_epoch:.3g} of {ready.recipe.epochs:g} epochs"
                f"{' and is complete' if ended else ''}; to go on, give it more, "
                f"epochs={2 * math.ceil(step / per_epoch)} say"
            )
        if ready.recipe.epochs != folder.recipe().epochs:
            folder.write({"recipe.json": ready.recipe.to_json()})
        progress.say(
            f"going on from step {step:,} of {total:,}"
            if start
            else "nothing was saved yet: beginning anew"
        )
        _carry_out(ready, folder, start, stop, trace, progress)
    return folder


def _reported(folder: RunFolder) -> bool:
    """Whether there is a report from after the last checkpoint."""
    try:
        checkpoint = folder.path / "checkpoints" / "last.json"
        return folder.report_html.stat().st_mtime_ns >= checkpoint.stat().st_mtime_ns
    except OSError:
        return False


def _carry_out(
    ready: Plan,
    folder: RunFolder,
    start: Checkpoint | None,
    stop: StopRequest,
    trace: bool,
    progress: Progress,
) -> None:
    logging.getLogger("tinysight").info("%s\n%s", folder.path, ready)
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
