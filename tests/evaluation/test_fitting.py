import math

import pytest

from tinysight.evaluation.fitting import (
    OVERFIT_GAP,
    UNDERFIT_TRAIN,
    WIDEST,
    difference,
    judge,
)
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
    assert (OVERFIT_GAP, UNDERFIT_TRAIN, WIDEST) == (0.10, 0.80, 0.20)


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
        "The model overfits: 98.0% of 5,000 training pictures are right against 84.0% of 5,000 "
        "validation pictures, a gap of 14.0 points (95% interval 12.9 to 15.1)."
    )
    assert "augmentation" in found.sentence
    assert "running" not in found.sentence
    assert "turned the verdict" not in found.sentence


@pytest.mark.parametrize(
    ("switched_on", "said"),
    [
        ((), "it is counted while the weights still change, as a mean over the epoch"),
        (("augmentation",), "it is counted with augmentation on, while the weights"),
        (("dropout",), "it is counted with dropout on, while the weights"),
        (("augmentation", "dropout"), "it is counted with augmentation and dropout on, while"),
    ],
)
def test_running_accuracy_below_validation_is_explained_by_what_was_on(switched_on, said):
    found = judge(wilson(960, 1000), wilson(930, 1000), running=0.88, switched_on=switched_on)
    assert found.running == 0.88
    about = found.sentence[found.sentence.index("The running") : found.sentence.index(" To try")]
    assert about.startswith("The running training accuracy, 88.0%, lies below validation: ")
    assert said in about
    assert about.endswith("Measured clean it is 96.0%.")
    for name in {"augmentation", "dropout"} - set(switched_on):
        assert name not in about


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


@pytest.mark.parametrize(
    ("train", "validation", "n", "verdict"),
    [
        (20, 18, 20, "undecided"),  # a gap of 10 points, its interval from -9 to 30
        (20, 20, 20, "undecided"),  # 0 points, from -16 to 16
        (8, 8, 20, "undecided"),
        (0, 2, 2, "undecided"),  # all of it below the limit, but two pictures are no measurement
        (20, 4, 20, "overfits"),  # 80 points, from 53 to 92: wide, but all of it above the limit
        (90, 88, 100, "fits"),  # from -6.9 to 10.9: narrow enough, though it holds the limit
        (1, 1, 1, "undecided"),
    ],
)
def test_too_few_pictures_decide_nothing(train, validation, n, verdict):
    found = judge(wilson(train, n), wilson(validation, n))
    assert found.verdict == verdict
    few = found.sentence.startswith("Too few pictures to say: ")
    assert few == (verdict == "undecided")
    if few:
        assert f"% of {n} training pictures are right against" in found.sentence
        assert "over 20 points wide and not all of it is above 10." in found.sentence
        assert "a larger data.validation_share" in found.sentence


@pytest.mark.parametrize(
    ("loss", "classes", "lower"),
    [
        (math.log(10), 10, False),
        (2.31, 10, False),  # ln(10) is 2.303: a model that knows nothing, and a little chance
        (2.417, 10, False),  # a margin of 5 % ends at 2.418
        (2.419, 10, True),
        (math.log(2), 2, False),
        (0.727, 2, False),  # and here at 0.728
        (0.729, 2, True),
        (math.inf, 10, True),
        (math.nan, 10, True),
        (None, 10, False),
        (9.0, None, False),
    ],
)
def test_a_loss_above_that_of_knowing_nothing_asks_for_a_lower_rate(loss, classes, lower):
    said = judge(wilson(120, 1000), wilson(110, 1000), loss=loss, classes=classes).sentence
    assert ("To try next: a lower learning rate." in said) == lower
    assert ("a higher learning rate" in said) == (not lower)


def test_a_lower_rate_is_explained_with_its_limit():
    said = judge(wilson(120, 1000), wilson(110, 1000), loss=41.5, classes=10).sentence
    assert "The clean training loss (41.5) is above ln(10) = 2.3," in said
    assert "only where it has hardly moved since the first epoch is the rate too low" in said


@pytest.mark.parametrize(("running", "lags"), [(0.65, True), (0.15, True), (0.13, False)])
def test_one_that_knew_more_while_it_learned_is_given_time(running, lags):
    train = wilson(120, 1000)  # up to 14.2 %
    said = judge(train, wilson(110, 1000), loss=3.58, classes=10, running=running).sentence
    assert ("To try next: more epochs, or a lower learning rate. The clean" in said) == lags
    assert ("running averages, as batch norm's and ema's, lag behind" in said) == lags
    assert ("To try next: a lower learning rate. The clean" in said) == (not lags)


def test_less_augmentation_is_advised_where_there_is_some():
    shares = wilson(600, 1000), wilson(600, 1000)
    assert "or less augmentation" in judge(*shares, switched_on=("augmentation",)).sentence
    assert "less augmentation" not in judge(*shares, switched_on=("dropout",)).sentence
