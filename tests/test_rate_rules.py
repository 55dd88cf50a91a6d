"""The rules of benchmarks/rate_rules.py, on curves drawn by hand."""

import math
from importlib import import_module
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

import tinysight

GUESS = math.log(10)
RATES = [10 ** (-5 + i / 10) for i in range(41)]  # 1e-5 to 0.1


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script, which finds those beside it as scripts do."""
    monkeypatch.syspath_prepend(Path(__file__).parents[1] / "benchmarks")
    return import_module("rate_rules")


def test_each_rule_reads_its_rate_off_a_curve(bench: ModuleType) -> None:
    """Level to 1e-4, down by 1.8 to 1e-2, most steeply from 10 ** -2.8 to 10 ** -2.6; then up.

    A start worse than guessing and a short dip are before that. The valley is of 22 losses, the
    start and those of steps 10 to 30, so that it counts from step 8: 7 and 3 further on.
    """
    falls = {0: 0.0, 10: 0.0, 20: 0.4, 22: 0.8, 24: 1.6, 30: 1.8, 40: -1.0}
    losses = GUESS - np.interp(range(41), list(falls), list(falls.values()))
    losses[[0, 5]] = GUESS + 1, GUESS - 1
    rising = [1 + i / 1000 for i in range(100)] + [0.5] * 100  # for those on a running mean
    rates = [10 ** (-2 + i / 100) for i in range(200)]
    curve = bench.Curve(RATES, losses.tolist(), GUESS, rates, rising)
    found = {name: math.log10(rule(curve)) for name, rule in bench.RULES.items()}
    assert list(found.values())[:8] == pytest.approx(
        [-2.7, -2.35, -2.7, -2.6, -3.0, -2.0, -2.0, -3.2]
    )
    # The running mean falls in steps 100 to 194, which leaves out five, and most in the first: with
    # one before a valley of 96, which counts from step 98: 32 and 16 further on.
    assert list(found.values())[8:] == pytest.approx([-2 + 1.46, -2 + 0.99])


def test_a_running_mean_stops_at_four_times_its_best(bench: ModuleType) -> None:
    rates = [10 ** (-2 + i / 100) for i in range(200)]
    losses = [1.0] * 100 + [1000.0] + [1.0] * 99
    curve = bench.Curve(rates, losses, GUESS, rates, losses)
    kept, means = bench.as_fastai(curve)
    assert kept == rates[20:96]
    assert means == pytest.approx([1.0] * 76)


def test_where_nothing_was_learned_a_rule_is_as_good_as_guessing(bench: ModuleType) -> None:
    curve = bench.Curve(RATES, [GUESS] * 41, GUESS, RATES, [GUESS] * 41)
    assert bench.steepest(curve) is None
    assert bench.between(curve) is None
    assert bench.fallen(curve, 0.5) == RATES[0]
    found = {"rates": [0.01, 0.1, 1.0], "accuracies": [0.5, 0.9, None]}
    for rate, points in ((None, 80), (10**-1.5, 20), (0.1, 0), (1.0, 80), (5.0, 80), (1e-3, 40)):
        assert bench.lost({**found, "suggested": {"a": rate}}, "a") == pytest.approx(points)


def test_what_is_read_is_the_curve_of_lr_find(bench: ModuleType, tmp_path: Path) -> None:
    """Though the test goes on where that stops."""
    words = {"optim.name": "sgd", "quiet": True}
    found = tinysight.find_rate("digits", "overfit-base", out=tmp_path / "test", **words)
    curve = bench.tested(tinysight.plan("digits", "overfit-base", compilation="off", **words))
    assert found.diverged == curve.rates[-1]
    assert curve.rates == found.rates
    assert curve.losses == list(found.smoothed)
    assert len(curve.all_rates) > len(curve.rates)
    assert float(f"{bench.steepest(curve):.2g}") == found.suggested
