"""Means and their intervals: against worked formulas, and by how often they hold."""

import math

import numpy as np
import pytest
from scipy import stats

from tinysight.study.estimate import (
    Estimate,
    accuracy,
    advantage,
    advantages,
    answer,
    interaction,
    mean,
    negative,
    opposite,
)


def test_the_mean_of_seeds_has_students_interval() -> None:
    values = [0.70, 0.72, 0.77]
    found = mean(values)
    low, high = stats.t.interval(0.95, 2, np.mean(values), stats.sem(values))
    assert (found.value, found.low, found.high) == pytest.approx((0.73, low, high))
    assert (found.seeds, found.n) == (3, 0)


def test_of_one_seed_and_no_pictures_nothing_is_known() -> None:
    found = mean([0.5])
    assert (found.low, found.high) == (-math.inf, math.inf)
    assert mean([0.5], bounds=(0, 1)).high == math.inf  # and not all that can be
    assert mean([0.98, 0.99, 0.91], bounds=(0, 1)).high == 1
    assert mean([0.5], sampling=0.01).high == math.inf  # of a grid: of other seeds it knows nothing
    assert mean([0.5], sampling=0.01, n=100).high == pytest.approx(0.5 + 1.984 * 0.1, abs=1e-3)


def test_one_seed_has_the_interval_of_the_pictures() -> None:
    """Of Agresti and Coull with four pictures added, but for Student in the place of Gauss."""
    hits = np.array([[1.0] * 70 + [0.0] * 30])
    found = accuracy(hits)
    p = 72 / 104
    half = stats.t.ppf(0.975, 99) * math.sqrt(p * (1 - p) / 103)
    assert (found.value, found.low, found.high) == pytest.approx((0.7, p - half, p + half))


def test_an_advantage_is_that_of_pairs() -> None:
    """20 pictures won and 8 lost of 200, by the formula of Bonett and Price."""
    first, second = np.zeros((1, 200)), np.zeros((1, 200))
    first[0, :20], second[0, 20:28] = 1, 1
    first[0, 100:150] = second[0, 100:150] = 1  # right in both: says nothing
    found = advantage(first, second)
    won, lost = 21 / 202, 9 / 202
    half = 1.96 * math.sqrt((won + lost - (won - lost) ** 2) / 202)
    assert found.value == pytest.approx(0.06)
    assert (found.low, found.high) == pytest.approx(
        (won - lost - half, won - lost + half), abs=1e-3
    )


def test_where_all_are_right_the_rest_is_still_unknown() -> None:
    found = accuracy(np.ones((3, 50)))
    assert (found.value, found.high) == (1.0, 1.0)
    assert 0.85 < found.low < 0.97
    even = advantage(np.ones((3, 50)), np.ones((3, 50)))
    assert -0.08 < even.low < 0 < even.high < 0.08


def test_more_pictures_do_not_make_up_for_seeds() -> None:
    """Seeds that lie 4 points apart leave the mean uncertain however many pictures there are."""
    hits = np.zeros((3, 100_000))
    for seed, share in enumerate((0.66, 0.70, 0.74)):
        hits[seed, : int(share * 100_000)] = 1
    found = accuracy(hits)
    assert found.high - found.low == pytest.approx(2 * 4.303 * 0.04 / math.sqrt(3), rel=0.02)


def test_the_intervals_hold_as_often_as_they_say() -> None:
    """Trainings of which some are better, asked about pictures of which some are harder."""
    random = np.random.default_rng(0)
    held = 0
    for _ in range(400):
        talent = random.normal(0, 0.3, (3, 1))
        ease = random.normal(0.8, 1.5, (1, 150))
        right = random.random((3, 150)) < 1 / (1 + np.exp(-(talent + ease)))
        found = accuracy(right.astype(float))
        truth = TRUE_SHARE
        held += found.low <= truth <= found.high
    assert 0.94 <= held / 400 <= 1.0
    assert held / 400 < 0.999  # and are not simply endless


