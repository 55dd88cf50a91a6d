"""Does the network learn its pictures by heart, and what helps: dropout or augmentation?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from tinysight.evaluation.fitting import OVERFIT_GAP, UNDERFIT_TRAIN
from tinysight.recipes import RECIPES
from tinysight.study import drawing
from tinysight.study.arms import facts_of, fixed
from tinysight.study.columns import CLEAN, GAP, RUNNING, VALIDATION, if_none_diverged
from tinysight.study.design import Arm, Column, Drawing, Finding, Scale, Study
from tinysight.study.estimate import answer, mean, negative, share_variance
from tinysight.study.outcome import Results
from tinysight.study.saying import percent, points

if TYPE_CHECKING:
    from tinysight.data.dataset import DataSet

__all__ = ["STUDY"]

BASE, DROPOUT, AUGMENTED, BOTH = "base", "dropout", "augmentation", "both"
EPOCHS = {"small": 40, "full": 20}


def _arms(data: DataSet, scale: Scale) -> Sequence[Arm]:
    facts = facts_of(data)
    base = fixed(RECIPES["overfit-base"](facts), EPOCHS[scale])
    robust = RECIPES["overfit-robust"](facts)
    dropout, augment = {"model": robust.model}, {"augment": robust.augment}
    return [
        Arm(BASE, base),
        Arm(DROPOUT, base.model_copy(update=dropout)),
        Arm(AUGMENTED, base.model_copy(update=augment)),
        Arm(BOTH, base.model_copy(update=dropout | augment)),
    ]


def _verdict(results: Results, arm: str) -> str:
    """The report's limits; it goes by the value, and here the whole interval has to."""
    overfits = answer(results.gap(arm), than=OVERFIT_GAP)
    if overfits != "no":
        return {"yes": "overfits", "undecided": "undecided"}[overfits]
    known = answer(results.clean(arm), than=UNDERFIT_TRAIN)
    return {"yes": "fits", "no": "underfits", "undecided": "undecided"}[known]


def _findings(results: Results) -> Sequence[Finding]:
    gap = results.gap(BASE)
    found = [
        Finding(
            "Without a cure the network learns its pictures by heart.",
            gap,
            f"Clean training against validation accuracy: {points(gap)}; from "
            f"{100 * OVERFIT_GAP:.0f} on it is called overfitting.",
            than=OVERFIT_GAP,
            moot=results.moot(BASE),
        )
    ]
    for arm, name in ((DROPOUT, "Dropout"), (AUGMENTED, "Augmentation")):
        narrowed, won = results.gap_narrowed(arm, BASE), results.advantage(arm, BASE)
        found += [
            Finding(
                f"{name} narrows the gap.",
                narrowed,
                f"The gap changes by {points(negative(narrowed))}, to {points(results.gap(arm))}.",
                moot=results.moot(arm, BASE),
            ),
            Finding(
                f"{name} makes it better on new pictures.",
                won,
                f"Validation accuracy: {points(won)}, to {percent(results.accuracy(arm))}.",
            ),
        ]
    won = results.advantage(AUGMENTED, DROPOUT)
    found.append(
        Finding(
            "Of the two, augmentation is the better cure.",
            won,
            f"Validation accuracy against that with dropout: {points(won)}; the gap: "
            f"{points(negative(results.gap_narrowed(AUGMENTED, DROPOUT)))}.",
        )
    )
    above = mean(
        [o.accuracy - o.running for o in results.outcomes[BOTH]],
        sampling=share_variance(results.accuracy(BOTH).value, results.n),
        n=results.n,
        bounds=(-1.0, 1.0),
    )
    clean = results.gap(BOTH)
    return [
        *found,
        Finding(
            "With both on, validation lies above the training accuracy that is counted while "
            "training.",
            above,
            f"By {points(above)}.",
            moot=results.moot(BOTH),
        ),
        Finding(
            "The same weights, with both off, know their training pictures better than new ones.",
            clean,
            f"Clean training against validation accuracy: {points(clean)}. Where this is a yes and "
            "so is the one before, validation above training says nothing of fitting.",
            moot=results.moot(BOTH),
        ),
    ]


def _rows(results: Results, arm: str, column: str) -> list[float]:
    """An epoch each, the mean over the seeds that came so far."""
    every = [[row[column] for row in o.rows] for o in results.outcomes[arm]]
    longest = max(map(len, every))
    return [float(np.mean([v[i] for v in every if len(v) > i])) for i in range(longest)]


def _drawings(results: Results) -> Iterator[Drawing]:
    lines = ("Training, clean", "Validation", "Training, running")
    rows = {
        arm: (results.clean(arm), results.accuracy(arm), results.running(arm))
        for arm in results.arms
    }
    yield Drawing(
        "accuracies",
        "Clean training and validation accuracy: "
        + "; ".join(
            f"{arm} {percent(clean)} and {percent(validation)}"
            for arm, (clean, validation, _) in rows.items()
        ),
        partial(
            drawing.dots,
            rows,
            lines,
            title="The gap between training and validation",
            remark="Line: 95% interval",
        ),
    )
    columns = ("train_accuracy_clean", "validation_accuracy", "train_accuracy_running")
    yield Drawing(
        "epochs",
        "Training and validation accuracy over the epochs, a panel a network; the other figure "
        "has how they end.",
        partial(
            drawing.curves,
            {
                arm: {
                    line: _rows(results, arm, column)
                    for line, column in zip(lines, columns, strict=True)
                }
                for arm in results.arms
            },
            title="How it came to that",
            remark="Accuracy over the epochs, mean of the seeds",
        ),
    )


STUDY = Study(
    name="overfitting",
    question="Does the network learn its pictures by heart, and what helps: dropout or "
    "augmentation?",
    about="The networks of source project P1, each trained for the same number of epochs, the last "
    "weights kept. The source compared validation with the training accuracy that is counted while "
    "training, with dropout and augmentation on; here the clean one stands beside it: the same "
    "weights on training pictures as they are, with both off. The verdict has the report's "
    f"limits: a gap of {100 * OVERFIT_GAP:.0f} points overfits; else a clean training accuracy "
    f"under {100 * UNDERFIT_TRAIN:.0f}% underfits; undecided where an interval holds the limit.",
    data={"small": ("digits", {"size": 16, "validation_share": 0.9}), "full": ("cifar10", {})},
    arms=_arms,
    columns=(
        RUNNING,
        CLEAN,
        VALIDATION,
        GAP,
        Column("Verdict", if_none_diverged(_verdict)),
    ),
    findings=_findings,
    sides=lambda _: (BOTH, BASE),
    drawings=_drawings,
)
