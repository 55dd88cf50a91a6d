"""Names for numbered classes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tinysight.data.readers.numbering import class_names
from tinysight.errors import DataError

LABELS = {"train": np.array([0, 3, 1, 0]), "test": np.array([2])}


def test_names() -> None:
    assert class_names(LABELS, "x") == (("0", "1", "2", "3"), True)
    names = ("a", "b", "c", "d", "e")
    for how in ({"own": names}, {"given": names}, {"own": names, "given": names}):
        assert class_names(LABELS, "x", **how) == (names, False)
    assert class_names({"train": np.array([1, 0]), "test": np.array([], int)}, "x")[0] == ("0", "1")


@pytest.mark.parametrize(
    ("how", "labels", "text"),
    [
        ({"own": ("a", "b"), "given": ("b", "a")}, LABELS, "x names its 2 classes itself; leave"),
        ({"given": ("a", "b")}, LABELS, "x: label 3 of train record 1 is out of range for 2 clas"),
        ({}, {"train": np.array([0, 2])}, "label 2 of train record 1 is out of range: 2 pictures"),
    ],
)
def test_refusals(how: Any, labels: Any, text: str) -> None:
    with pytest.raises(DataError, match=text):
        class_names(labels, "x", **how)