def _true_share() -> float:
    random = np.random.default_rng(1)
    values = random.normal(0, 0.3, 400_000) + random.normal(0.8, 1.5, 400_000)
    return float((1 / (1 + np.exp(-values))).mean())


TRUE_SHARE = _true_share()


def test_an_interaction_is_the_difference_of_advantages() -> None:
    a, b, c, d = (np.zeros((2, 100)) for _ in range(4))
    a[:, :80], b[:, :50], c[:, :60], d[:, :55] = 1, 1, 1, 1
    assert interaction((a, b), (c, d)).value == pytest.approx(0.25)
    assert interaction((a, b), (a, b)).value == 0
    assert interaction((a, b), (c, d), weight=0.2).value == pytest.approx(0.29)
    assert advantage(a, b, weight=0.5).value == pytest.approx(0.55)
    assert advantage(a, b, family=5).level == pytest.approx(0.99)


def test_a_class_without_pictures_says_nothing() -> None:
    none = np.zeros((3, 0))
    assert advantage(none, none) == Estimate(0.0, -1.0, 1.0, 3, 0)


@pytest.mark.parametrize(
    ("low", "high", "than", "said"),
    [
        (0.01, 0.03, 0, "yes"),
        (-0.01, 0.03, 0, "undecided"),
        (-0.03, -0.01, 0, "no"),
        (0.01, 0.03, 0.02, "undecided"),
        (0.01, 0.03, 0.04, "no"),
    ],
)
def test_the_whole_interval_answers(low: float, high: float, than: float, said: str) -> None:
    estimate = Estimate((low + high) / 2, low, high, 3, 100)
    assert answer(estimate, than=than) == said
    assert opposite(answer(negative(estimate), than=-than)) == said


def test_few_seeds_share_what_they_vary_by() -> None:
    """Ten parts of 100 pictures, the first won by 30 points: known so from three seeds."""
    random = np.random.default_rng(3)
    base = (random.random((3, 1000)) < 0.5).astype(float)
    other = (random.random((3, 1000)) < 0.5).astype(float)
    other[:, :100] = random.random((3, 100)) < 0.85
    parts = [np.arange(1000) // 100 == part for part in range(10)]
    found = advantages(other, base, parts)
    assert [answer(e) for e in found] == ["yes"] + ["undecided"] * 9
    assert found[0].level == pytest.approx(0.995)
    alone = advantages(other, base, parts[:1])[0]
    assert (
        found[0].value
        == alone.value
        == pytest.approx(advantage(other[:, :100], base[:, :100]).value)
    )
    assert advantages(other, base, [np.zeros(1000, bool)])[0] == Estimate(0, -1, 1, 3, 0)


def test_a_part_that_varies_more_is_not_helped_by_the_others() -> None:
    first, second = np.zeros((3, 1000)), np.zeros((3, 1000))
    for seed, won in enumerate((0, 30, 60)):
        first[seed, :won] = 1
    parts = [np.arange(1000) // 100 == part for part in range(10)]
    found = advantages(first, second, parts)
    assert found[0].value == pytest.approx(0.3)
    assert answer(found[0]) == "undecided"


@pytest.mark.parametrize("spread", [[0.3] * 10, [0.1] * 9 + [0.4], [0.1] * 5 + [0.5] * 5])
def test_nothing_is_won_more_often_than_they_say(spread: list[float]) -> None:
    """Trainings that differ by chance alone: in one study of twenty at most a class is won.

    Also where seeds differ in some classes more than in others.
    """
    random = np.random.default_rng(4)
    wrong = 0
    parts = [np.arange(500) // 50 == part for part in range(10)]
    for _ in range(200):
        ease = random.normal(0, 1, (1, 500))
        skills = np.repeat(random.normal(0, spread, (2, 3, 10)), 50, axis=2)
        hits = random.random((2, 3, 500)) < 1 / (1 + np.exp(-(skills + ease)))
        found = advantages(hits[0].astype(float), hits[1].astype(float), parts)
        wrong += any(answer(e) != "undecided" for e in found)
    assert wrong / 200 <= 0.05
