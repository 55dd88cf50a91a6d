"""Does batch norm steady training and speed it up?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING

from tinysight.study import drawing
from tinysight.study.arms import small_network
from tinysight.study.columns import DIVERGED, LEARNED_NOTHING, VALIDATION
from tinysight.study.design import Arm, Column, Drawing, Finding, Scale, Study
from tinysight.study.estimate import Estimate, mean
from tinysight.study.outcome import Results
from tinysight.study.saying import number, percent, points

if TYPE_CHECKING:
    from tinysight.data.dataset import DataSet

__all__ = ["STUDY"]

RATES = (0.003, 0.01, 0.03, 0.1, 0.3, 1.0)
EPOCHS = {"small": 4, "full": 5}
WIDTH = {"small": 8, "full": 32}
WORKS = 0.05  # a rate works where it comes within so much of the best of all
GRID = 1 / 12  # variance of a count of rates, which is known to the nearest whole one


def _arms(data: DataSet, scale: Scale) -> Sequence[Arm]:
    return [
        Arm(
            f"{'with' if batchnorm else 'without'}-{rate:g}",
            small_network(
                data, epochs=EPOCHS[scale], lr=rate, width=WIDTH[scale], batchnorm=batchnorm
            ),
            {"batchnorm": batchnorm, "rate": rate},
        )
        for batchnorm in (False, True)
        for rate in RATES
    ]


def _best(results: Results, *, batchnorm: bool) -> str:
    return results.best(results.where(batchnorm=batchnorm))


def _working(results: Results, *, batchnorm: bool) -> list[int]:
    """How many rates come within WORKS of the best of all, each seed for itself."""
    found = []
    for seed in range(len(next(iter(results.outcomes.values())))):
        reached = {arm: outcomes[seed].accuracy for arm, outcomes in results.outcomes.items()}
        enough = max(reached.values()) - WORKS
        found.append(sum(reached[a] >= enough for a in results.where(batchnorm=batchnorm)))
    return found


def _counted(values: Sequence[int]) -> Estimate:
    return mean(values, sampling=GRID)


def _findings(results: Results) -> Sequence[Finding]:
    with_, without = (_best(results, batchnorm=b) for b in (True, False))
    works_with, works_without = (_working(results, batchnorm=b) for b in (True, False))
    wider = [a - b for a, b in zip(works_with, works_without, strict=True)]
    won = results.advantage(with_, without, family=STUDY.picked)
    sooner = results.sooner(with_, without, family=STUDY.picked)
    rates = {arm: results.arms[arm]["rate"] for arm in (with_, without)}
    idle, broken = (
        {b: sum(count(arm) for arm in results.where(batchnorm=b)) for b in (True, False)}
        for count in (results.idle, results.diverged)
    )
    return [
        Finding(
            "With batch norm more learning rates work.",
            mean(wider, sampling=2 * GRID),
            f"Of {len(results.where(batchnorm=True))} rates {number(_counted(works_with))} come "
            f"within {100 * WORKS:.0f} points of the best of all with it, "
            f"{number(_counted(works_without))} without. Trainings that learned nothing: "
            f"{idle[True]} with it, of which {broken[True]} diverged, and {idle[False]} without, "
            f"of which {broken[False]} did.",
        ),
        Finding(
            "It learns faster: after one epoch it is better.",
            sooner,
            f"{points(sooner)}, each at the rate at which it ends best ({rates[with_]:g} with, "
            f"{rates[without]:g} without).",
        ),
        Finding(
            "At its best rate it ends better.",
            won,
            f"{points(won)}: {percent(results.accuracy(with_))} against "
            f"{percent(results.accuracy(without))}.",
        ),
    ]


def _drawings(results: Results) -> Iterator[Drawing]:
    sides = {"Without batch norm": False, "With batch norm": True}
    for name, title, value in (
        ("end", "Validation accuracy at the end", results.accuracy),
        ("first", "Validation accuracy after one epoch", results.first),
    ):
        series = {
            side: [(results.arms[arm]["rate"], value(arm)) for arm in results.where(batchnorm=b)]
            for side, b in sides.items()
        }
        yield Drawing(
            name,
            f"{title} by learning rate: {drawing.told(series)}",
            partial(
                drawing.lines,
                series,
                title=title,
                remark="Line: 95% interval; a training that diverged counts as a guess",
                across="Learning rate",
                logarithmic=True,
            ),
        )


STUDY = Study(
    name="batchnorm",
    question="Does batch norm steady training and speed it up?",
    about="A CNN of three convolutions with and without batch norm, trained by SGD with momentum "
    "from learning rates far apart.",
    data={
        "small": ("digits", {"size": 16, "validation_share": 0.5}),
        "full": ("cifar10", {}),
    },
    arms=_arms,
    columns=(
        Column("Validation after one epoch", lambda results, arm: results.first(arm)),
        VALIDATION,
        LEARNED_NOTHING,
        DIVERGED,
    ),
    findings=_findings,
    sides=lambda results: (_best(results, batchnorm=True), _best(results, batchnorm=False)),
    drawings=_drawings,
    picks="each side's best learning rate",
    picked=len(RATES),
)
