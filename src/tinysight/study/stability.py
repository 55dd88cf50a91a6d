"""How do learning rate and batch size decide together whether a training goes well?"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from tinysight.study import drawing
from tinysight.study.arms import small_network
from tinysight.study.design import Arm, Column, Drawing, Finding, Scale, Study
from tinysight.study.estimate import Estimate, answer, mean
from tinysight.study.outcome import Results
from tinysight.study.saying import number, points

if TYPE_CHECKING:
    from tinysight.data.dataset import DataSet

__all__ = ["STUDY"]

RATES = (0.003, 0.01, 0.03, 0.1, 0.3, 1.0)
BATCHES = {"small": (16, 64, 256), "full": (32, 128, 512, 2048)}
EPOCHS = {"small": 3, "full": 4}
WIDTH = {"small": 8, "full": 16}
USELESS = 1.5  # times the accuracy of guessing: below it nothing was learned


def _arms(data: DataSet, scale: Scale) -> Sequence[Arm]:
    found = []
    for batch in sorted({min(batch, len(data.train)) for batch in BATCHES[scale]}):
        for rate in RATES:
            recipe = small_network(data, epochs=EPOCHS[scale], lr=rate, width=WIDTH[scale])
            found.append(
                Arm(
                    f"{batch}-{rate:g}",
                    recipe.model_copy(update={"batch_size": batch}),
                    {"batch": batch, "rate": rate},
                )
            )
    return found


def _batches(results: Results) -> list[int]:
    return sorted({place["batch"] for place in results.arms.values()})


def _growth(results: Results, rate_of: str) -> Estimate:
    """By which power of the batch size a rate grows: the slope between logarithms, by seed.

    That a rate lies anywhere between two of those tried is part of the interval.

    Args:
        rate_of: "best", or "largest" of those that learn anything.
    """
    batches, slopes = np.log(_batches(results)), []
    for seed in range(len(next(iter(results.outcomes.values())))):
        chosen = []
        for batch in _batches(results):
            found = {
                results.arms[arm]["rate"]: results.outcomes[arm][seed].accuracy
                for arm in results.where(batch=batch)
            }
            learns = [rate for rate, a in found.items() if a >= USELESS * results.guess]
            best = max(found, key=lambda rate: found[rate])
            chosen.append(max(learns, default=min(found)) if rate_of == "largest" else best)
        slopes.append(float(np.polyfit(batches, np.log(chosen), 1)[0]))
    step = math.log(RATES[-1] / RATES[0]) / (len(RATES) - 1)
    spread = float(np.square(batches - np.mean(batches)).sum())
    return mean(slopes, sampling=step**2 / 12 / spread)


def _useless(results: Results, arm: str) -> int:
    """How many trainings of an arm learned nothing, those that diverged among them."""
    return sum(o.accuracy < USELESS * results.guess for o in results.outcomes[arm])


def _findings(results: Results) -> Sequence[Finding]:
    best, largest = _growth(results, "best"), _growth(results, "largest")
    broken = sum(results.diverged(arm) for arm in results.arms)
    lost = sum(_useless(results, arm) for arm in results.arms)
    trainings = sum(map(len, results.outcomes.values()))
    batches = _batches(results)
    low, high = (results.best(results.where(batch=b)) for b in (batches[0], batches[-1]))
    won = results.advantage(low, high)
    return [
        Finding(
            "A learning rate can be too high to learn at all.",
            "yes" if lost else "no",
            f"{lost} of {trainings} trainings learned nothing (under {USELESS:g} times guessing); "
            f"{broken} of them diverged: their loss left the finite numbers.",
        ),
        Finding(
            "The best learning rate grows with the batch size.",
            answer(best),
            f"As its power of {number(best)}; 1 would be the linear rule, 0.5 that of the root.",
        ),
        Finding(
            "So does the largest that still learns.",
            answer(largest),
            f"As the batch size's power of {number(largest)}.",
        ),
        Finding(
            "In the same number of epochs small batches learn more.",
            answer(won),
            f"Batches of {batches[0]} against those of {batches[-1]}, each at its best rate: "
            f"{points(won)}.",
        ),
    ]


def _drawings(results: Results) -> Iterator[Drawing]:
    batches = _batches(results)
    arms = [[results.where(batch=b, rate=r)[0] for r in RATES] for b in batches]
    marks = [[_mark(results, arm) for arm in row] for row in arms]
    yield Drawing(
        "map",
        "Validation accuracy by batch size and learning rate, in percent; where trainings "
        "diverged, how many of the seeds did.",
        partial(
            drawing.heat,
            [[results.accuracy(arm).value for arm in row] for row in arms],
            marks,
            down=("Batch size", [str(b) for b in batches]),
            across=("Learning rate", [f"{r:g}" for r in RATES]),
            title="Validation accuracy, percent",
            remark="Mean of the seeds; ✕: diverged, counts as a guess",
        ),
    )


def _mark(results: Results, arm: str) -> str:
    broken, seeds = results.diverged(arm), len(results.outcomes[arm])
    return f"✕ {broken} of {seeds}" if broken else ""


def _sides(results: Results) -> tuple[str, str]:
    batches = _batches(results)
    first, last = (results.best(results.where(batch=b)) for b in (batches[0], batches[-1]))
    return first, last


STUDY = Study(
    name="stability",
    question="How do learning rate and batch size decide together whether a training goes well?",
    about="One CNN of three convolutions, trained by SGD with momentum for the same number of "
    "epochs from each pair of a learning rate and a batch size.",
    data={"small": ("digits", {"size": 16, "validation_share": 0.5}), "full": ("cifar10", {})},
    arms=_arms,
    columns=(
        Column("Validation", lambda results, arm: results.accuracy(arm)),
        Column(
            "Learned nothing",
            lambda results, arm: f"{_useless(results, arm)} of {len(results.outcomes[arm])}",
        ),
        Column(
            "Diverged",
            lambda results, arm: f"{results.diverged(arm)} of {len(results.outcomes[arm])}",
        ),
    ),
    findings=_findings,
    sides=_sides,
    drawings=_drawings,
)
