"""Classes and groups won and lost."""

from dataclasses import replace

import numpy as np
import pytest
from tests.study.made_up import N, outcome, results

from tinysight.data.canonical import CANONICAL
from tinysight.study.comparing import by_class, by_group
from tinysight.study.outcome import Outcome, Results


def favouring(arm: str, seed: int, shares: list[float]) -> Outcome:
    """A training with this share of each class's pictures right, the classes in turns."""
    made = outcome(arm, seed, 0.5)
    hits = np.zeros(N)
    for label, share in enumerate(shares):
        at = np.arange(N)[np.arange(N) % len(shares) == label]
        hits[at[: round(share * len(at))]] = 1
    return Outcome(**{**vars(made), "hits": hits})


def compared(first: list[float], second: list[float]) -> Results:
    arms = {"first": first, "second": second}
    return results(
        {
            name: ({}, [favouring(name, s, shares) for s in range(3)])
            for name, shares in arms.items()
        },
        classes=len(first),
    )


def test_classes_are_won_lost_or_neither() -> None:
    found = by_class(compared([0.9, 0.5, 0.4], [0.5, 0.5, 0.8]), ("first", "second"))
    assert [(p.name, p.n, p.standing) for p in found] == [
        ("class0", 200, "won"),
        ("class1", 200, ""),
        ("class2", 200, "lost"),
    ]
    assert found[0].difference.value == pytest.approx(0.4)
    assert (found[0].first.value, found[0].second.value) == pytest.approx((0.9, 0.5))


def test_the_intervals_of_all_classes_hold_together() -> None:
    """With ten classes each interval is at 99.5 %."""
    one = by_class(compared([0.6, 0.5], [0.5, 0.5]), ("first", "second"))
    ten = by_class(compared([0.6] + [0.5] * 9, [0.5] * 10), ("first", "second"))
    assert one[0].difference.level == pytest.approx(0.975)
    assert ten[0].difference.level == pytest.approx(0.995)


def test_arms_that_were_picked_have_wider_intervals() -> None:
    made = compared([0.6, 0.5], [0.5, 0.5])
    plain, picked = (by_class(made, ("first", "second"), picked=n)[0] for n in (1, 6))
    assert picked.difference.level == pytest.approx(1 - 0.05 / 12)
    assert picked.difference.low < plain.difference.low


def test_a_class_without_pictures_is_left_out() -> None:
    made = compared([0.9, 0.5, 0.4], [0.5, 0.5, 0.8])
    more = replace(made, classes=(*made.classes, "none"))
    assert [p.name for p in by_class(more, ("first", "second"))] == ["class0", "class1", "class2"]
    assert by_class(more, ("first", "second"))[0].difference.level == pytest.approx(1 - 0.05 / 3)


def test_groups_are_known_by_the_names_of_the_classes() -> None:
    shares = [0.9, 0.9, 0.4, 0.4, 0.4, 0.4, 0.4, 0.4, 0.9, 0.9]
    made = compared(shares, [0.6] * 10)
    assert by_group(made, ("first", "second")) == []
    named = replace(made, classes=CANONICAL["cifar10"].classes)
    found = by_group(named, ("first", "second"))
    assert [(p.name, p.standing, p.n) for p in found] == [
        ("transport", "won", 240),
        ("animals", "lost", 360),
    ]
    assert found[0].members == ("airplane", "automobile", "ship", "truck")
    assert found[0].difference.value == pytest.approx(0.3)
