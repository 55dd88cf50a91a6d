"""What a cut loses is said."""

from __future__ import annotations

import numpy as np

from tinysight.data import load
from tinysight.recipe import Recipe

X = np.random.default_rng(0).integers(0, 256, (200, 6, 6, 3), dtype=np.uint8)


def test_classes_without_a_picture_in_a_cut_are_said() -> None:
    labels = np.repeat(np.arange(40), 5)
    data = load((X, labels))
    assert data.test is not None
    for split, part in {"test": data.test, "validation": data.validation}.items():
        lost = [name for name, n in zip(data.classes, part.counts(40), strict=True) if not n]
        assert len(lost) >= 20
        said = next(note for note in data.notes if note.startswith(f"{split} has no picture of"))
        shown = ", ".join(f"'{name}'" for name in lost[:10])
        assert said == (
            f"{split} has no picture of {len(lost)} classes: {shown} and {len(lost) - 10} more"
        )


def test_one_class_lost_of_the_sources_own_test() -> None:
    labels = np.arange(200) % 2
    labels[0] = 2
    data = load({"train": (X[:150], labels[:150]), "test": (X[150:], labels[150:])})
    assert data.notes == (
        "test has no picture of 1 class: '2'",
        "validation has no picture of 1 class: '2'",
    )


def test_a_class_that_train_lacks_is_not_said_to_be_lost_as_well() -> None:
    data = load((X, np.arange(200) % 3), classes=["a", "b", "c", "d"])
    assert [note for note in data.notes if "has no picture" in note] == [
        "train has no picture of 1 class: 'd'"
    ]


def test_nothing_is_said_where_nothing_is_lost() -> None:
    data = load((X, np.arange(200) % 4), Recipe(data={"test_share": 0.2}).data)
    assert [note for note in data.notes if "has no picture" in note] == []
