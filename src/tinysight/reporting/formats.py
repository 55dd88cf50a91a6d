"""Numbers as people read them."""

from __future__ import annotations

import math
from typing import Any

from tinysight.evaluation.intervals import Share
from tinysight.progress import megabytes

__all__ = [
    "about",
    "capitalize_first",
    "count",
    "interval",
    "memory",
    "percent",
    "plain",
    "shape",
    "short",
]


def about(value: float) -> str:
    """Return a probability in whole percents that never says none or all of what is not.

    >>> about(0.982), about(0.9996), about(0.0004), about(0.0)
    ('98%', '>99%', '<1%', '<1%')
    """
    if value >= 0.995:
        return ">99%"
    return f"{value:.0%}" if value >= 0.005 else "<1%"


def capitalize_first(text: str) -> str:
    """Return a text with a capital letter at its start, the rest as it is.

    >>> capitalize_first("git commit of CIFAR")
    'Git commit of CIFAR'
    """
    return text[:1].upper() + text[1:]


def percent(value: float, digits: int = 1) -> str:
    """Return a fraction as a percentage.

    >>> percent(0.8423), percent(0.8423, 2), percent(float("nan"))
    ('84.2%', '84.23%', 'n/a')
    """
    return f"{value:.{digits}%}" if math.isfinite(value) else "n/a"


def interval(share: Share, digits: int = 1) -> str:
    """Return a share's 95 % interval.

    >>> from tinysight.evaluation.intervals import wilson
    >>> interval(wilson(90, 100))
    '82.6 to 94.5%'
    """
    return f"{100 * share.low:.{digits}f} to {100 * share.high:.{digits}f}%"


def count(value: float) -> str:
    """Return a whole number with its thousands apart.

    >>> count(60000)
    '60,000'
    """
    return f"{value:,.0f}"


def short(value: float) -> str:
    """Return a large number in three digits.

    >>> short(950), short(1_455_626), short(83_200_000)
    ('950', '1.46 M', '83.2 M')
    """
    for size, unit in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e4, "k")):
        if value >= size:
            scaled = value / (1e3 if unit == "k" else size)
            return f"{scaled:.{max(0, 2 - int(math.log10(scaled)))}f} {unit}"
    return f"{value:,.0f}"


def memory(size: float) -> str:
    """Return a size in bytes, in decimal units.

    >>> memory(1_310_000_000), memory(45_000_000)
    ('1.31 GB', '45.0 MB')
    """
    return f"{size / 1e9:.2f} GB" if size >= 1e9 else megabytes(size)


def shape(sizes: list[int]) -> str:
    """Return a shape.

    >>> shape([64, 16, 16])
    '64 x 16 x 16'
    """
    return " x ".join(str(size) for size in sizes)


def plain(value: Any) -> str:
    """Return a recipe's value as it is typed on the command line.

    >>> plain(True), plain(None), plain(0.0005), plain([0.9, 0.999])
    ('true', 'none', '0.0005', '[0.9, 0.999]')
    """
    if value is None:
        return "none"
    return str(value).lower() if isinstance(value, bool) else str(value)
