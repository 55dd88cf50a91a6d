import math
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from matplotlib.patches import Rectangle
from PIL import Image

from tinysight.reporting import rate_curve, save
from tinysight.reporting.theme import DARK, LIGHT, to_svg
from tinysight.training.suggesting import RateTest


def found(n: int = 80, **fields: object) -> RateTest:
    rates = np.geomspace(1e-5, 1, n)
    losses = 2.3 - 1.8 * np.exp(-0.5 * (np.log10(rates) + 2) ** 2)
    values = {
        "optimiser": "adam",
        "recipe_rate": 0.001,
        "rates": tuple(rates),
        "losses": tuple(losses + 0.1 * np.sin(np.arange(n))),
        "smoothed": tuple(losses),
        "guess": math.log(10),
        "suggested": 0.0042,
        "low": 2e-4,
        "high": 1e-2,
        "diverged": 1.1,
    }
    return RateTest(**{**values, **fields})  # pyright: ignore[reportArgumentType]


def texts(test: RateTest, name: str = "") -> list[str]:
    root = ElementTree.fromstring(to_svg(rate_curve(test, name=name)))
    return [e.text or "" for e in root.iter("{http://www.w3.org/2000/svg}text")]


def test_everything_is_drawn_and_named() -> None:
    said = texts(found(), "quick on $x")
    assert "Learning-rate range test: quick on $x" in said
    assert "Suggested: 0.0042; the recipe has 0.001" in said
    assert [t for t in said if t in ("0.0001", "0.001", "0.01")] == ["0.0001", "0.001", "0.01"]
    for mark in ("Each step", "Smoothed", "Guessing", "Loss falls", "Suggested", "Diverged"):
        assert said.count(mark) == 1, mark


def test_what_is_not_there_is_not_drawn() -> None:
    flat = {"smoothed": (2.3,) * 80, "suggested": None, "low": None, "high": None}
    said = texts(found(**flat, diverged=None))
    assert "No rate is suggested: the loss never came clearly below that of guessing, 2.30" in said
    assert {"Loss falls", "Suggested", "Diverged"}.isdisjoint(said)


def test_marks_stand_at_their_rates() -> None:
    axes = rate_curve(found()).axes[0]
    at = {line.get_label(): np.asarray(line.get_xdata())[0] for line in axes.get_lines()}
    assert (at["Suggested"], at["Diverged"]) == (0.0042, 1.1)
    span = next(p for p in axes.patches if p.get_label() == "Loss falls")
    assert isinstance(span, Rectangle)
    assert (span.get_x(), span.get_x() + span.get_width()) == pytest.approx((2e-4, 1e-2))
    assert axes.get_xlim() == pytest.approx((1e-5, 1.1))


def test_an_explosion_does_not_hide_the_rest() -> None:
    test = found()
    losses = (*test.losses[:-2], 1e9, 1e37)
    smooth = (*test.smoothed[:-2], 8.0, 9.0)
    low, high = rate_curve(found(losses=losses, smoothed=smooth)).axes[0].get_ylim()
    assert 0 <= low < 0.5
    assert high < 3.5


@pytest.mark.parametrize("n", [2, 3, 80])
@pytest.mark.parametrize("theme", [LIGHT, DARK])
def test_it_becomes_files_that_are_the_same_each_time(n: int, theme, tmp_path: Path) -> None:
    first, again = (
        save(rate_curve(found(n), theme=theme), tmp_path / name / "lr-find") for name in "ab"
    )
    assert [p.name for p in first] == ["lr-find.png", "lr-find.svg"]
    for a, b in zip(first, again, strict=True):
        assert a.read_bytes() == b.read_bytes()
    with Image.open(first[0]) as picture:
        assert picture.size == (2 * (680 + 32), 2 * (396 + 32))
