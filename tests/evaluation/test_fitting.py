import math

import pytest

from tinysight.evaluation.fitting import OVERFIT_GAP, UNDERFIT_TRAIN, difference, judge
from tinysight.evaluation.intervals import Share, wilson


@pytest.mark.parametrize(
    ("a", "m", "b", "n", "low", "high"),
    [  # Newcombe 1998, table II, method 10
        (56, 70, 48, 80, 0.0524, 0.3339),
        (9, 10, 3, 10, 0.1705, 0.8090),
        (6, 7, 2, 7, 0.0582, 0.8062),
        (5, 56, 0, 29, -0.0381, 0.1926),
        (0, 10, 0, 20, -0.1611, 0.2775),
        (0, 10, 0, 10, -0.2775, 0.2775),
        (10, 10, 0, 20, 0.6791, 1.0000),
        (10, 10, 0, 10, 0.6075, 1.0000),
    ],
)
def test_difference_is_newcombes_published_table(a, m, b, n, low, high):
    value, found_low, found_high = difference(wilson(a, m), wilson(b, n))
    assert value == pytest.approx(a / m - b / n)
    assert (found_low, found_high) == pytest.approx((low, high), abs=5e-5)


def test_swapping_the_shares_mirrors_the_interval():
    value, low, high = difference(wilson(80, 100), wilson(60, 90))
    assert difference(wilson(60, 90), wilson(80, 100)) == pytest.approx((-value, -high, -low))


@pytest.mark.parametrize(
    ("train", "validation", "verdict"),
    [
        (990, 840, "overfits"),  # the base of P1 by kind: gap 15 points
        (800, 693, "overfits"),  # P1's own table: 80.03 and 69.27 %
        (900, 800, "overfits"),  # exactly 10 points, which floating point makes a hair less
        (900, 801, "fits"),  # 9.9 points
        (610, 646, "underfits"),  # P1's robust network: cannot fit its own pictures
        (799, 780, "underfits"),
        (800, 780, "fits"),  # exactly the threshold
        (750, 600, "overfits"),  # overfitting comes first
        (950, 960, "fits"),  # validation above training
    ],
)
def test_verdict(train, validation, verdict):
    assert judge(wilson(train, 1000), wilson(validation, 1000)).verdict == verdict


def test_the_limits_are_those_of_the_sources():
    assert (OVERFIT_GAP, UNDERFIT_TRAIN) == (0.10, 0.80)


def test_fields_and_sentence_of_a_hand_worked_case():
    found = judge(wilson(4900, 5000), wilson(4200, 5000), running=0.87)
    # Wilson: 98 % [0.97574, 0.98353], 84 % [0.82958, 0.84990], worked from the formula
    assert found.gap == pytest.approx(0.14)
    assert found.gap_low == pytest.approx(
        0.14 - math.hypot(0.98 - 0.97574, 0.84990 - 0.84), abs=2e-5
    )
    assert found.gap_high == pytest.approx(
        0.14 + math.hypot(0.98353 - 0.98, 0.84 - 0.82958), abs=2e-5
    )
    assert found.sentence.startswith(
        "The model overfits: 98.0% of the training pictures are right against 84.0% of the "
        "validation pictures, a gap of 14.0 points (95% interval 12.9 to 15.1)."
    )
    assert "augmentation" in found.sentence
    assert "artefact" not in found.sentence
    assert "turned the verdict" not in found.sentence


def test_running_accuracy_below_validation_is_called_an_artefact():
    found = judge(wilson(960, 1000), wilson(930, 1000), running=0.88)
    assert found.running == 0.88
    assert "running training accuracy, 88.0%, lies below validation: an artefact" in found.sentence
    assert "Measured clean it is 96.0%" in found.sentence


def test_an_interval_over_the_limit_is_said():
    assert "other pictures could have turned" in judge(wilson(98, 100), wilson(90, 100)).sentence


def test_overfitting_below_the_threshold_says_both():
    assert (
        "does not fit its training pictures either"
        in judge(wilson(700, 1000), wilson(500, 1000)).sentence
    )


def test_a_gap_of_nothing_has_no_minus_sign():
    assert "a gap of 0.0 points" in judge(wilson(90_000, 100_000), wilson(90_001, 100_000)).sentence


def test_shares_of_nothing_are_refused():
    with pytest.raises(ValueError, match="both shares need pictures, got n=0 and n=100"):
        judge(Share(0.0, 0.0, 1.0, 0), wilson(90, 100))
