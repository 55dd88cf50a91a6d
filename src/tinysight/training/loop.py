"""The training loop: reads top to bottom, everything periodic at its end."""

from __future__ import annotations

import math
import signal
import time
from collections.abc import Sequence
from contextlib import nullcontext
from functools import partial
from typing import Any

import torch

from tinysight.augment import size_at
from tinysight.data.dataset import Split
from tinysight.errors import CheckpointError, Diverged, Interrupted
from tinysight.evaluation.predict import score
from tinysight.machine import (
    Compilation,
    Precision,
    Threads,
    environment,
    repeatable,
    using,
)
from tinysight.models.classifier import Classifier
from tinysight.process import holding_memory, peak_memory, process_seconds
from tinysight.progress import Progress, span
from tinysight.recipe import Recipe
from tinysight.run import Checkpoint, RunFolder
from tinysight.training.averaging import Average
from tinysight.training.batches import order, steps, steps_in_all
from tinysight.training.compiling import compiled
from tinysight.training.loss import class_weights
from tinysight.training.optim import optimiser
from tinysight.training.pictures import (
    Loaded,
    batch_samples,
    clean_pictures,
    load,
    sample,
    seconds_of,
    work,
)
from tinysight.training.resuming import Carried, Standing, standing_best
from tinysight.training.schedule import Plateau, factor
from tinysight.training.signals import StopRequest
from tinysight.training.step import BROKEN_AT_ONCE, make_batch, seed_dropout, update
from tinysight.training.tally import Tally
from tinysight.training.tracing import tracing

__all__ = ["fit"]

LOOK_EVERY = 20  # steps between two looks at the loss, which on a GPU make the host wait
SHOW_SECONDS = 0.5  # between two steps that are shown, on a CPU
SAVE_SECONDS = 60.0  # within an epoch, between two checkpoints
NOT_MEASURED = (math.nan, math.nan)


