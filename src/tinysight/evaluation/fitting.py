"""Whether a model overfits, fits or underfits, by a rule of thumb with its numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from tinysight.evaluation.intervals import Share

__all__ = [
    "LOSS_MARGIN",
    "OVERFIT_GAP",
    "UNDERFIT_TRAIN",
    "WIDEST",
    "Fitting",
    "Verdict",
    "difference",
    "judge",
]

OVERFIT_GAP = 0.10  # of the source project P1, "gap over 10 points"; here 10 points are enough
UNDERFIT_TRAIN = 0.80  # ours: below it a model does not fit its own training pictures
WIDEST = 0.20  # ours: where the interval of the gap is wider, the pictures are too few
LOSS_MARGIN = 1.05  # ours: a loss that is higher only by chance stays below so many times ln(k)

Verdict = Literal["overfits", "fits", "underfits", "undecided"]


@dataclass(frozen=True)
class Fitting:
    """The verdict, and what it was computed from; fractions throughout.

    Attributes:
        verdict: "undecided" where there are too few pictures to say.
        gap: clean training accuracy minus validation accuracy.
        gap_low, gap_high: its 95 % interval.
        train: clean: in evaluation mode, on pictures without augmentation.
        running: the training accuracy counted while training, where it is known.
        sentence: the verdict for people, with the numbers and what to try next.
    """

    verdict: Verdict
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


def judge(
    train: Share,
    validation: Share,
    *,
    running: float | None = None,
    switched_on: Sequence[str] = (),
    loss: float | None = None,
    classes: int | None = None,
    split: str = "validation",
) -> Fitting:
    """Judge a model by its clean training accuracy and its validation accuracy.

    Undecided where the gap's interval is wider than `WIDEST`, save where all of it is above
    `OVERFIT_GAP`: the pictures are too few. Else overfits where the gap reaches `OVERFIT_GAP`;
    else underfits where the clean training accuracy is below `UNDERFIT_TRAIN`; else fits. A rule
    of thumb: the limits are conventions, not measurements.

    Args:
        train, validation: the two accuracies.
        running: the training accuracy counted while training.
        switched_on: what of "augmentation" and "dropout" was on while it was counted.
        loss: clean cross-entropy on training pictures, nats; see `_advice`.
        classes: how many there are.
        split: which pictures stand for validation, as protocol=source has it "test".

    Raises:
        ValueError: one of the shares is of nothing.
    """
    if not train.n or not validation.n:
        raise ValueError(f"both shares need pictures, got n={train.n} and n={validation.n}")
    gap, low, high = difference(train, validation)
    verdict: Verdict
    if high - low > WIDEST and low < OVERFIT_GAP:
        verdict = "undecided"
    elif round(gap, 9) >= OVERFIT_GAP:  # 0.9 - 0.8 is a hair below 0.1 in floating point
        verdict = "overfits"
    elif round(train.value, 9) < UNDERFIT_TRAIN:
        verdict = "underfits"
    else:
        verdict = "fits"
    start = "Too few pictures to say" if verdict == "undecided" else f"The model {verdict}"
    said = [
        f"{start}: {train.value:.1%} of {train.n:,} training pictures are right against "
        f"{validation.value:.1%} of {validation.n:,} {split} pictures, "
        f"a gap of {_points(gap)} points (95% interval {_points(low)} to {_points(high)}).",
        *_doubts(verdict, train, low=low, high=high),
        *_about_running(running, train, validation, switched_on, split),
        _advice(verdict, switched_on, loss, classes, lags=(running or 0.0) > train.high),
    ]
    return Fitting(verdict, gap, low, high, train, validation, running, " ".join(said))


def _doubts(verdict: Verdict, train: Share, *, low: float, high: float) -> list[str]:
    """What the reader should know before believing the verdict."""
    if verdict == "undecided":
        return [
            f"The interval is over {100 * WIDEST:.0f} points wide and not all of it is above "
            f"{100 * OVERFIT_GAP:.0f}."
        ]
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
    return said


def _about_running(
    running: float | None,
    train: Share,
    validation: Share,
    switched_on: Sequence[str],
    split: str,
) -> list[str]:
    """Why the running accuracy is the lower one, by what this training had switched on."""
    if running is None or running >= validation.value:
        return []
    with_them = f"with {' and '.join(switched_on)} on, " if switched_on else ""
    return [
        f"The running training accuracy, {running:.1%}, lies below {split}: it is counted "
        f"{with_them}while the weights still change, as a mean over the epoch. Measured clean it "
        f"is {train.value:.1%}."
    ]


def _advice(
    verdict: Verdict,
    switched_on: Sequence[str],
    loss: float | None,
    classes: int | None,
    *,
    lags: bool,
) -> str:
    """What to try next.

    A model that knows nothing and says so, the same probability for each of k classes, has a
    loss of ln(k) whatever the classes' sizes. A training that ends above it, by `LOSS_MARGIN` to
    be clear of chance, has become surer than it is right, mostly by steps that are too long. The
    limit of this rule: an untrained model can stand above ln(k) too, at 1.0 to 2.5 times of it in
    ours, and stays there when the steps are far too short; then the loss has hardly moved.

    Args:
        lags: whether it knew more of its training pictures while it learned than measured clean,
            as after few steps, when batch norm's running averages are still those of the start.
    """
    if verdict == "overfits":
        return (
            "To try next: more augmentation (flip, crop, cutout), dropout or weight decay, "
            "a smaller model, or more pictures."
        )
    if verdict == "fits":
        return (
            "To try next, for a higher accuracy: a larger model together with more augmentation, "
            "and more epochs."
        )
    if loss is not None and classes is not None and not loss <= LOSS_MARGIN * math.log(classes):
        try_next = "a lower learning rate"
        but = "only where it has hardly moved since the first epoch is the rate too low instead"
        if lags:
            try_next = "more epochs, or a lower learning rate"
            but = (
                "but it knew more while it learned: running averages, as batch norm's and ema's, "
                "lag behind after few steps, and behind steps that are too long"
            )
        return (
            f"To try next: {try_next}. The clean training loss ({loss:.3g}) is above "
            f"ln({classes}) = {math.log(classes):.3g}, that of a model that knows nothing and says "
            f"so; {but}."
        )
    if verdict == "undecided":
        return (
            "To try next: more pictures to compare, by a larger data.validation_share or a "
            "larger data set."
        )
    less = ", or less augmentation" if "augmentation" in switched_on else ""
    return (
        f"To try next: more epochs, a larger model{',' if less else ' or'} "
        f"a higher learning rate{less}."
    )


def _points(fraction: float) -> str:
    """Percentage points with one decimal; no minus sign on a zero."""
    return f"{round(fraction * 100, 1) + 0.0:.1f}"
