"""Which rule reads a good rate off a range test: ten of them, beside trainings at nine rates.

    OMP_NUM_THREADS=1 scripts/bench rate_rules -n 3 --record benchmarks/records/rate_rules.jsonl

Each setting is trained at rates half a power of ten apart, in the middle the optimiser's usual one,
for as many seeds as there are turns; what a rule's rate would reach in validation accuracy is
interpolated between them. Printed are the points that a rule loses to the best of these rates, as
means over the seeds with their deviations. A training that diverged counts as guessing, and so does
a rule that finds no rate. Needs no network.
"""

from __future__ import annotations

import argparse
import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate, count
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
from rates import CASES, EPOCHS, accuracy, percent
from trials import in_turns, machine, told

from tinysight import api
from tinysight.recipe import Optim
from tinysight.training import Plan, ratetest
from tinysight.training.ratetest import STEPS, bounds, range_test
from tinysight.training.signals import StopRequest
from tinysight.training.suggesting import has_diverged, judged, smoothed

SETTINGS = {**CASES, "linear": ("digits", "linear", {})}
TITLES = {
    "adam": "Adam, digits",
    "sgd": "SGD, digits",
    "dropout": "dropout, digits",
    "muon": "Muon, digits",
    "shapes": "Muon, shapes",
    "adamw": "AdamW, shapes",
    "linear": "`linear`, digits",
}
HIGHEST = {"lr_head": 100, "lr_bias": 1000}  # that a recipe takes


@dataclass(frozen=True)
class Curve:
    """What a range test leaves to read a rate off.

    Attributes:
        rates, losses: of each step until `lr-find` stops, the losses smoothed as it does.
        guess: the loss of guessing.
        all_rates, all_losses: on until the loss is not finite, as measured; others stop later.
    """

    rates: Sequence[float]
    losses: Sequence[float]
    guess: float
    all_rates: Sequence[float]
    all_losses: Sequence[float]


def drawn(rates: Sequence[float], losses: Sequence[float], guess: float) -> Curve:
    """Return the curve of a test that was not stopped."""
    ends = (n for n in range(1, len(losses)) if has_diverged(losses[:n], guess))
    end = next(ends, len(losses))
    return Curve(rates[:end], smoothed(rates[:end], losses[:end], guess), guess, rates, losses)


def tested(ready: Plan) -> Curve:
    """Do a range test, at the rates and in the steps of `lr-find`."""
    low, high = bounds(ready.recipe.optim, None, None)
    with patch.object(ratetest, "has_diverged", lambda *_: False):
        found = range_test(ready, low=low, high=high, shown=lambda *_: None, stop=StopRequest())
    return drawn(found.rates, found.losses, found.guess)


def steepest(curve: Curve) -> float | None:
    """The rule of `lr-find` itself."""
    found = judged(curve.rates, curve.losses, curve.guess)
    return found and found[0]


def between(curve: Curve) -> float | None:
    """Own: as far beyond the steepest fall as before the least loss."""
    found = judged(curve.rates, curve.losses, curve.guess)
    return found and math.sqrt(found[0] * found[2])


def fallen(curve: Curve, share: float) -> float:
    """Own: the first rate that has done a share of the fall, from guessing at most, for good."""
    losses = np.array(curve.losses)
    end = int(losses.argmin())
    top = min(losses[: end + 1].max(), curve.guess)
    above = np.flatnonzero(losses[:end] > top - share * (top - losses[end]))
    return curve.rates[above[-1] + 1 if above.size else 0]


def least(curve: Curve) -> float:
    """Smith's upper bound (arXiv:1506.01186, section 3.3); a tenth of it is fastai's `minimum`."""
    return curve.rates[int(np.argmin(curve.losses))]


def last(curve: Curve) -> float:
    """Own: where `lr-find` stops, which is the end of the test where nothing diverges."""
    return curve.rates[-1]


def valley(rates: Sequence[float], losses: Sequence[float]) -> float:
    """fastai's default (fastai/callback/schedule.py, from ESRI).

    The longest falling subsequence, counted back from its end as if it had no gaps; then half of
    it, in thirds and sixths that are rounded down.
    """
    lengths: list[int] = []
    for i, loss in enumerate(losses):
        lengths.append(1 + max((lengths[j] for j in range(i) if losses[j] > loss), default=0))
    third = max(lengths) / 3
    return rates[max(0, lengths.index(max(lengths)) - max(lengths) + int(third) + int(third / 2))]


