"""What a classifier's answers are worth: accuracy, per class, confusion."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinysight.evaluation.intervals import Share, wilson

__all__ = ["Average", "ClassMetrics", "Metrics", "measure"]


@dataclass(frozen=True)
class ClassMetrics:
    """One class. `accuracy` is its top-1 accuracy, which is its recall.

    Where a class was never predicted its precision is undefined and stands as 0, as
    scikit-learn's `zero_division=0` has it.
    """

    name: str
    support: int
    accuracy: Share
    precision: float
    f1: float


@dataclass(frozen=True)
class Average:
    """Precision, recall and F1 over the classes that occur."""

    precision: float
    recall: float
    f1: float


@dataclass(frozen=True)
class Metrics:
    """An evaluation in numbers; fractions throughout.

    Attributes:
        top5: None with five classes or fewer, where it says nothing.
        loss: mean cross-entropy, nats.
        confusion: counts, a row a true class, a column a predicted one.
    """

    top1: Share
    top5: Share | None
    loss: float
    classes: tuple[ClassMetrics, ...]
    macro: Average
    weighted: Average
    confusion: tuple[tuple[int, ...], ...]

    def confused(self, most: int = 10) -> list[tuple[str, str, int]]:
        """Return the most frequent mistakes: true class, predicted class, count."""
        matrix = np.array(self.confusion)
        np.fill_diagonal(matrix, 0)
        order = np.argsort(-matrix, axis=None, kind="stable")[:most]
        names = [c.name for c in self.classes]
        pairs = [divmod(int(i), len(names)) for i in order]
        return [(names[t], names[p], int(matrix[t, p])) for t, p in pairs if matrix[t, p]]

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Metrics:
        """Return what `to_dict` wrote."""
        return cls(
            top1=Share(**values["top1"]),
            top5=Share(**values["top5"]) if values["top5"] else None,
            loss=values["loss"],
            classes=tuple(
                ClassMetrics(**{**c, "accuracy": Share(**c["accuracy"])}) for c in values["classes"]
            ),
            macro=Average(**values["macro"]),
            weighted=Average(**values["weighted"]),
            confusion=tuple(tuple(row) for row in values["confusion"]),
        )


def measure(
    labels: NDArray[np.int64], probabilities: NDArray[np.float32], classes: tuple[str, ...]
) -> Metrics:
    """Measure predictions against labels.

    Args:
        labels: n true classes, positions in `classes`.
        probabilities: n k, each row summing to 1. The predicted class is the first largest.
        classes: k names.
    """
    from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

    n, k = probabilities.shape
    predicted = probabilities.argmax(axis=1)
    everything = list(range(k))
    precision, recall, f1, support = (
        np.asarray(v)
        for v in precision_recall_fscore_support(
            labels,
            predicted,
            labels=everything,
            average=None,
            zero_division=0,  # pyright: ignore[reportArgumentType]
        )
    )
    confusion = confusion_matrix(labels, predicted, labels=everything)
    occurs = support > 0
    likely = np.maximum(probabilities[np.arange(n), labels].astype(np.float64), 1e-38)
    top5 = None
    if k > 5:
        best = np.argpartition(-probabilities, 5, axis=1)[:, :5]
        top5 = wilson(int((best == labels[:, None]).any(axis=1).sum()), n)

    def average(weights: NDArray[Any]) -> Average:
        return Average(*(float(np.average(v, weights=weights)) for v in (precision, recall, f1)))

    return Metrics(
        top1=wilson(int((predicted == labels).sum()), n),
        top5=top5,
        loss=float(-np.log(likely).mean()),
        classes=tuple(
            ClassMetrics(
                name,
                int(support[i]),
                wilson(int(confusion[i, i]), int(support[i])),
                float(precision[i]),
                float(f1[i]),
            )
            for i, name in enumerate(classes)
        ),
        macro=average(occurs.astype(float)),
        weighted=average(support),
        confusion=tuple(tuple(int(v) for v in row) for row in confusion),
    )