def fit(
    model: Classifier,
    train: Split,
    validation: Split | None,
    recipe: Recipe,
    folder: RunFolder,
    *,
    classes: int,
    mean: Sequence[float],
    device: torch.device,
    threads: Threads,
    precision: Precision,
    compilation: Compilation,
    progress: Progress,
    stop: StopRequest,
    start: Checkpoint | None = None,
    trace: bool = False,
) -> None:
    """Train `model` by `recipe`; leave metrics, checkpoints and environment in the run folder.

    The best checkpoint is the one of highest validation accuracy, of equals that of lowest
    validation loss: on a few hundred pictures many epochs are equal, the early ones less settled.
    Without validation it is the last. `recipe.patience` waits for the accuracy alone; it and the
    plateau's begin to count where the pictures are of full size, see `Augment.shrink`. With
    `recipe.ema` the averaged weights are what is measured and saved. The running loss is the plain
    cross-entropy against the labels, without smoothing, weights or mixing, so that it can be held
    against the other two. What is measured here is computed in the precision of the training;
    `evaluate` measures again in fp32.

    Equal arguments on one CPU give equal weights: order, augmentation and dropout are functions
    of the seed and the position alone, and the global generators are left as found. On a GPU see
    `machine.repeatable`. What it needs to go on is saved at the end of each epoch, every
    SAVE_SECONDS within one, and when it is stopped.

    Args:
        validation: None for a final fit: nothing is held out, nothing chosen.
        classes: how many there are, k.
        mean: the train split's mean a channel, as a fraction; it fills what is erased.
        stop: entered; where it was asked before, the training ends after its first step.
        start: where this training stood when it was stopped; it ends as if it had not been.
        trace: see `tracing`.

    Raises:
        Diverged: the loss or a gradient is no longer finite; no such update was applied, the last
            good checkpoint stands, and diverged.json says where it was.
        Interrupted: SIGINT or SIGTERM came; the last checkpoint holds the step it came at.
    """
    started = time.perf_counter()
    n, h, w, _ = train.images.shape
    size = (h, w)
    weights = class_weights(recipe.loss, train.counts(classes), device)
    seen = load(train, device)
    held_out = load(validation, device) if validation else None
    clean = sample(seen, clean_pictures(n, len(held_out or ())), seed=recipe.seed)

    model = model.to(device)
    average = Average(model, recipe.ema) if recipe.ema else None
    optimizer = optimiser(model, recipe.optim)
    plateau = Plateau(recipe.schedule)
    carried = Carried(model, average, optimizer, plateau)
    measured = carried.measured
    per_epoch = steps(n, recipe.batch_size)
    total = steps_in_all(per_epoch, recipe.epochs)
    epochs = steps(total, per_epoch)  # of which the last may be a part
    tally = Tally(device)
    now = carried.take_up(start, tally, folder) if start else Standing()
    if not now.epoch * per_epoch <= now.step <= min((now.epoch + 1) * per_epoch, total):
        raise CheckpointError(
            f"the last checkpoint of {folder.path} stands at step {now.step} with {now.epoch} "
            f"epochs of {per_epoch} steps complete, which cannot be"
        )
    if start and start.state.get("stopped") == "early":  # it is asked for more: wait anew
        now.risen_epoch = now.epoch
    chooses = start is not None and validation is not None and recipe.keep == "best"
    rival = standing_best(folder, now, progress.warn) if chooses else None
    folder.keep_metrics(now.epoch)
    before, peak = now.model_copy(), (start.state.get("peak_memory_bytes") or 0) if start else 0
    looked = now.step
    shown = saved = epoch_started = started

    def measure(loaded: Loaded) -> tuple[float, float]:
        return score(measured, loaded.images, loaded.labels, precision.dtype)

    def save(
        tags: tuple[str, ...],
        epoch: int,
        row: dict[str, float] | None,
        stopped: str | None,
        standing: Standing | None = None,
    ) -> None:
        if not carried.finite():
            raise diverged(epoch, now.step)
        now.seconds = before.seconds + time.perf_counter() - started
        spent, earlier = process_seconds(), before.seconds_process
        now.seconds_process = None if spent is None or earlier is None else earlier + spent
        now.epoch_seconds = time.perf_counter() - epoch_started
        times = now.model_dump(include={"seconds", "seconds_process", "epoch_seconds"})
        standing = (standing or carried.standing(now, tally)).model_copy(update=times)
        state = {
            "epoch": epoch,
            "step": now.step,
            "steps_in_all": total,
            "seconds": now.seconds,
            "seconds_process": now.seconds_process,
            "stopped": stopped,
            "train_clean_n": len(clean),
            "peak_memory_bytes": max(peak, peak_memory()),
        }
        for key in ("validation_accuracy", "validation_loss", "train_accuracy_clean"):
            value = row[key] if row else math.nan
            state[key] = value if math.isfinite(value) else None
        folder.save_checkpoint(
            tags,
            measured.state_dict(),
            state,
            training=carried.put_away(standing, tally),
            row=row,
            recipe=recipe,
        )

    def diverged(epoch: int, first: int, *, at_once: bool = False) -> Diverged:
        """Record and return the end of a training that broke at the step `first` or since.

        Args:
            at_once: its first loss was no number, before the weights were changed.
        """
        said = {"epoch": epoch, "steps": [first, now.step], "learning_rate": now.rate}
        said["at_once"] = at_once
        folder.write_json("diverged", said)
        kept = (
            f"the checkpoints of {folder.path} hold what was before"
            if folder.has_json("checkpoints/last")
            else "no epoch was complete"
        )
        advice = BROKEN_AT_ONCE if at_once else "try a lower optim.lr, or optim.clip=1"
        return Diverged(
            f"the loss or a gradient became non-finite at {span(first, now.step)} (epoch {epoch}), "
            f"learning rate {now.rate:.3g}; {kept}; {advice}",
            folder.path,
        )

    def evaluation() -> float:
        return seconds_of(measure, clean, len(clean) + len(held_out or ()))

    autocast = torch.autocast(device.type, precision.dtype, precision.name == "bf16")
    traced = (
        tracing(folder, total - now.step, device, progress.say)
        if trace and now.step < total
        else nullcontext(lambda: None)
    )
    with (
        repeatable(device),
        using(threads),
        holding_memory(),
        progress.training(
            epochs - now.epoch,
            total,
            evaluation,
            partial(work, recipe.augment, total, size),
            split=recipe.held_out,
        ),
        traced as step_ended,
    ):
        samples = partial(batch_samples, seen, per_epoch, recipe.augment)
        network, compilation = compiled(
            model.train(), compilation, precision, samples, autocast, progress.say
        )
        found = environment(device, threads, precision, compilation, model.memory_format)
        folder.write_json("environment", _joined(folder, found, now.step) if start else found)
        epoch_started = time.perf_counter() - now.epoch_seconds

        for epoch in range(now.epoch + 1, epochs + 1):
            model.train()
            batches = order(n, recipe.batch_size, seed=recipe.seed, epoch=epoch)
            for index in batches[now.step - now.epoch * per_epoch :][: total - now.step]:
                seed_dropout(recipe.seed, now.step, device)
                done = now.step / total
                images, labels, targets = make_batch(
                    seen, index, recipe, classes=classes, mean=mean, epoch=epoch, done=done
                )

                now.rate = recipe.optim.lr * plateau.factor
                now.rate *= factor(recipe.schedule, now.step, total, per_epoch)
                optimizer.lr, optimizer.done = now.rate, now.step

                logits, _, broken = update(
                    network,
                    model,
                    optimizer,
                    images,
                    targets,
                    recipe,
                    weights=weights,
                    autocast=autocast,
                )
                if average:
                    average.update(model)
                now.step += 1
                tally.add(logits, labels, broken)
                step_ended()

                # On a CPU looking costs nothing; a GPU would have to be waited for.
                due = bool(stop.signal) or now.step == 1 or now.step % LOOK_EVERY == 0
                due = due or now.step % per_epoch == 0 or now.step == total
                if due or device.type == "cpu":
                    if not tally.finite():
                        raise diverged(epoch, looked + 1, at_once=now.step == 1)
                    looked = now.step
                if due or (device.type == "cpu" and time.perf_counter() - shown > SHOW_SECONDS):
                    shown = time.perf_counter()
                    speed = tally.n / (shown - epoch_started)
                    progress.step(now.step, epoch, tally.loss(), tally.accuracy(), speed)
                late = looked == now.step and time.perf_counter() - saved > SAVE_SECONDS
                if stop.signal or late:
                    tags = ("last",) if now.best_epoch or rival else ("last", "best")
                    save(tags, epoch, None, "interrupted" if stop.signal else None)
                    saved = time.perf_counter()
                if stop.signal:
                    raise _interrupted(stop.signal, now.step, epoch, folder)

            seconds = time.perf_counter() - epoch_started
            # One that is cut short may go on later, as if it had not been measured here.
            opened = carried.standing(now, tally) if now.step % per_epoch else None
            clean_loss, clean_accuracy = measure(clean)
            validation_loss, validation_accuracy = measure(held_out) if held_out else NOT_MEASURED
            if not math.isfinite(clean_loss + (validation_loss if held_out else 0.0)):
                raise diverged(epoch, now.step)
            settled = size_at(now.step / total, recipe.augment, *size) == size
            if settled:
                plateau.see(validation_loss)
            row = {
                "epoch": epoch,
                "step": now.step,
                "learning_rate": now.rate,
                "train_loss_running": tally.loss(),
                "train_accuracy_running": tally.accuracy(),
                "train_loss_clean": clean_loss,
                "train_accuracy_clean": clean_accuracy,
                "validation_loss": validation_loss,
                "validation_accuracy": validation_accuracy,
                "pictures_per_second": tally.n / seconds,
                "seconds": before.seconds + time.perf_counter() - started,
            }
            scored = (validation_accuracy, -validation_loss)
            if now.best is None or validation_accuracy > now.best[0] or not settled:
                now.risen_epoch = epoch
            better = now.best is None or scored > now.best
            if better:
                now.best, now.best_epoch = scored if held_out else None, epoch
            chosen = recipe.keep == "last" or (better and (rival is None or scored >= rival))
            waited = epoch - now.risen_epoch
            early = recipe.patience is not None and waited >= recipe.patience
            accuracy = tally.accuracy()
            reached = recipe.stop_at is not None and accuracy >= recipe.stop_at
            stopped = "reached" if reached else "early" if early else None
            stopped = "completed" if now.step == total else stopped
            if stop.signal and not stopped:
                stopped = "interrupted"
            now.epoch = epoch
            if not opened:
                tally, epoch_started = Tally(device), time.perf_counter()
            save(("last", "best") if chosen else ("last",), epoch, row, stopped, opened)
            saved = time.perf_counter()
            progress.epoch(row, better=chosen)
            if stop.signal and stopped:  # one that came since is heard in the next step
                raise _interrupted(stop.signal, now.step, epoch, folder)
            if stopped == "early":
                progress.say(
                    f"stopped early: no better {recipe.held_out} accuracy in {waited} "
                    f"epoch{'s' * (waited != 1)}; the best is epoch {now.best_epoch}"
                )
            if stopped == "reached":
                progress.say(f"stopped: the running training accuracy, {accuracy:.2%}, is reached")
            if stopped:
                break


def _joined(folder: RunFolder, found: dict[str, Any], step: int) -> dict[str, Any]:
    """What environment.json says, with where and on what the training goes on now."""
    first = folder.read_json("environment")
    return {**first, "resumed": [*first.get("resumed", []), {"step": step, **found}]}


def _interrupted(number: signal.Signals, step: int, epoch: int, folder: RunFolder) -> Interrupted:
    return Interrupted(
        f"stopped by {number.name} in epoch {epoch} at step {step}; all is saved in {folder.path}: "
        f"go on with tinysight train --resume {folder.path}; evaluate, predict and report take the "
        "best so far",
        128 + number,
    )