def steep(rates: Sequence[float], losses: Sequence[float]) -> float:
    """fastai's second (the same file): the steepest fall from a step to the next."""
    return rates[int(np.argmin(np.diff(losses) / np.diff(np.log(rates))))]


def as_fastai(curve: Curve) -> tuple[Sequence[float], list[float]]:
    """Return rates and losses as fastai's `lr_find` hands them to its rules.

    A running mean that stops at four times its best; without a tenth of the steps that were asked
    for, and the last five.
    """
    totals = accumulate(curve.all_losses, lambda total, loss: 0.98 * total + loss, initial=0.0)
    weights = accumulate(curve.all_losses, lambda total, _: 0.98 * total + 1, initial=0.0)
    means = [t / w for t, w in zip(totals, weights, strict=True) if w]
    bests = accumulate(means, min)
    stops = (n for n, mean, best in zip(count(1), means, bests, strict=False) if mean > 4 * best)
    kept = slice(STEPS // 10, next(stops, len(means)) - 5)
    return curve.all_rates[kept], means[kept]


RULES: dict[str, Callable[[Curve], float | None]] = {
    "where the loss falls most steeply": steepest,
    "geometric mean of that and of the least loss's rate": between,
    "where half of the fall is done": lambda curve: fallen(curve, 1 / 2),
    "where four fifths of it are done": lambda curve: fallen(curve, 4 / 5),
    "a tenth of the rate of the least loss": lambda curve: least(curve) / 10,
    "the least loss itself": least,
    "a tenth of the rate at which it diverges": lambda curve: last(curve) / 10,
    'fastai\'s "valley", on this curve': lambda curve: valley(curve.rates, curve.losses),
    "the same on a running mean as fastai has it (0.98, without the first tenth and the last five "
    "steps)": lambda curve: valley(*as_fastai(curve)),
    'fastai\'s "steep", on that running mean': lambda curve: steep(*as_fastai(curve)),
}


def at(rate: float, settings: Optim) -> dict[str, float]:
    """Return a recipe's fields for a rate; those of the last layer and the biases go with it."""
    fields = {"optim.lr": rate}
    for name, most in HIGHEST.items():
        if own := getattr(settings, name):
            fields[f"optim.{name}"] = min(most, own * rate / settings.lr)
    return fields


def turn(name: str, seed: int, epochs: int, n: int) -> dict[str, Any]:
    """Test and train a setting: the rates, what they reached, and what the rules suggest."""
    source, recipe, own = SETTINGS[name]
    fields = {**own, "seed": seed}
    data = api.load_data(source, quiet=True)
    ready = api.plan(data, recipe, quiet=True, compilation="off", **fields)
    curve, settings = tested(ready), ready.recipe.optim
    usual = Optim(name=settings.name).lr
    rates = [usual * 10 ** ((i - n // 2) / 2) for i in range(n)]
    trained = [{**fields, "epochs": epochs, **at(rate, settings)} for rate in rates]
    return {
        "rates": rates,
        "accuracies": [accuracy(data, recipe, each) for each in trained],
        "suggested": {rule: read(curve) for rule, read in RULES.items()},
    }


def lost(found: dict[str, Any], rule: str) -> float:
    """Return the points between the best accuracy of a turn and that at a rule's rate."""
    reached = [percent(value) for value in found["accuracies"]]
    rate, here = found["suggested"][rule], percent(None)
    if rate is not None:
        here = float(np.interp(math.log10(rate), np.log10(found["rates"]), reached))
    return max(reached) - here


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-n", type=int, default=3, help="seeds, from 0 on")
    parser.add_argument("--settings", nargs="+", choices=SETTINGS, default=[*SETTINGS])
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    parser.add_argument("--rates", type=int, default=9)
    parser.add_argument("--record", type=Path, help="JSON lines of turns; goes on from those there")
    asked = parser.parse_args()
    found = in_turns(
        {
            name: lambda seed, k=name: turn(k, seed, asked.epochs, asked.rates)
            for name in asked.settings
        },
        asked.n,
        asked.record,
    )
    print(f"n={asked.n} seeds, {asked.epochs} epochs, {asked.rates} rates; {machine()}\n")
    print("| rule |", " | ".join(TITLES[name] for name in found), "| mean |")
    print("|---" * (len(found) + 2) + "|")
    for rule in RULES:
        by_setting = [[lost(turn, rule) for turn in turns] for turns in found.values()]
        by_seed = [statistics.mean(each) for each in zip(*by_setting, strict=True)]
        print(f"| {rule} |", *(f"{told(values)} |" for values in [*by_setting, by_seed]))


if __name__ == "__main__":
    main()
