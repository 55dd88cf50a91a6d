"""Means over seeds and pictures, with intervals that know of both.

A study trains each network with several seeds and asks all of them about the same pictures. Other
seeds and other pictures to measure on would have given other numbers: both variances are added,
which by Owen, "The pigeonhole bootstrap", Annals of Applied Statistics 1 (2007), is on the safe
side. Other pictures to learn from are in no interval: all trainings have the same ones.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "Answer",
    "Estimate",
    "accuracy",
    "advantage",
    "advantages",
    "answer",
    "interaction",
    "mean",
    "negative",
    "opposite",
    "share_variance",
]

LEVEL = 0.95

Answer = Literal["yes", "no", "undecided"]
Hits = NDArray[np.float64]  # seeds pictures: 1 where right, 0 where wrong


@dataclass(frozen=True)
class Estimate:
    """A mean with its interval, at `level`.

    Attributes:
        seeds: how many trainings it is the mean of.
        n: pictures each of them was asked about; 0 where it is no share of pictures.
    """

    value: float
    low: float
    high: float
    seeds: int
    n: int = 0
    level: float = LEVEL


def mean(
    values: Sequence[float],
    *,
    sampling: float = 0.0,
    n: int = 0,
    bounds: tuple[float, float] = (-math.inf, math.inf),
    family: int = 1,
) -> Estimate:
    """Return the mean of one value a seed.

    The interval is Student's, with Satterthwaite's degrees of freedom where there are two
    variances. Of one seed nothing is known of other seeds: the interval is of the pictures alone,
    and without those there is none: it is infinite.

    Args:
        sampling: variance of the mean by what is no seed's: the choice of pictures.
        n: how many pictures that variance was estimated from; 0: it is known.
        bounds: what no value can lie outside of.
        family: how many such intervals are to hold together (Bonferroni).
    """
    level = _level(family)
    found = _interval(float(np.mean(values)), list(values), sampling, n, level)
    if math.isinf(found.high):
        return found
    return replace(found, low=max(bounds[0], found.low), high=min(bounds[1], found.high))


def accuracy(hits: Hits) -> Estimate:
    """Return the share of right answers over seeds and pictures.

    Two right and two wrong answers are added for the variance of the pictures, as Agresti and
    Coull, The American Statistician 52 (1998), do: where all are right it is not nothing.
    """
    return _two_ways(hits, (1.0, 1.0, 0.0, 0.0), (0.0, 1.0), LEVEL)


def advantage(first: Hits, second: Hits, *, family: int = 1, weight: float = 1.0) -> Estimate:
    """Return how much more `first` has right than `second`, paired by seed and picture.

    One picture won and one lost are added for the variance of the pictures, as Bonett and Price,
    Journal of Educational and Behavioral Statistics 37 (2012), do.

    Args:
        family: how many such intervals are to hold together (Bonferroni).
        weight: of `second`: with 0.5 the accuracy of `first` minus half of that of `second`.
    """
    return _two_ways(first - weight * second, (1.0, -1.0), (-weight, 1.0), _level(family))


def advantages(
    first: Hits, second: Hits, parts: Sequence[NDArray[np.bool_]], *, picked: int = 1
) -> list[Estimate]:
    """Return the advantage on each of several parts of the pictures; all intervals hold together.

    Each is at 1 - 0.05 / their number / `picked` (Bonferroni). Of few seeds the variance of one
    part is hardly known: it is taken to be at least the mean of all parts', with the degrees of
    freedom of that.

    Args:
        parts: of each which pictures are in it.
        picked: of how many `first`, and `second`, was picked on the same pictures.
    """
    level = _level(len(parts) * picked)
    by_seed = [(first - second)[:, at].mean(axis=1) for at in parts if at.any()]
    between = [float(np.var(values, ddof=1)) for values in by_seed] if len(first) > 1 else []
    squares = sum(v**2 for v in between)
    pooled = _Pooled(
        float(np.mean(between)) if between else 0.0,
        (len(first) - 1) * sum(between) ** 2 / squares if squares else 1.0,
    )
    return [
        _two_ways((first - second)[:, at], (1.0, -1.0), (-1.0, 1.0), level, pooled) for at in parts
    ]


def interaction(
    first: tuple[Hits, Hits], second: tuple[Hits, Hits], *, weight: float = 1.0
) -> Estimate:
    """Return the advantage within the first pair minus that within the second, paired likewise.

    Args:
        weight: of the second: with 0.2 what the first has over a fifth of the second.
    """
    values = (first[0] - first[1]) - weight * (second[0] - second[1])
    return _two_ways(values, (1.0, -1.0), (-1 - weight, 1 + weight), LEVEL)


def answer(estimate: Estimate, *, than: float = 0.0) -> Answer:
    """Say whether it is more than a limit: "yes" or "no" where the whole interval says so."""
    if estimate.low > than:
        return "yes"
    return "no" if estimate.high < than else "undecided"


def share_variance(share: float, n: int) -> float:
    """Return the variance of a share by the choice of its n pictures; of none it is nothing.

    Two right and two wrong ones are added, as for `accuracy`.
    """
    if not n:
        return 0.0
    p = (share * n + 2) / (n + 4)
    return p * (1 - p) / (n + 4)


def negative(estimate: Estimate) -> Estimate:
    """Return the same with the other sign: of a difference, the other way round."""
    return replace(estimate, value=-estimate.value, low=-estimate.high, high=-estimate.low)


def opposite(given: Answer) -> Answer:
    """Return the answer to the opposite claim."""
    turned: dict[Answer, Answer] = {"yes": "no", "no": "yes", "undecided": "undecided"}
    return turned[given]


@dataclass(frozen=True)
class _Pooled:
    """A variance between seeds that several estimates share, and its degrees of freedom."""

    variance: float
    freedom: float


def _level(family: int) -> float:
    """At which each of so many intervals has to be for all of them to hold at LEVEL."""
    return 1 - (1 - LEVEL) / family


def _two_ways(
    values: Hits,
    added: Sequence[float],
    bounds: tuple[float, float],
    level: float,
    pooled: _Pooled | None = None,
) -> Estimate:
    if not values.shape[1]:
        return Estimate(0.0, *bounds, len(values), 0, level)
    by_picture = np.concatenate([values.mean(axis=0), added])
    sampling = float(by_picture.var(ddof=1)) / len(by_picture)
    by_seed = [float(v) for v in values.mean(axis=1)]
    n = values.shape[1]
    found = _interval(float(by_picture.mean()), by_seed, sampling, n, level, pooled)
    value = float(values.mean())
    low, high = max(bounds[0], min(found.low, value)), min(bounds[1], max(found.high, value))
    return Estimate(value, low, high, found.seeds, found.n, level)


def _interval(
    centre: float,
    by_seed: Sequence[float],
    sampling: float,
    n: int,
    level: float,
    pooled: _Pooled | None = None,
) -> Estimate:
    from scipy.stats import t

    seeds = len(by_seed)
    variance, free = (float(np.var(by_seed, ddof=1)), seeds - 1.0) if seeds > 1 else (0.0, 1.0)
    if pooled is not None:
        variance, free = max(variance, pooled.variance), pooled.freedom
    between = variance / seeds
    whole = between + sampling
    if seeds == 1 and not n:
        return Estimate(centre, -math.inf, math.inf, seeds, n, level)
    parts = between**2 / free + (sampling**2 / max(1, n - 1) if n else 0.0)
    freedom = whole**2 / parts if parts else math.inf
    half = float(t.ppf((1 + level) / 2, freedom)) * math.sqrt(whole)
    return Estimate(centre, centre - half, centre + half, seeds, n, level)
