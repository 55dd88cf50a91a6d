"""How do learning rate and batch size decide together whether a training goes well?"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from tinysight.errors import UsageError
from tinysight.study import drawing
from tinysight.study.arms import small_network
from tinysight.study.columns import DIVERGED, LEARNED_NOTHING, VALIDATION
from tinysight.study.design import Arm, Drawing, Finding, Scale, Study
from tinysight.study.estimate import Estimate, mean
from tinysight.study.outcome import Results
from tinysight.study.saying import number, percent, points

if TYPE_CHECKING:
    from tinysight.data.dataset import DataSet

__all__ = ["STUDY"]

RATES = (0.003, 0.01, 0.03, 0.1, 0.3, 1.0)
BATCHES = {"small": (16, 64, 256), "full": (32, 128, 512, 2048)}
EPOCHS = {"small": 3, "full": 4}
WIDTH = {"small": 8, "full": 16}


def _arms(data: DataSet, scale: Scale) -> Sequence[Arm]:
    batches = sorted({min(batch, len(data.train)) for batch in BATCHES[scale]})
    if len(batches) < 2:
        raise UsageError(
            f"stability compares batches of {BATCHES[scale][0]} pictures and more, and "
            f"{data.name} has {len(data.train)} to train on; give it more"
        )
    found = []
    for batch in batches:
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


def _best(results: Results, batch: int) -> str:
    return results.best(results.where(batch=batch))


def _growth(results: Results, rate_of: str) -> tuple[Estimate, str]:
    """By which power of the batch size a rate grows: the slope between logarithms, by seed.

    That a rate lies anywhere between two of those tried is part of the interval. One outside of
    those tried would not be seen: how often that may be is the sentence that is returned.

    Args:
        rate_of: "best", or "largest" of those that come half of the way from a guess to the best.
    """
    batches, slopes, edges = _batches(results), [], 0
    for seed in range(len(next(iter(results.outcomes.values())))):
        chosen = []
        for batch in batches:
            found = {
                results.arms[arm]["rate"]: results.outcomes[arm][seed].accuracy
                for arm in results.where(batch=batch)
            }
            best = max(found, key=lambda rate: found[rate])
            enough = (results.guess + found[best]) / 2
            learns = [rate for rate, a in found.items() if a >= enough]
            chosen.append(max(learns, default=best) if rate_of == "largest" else best)
        slopes.append(float(np.polyfit(np.log(batches), np.log(chosen), 1)[0]))
        edges += sum(rate in (RATES[0], RATES[-1]) for rate in chosen)
    step = math.log(RATES[-1] / RATES[0]) / (len(RATES) - 1)
    spread = float(np.square(np.log(batches) - np.mean(np.log(batches))).sum())
    said = (
        f" In {edges} of {len(slopes) * len(batches)} it is the lowest or the highest rate tried, "
        "and may lie beyond."
    )
    return mean(slopes, sampling=step**2 / 12 / spread), said * bool(edges)


def _too_high(results: Results, arm: str) -> bool:
    """Whether an arm's rate is above the best of its batch size."""
    place = results.arms[arm]
    return place["rate"] > results.arms[_best(results, place["batch"])]["rate"]


def _findings(results: Results) -> Sequence[Finding]:
    (growth, edges), (largest, last) = _growth(results, "best"), _growth(results, "largest")
    batches = _batches(results)
    small, large = batches[0], batches[-1]
    (highest,) = results.where(batch=small, rate=RATES[-1])
    best = _best(results, small)
    above = [arm for arm in results.arms if _too_high(results, arm)]
    won = results.advantage(best, _best(results, large), family=STUDY.picked)
    return [
        Finding(
            f"With batches of {small} a learning rate of {RATES[-1]:g} ruins the training.",
            results.advantage(highest, best, weight=0.5, family=STUDY.picked),
            f"It ends at {percent(results.accuracy(highest))}, where a rate of "
            f"{results.arms[best]['rate']:g} ends at {percent(results.accuracy(best))}; under half "
            "of the way from a guess to that is ruined. Of "
            f"{sum(len(results.outcomes[arm]) for arm in above)} trainings above the best rate of "
            f"their batch size {sum(map(results.idle, above))} learned nothing, of which "
            f"{sum(map(results.diverged, above))} diverged: their loss left the finite numbers.",
            than=results.guess / 2,
            is_less=True,
        ),
        Finding(
            "The best learning rate grows with the batch size.",
            growth,
            f"As its power of {number(growth)}; 1 would be the linear rule, 0.5 that of the root."
            + edges,
        ),
        Finding(
            "So does the largest that still comes half of the way.",
            largest,
            f"As the batch size's power of {number(largest)}." + last,
        ),
        Finding(
            "In the same number of epochs small batches learn more.",
            won,
            f"Batches of {small} against those of {large}, each at its best rate: {points(won)}.",
        ),
    ]


def _drawings(results: Results) -> Iterator[Drawing]:
    batches = _batches(results)
    arms = [[results.where(batch=b, rate=r)[0] for r in RATES] for b in batches]
    yield Drawing(
        "map",
        "Validation accuracy by batch size and learning rate: "
        + "; ".join(f"{arm} {percent(results.accuracy(arm))}" for row in arms for arm in row),
        partial(
            drawing.heat,
            [[results.accuracy(arm).value for arm in row] for row in arms],
            [[_mark(results, arm) for arm in row] for row in arms],
            down=("Batch size", [str(b) for b in batches]),
            across=("Learning rate", [f"{r:g}" for r in RATES]),
            title="Validation accuracy, percent",
            remark="Learned nothing, of the seeds: ✕ rate too high, or diverged, ○ rate too low",
        ),
    )


def _mark(results: Results, arm: str) -> str:
    idle, seeds = results.idle(arm), len(results.outcomes[arm])
    sign = "✕" if _too_high(results, arm) or results.diverged(arm) else "○"
    return f"{sign} {idle} of {seeds}" if idle else ""


def _sides(results: Results) -> tuple[str, str]:
    batches = _batches(results)
    return _best(results, batches[0]), _best(results, batches[-1])


STUDY = Study(
    name="stability",
    question="How do learning rate and batch size decide together whether a training goes well?",
    about="One CNN of three convolutions, trained by SGD with momentum for the same number of "
    "epochs from each pair of a learning rate and a batch size.",
    data={"small": ("digits", {"size": 16, "validation_share": 0.5}), "full": ("cifar10", {})},
    arms=_arms,
    columns=(VALIDATION, LEARNED_NOTHING, DIVERGED),
    findings=_findings,
    sides=_sides,
    drawings=_drawings,
    picks="the best learning rate of each batch size",
    picked=len(RATES),
)
