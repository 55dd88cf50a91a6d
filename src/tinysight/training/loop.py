"""The training loop: reads top to bottom, everything periodic at its end."""

from __future__ import annotations

import math
import signal
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from itertools import product

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tinysight.augment import augment, mix, size_at
from tinysight.augment.layout import beside
from tinysight.data.dataset import Split
from tinysight.errors import Diverged, Interrupted
from tinysight.evaluation.predict import score
from tinysight.machine import (
    Compilation,
    Precision,
    Threads,
    environment,
    repeatable,
    using,
)
from tinysight.process import holding_memory, peak_memory, process_seconds
from tinysight.progress import Progress, span
from tinysight.recipe import Augment, Recipe
from tinysight.run import RunFolder
from tinysight.training.averaging import Average
from tinysight.training.batches import order, steps, steps_in_all
from tinysight.training.compiling import compiled
from tinysight.training.loss import class_weights, cross_entropy
from tinysight.training.optim import optimiser
from tinysight.training.schedule import Plateau, factor
from tinysight.training.signals import StopRequest
from tinysight.training.tally import Tally
from tinysight.training.tracing import tracing

__all__ = ["clean_pictures", "fit"]

LOOK_EVERY = 20  # steps between two looks at the loss, which on a GPU make the host wait
SHOW_SECONDS = 0.5  # between two steps that are shown, on a CPU
NOT_MEASURED = (math.nan, math.nan)
CLEAN_AT_MOST = 2_500  # training pictures on which the clean accuracy is measured each epoch
TIMED = 250  # pictures by which the time of an epoch's evaluation is estimated


