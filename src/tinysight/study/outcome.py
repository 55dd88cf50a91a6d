"""What came of a study's trainings, read from their run folders."""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinysight.evaluation.intervals import Share, wilson
from tinysight.recipe import Recipe
from tinysight.run import RunFolder
from tinysight.study.estimate import Estimate, accuracy, advantage, mean

__all__ = ["Outcome", "Results", "read"]


@dataclass(frozen=True, eq=False)
class Outcome:
    """One training of a study.

    One that diverged counts as a guess: each picture is right by 1/k.

    Attributes:
        hits: of each validation picture whether it was right, float64.
        running: training accuracy counted while training, in the epoch whose weights were kept.
        clean: training accuracy of the kept weights, dropout and augmentation off.
        rows: of metrics.csv.
        seconds: of the training loop.
        place: the run folder.
    """

    arm: str
    seed: int
    diverged: bool
    hits: NDArray[np.float64]
    running: float
    clean: Share
    rows: Sequence[Mapping[str, float]]
    seconds: float
    parameters: int
    place: Path

    @property
    def accuracy(self) -> float:
        """Validation accuracy, a fraction."""
        return float(self.hits.mean())


@dataclass(frozen=True, eq=False)
class Results:
    """All that a study has measured.

    Attributes:
        classes: the names of the k classes.
        labels: of the validation pictures, int64.
        arms: where each arm stands on the study's axes, by its name.
        outcomes: by arm, a training a seed each, in the same order of seeds.
    """

    classes: tuple[str, ...]
    labels: NDArray[np.int64]
    arms: Mapping[str, Mapping[str, Any]]
    outcomes: Mapping[str, Sequence[Outcome]]

    @property
    def guess(self) -> float:
        """The accuracy of guessing, 1/k."""
        return 1 / len(self.classes)

    def hits(self, arm: str) -> NDArray[np.float64]:
        """Return seeds x pictures, see `Outcome.hits`."""
        return np.stack([o.hits for o in self.outcomes[arm]])

    def accuracy(self, arm: str) -> Estimate:
        """Return an arm's validation accuracy."""
        return accuracy(self.hits(arm))

    def advantage(self, first: str, second: str) -> Estimate:
        """Return the validation accuracy of an arm minus that of another, paired."""
        return advantage(self.hits(first), self.hits(second))

    def mean(self, arm: str, value: Callable[[Outcome], float]) -> Estimate:
        """Return the mean of one fraction of each training of an arm."""
        return mean([value(o) for o in self.outcomes[arm]], bounds=(0.0, 1.0))

    def clean(self, arm: str) -> Estimate:
        """Return the mean clean training accuracy of an arm."""
        found = self.outcomes[arm]
        return mean(
            [o.clean.value for o in found],
            sampling=_variance(found[0].clean),
            n=found[0].clean.n,
            bounds=(0.0, 1.0),
        )

    def gap(self, arm: str) -> Estimate:
        """Return clean training accuracy minus validation accuracy."""
        found = self.outcomes[arm]
        validation = wilson(round(float(self.hits(arm).mean(0).sum())), len(self.labels))
        return mean(
            [_gap(o) for o in found],
            sampling=_variance(found[0].clean) + _variance(validation),
            n=min(found[0].clean.n, len(self.labels)),
        )

    def gap_narrowed(self, by: str, base: str) -> Estimate:
        """Return how much less the gap is in one arm than in another, paired by seed.

        The training pictures are counted as if each arm had others, which widens the interval.
        """
        first, second = self.outcomes[by], self.outcomes[base]
        won = self.advantage(by, base)
        paired = self.hits(by).mean(0) - self.hits(base).mean(0)
        sampling = float(paired.var(ddof=1)) / len(paired)
        return mean(
            [_gap(b) - _gap(a) for a, b in zip(first, second, strict=True)],
            sampling=sampling + _variance(first[0].clean) + _variance(second[0].clean),
            n=min(first[0].clean.n, won.n),
        )

    def diverged(self, arm: str) -> int:
        """Return how many trainings of an arm left the finite numbers."""
        return sum(o.diverged for o in self.outcomes[arm])

    def best(self, arms: Sequence[str]) -> str:
        """Return the arm of the highest mean validation accuracy."""
        return max(arms, key=lambda arm: float(self.hits(arm).mean()))

    def where(self, **at: Any) -> list[str]:
        """Return the arms that stand at these places of the study's axes."""
        return [
            name
            for name, place in self.arms.items()
            if all(place.get(axis) == value for axis, value in at.items())
        ]


def read(folder: RunFolder, arm: str, labels: NDArray[np.int64], classes: int) -> Outcome:
    """Read what a training came to.

    Raises:
        CheckpointError: a file of the run is damaged.
    """
    recipe: Recipe = folder.recipe()
    rows = folder.metrics()
    parameters = folder.read_json("model")["parameters"]
    if folder.has_json("diverged"):
        guess = 1 / classes
        return Outcome(
            arm,
            recipe.seed,
            True,
            np.full(len(labels), guess),
            guess,
            Share(guess, 0.0, 1.0, 0),
            rows,
            math.nan,
            parameters,
            folder.path,
        )
    state = folder.state("best")
    row = next(r for r in rows if r["epoch"] == state["epoch"])
    n = state["train_clean_n"]
    return Outcome(
        arm,
        recipe.seed,
        False,
        (_predicted(folder) == labels).astype(np.float64),
        row["train_accuracy_running"],
        wilson(round(state["train_accuracy_clean"] * n), n),
        rows,
        folder.state("last")["seconds"],
        parameters,
        folder.path,
    )


def _predicted(folder: RunFolder) -> NDArray[np.int64]:
    import pyarrow.parquet as pq

    raw = folder.read("evaluation/validation/predictions.parquet")
    return pq.read_table(io.BytesIO(raw), columns=["predicted"])["predicted"].to_numpy()


def _gap(outcome: Outcome) -> float:
    return outcome.clean.value - outcome.accuracy


def _variance(share: Share) -> float:
    """Of a share by the choice of its pictures, with two right and two wrong ones added."""
    n = share.n + 4
    p = (share.value * share.n + 2) / n
    return p * (1 - p) / n
