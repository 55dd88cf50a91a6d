import numpy as np
import pytest

from tinysight.evaluation.intervals import Share, wilson
from tinysight.evaluation.metrics import Metrics, measure

CLASSES = ("cat", "dog", "frog")
LABELS = np.array([0, 0, 0, 0, 1, 1, 1, 2])
PREDICTED = np.array([0, 0, 1, 2, 1, 1, 0, 2])


def certain(predicted: np.ndarray, k: int) -> np.ndarray:
    """Probabilities of 0.9 on the predicted class."""
    rows = np.full((len(predicted), k), 0.1 / (k - 1), dtype=np.float32)
    rows[np.arange(len(predicted)), predicted] = 0.9
    return rows


def test_a_case_worked_by_hand() -> None:
    m = measure(LABELS, certain(PREDICTED, 3), CLASSES)
    assert m.confusion == ((2, 1, 1), (1, 2, 0), (0, 0, 1))
    assert (m.top1.value, m.top1.n, m.top5) == (5 / 8, 8, None)
    cat, dog, frog = m.classes
    assert (cat.support, dog.support, frog.support) == (4, 3, 1)
    assert [c.accuracy.value for c in m.classes] == pytest.approx([2 / 4, 2 / 3, 1])
    assert [c.precision for c in m.classes] == pytest.approx([2 / 3, 2 / 3, 1 / 2])
    assert [c.f1 for c in m.classes] == pytest.approx([4 / 7, 2 / 3, 2 / 3])
    assert m.macro.f1 == pytest.approx((4 / 7 + 2 / 3 + 2 / 3) / 3)
    assert m.weighted.recall == pytest.approx(5 / 8)
    assert m.weighted.precision == pytest.approx((4 * 2 / 3 + 3 * 2 / 3 + 1 / 2) / 8)
    assert m.loss == pytest.approx(-(5 * np.log(0.9) + 3 * np.log(0.05)) / 8, rel=1e-5)
    assert m.confused() == [("cat", "dog", 1), ("cat", "frog", 1), ("dog", "cat", 1)]


def test_a_class_that_does_not_occur_has_no_weight() -> None:
    m = measure(LABELS[:7], certain(PREDICTED[:7], 3), CLASSES)
    assert m.classes[2].accuracy == Share(0.0, 0.0, 1.0, 0)
    assert str(m.classes[2].accuracy) == "none of 0"
    assert m.macro.recall == pytest.approx((2 / 4 + 2 / 3) / 2)


def test_top5_against_sorting() -> None:
    rng = np.random.default_rng(0)
    rows = rng.random((200, 12), dtype=np.float32)
    rows /= rows.sum(1, keepdims=True)
    labels = rng.integers(0, 12, 200)
    m = measure(labels, rows, tuple("abcdefghijkl"))
    slow = [
        y in sorted(range(12), key=lambda k, r=r: -r[k])[:5]
        for r, y in zip(rows, labels, strict=True)
    ]
    assert m.top5 is not None
    assert m.top5.value == np.mean(slow)


def test_metrics_survive_json() -> None:
    m = measure(LABELS, certain(PREDICTED, 3), CLASSES)
    assert Metrics.from_dict(m.to_dict()) == m


@pytest.mark.parametrize(
    ("hits", "n", "low", "high"),
    # Newcombe, "Two-sided confidence intervals for the single proportion", Statistics in
    # Medicine 17 (1998), table I, method 3.
    [
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_against_published_values(hits: int, n: int, low: float, high: float) -> None:
    share = wilson(hits, n)
    assert (round(share.low, 4), round(share.high, 4)) == (low, high)


def test_of_nothing_nothing_is_known() -> None:
    assert wilson(0, 0) == Share(0.0, 0.0, 1.0, 0)
