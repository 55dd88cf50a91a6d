"""Outcomes of trainings that never were, so that what is said of them is known beforehand."""

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tinysight.data.dataset import DataSet
from tinysight.evaluation.intervals import Share, wilson
from tinysight.study import STUDIES
from tinysight.study.outcome import Outcome, Results

N = 600  # validation pictures
CLEAN = 2_000  # training pictures of a clean accuracy
LEARNED = 20_000  # training pictures
TINY: dict[str, Any] = {"epochs": 1, "seeds": 2, "quiet": True, "model.width": 4}  # of a study
MACHINE = {"processor": "of paper", "command": "none"}


def outcome(
    arm: str,
    seed: int,
    accuracy: float,
    *,
    clean: float | None = None,
    running: float = 0.5,
    diverged: bool = False,
    first: float = 0.3,
    n: int = N,
    classes: int = 3,
) -> Outcome:
    """A training that has this share of the pictures right, always much the same ones.

    One that diverged is what `outcome.read` makes of one.
    """
    if diverged:
        guess = 1 / classes
        hits, share, rows = np.full(n, guess), Share(guess, 0.0, 1.0, 0), []
        return Outcome(
            arm, seed, True, hits, guess, share, rows, math.nan, 1_000, MACHINE, Path(arm)
        )
    hits = np.zeros(n)
    hits[: round(accuracy * n)] = 1
    hits = np.roll(hits, 3 * seed)
    row = {"epoch": 1.0, "validation_accuracy": first, "train_accuracy_clean": clean or accuracy}
    share = wilson(round((accuracy if clean is None else clean) * CLEAN), CLEAN)
    rows = [{**row, "train_accuracy_running": running}] * 2
    return Outcome(arm, seed, False, hits, running, share, rows, 1.0, 1_000, MACHINE, Path(arm))


def results(
    arms: Mapping[str, tuple[Mapping[str, Any], Sequence[Outcome]]], classes: int = 3
) -> Results:
    n = len(next(iter(arms.values()))[1][0].hits)
    return Results(
        tuple(f"class{i}" for i in range(classes)),
        np.arange(n) % classes,
        LEARNED,
        {name: place for name, (place, _) in arms.items()},
        {name: found for name, (_, found) in arms.items()},
    )


def by_accuracy(accuracies: Mapping[str, float], **more: Mapping[str, Any]) -> Results:
    """Three seeds an arm, a hair apart from each other; `more` by arm goes to `outcome`."""
    return results(
        {
            name: (
                {},
                [
                    outcome(name, seed, accuracy + 0.002 * (seed - 1), **more.get(name, {}))
                    for seed in range(3)
                ],
            )
            for name, accuracy in accuracies.items()
        }
    )


def of_study(
    name: str,
    data: DataSet,
    accuracy: Mapping[str, float],
    *,
    seeds: int = 3,
    classes: int = 3,
    broken: Collection[tuple[str, int]] = (),
    clean: Callable[[str, int], float | None] = lambda arm, seed: None,
    **same: Any,
) -> Results:
    """A study's own arms, each with its accuracy (by name); `broken` are arm and seed.

    `clean` is the clean training accuracy of an arm and a seed; None is that of validation.
    """
    arms = STUDIES[name].arms(data, "small")
    return results(
        {
            arm.name: (
                arm.at,
                [
                    outcome(
                        arm.name,
                        seed,
                        min(1.0, accuracy[arm.name] + 0.002 * (seed - 1)),
                        clean=clean(arm.name, seed),
                        diverged=(arm.name, seed) in broken,
                        classes=classes,
                        **same,
                    )
                    for seed in range(seeds)
                ],
            )
            for arm in arms
        },
        classes,
    )
