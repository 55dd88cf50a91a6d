"""What came of a study's trainings, read from their run folders."""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinysight.evaluation.intervals import Share, wilson
from tinysight.run import RunFolder
from tinysight.study.estimate import Estimate, accuracy, advantage, mean, share_variance

__all__ = ["Outcome", "Results", "read"]


@dataclass(frozen=True, eq=False)
class Outcome:
    """One training of a study.

    One that diverged counts as a guess: each picture is right by 1/k, of n=0 training pictures.

    Attributes:
        hits: of each validation picture whether it was right, float64.
        running: training accuracy counted while training, in the epoch whose weights were kept.
        clean: training accuracy of the kept weights, dropout and augmentation off.
        rows: of metrics.csv.
        seconds: of the training loop; nan where it diverged.
        machine: what environment.json says.
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
    machine: Mapping[str, Any]
    place: Path

    @property
    def accuracy(self) -> float:
        """Validation accuracy, a fraction."""
        return float(self.hits.mean())

    @property
    def first(self) -> float:
        """Validation accuracy after the first epoch, or that of a guess where it broke before."""
        return self.rows[0]["validation_accuracy"] if self.rows else self.accuracy

    @property
    def gap(self) -> float:
        """Clean training accuracy minus validation accuracy."""
        return self.clean.value - self.accuracy


@dataclass(frozen=True, eq=False)
class Results:
    """All that a study has measured.

    Attributes:
        classes: the names of the k classes.
        labels: of the validation pictures, int64.
        learned: how many pictures there are to learn from.
        arms: where each arm stands on the study's axes, by its name.
        outcomes: by arm, a training a seed each, in the same order of seeds.
    """

    classes: tuple[str, ...]
    labels: NDArray[np.int64]
    learned: int
    arms: Mapping[str, Mapping[str, Any]]
    outcomes: Mapping[str, Sequence[Outcome]]

    @property
    def n(self) -> int:
        """How many validation pictures there are."""
        return len(self.labels)

    @cached_property
    def guess(self) -> float:
        """The accuracy of always naming the most frequent class."""
        return float(np.bincount(self.labels).max()) / self.n

    def hits(self, arm: str) -> NDArray[np.float64]:
        """Return seeds x pictures, see `Outcome.hits`."""
        return np.stack([o.hits for o in self.outcomes[arm]])

    def accuracy(self, arm: str) -> Estimate:
        """Return an arm's validation accuracy."""
        return accuracy(self.hits(arm))

    def advantage(
        self, first: str, second: str, *, family: int = 1, weight: float = 1.0
    ) -> Estimate:
        """Return the validation accuracy of an arm minus that of another, paired.

        See `estimate.advantage` for the arguments.
        """
        return advantage(self.hits(first), self.hits(second), family=family, weight=weight)

    def running(self, arm: str) -> Estimate:
        """Return the mean running training accuracy of an arm; its interval is over seeds alone."""
        return mean([o.running for o in self.outcomes[arm]], bounds=(0.0, 1.0))

    def first(self, arm: str) -> Estimate:
        """Return the mean validation accuracy of an arm after one epoch."""
        values = [o.first for o in self.outcomes[arm]]
        sampling = share_variance(float(np.mean(values)), self.n)
        return mean(values, sampling=sampling, n=self.n, bounds=(0.0, 1.0))

    def clean(self, arm: str) -> Estimate:
        """Return the mean clean training accuracy of an arm."""
        found = [o.clean for o in self.outcomes[arm]]
        values, n = [share.value for share in found], max(share.n for share in found)
        return mean(values, sampling=self._clean_variance(arm), n=n, bounds=(0.0, 1.0))

    def gap(self, arm: str) -> Estimate:
        """Return clean training accuracy minus validation accuracy."""
        sampling = share_variance(float(self.hits(arm).mean()), self.n)
        return mean(
            [o.gap for o in self.outcomes[arm]],
            sampling=sampling + self._clean_variance(arm),
            n=self.n,
            bounds=(-1.0, 1.0),
        )

    def difference(
        self,
        first: str,
        second: str,
        value: Callable[[Outcome], float],
        *,
        sampling: float,
        family: int = 1,
        most: float = 1.0,
    ) -> Estimate:
        """Return the mean difference of one value of two arms, paired by seed.

        Args:
            sampling: its variance by the choice of pictures.
            family: how many such intervals are to hold together.
            most: that it can be, to either side.
        """
        pairs = zip(self.outcomes[first], self.outcomes[second], strict=True)
        values = [value(a) - value(b) for a, b in pairs]
        bounds = (-most, most)
        return mean(values, sampling=sampling, n=self.n, bounds=bounds, family=family)

    def cleaner(self, first: str, second: str) -> Estimate:
        """Return the clean training accuracy of an arm minus that of another."""
        sampling = self._clean_variance(first) + self._clean_variance(second)
        return self.difference(first, second, lambda o: o.clean.value, sampling=sampling)

    def sooner(self, first: str, second: str, *, family: int = 1) -> Estimate:
        """Return the validation accuracy after one epoch of an arm minus that of another.

        Each epoch's answers are not kept, so that the pictures count as if each arm had others.
        """
        sampling = sum(share_variance(self.first(arm).value, self.n) for arm in (first, second))
        return self.difference(first, second, lambda o: o.first, sampling=sampling, family=family)

    def gap_narrowed(self, by: str, base: str) -> Estimate:
        """Return how much less the gap is in one arm than in another, paired by seed.

        The training pictures are counted as if each arm had others, which widens the interval. One
        picture won and one lost are added, as for `estimate.advantage`.
        """
        paired = np.append(self.hits(by).mean(0) - self.hits(base).mean(0), (1.0, -1.0))
        sampling = float(paired.var(ddof=1)) / len(paired)
        sampling += self._clean_variance(by) + self._clean_variance(base)
        return self.difference(base, by, lambda o: o.gap, sampling=sampling, most=2.0)

    def diverged(self, arm: str) -> int:
        """Return how many trainings of an arm left the finite numbers."""
        return sum(o.diverged for o in self.outcomes[arm])

    def idle(self, arm: str) -> int:
        """Return how many trainings of an arm learned nothing, those that diverged among them.

        Of such a one the accuracy's interval does not lie above that of guessing.
        """
        shares = [wilson(round(o.accuracy * self.n), self.n) for o in self.outcomes[arm]]
        return sum(share.low <= self.guess for share in shares)

    def moot(self, *arms: str) -> str:
        """Return what a claim on these arms' fitting founders on; "" is nothing.

        One that learned nothing has no gap between training and validation.
        """
        idle = [arm for arm in arms if self.idle(arm)]
        counts = ", ".join(f"{self.idle(a)} of {len(self.outcomes[a])} with {a}" for a in idle)
        return f"Trainings that learned nothing: {counts}." if idle else ""

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

    def _clean_variance(self, arm: str) -> float:
        """Of the mean clean accuracy by the choice of pictures to count it on.

        Each of s seeds draws its n of all N training pictures; two seeds share n^2 / N of them on
        average, so that the variance of one, v / n, becomes v / s (1 / n + (s - 1) / N).
        """
        found = self.outcomes[arm]
        single = float(np.mean([share_variance(o.clean.value, o.clean.n) for o in found]))
        shared = max(o.clean.n for o in found) / self.learned
        return single * (1 + (len(found) - 1) * shared) / len(found)


