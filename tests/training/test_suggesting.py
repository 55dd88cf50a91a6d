"""The choice of a rate, on curves that are drawn by hand."""

import json
import math

import numpy as np
import pytest

from tinysight.training.suggesting import RateTest, has_diverged, judged, smoothed

GUESS = math.log(10)
RATES = [10 ** (-5 + i / 10) for i in range(41)]  # 1e-5 to 0.1


def valley() -> list[float]:
    """Level to 1e-4, then down to 1e-2, most steeply from 10 ** -2.8 to 10 ** -2.6; then up."""
    falls = {0: 0.0, 10: 0.0, 20: 0.4, 22: 0.8, 24: 1.6, 30: 1.8, 40: -1.0}
    return (GUESS - np.interp(range(41), list(falls), list(falls.values()))).tolist()


def powers(found: tuple[float, ...] | None) -> list[float]:
    assert found is not None
    return [round(math.log10(rate), 6) for rate in found]


def test_the_rates_are_read_off_a_curve_drawn_by_hand() -> None:
    """A tenth of the fall of 1.8 is 0.18, done 4.5 steps from the corner at 1e-4."""
    assert powers(judged(RATES, valley(), GUESS)) == [-2.7, -3.5, -2.0]


def test_what_a_bad_start_loses_at_once_is_no_fall() -> None:
    """A network whose start is worse than guessing comes down to it at any rate."""
    curve = [max(6 - 0.5 * i, GUESS) for i in range(10)] + valley()[10:]
    assert judged(RATES, curve, GUESS) == judged(RATES, valley(), GUESS)


def test_nor_is_it_where_it_comes_down_to_guessing_steeply() -> None:
    """From 7 nats above, without a plateau, 0.35 a step; what is learned after falls 0.1 a step."""
    steps = [0, 20, 26, 34, 40]
    curve = np.interp(
        range(41), steps, [GUESS + 7, GUESS - 0.02, GUESS - 0.03, GUESS - 0.83, GUESS]
    )
    steep, low, least = powers(judged(RATES, curve.tolist(), GUESS))
    places = [round(math.log10(RATES[i]), 6) for i in (27, 34)]
    assert places[0] <= steep < least == places[1]
    assert places[0] - 0.2 <= low <= steep


def test_the_steep_part_may_be_the_first() -> None:
    """Then rates work from there on, though no tenth of the fall is done."""
    curve = np.interp(range(41), [0, 1, 30, 40], [1.5, 1.45, 0.3, 1.5]).tolist()
    steep, low, least = powers(judged(RATES, curve, GUESS))
    assert (steep, low, least) == (-5.0, -5.0, -2.0)


@pytest.mark.parametrize(
    "curve", [[GUESS] * 41, [0.96 * loss + 0.04 * GUESS for loss in [GUESS] * 41]]
)
def test_where_nothing_was_learned_nothing_is_suggested(curve: list[float]) -> None:
    assert judged(RATES, curve, GUESS) is None
    assert judged(RATES, [GUESS - 0.001 * i for i in range(41)], GUESS) is None
    assert judged(RATES, [1 + 0.1 * i for i in range(41)], GUESS) is None


def test_a_network_that_learned_and_lost_it_has_diverged() -> None:
    learned = [GUESS] * 10 + [1.0] * 20
    assert not has_diverged(learned, GUESS)
    assert not has_diverged([*learned, 9.0], GUESS)  # one batch is none
    assert has_diverged(learned + [GUESS] * 60, GUESS)
    assert not has_diverged([GUESS] * 90, GUESS)
    hovering = [GUESS] * 10 + [0.9 * GUESS] * 40 + [GUESS] * 60  # by chance, at a low rate
    assert not has_diverged(hovering, GUESS)


def test_one_that_learned_nothing_has_diverged_at_a_multiple_of_its_best() -> None:
    assert not has_diverged([GUESS] * 20 + [3 * GUESS] * 60, GUESS)
    assert has_diverged([GUESS] * 20 + [5 * GUESS] * 60, GUESS)


def test_smoothing_does_not_lag_and_bears_explosions() -> None:
    rates = [10 ** (-3 + i / 50) for i in range(101)]
    dip = [1.0 + abs(i - 50) / 50 for i in range(101)]
    curve = smoothed(rates, dip, GUESS)
    assert curve.index(min(curve)) == 50
    exploded = smoothed(rates, [*dip[:-1], 1e37], GUESS)
    assert exploded[:60] == pytest.approx(curve[:60])
    assert max(exploded) <= 4 * GUESS
    assert smoothed(rates, [2.0] * 101, GUESS) == pytest.approx([2.0] * 101)


def found(**fields: object) -> RateTest:
    values = {
        "optimiser": "muon",
        "recipe_rate": 0.12,
        "rates": (0.001, 0.01, 0.1),
        "losses": (2.3, 1.0, 1.5),
        "smoothed": (2.3, 1.2, 1.5),
        "guess": GUESS,
        "suggested": 0.05,
        "low": 0.002,
        "high": 0.03,
        "diverged": 4.25,
        "fields": {"optim.lr": 0.05, "optim.lr_head": 0.004},
    }
    return RateTest(**{**values, **fields})  # pyright: ignore[reportArgumentType]


def test_it_says_itself_in_a_sentence() -> None:
    assert str(found()) == (
        "suggested for muon: optim.lr=0.05 optim.lr_head=0.004 (the recipe has 0.12); the loss "
        "falls from 0.002 on and is least at 0.03; it diverged at 4.2"
    )
    assert str(found(diverged=None)).endswith("it did not diverge up to 0.1")
    assert str(found(high=0.1, diverged=None)).endswith("up to 0.1; try a higher bound")
    assert "and is least at 0.03" in str(found(high=0.03))
    none = {"suggested": None, "low": None, "high": None, "fields": {}}
    assert str(found(**none, smoothed=(0.5, 0.9, 2.0))) == (
        "no rate for muon is suggested: in 3 steps from 0.001 on the loss only rose, from 0.50, "
        "and it diverged at 4.2; try a lower --low"
    )
    assert str(found(**none, smoothed=(2.3, 2.3, 2.2))) == (
        "no rate for muon is suggested: in 3 steps from 0.001 on the loss never came clearly below "
        "that of guessing, 2.30, and it diverged at 4.2; try more steps"
    )
    assert str(found(**none, smoothed=(2.3, 2.3, 2.3), diverged=None)).endswith(
        "and it did not diverge up to 0.1; try a higher --high, or more steps"
    )


def test_it_is_plain_values() -> None:
    values = json.loads(json.dumps(found().to_dict(), allow_nan=False))
    assert values["suggested"] == 0.05
    assert values["fields"] == {"optim.lr": 0.05, "optim.lr_head": 0.004}
    assert values["losses"] == [2.3, 1.0, 1.5]
