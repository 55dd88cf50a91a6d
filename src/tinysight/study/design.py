"""What a study is: one question, a few recipes, and what their numbers say to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from tinysight.recipe import Recipe
from tinysight.study.estimate import Answer, Estimate, answer, opposite
from tinysight.study.outcome import Results
from tinysight.study.saying import percent

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from tinysight.data.dataset import DataSet

__all__ = ["SCALES", "Arm", "Column", "Drawing", "Finding", "Scale", "Study"]

Scale = Literal["small", "full"]
SCALES: tuple[Scale, ...] = ("small", "full")


@dataclass(frozen=True)
class Arm:
    """One of the recipes that a study compares.

    Attributes:
        name: short and unique in its study, fit for a file's name.
        recipe: without its seed.
        at: where it stands on the study's axes, by their names.
    """

    name: str
    recipe: Recipe
    at: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Finding:
    """A claim, and what the numbers say to it.

    Attributes:
        claim: that the estimate is more than the limit, in words.
        estimate: what it is about.
        numbers: the sentence that holds them.
        than: the limit.
        is_less: the claim is that it is less than that.
        moot: why the estimate says nothing to the claim; "" where it does.
    """

    claim: str
    estimate: Estimate
    numbers: str
    than: float = 0.0
    is_less: bool = False
    moot: str = ""

    @property
    def answer(self) -> Answer:
        """Yes or no where the whole interval says so."""
        if self.moot:
            return "undecided"
        found = answer(self.estimate, than=self.than)
        return opposite(found) if self.is_less else found


@dataclass(frozen=True)
class Column:
    """A column of a study's table: of each arm a number with its interval, or a text.

    Attributes:
        said: how the number is written.
    """

    title: str
    value: Callable[[Results, str], Estimate | str]
    said: Callable[[Estimate], str] = percent


@dataclass(frozen=True)
class Drawing:
    """A figure of a study.

    Attributes:
        said: the same for those who do not see it.
        draw: called with `theme`.
    """

    name: str
    said: str
    draw: Callable[..., Figure]


@dataclass(frozen=True)
class Study:
    """One question.

    Attributes:
        question: one sentence.
        about: what is compared, and how to read it.
        data: the data set that it asks, by scale, and how that is read (fields of data).
        arms: what is compared, for a data set and a scale.
        columns: of the table, a row an arm.
        findings: the claims with their answers.
        sides: the two arms whose classes are compared, the one that should be better first.
        picks: what is picked by the validation pictures on which it is then compared, at an
            interval that allows for it; "" is none.
        picked: of how many arms each of the sides is picked; 1: it is not.
        drawings: its figures.
    """

    name: str
    question: str
    about: str
    data: Mapping[Scale, tuple[str, Mapping[str, Any]]]
    arms: Callable[[DataSet, Scale], Sequence[Arm]]
    columns: Sequence[Column]
    findings: Callable[[Results], Sequence[Finding]]
    sides: Callable[[Results], tuple[str, str]]
    drawings: Callable[[Results], Iterator[Drawing]]
    picks: str = ""
    picked: int = 1