def read(folder: RunFolder, arm: str, labels: NDArray[np.int64], classes: int) -> Outcome:
    """Read what a training came to.

    Raises:
        CheckpointError: a file of the run is damaged.
    """
    seed, rows = folder.recipe().seed, folder.metrics()
    parameters = folder.read_json("model")["parameters"]
    machine = folder.read_json("environment")
    if folder.has_json("diverged"):
        guess = 1 / classes
        return Outcome(
            arm,
            seed,
            True,
            np.full(len(labels), guess),
            guess,
            Share(guess, 0.0, 1.0, 0),
            rows,
            math.nan,
            parameters,
            machine,
            folder.path,
        )
    state = folder.state("best")
    row = next(r for r in rows if r["epoch"] == state["epoch"])
    n = state["train_clean_n"]
    return Outcome(
        arm,
        seed,
        False,
        (_predicted(folder) == labels).astype(np.float64),
        row["train_accuracy_running"],
        wilson(round(state["train_accuracy_clean"] * n), n),
        rows,
        folder.state("last")["seconds"],
        parameters,
        machine,
        folder.path,
    )


def _predicted(folder: RunFolder) -> NDArray[np.int64]:
    import pyarrow.parquet as pq

    raw = folder.read("evaluation/validation/predictions.parquet")
    return pq.read_table(io.BytesIO(raw), columns=["predicted"])["predicted"].to_numpy()
