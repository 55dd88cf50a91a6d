"""Intervals for accuracies."""

from __future__ import annotations

import math
from dataclasses import dataclass

__all__ = ["Share", "wilson"]

Z95 = 1.959963984540054  # the 97.5 % quantile of the normal distribution


@dataclass(frozen=True)
class Share:
    """A share of n with its 95 % Wilson interval, all as fractions.

    Where n is 0 nothing is known: `value` stands as 0 and the interval as [0, 1].
    """

    value: float
    low: float
    high: float
    n: int

    def __str__(self) -> str:
        if not self.n:
            return "none of 0"
        return f"{self.value:.2%} [{self.low:.2%}, {self.high:.2%}], n={self.n:,}"


def wilson(hits: int, n: int) -> Share:
    """Return `hits` of `n` as a Share.

    Wilson, "Probable inference, the law of succession, and statistical inference", JASA 22
    (1927), the score interval without continuity correction.

    >>> print(wilson(90, 100))
    90.00% [82.56%, 94.48%], n=100
    """
    if n == 0:
        return Share(0.0, 0.0, 1.0, 0)
    p = hits / n
    scale = 1 / (1 + Z95**2 / n)
    centre = scale * (p + Z95**2 / (2 * n))
    half = scale * Z95 * math.sqrt(p * (1 - p) / n + Z95**2 / (4 * n**2))
    return Share(p, max(0.0, centre - half), min(1.0, centre + half), n)
