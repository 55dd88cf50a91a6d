"""Two arms of a study compared class by class, and by groups of classes: won, lost or neither."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tinysight.data.groups import groups
from tinysight.study.estimate import Estimate, accuracy, advantages, answer
from tinysight.study.outcome import Results

__all__ = ["Part", "by_class", "by_group"]


@dataclass(frozen=True)
class Part:
    """How one arm fares against another on the pictures of a class, or of a group of classes.

    Attributes:
        members: the classes of a group, or the class alone.
        n: its validation pictures.
        difference: accuracy of the first arm minus that of the second. The intervals of all
            classes hold together, as do those of all groups, so that none is won by chance for
            there being many; see `estimate.advantages`.
    """

    name: str
    members: tuple[str, ...]
    n: int
    first: Estimate
    second: Estimate
    difference: Estimate

    @property
    def standing(self) -> str:
        """Say whether the first arm has "won" it or "lost" it; "" is neither."""
        return {"yes": "won", "no": "lost", "undecided": ""}[answer(self.difference)]


def by_class(results: Results, sides: tuple[str, str], *, picked: int = 1) -> list[Part]:
    """Compare two arms on each class that has validation pictures, the largest difference first.

    Args:
        picked: of how many arms each side was picked by its accuracy on the same pictures.
    """
    return _compared(results, sides, {name: (name,) for name in results.classes}, picked)


def by_group(results: Results, sides: tuple[str, str], *, picked: int = 1) -> list[Part]:
    """Compare two arms on each group of classes; none where the classes have no known groups."""
    return _compared(results, sides, groups(results.classes), picked)


def _compared(
    results: Results, sides: tuple[str, str], named: Mapping[str, Sequence[str]], picked: int
) -> list[Part]:
    first, second = (results.hits(arm) for arm in sides)
    place = {name: i for i, name in enumerate(results.classes)}
    masks = {
        name: np.isin(results.labels, [place[m] for m in members])
        for name, members in named.items()
    }
    masks = {name: at for name, at in masks.items() if at.any()}
    if not masks:
        return []
    differences = advantages(first, second, list(masks.values()), picked=picked)
    found = [
        Part(
            name,
            tuple(named[name]),
            int(at.sum()),
            accuracy(first[:, at]),
            accuracy(second[:, at]),
            difference,
        )
        for (name, at), difference in zip(masks.items(), differences, strict=True)
    ]
    return sorted(found, key=lambda part: -part.difference.value)
