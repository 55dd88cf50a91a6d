"""Does the network learn its pictures by heart, and what helps: dropout or augmentation?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from tinysight.evaluation.fitting import OVERFIT_GAP, judge
from tinysight.evaluation.intervals import wilson
from tinysight.recipes import RECIPES
from tinysight.study import drawing
from tinysight.study.arms import facts_of, fixed
from tinysight.study.design import Arm, Column, Drawing, Finding, Scale, Study
from tinysight.study.estimate import answer, mean, negative
from tinysight.study.outcome import Outcome, Results
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
    """The rule of thumb of the report, on the means."""
    n, accuracy = len(results.labels), results.accuracy(arm).value
    clean = results.clean(arm)
    train = wilson(round(clean.value * clean.n), clean.n)
    return judge(train, wilson(round(accuracy * n), n)).verdict


def _findings(results: Results) -> Sequence[Finding]:
    gap = results.gap(BASE)
    found = [
        Finding(
            "Without a cure the network learns its pictures by heart.",
            answer(gap, than=OVERFIT_GAP),
            f"Clean training against validation accuracy: {points(gap)}; from "
            f"{100 * OVERFIT_GAP:.0f} on it is called overfitting.",
        )
    ]
    for arm, name in ((DROPOUT, "Dropout"), (AUGMENTED, "Augmentation")):
        narrowed, won = results.gap_narrowed(arm, BASE), results.advantage(arm, BASE)
        found += [
            Finding(
                f"{name} narrows the gap.",
                answer(narrowed),
                f"The gap changes by {points(negative(narrowed))}, to {points(results.gap(arm))}.",
            ),
            Finding(
                f"{name} makes it better on new pictures.",
                answer(won),
                f"Validation accuracy: {points(won)}, to {percent(results.accuracy(arm))}.",
            ),
        ]
    won = results.advantage(AUGMENTED, DROPOUT)
    found.append(
        Finding(
            "Of the two, augmentation is the better cure.",
            answer(won),
            f"Validation accuracy against that with dropout: {points(won)}; the gap: "
            f"{points(negative(results.gap_narrowed(AUGMENTED, DROPOUT)))}.",
        )
    )
    above = mean([o.accuracy - o.running for o in results.outcomes[BOTH]])
    clean = results.gap(BOTH)
    both = "yes" if answer(above) == answer(clean) == "yes" else "undecided"
    if "no" in (answer(above), answer(clean)):
        both = "no"
    return [
        *found,
        Finding(
            "With both on, validation lies above training only because training is counted with "
            "them on.",
            both,
            f"Validation against the running training accuracy: {points(above)}; the clean one, of "
            f"the same weights with both off, against validation: {points(clean)}.",
        ),
    ]


def _rows(results: Results, arm: str, column: str) -> list[float]:
    """The mean over the seeds, an epoch each."""
    rows = [[row[column] for row in o.rows] for o in results.outcomes[arm]]
    whole = min(map(len, rows))
    return np.mean([row[:whole] for row in rows], axis=0).tolist()


def _running(outcome: Outcome) -> float:
    return outcome.running


def _drawings(results: Results) -> Iterator[Drawing]:
    lines = ("Training, clean", "Validation", "Training, running")
    rows = {
        arm: (results.clean(arm), results.accuracy(arm), results.mean(arm, _running))
        for arm in results.arms
    }
    yield Drawing(
        "accuracies",
        "Running and clean training accuracy and validation accuracy of each network.",
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
        "Training and validation accuracy over the epochs, a panel a network.",
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
    "weights on training pictures as they are, with both off.",
    data={"small": ("digits", {"size": 16, "validation_share": 0.9}), "full": ("cifar10", {})},
    arms=_arms,
    columns=(
        Column("Training, running", lambda results, arm: results.mean(arm, _running)),
        Column("Training, clean", lambda results, arm: results.clean(arm)),
        Column("Validation", lambda results, arm: results.accuracy(arm)),
        Column("Gap, clean", lambda results, arm: results.gap(arm)),
        Column("Verdict", _verdict),
    ),
    findings=_findings,
    sides=lambda _: (BOTH, BASE),
    drawings=_drawings,
)
