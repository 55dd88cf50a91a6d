"""What a range test found, and the rate that its losses suggest: from numbers alone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

__all__ = ["RateTest", "has_diverged", "judged", "smoothed"]

LEARNED = 0.95  # of the loss of guessing: below it a rate has taught the network something
SURELY = 0.85  # of the same: so much that it can be said to be lost; P3's losses scatter by 0.1
LOST = 0.98  # of the same: above it, it is
EXPLODED = 4  # times the best loss, as in fastai
SETTLED = 5  # steps before which no loss counts as the best
MEMORY = 0.9  # of the running mean by which a test is stopped
WIDTH = 0.1  # powers of ten of the rate that are smoothed over, a standard deviation
NARROWEST = 2  # steps, the same where the rate rises steeply
FALLS = 0.1  # of the whole fall of the loss: where rates begin to work


@dataclass(frozen=True)
class RateTest:
    """What a learning-rate range test found.

    Attributes:
        optimiser: its name.
        recipe_rate: `optim.lr` as the recipe had it, for comparison.
        rates: of each step, rising; those of the last layer and the biases keep their ratio to it.
        losses: what the training minimises, before the step, nats.
        smoothed: the same, each the mean of its neighbours to both sides.
        guess: the loss of a network that knows how frequent the classes are, and nothing else.
        suggested: where the loss falls most steeply; None: nothing was learned.
        low, high: where it has done a tenth of its fall, and where it is least.
        diverged: the rate at which the test was stopped; None: it went to its end.
        fields: the suggestion as fields of the recipe; more than the rate where the recipe sets
            that of the last layer or the biases.
        folder: where the numbers and the plot are.
    """

    optimiser: str
    recipe_rate: float
    rates: tuple[float, ...]
    losses: tuple[float, ...]
    smoothed: tuple[float, ...]
    guess: float
    suggested: float | None
    low: float | None
    high: float | None
    diverged: float | None
    fields: dict[str, float] = field(default_factory=dict)
    folder: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain JSON values."""
        return asdict(self)

    @property
    def only_rose(self) -> bool:
        """Whether no rate is suggested because the loss was least at the first."""
        return self.suggested is None and min(self.smoothed) < LEARNED * self.guess

    @property
    def refusal(self) -> str:
        """Say why no rate is suggested; "" where one is."""
        if self.suggested is not None:
            return ""
        if self.only_rose:
            return f"the loss only rose, from {self.smoothed[0]:.2f}"
        return f"the loss never came clearly below that of guessing, {self.guess:.2f}"

    def __str__(self) -> str:
        end = (
            f"it diverged at {self.diverged:.2g}"
            if self.diverged
            else f"it did not diverge up to {self.rates[-1]:.2g}"
        )
        if self.high == self.rates[-1] and not self.diverged:
            end += "; try a higher bound"
        if self.suggested is None:
            hint = "more steps" if self.diverged else "a higher --high, or more steps"
            hint = "a lower --low" if self.only_rose else hint
            return (
                f"no rate for {self.optimiser} is suggested: in {len(self.rates)} steps from "
                f"{self.rates[0]:.2g} on {self.refusal}, and {end}; try {hint}"
            )
        typed = " ".join(f"{name}={value:g}" for name, value in self.fields.items())
        return (
            f"suggested for {self.optimiser}: {typed} (the recipe has {self.recipe_rate:.3g}); the "
            f"loss falls from {self.low:.2g} on and is least at {self.high:.2g}; {end}"
        )


def has_diverged(losses: Sequence[float], guess: float) -> bool:
    """Say whether the running mean of the losses so far is that of a network past help.

    It is where the network has surely learned and lost that again, or its loss is a multiple of its
    best.
    """
    total, best, mean = 0.0, math.inf, 0.0
    for step, loss in enumerate(losses, 1):
        total = MEMORY * total + (1 - MEMORY) * loss
        mean = total / (1 - MEMORY**step)
        best = min(best, mean) if step > SETTLED else best
    return (best < SURELY * guess and mean > LOST * guess) or mean > EXPLODED * best


def smoothed(rates: Sequence[float], losses: Sequence[float], guess: float) -> list[float]:
    """Return each loss as the mean of its neighbours, weighted by a bell curve over log rates.

    A running mean would lag: its curve, and what is read off it, would lie at too high rates. A
    loss counts as four times that of the start at most, so that the last ones of a test, which may
    be of any size, do not hide those before.
    """
    places = np.log10(rates)
    step = (places[-1] - places[0]) / max(len(places) - 1, 1)
    width = max(WIDTH, NARROWEST * step)
    weights = np.exp(-0.5 * ((places[:, None] - places) / width) ** 2)
    most = EXPLODED * max(guess, float(np.mean(losses[:SETTLED])))
    bounded = np.minimum(np.asarray(losses, dtype=float), most)
    return (weights @ bounded / weights.sum(1)).tolist()


def judged(
    rates: Sequence[float], curve: Sequence[float], guess: float
) -> tuple[float, float, float] | None:
    """Return the suggested rate and those between which the loss falls; None where it does not.

    The three are where the smoothed loss falls most steeply over log rates, where it has done FALLS
    of its way to its least value, and where it is least. All are counted from where it is below
    that of guessing: a start that is worse is mended at any rate. Chosen by measurement among the
    rules that others have, see docs/experiments.md.
    """
    least = int(np.argmin(curve))
    if curve[least] >= LEARNED * guess or least == 0:
        return None
    worse = [i for i in range(least) if curve[i] >= guess]
    begin = worse[-1] if worse else 0
    slope = np.gradient(np.minimum(curve, guess), np.log10(rates))
    steepest = begin + int(np.argmin(slope[begin:least]))
    top = min(curve[begin], guess)
    few = top - FALLS * (top - curve[least])
    falls = next(i for i in range(begin, least + 1) if curve[i] <= few)
    return rates[steepest], rates[min(falls, steepest)], rates[least]