def fit(
    model: nn.Module,
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
    `machine.repeatable`.

    Args:
        validation: None for a final fit: nothing is held out, nothing chosen.
        classes: how many there are, k.
        mean: the train split's mean a channel, as a fraction; it fills what is erased.
        stop: entered; where it was asked before, the training ends after its first step.
        trace: see `tracing`.

    Raises:
        Diverged: the loss is no longer finite; the last good checkpoint stands, and
            diverged.json says where it was.
        Interrupted: SIGINT or SIGTERM came; the last checkpoint holds the step it came at.
    """
    started = time.perf_counter()
    n, h, w, _ = train.images.shape
    size = (h, w)
    weights = class_weights(recipe.loss, train.counts(classes), device)
    seen = _on(train, device)
    held_out = _on(validation, device) if validation else None
    clean = _sample(seen, clean_pictures(n, len(held_out or ())), seed=recipe.seed)

    model = model.to(device)
    average = Average(model, recipe.ema) if recipe.ema else None
    measured = average.model if average else model
    optimizer = optimiser(model, recipe.optim)
    plateau = Plateau(recipe.schedule)
    mixing = recipe.augment.mixup > 0 or recipe.augment.cutmix > 0
    per_epoch = steps(n, recipe.batch_size)
    total = steps_in_all(per_epoch, recipe.epochs)
    epochs = steps(total, per_epoch)  # of which the last may be a part
    step = looked = best_epoch = risen_epoch = 0
    shown = started
    best = (-1.0, -math.inf)
    rate = recipe.optim.lr

    def measure(loaded: _Loaded) -> tuple[float, float]:
        return score(measured, loaded.images, loaded.labels, precision.dtype)

    def save(tags: tuple[str, ...], epoch: int, row: dict[str, float], stopped: str | None) -> None:
        state = {
            "epoch": epoch,
            "step": step,
            "seconds": time.perf_counter() - started,
            "seconds_process": process_seconds(),
            "stopped": stopped,
            "train_clean_n": len(clean),
            "peak_memory_bytes": peak_memory(),
        }
        kept = ("validation_accuracy", "validation_loss", "train_accuracy_clean")
        state |= {k: row[k] if math.isfinite(row.get(k, math.nan)) else None for k in kept}
        folder.save_checkpoint(tags, measured.state_dict(), state)

    def diverged(epoch: int, first: int) -> Diverged:
        """Record and return the end of a training whose loss broke at the step `first` or since."""
        said = {"epoch": epoch, "steps": [first, step], "learning_rate": rate}
        folder.write_json("diverged", said)
        kept = (
            f"the checkpoints of {folder.path} hold the epochs before"
            if best_epoch
            else "no epoch was complete, so nothing was saved"
        )
        return Diverged(
            f"the loss became non-finite at {span(first, step)} (epoch {epoch}), learning rate "
            f"{rate:.3g}; {kept}. Try a lower optim.lr, or optim.clip=1",
            folder.path,
        )

    def evaluation() -> float:
        return _seconds(measure, clean, len(clean) + len(held_out or ()))

    autocast = torch.autocast(device.type, precision.dtype, precision.name == "bf16")
    traced = tracing(folder, total, device, progress.say) if trace else nullcontext(lambda: None)
    with (
        repeatable(device),
        using(threads),
        holding_memory(),
        progress.training(epochs, total, evaluation, partial(_work, recipe.augment, total, size)),
        traced as step_ended,
    ):
        samples = partial(_samples, seen, per_epoch, recipe.augment)
        network, compilation = compiled(
            model.train(), compilation, precision, samples, autocast, progress.say
        )
        folder.write_json("environment", environment(device, threads, precision, compilation))

        for epoch in range(1, epochs + 1):
            model.train()
            tally = Tally(device)
            epoch_started = time.perf_counter()

            batches = order(n, recipe.batch_size, seed=recipe.seed, epoch=epoch)
            for index in batches[: total - step]:
                _seed_dropout(recipe.seed, step, device)
                at = beside(index, seen.images)
                labels = seen.labels[at]
                images = seen.images[at].permute(0, 3, 1, 2)  # n c h w, channels-last as it lies
                images = augment(
                    images,
                    index,
                    recipe.augment,
                    seed=recipe.seed,
                    epoch=epoch,
                    done=step / total,
                    mean=mean,
                )
                targets: Tensor = labels
                if mixing:
                    targets = F.one_hot(labels, classes).float()
                    images, targets = mix(
                        images, targets, index, recipe.augment, seed=recipe.seed, epoch=epoch
                    )

                rate = recipe.optim.lr * plateau.factor
                rate *= factor(recipe.schedule, step, total, per_epoch)
                optimizer.lr = rate

                with autocast:
                    logits = network(images)
                loss = cross_entropy(
                    logits.float(), targets, weights, smoothing=recipe.loss.label_smoothing
                )
                optimizer.zero_grad()
                loss.backward()
                if recipe.optim.clip:
                    nn.utils.clip_grad_norm_(model.parameters(), recipe.optim.clip)
                broken = loss.detach().isfinite().logical_not()
                optimizer.step(found_inf=broken)
                if average:
                    average.update(model)
                step += 1
                tally.add(logits, labels, broken)
                step_ended()

                # On a CPU looking costs nothing; a GPU would have to be waited for.
                due = bool(stop.signal) or step % LOOK_EVERY == 0
                due = due or step % per_epoch == 0 or step == total
                if due or device.type == "cpu":
                    if not tally.finite():
                        raise diverged(epoch, looked + 1)
                    looked = step
                if due or (device.type == "cpu" and time.perf_counter() - shown > SHOW_SECONDS):
                    shown = time.perf_counter()
                    speed = tally.n / (shown - epoch_started)
                    progress.step(step, epoch, tally.loss(), tally.accuracy(), speed)
                if stop.signal:
                    save(("last",) if best_epoch else ("last", "best"), epoch, {}, "interrupted")
                    raise _interrupted(stop.signal, step, epoch, folder)

            seconds = time.perf_counter() - epoch_started
            clean_loss, clean_accuracy = measure(clean)
            validation_loss, validation_accuracy = measure(held_out) if held_out else NOT_MEASURED
            if not math.isfinite(clean_loss + (validation_loss if held_out else 0.0)):
                raise diverged(epoch, step)
            settled = size_at(step / total, recipe.augment, *size) == size
            if settled:
                plateau.see(validation_loss)
            row = {
                "epoch": epoch,
                "step": step,
                "learning_rate": rate,
                "train_loss_running": tally.loss(),
                "train_accuracy_running": tally.accuracy(),
                "train_loss_clean": clean_loss,
                "train_accuracy_clean": clean_accuracy,
                "validation_loss": validation_loss,
                "validation_accuracy": validation_accuracy,
                "pictures_per_second": tally.n / seconds,
                "seconds": time.perf_counter() - started,
            }
            if validation_accuracy > best[0] or not settled:
                risen_epoch = epoch
            better = held_out is None or (validation_accuracy, -validation_loss) > best
            if better:
                best, best_epoch = (validation_accuracy, -validation_loss), epoch
            waited = epoch - risen_epoch
            early = recipe.patience is not None and waited >= recipe.patience
            stopped = "completed" if step == total else "early" if early else None
            if stop.signal and not stopped:
                stopped = "interrupted"
            folder.append_metrics(row)
            save(("last", "best") if better else ("last",), epoch, row, stopped)
            progress.epoch(row, better=better)
            if stop.signal:
                raise _interrupted(stop.signal, step, epoch, folder)
            if early and step < total:
                progress.say(
                    f"stopped early: no better validation accuracy in {waited} epochs; "
                    f"the best is epoch {best_epoch}"
                )
                break


def clean_pictures(train: int, validation: int) -> int:
    """Return on how many of `train` pictures the clean accuracy is measured.

    As many as are held out for validation, so that the two are equally sure; 0 are in a final fit.
    """
    return min(validation or train, train, CLEAN_AT_MOST)


@dataclass(frozen=True)
class _Loaded:
    images: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)


def _on(split: Split, device: torch.device) -> _Loaded:
    return _Loaded(split.images.to(device), split.labels.to(device))


def _samples(split: _Loaded, per_epoch: int, settings: Augment) -> list[tuple[Tensor, Tensor]]:
    """A batch of each shape that the training has, pictures n c h w and labels."""
    n, small, found = len(split), Augment(shrink=settings.shrink), {}
    for m, done in product({n // per_epoch, -(-n // per_epoch)}, (0.0, 1.0)):
        images = split.images[:m].permute(0, 3, 1, 2)
        images = augment(images, torch.arange(m), small, seed=0, epoch=0, done=done)
        found[images.shape] = images, split.labels[:m]
    return list(found.values())


def _sample(split: _Loaded, n: int, *, seed: int) -> _Loaded:
    """A fixed random part of a split, for the clean training accuracy."""
    index = torch.randperm(len(split), generator=torch.Generator().manual_seed(seed))[:n]
    index = index.sort().values.to(split.labels.device)
    return _Loaded(split.images[index], split.labels[index])


def _work(settings: Augment, total: int, size: tuple[int, int], step: int) -> float:
    """What the steps up to `step` cost, in steps on pictures of full size."""
    small = min(step, settings.shrink_until * total)
    return small * math.prod(size_at(0.0, settings, *size)) / math.prod(size) + step - small


def _seconds(measure: Callable[[_Loaded], object], split: _Loaded, n: int) -> float:
    """How long it will take to measure `n` pictures, by some of a split."""
    some = _Loaded(split.images[:TIMED], split.labels[:TIMED])
    measure(some)  # the first time is slower
    began = time.perf_counter()
    measure(some)
    return (time.perf_counter() - began) * n / len(some)


def _seed_dropout(seed: int, step: int, device: torch.device) -> None:
    """Make dropout a function of the seed and the step.

    The device's own generator alone: `torch.manual_seed` would seed all the others too.
    """
    number = (seed * 0x9E3779B97F4A7C15 + step) % 2**63
    torch.default_generator.manual_seed(number)
    if device.type == "cuda":
        torch.cuda.manual_seed(number)
    elif device.type == "mps":
        torch.mps.manual_seed(number)


def _interrupted(number: signal.Signals, step: int, epoch: int, folder: RunFolder) -> Interrupted:
    return Interrupted(
        f"stopped by {number.name} in epoch {epoch} at step {step}; the weights are saved in "
        f"{folder.path}: evaluate, predict and report take the best so far",
        128 + number,
    )
