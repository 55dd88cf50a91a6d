"""What the trainings of an arm come to together, by worked formulas."""

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import t
from tests.study.made_up import CLEAN, LEARNED, N, outcome, results

from tinysight.study.estimate import Estimate, share_variance
from tinysight.study.outcome import Results


def alike(**clean: float) -> Results:
    """Three seeds an arm that differ in nothing but in which pictures are right."""
    return results(
        {arm: ({}, [outcome(arm, s, 0.7, clean=c) for s in range(3)]) for arm, c in clean.items()}
    )


def half(estimate: Estimate) -> float:
    return (estimate.high - estimate.low) / 2


def test_the_variance_of_a_share_is_never_nothing_of_some() -> None:
    assert share_variance(1.0, 96) == pytest.approx(0.98 * 0.02 / 100)
    assert share_variance(0.5, 96) == pytest.approx(0.25 / 100)
    assert share_variance(0.5, 0) == 0


def test_a_guess_names_the_most_frequent_class() -> None:
    labels = np.repeat([0, 1, 2], [N // 2, N // 3, N // 6])
    assert replace(alike(one=0.9), labels=labels).guess == 0.5


@pytest.mark.parametrize(("learned", "more"), [(LEARNED, 1 + 2 * CLEAN / LEARNED), (CLEAN, 3.0)])
def test_seeds_that_count_on_the_same_pictures_know_less(learned: int, more: float) -> None:
    """Where each counts on all pictures that there are three know no more than one."""
    made = replace(alike(one=0.9), learned=learned)
    variance = share_variance(0.9, CLEAN) / 3 * more
    expected = t.ppf(0.975, CLEAN - 1) * math.sqrt(variance)
    assert half(made.clean("one")) == pytest.approx(expected)


def test_no_gap_is_wider_than_there_can_be() -> None:
    made = replace(alike(first=0.9, second=0.8), labels=np.zeros(1, np.int64))
    made = replace(
        made,
        outcomes={
            arm: [replace(o, hits=o.hits[:1], clean=replace(o.clean, n=2)) for o in several]
            for arm, several in made.outcomes.items()
        },
    )
    for found, most in (
        (made.gap("first"), 1.0),
        (made.cleaner("first", "second"), 1.0),
        (made.gap_narrowed("second", "first"), 2.0),
    ):
        assert -most <= found.low <= found.value <= found.high <= most


def test_gaps_are_as_uncertain_as_what_they_are_between() -> None:
    made = alike(first=0.9, second=0.8)
    shared = (1 + 2 * CLEAN / LEARNED) / 3
    clean = [share_variance(share, CLEAN) * shared for share in (0.9, 0.8)]
    of_gap = math.sqrt(share_variance(0.7, N) + clean[0])
    assert made.gap("first").value == pytest.approx(0.2)
    assert half(made.gap("first")) == pytest.approx(t.ppf(0.975, N - 1) * of_gap)
    narrowed = made.gap_narrowed("second", "first")  # the same pictures are right in both
    assert narrowed.value == pytest.approx(0.1)
    added = 2 / (N + 1) / (N + 2)  # one picture won and one lost
    assert half(narrowed) == pytest.approx(t.ppf(0.975, N - 1) * math.sqrt(sum(clean) + added))
    cleaner = made.cleaner("first", "second")
    assert half(cleaner) == pytest.approx(t.ppf(0.975, N - 1) * math.sqrt(sum(clean)))
