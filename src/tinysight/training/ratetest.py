"""The learning-rate range test: a short training whose rate rises from step to step.

L. N. Smith, "Cyclical Learning Rates for Training Neural Networks" (arXiv:1506.01186), section
3.3. The rate rises exponentially, as in fastai, so that each power of ten has as many steps.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator
from itertools import count

import torch
from torch import Tensor

from tinysight.errors import Interrupted, UsageError
from tinysight.machine import repeatable, using
from tinysight.process import holding_memory
from tinysight.recipe import Optim
from tinysight.training.batches import order
from tinysight.training.loss import class_weights
from tinysight.training.optim import optimiser
from tinysight.training.pictures import load
from tinysight.training.planning import Plan
from tinysight.training.signals import StopRequest
from tinysight.training.step import BROKEN_AT_ONCE, make_batch, seed_dropout, update
from tinysight.training.suggesting import RateTest, has_diverged, judged, smoothed

__all__ = ["STEPS", "bounds", "check_bounds", "check_steps", "range_test"]

STEPS = 200
FEWEST, MOST = 20, 2_000
BELOW, ABOVE = 1e-2, 1e3  # of the optimiser's usual rate, where a test begins and ends
OTHERS = ("lr_head", "lr_bias")  # rates that keep their ratio to `lr`


def check_steps(steps: int) -> None:
    """Refuse a number of steps that draws no curve.

    Raises:
        UsageError: it is out of bounds, or no whole number.
    """
    if type(steps) is not int or not FEWEST <= steps <= MOST:
        raise UsageError(f"steps must be a whole number from {FEWEST} to {MOST:,}, got {steps!r}")


def check_bounds(low: float | None, high: float | None) -> None:
    """Refuse rates that no test can have, whatever the recipe.

    Raises:
        UsageError: one is no number above 0 or more than any may be, or they do not rise.
    """
    for option, rate in (("low", low), ("high", high)):
        if rate is not None and (type(rate) not in (int, float) or not 0 < rate < math.inf):
            raise UsageError(f"{option} must be a finite rate above 0, got {rate!r}")
    if low is not None and high is not None and low >= high:
        raise UsageError(f"low ({low:g}) must be below high ({high:g}), by a factor of 100 say")
    if high is not None and high > _most("lr"):
        raise _too_high(high, "lr", _most("lr"))


def bounds(settings: Optim, low: float | None, high: float | None) -> tuple[float, float]:
    """Return the rates between which to test; those that are None by the optimiser's usual rate.

    Args:
        settings: of the recipe as it is trained: a data set may have changed its rates.

    Raises:
        UsageError: they do not rise, or a rate is none that a recipe may have.
    """
    usual = Optim(name=settings.name).lr
    rates = {"lr": settings.lr, **{n: r for n in OTHERS if (r := getattr(settings, n))}}
    # Of each rate the highest that a recipe takes, as a value of lr.
    most, name = min((_most(n) * settings.lr / rate, n) for n, rate in rates.items())
    high = min(usual * ABOVE, most) if high is None else high
    if low is None:
        low = usual * BELOW if usual * BELOW < high else high * BELOW / ABOVE
    check_bounds(low, high)
    if high > most * (1 + 1e-9):
        raise _too_high(high, name, most)
    return low, high


def _too_high(high: float, name: str, most: float) -> UsageError:
    return UsageError(
        f"high ({high:g}) would set optim.{name} above the {_most(name):g} that a recipe may have; "
        f"use at most {most:.3g}"
    )


def range_test(
    ready: Plan,
    *,
    low: float,
    high: float,
    steps: int = STEPS,
    shown: Callable[[int, int], object],
    stop: StopRequest,
) -> RateTest:
    """Train the plan's network for some steps on the train split, at a rate that rises.

    All is as the recipe has it but the schedule, the rate and the average of the weights. The
    pictures are of the size with which the training begins. The plan's own model stays as it is.
    Validation and test are not looked at, not even where the recipe trains on them.

    Args:
        low, high: the rates of the first and the last step, see `bounds`.
        steps: where the pictures do not last so long, in several epochs.
        shown: told how many steps of how many are done.
        stop: entered; where it was asked, the test ends after its step.

    Raises:
        UsageError: the loss is not finite from the start.
        Interrupted: SIGINT or SIGTERM came.
    """
    recipe, data, device = ready.recipe, ready.data, ready.device
    seen, k = load(data.train, device), len(data.classes)
    counts = data.train.counts(k)
    weights = class_weights(recipe.loss, counts, device)
    guess = _guess(counts, weights, recipe.loss.label_smoothing)
    model = copy.deepcopy(ready.model).to(device).train()
    optimizer = optimiser(model, recipe.optim)
    autocast = torch.autocast(device.type, ready.precision.dtype, ready.precision.name == "bf16")
    batches = _batches(len(seen), recipe.batch_size, recipe.seed)
    rates: list[float] = []
    losses: list[float] = []
    diverged = None
    with repeatable(device), using(ready.threads), holding_memory():
        for step in range(steps):
            seed_dropout(recipe.seed, step, device)
            epoch, index = next(batches)
            images, _, targets = make_batch(
                seen, index, recipe, classes=k, mean=ready.mean, epoch=epoch, done=0.0
            )

            optimizer.lr, optimizer.done = low * (high / low) ** (step / (steps - 1)), step

            _, loss, broken = update(
                model, model, optimizer, images, targets, recipe, weights=weights, autocast=autocast
            )
            if broken:
                diverged = optimizer.lr
                break
            rates.append(optimizer.lr)
            losses.append(float(loss.detach()))
            shown(step + 1, steps)
            if stop.signal:
                raise Interrupted(
                    f"stopped by {stop.signal.name} at step {step + 1} of {steps} of the range "
                    "test; a part of one suggests nothing, so nothing was saved",
                    128 + stop.signal,
                )
            if has_diverged(losses, guess):
                diverged = optimizer.lr
                break
    if not losses:
        raise UsageError(f"the loss or a gradient is not finite: {BROKEN_AT_ONCE}")
    if len(losses) < 2:
        raise UsageError(
            f"the loss or a gradient is not finite at a rate of {low:g} already; give a lower --low"
        )
    curve = smoothed(rates, losses, guess)
    found = judged(rates, curve, guess)
    suggested, first, least = found or (None, None, None)
    return RateTest(
        optimiser=recipe.optim.name,
        recipe_rate=recipe.optim.lr,
        rates=tuple(rates),
        losses=tuple(losses),
        smoothed=tuple(curve),
        guess=guess,
        suggested=None if suggested is None else _digits(suggested),
        low=first,
        high=least,
        diverged=diverged,
        fields={} if suggested is None else _fields(recipe.optim, _digits(suggested)),
    )


def _batches(n: int, batch_size: int, seed: int) -> Iterator[tuple[int, Tensor]]:
    """The batches of a training, epoch after epoch, without end."""
    for epoch in count(1):
        for index in order(n, batch_size, seed=seed, epoch=epoch):
            yield epoch, index


def _guess(counts: list[int], weights: Tensor | None, smoothing: float) -> float:
    """The least loss of a network that says the same of every picture, nats."""
    n = torch.tensor(counts, dtype=torch.float64)
    weight = torch.ones_like(n) if weights is None else weights.cpu().double()
    mass = n * weight
    # torch weights what smoothing adds by the class that it is added to, and divides all by mass
    told = ((1 - smoothing) * mass + smoothing / len(counts) * n.sum() * weight) / mass.sum()
    return float(torch.special.entr(told / told.sum()).sum() * told.sum())


def _fields(settings: Optim, rate: float) -> dict[str, float]:
    """The fields of a recipe by which it trains at a rate, with what keeps its ratio to it."""
    found = {"optim.lr": rate}
    for name in OTHERS:
        if (own := getattr(settings, name)) is not None:
            found[f"optim.{name}"] = _digits(rate * own / settings.lr, 3)
    return found


def _most(name: str) -> float:
    """The highest value that a recipe takes for a rate."""
    return next(m.le for m in Optim.model_fields[name].metadata if hasattr(m, "le"))


def _digits(value: float, digits: int = 2) -> float:
    """A number to so many digits that count."""
    return float(f"{value:.{digits}g}")
