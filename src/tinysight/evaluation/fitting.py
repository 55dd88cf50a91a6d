"""Whether a model overfits, fits or underfits, by a rule of thumb with its numbers."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from tinysight.evaluation.intervals import Share

__all__ = ["OVERFIT_GAP", "UNDERFIT_TRAIN", "Fitting", "difference", "judge"]

OVERFIT_GAP = 0.10  # the limit of the source project P1: "gap over 10 points"
UNDERFIT_TRAIN = 0.80  # ours: below it a model does not fit its own training pictures

ADVICE = {
    "overfits": (
        "To try next: more augmentation (flip, crop, cutout), dropout or weight decay, "
        "a smaller model, or more pictures."
    ),
    "underfits": (
        "To try next: more epochs, a larger model, a higher learning rate, or less augmentation."
    ),
    "fits": (
        "To try next, for a higher accuracy: a larger model together with more augmentation, "
        "and more epochs."
    ),
}


@dataclass(frozen=True)
class Fitting:
    """The verdict, and what it was computed from; fractions throughout.

    Attributes:
        gap: clean training accuracy minus validation accuracy.
        gap_low, gap_high: its 95 % interval.
        train: clean: in evaluation mode, on pictures without augmentation.
        running: the training accuracy counted while training, where it is known.
        sentence: the verdict for people, with the numbers and what to try next.
    """

    verdict: Literal["overfits", "fits", "underfits"]
    gap: float
    gap_low: float
    gap_high: float
    train: Share
    validation: Share
    running: float | None
    sentence: str


def difference(first: Share, second: Share) -> tuple[float, float, float]:
    """Return the difference of two independent shares with its 95 % interval: value, low, high.

    Newcombe, "Interval estimation for the difference between independent proportions",
    Statistics in Medicine 17 (1998), method 10: from the two Wilson intervals.

    >>> from tinysight.evaluation.intervals import wilson
    >>> print("{:.4f} [{:.4f}, {:.4f}]".format(*difference(wilson(56, 70), wilson(48, 80))))
    0.2000 [0.0524, 0.3339]
    """
    value = first.value - second.value
    below = math.hypot(first.value - first.low, second.high - second.value)
    above = math.hypot(first.high - first.value, second.value - second.low)
    return value, max(-1.0, value - below), min(1.0, value + above)


def judge(train: Share, validation: Share, *, running: float | None = None) -> Fitting:
    """Judge a model by its clean training accuracy and its validation accuracy.

    Overfits where the gap reaches `OVERFIT_GAP`; else underfits where the clean training
    accuracy is below `UNDERFIT_TRAIN`; else fits. A rule of thumb: the two limits are
    conventions, not measurements.

    Raises:
        ValueError: one of the shares is of nothing.
    """
    if not train.n or not validation.n:
        raise ValueError(f"both shares need pictures, got n={train.n} and n={validation.n}")
    gap, low, high = difference(train, validation)
    verdict: Literal["overfits", "fits", "underfits"]
    if round(gap, 9) >= OVERFIT_GAP:  # 0.9 - 0.8 is a hair below 0.1 in floating point
        verdict = "overfits"
    elif round(train.value, 9) < UNDERFIT_TRAIN:
        verdict = "underfits"
    else:
        verdict = "fits"
    said = [
        f"The model {verdict}: {train.value:.1%} of the training pictures are right against "
        f"{validation.value:.1%} of the validation pictures, "
        f"a gap of {_points(gap)} points (95% interval {_points(low)} to {_points(high)}).",
        *_doubts(verdict, train, validation, low=low, high=high, running=running),
        ADVICE[verdict],
    ]
    return Fitting(verdict, gap, low, high, train, validation, running, " ".join(said))


def _doubts(
    verdict: str, train: Share, validation: Share, *, low: float, high: float, running: float | None
) -> list[str]:
    """What the reader should know before believing the verdict."""
    said = []
    if low < OVERFIT_GAP < high:
        said.append(
            f"The interval holds the limit of {OVERFIT_GAP:.0%} itself, so other pictures could "
            "have turned the verdict."
        )
    if verdict == "overfits" and train.value < UNDERFIT_TRAIN:
        said.append(
            f"It does not fit its training pictures either (under {UNDERFIT_TRAIN:.0%} right)."
        )
    if running is not None and running < validation.value:
        said.append(
            f"The running training accuracy, {running:.1%}, lies below validation: an artefact of "
            "augmentation and dropout, which are switched on while it is counted, and of its being "
            f"a mean over the epoch. Measured clean it is {train.value:.1%}."
        )
    return said


def _points(fraction: float) -> str:
    """Percentage points with one decimal; no minus sign on a zero."""
    return f"{round(fraction * 100, 1) + 0.0:.1f}"
