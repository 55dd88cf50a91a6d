"""A study's numbers as people read them."""

from __future__ import annotations

import math

from tinysight.study.estimate import Estimate

__all__ = ["number", "percent", "points"]


def percent(estimate: Estimate) -> str:
    """Return a fraction with its interval, in percent.

    >>> percent(Estimate(0.6742, 0.6609, 0.6871, seeds=3, n=5000))
    '67.4% [66.1, 68.7]'
    """
    return f"{100 * estimate.value:.1f}%{_interval(estimate, 100)}"


def points(estimate: Estimate) -> str:
    """Return a difference of fractions with its interval, in percentage points.

    >>> points(Estimate(0.031, -0.002, 0.064, seeds=3, n=5000))
    '+3.1 points [-0.2, 6.4]'
    """
    return f"{_signed(100 * estimate.value)} points{_interval(estimate, 100)}"


def number(estimate: Estimate) -> str:
    """Return a number with its interval.

    >>> number(Estimate(2.5, 1.0, 4.0, seeds=3))
    '2.5 [1.0, 4.0]'
    """
    return f"{estimate.value:.1f}{_interval(estimate, 1)}"


def _interval(estimate: Estimate, scale: float) -> str:
    if not math.isfinite(estimate.high - estimate.low):
        return " (one seed, no interval)"
    return f" [{_plain(scale * estimate.low)}, {_plain(scale * estimate.high)}]"


def _plain(value: float) -> str:
    return f"{round(value, 1) + 0.0:.1f}"  # no minus sign on a zero


def _signed(value: float) -> str:
    return f"{round(value, 1) + 0.0:+.1f}"
