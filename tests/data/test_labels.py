"""Labels and names of classes: what is refused, in words that say what to do."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import pytest
import torch

from tinysight.data import load
from tinysight.data.labels import as_array, as_labels, check_classes, check_labels, is_text
from tinysight.errors import DataError

Y = np.arange(60) % 3
NAMES = np.array(["cow", "ant", "bee"])


@pytest.mark.parametrize(
    "given",
    [
        Y,
        Y.tolist(),
        Y.astype(np.uint8),
        Y.astype(object),
        torch.from_numpy(Y),
        torch.from_numpy(Y).to_sparse(),
        [torch.tensor(y) for y in Y],
    ],
    ids=["array", "list", "bytes", "objects", "tensor", "sparse tensor", "list of tensors"],
)
def test_every_form_of_whole_numbers(given: Any) -> None:
    labels = as_labels(given, 60)
    assert labels.dtype == np.int64
    np.testing.assert_array_equal(labels, Y)


def spoiled(kind: Any, at: int, value: Any) -> Any:
    labels = Y.astype(kind)
    labels[at] = value
    return labels


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        (Y[:50], "y: 60 pictures but 50 labels; give one a picture"),
        (Y[:, None], "y: labels must have one axis, got the shape (60, 1); for one column of many"),
        (np.eye(3)[Y], "use labels[:, 0], for one-hot labels argmax(axis=1)"),
        (None, "y: labels must be an array or a list, one a picture, got NoneType"),
        (5, "y: labels must be an array or a list, one a picture, got int"),
        (set(Y), "y: labels must be an array or a list, one a picture, got set"),
        (Y * 1.0, "whole numbers, got float64; if they number the classes use labels.astype(int)"),
        (spoiled(float, 8, 0.5), "got float: label 0.5 of record 8; number the classes 0, 1, 2"),
        (
            spoiled(float, 8, np.nan),
            "y: labels must be whole numbers, got float: label nan of reco",
        ),
        (
            spoiled(float, 8, np.inf),
            "y: labels must be whole numbers, got float: label inf of reco",
        ),
        (spoiled(int, 8, -1), "y: label -1 of record 8 is negative; number the classes 0, 1, 2"),
        (spoiled(int, 8, 2**31), "y: label 2147483648 of record 8 is too large; number the class"),
        (spoiled(np.uint64, 8, 2**63), "y: label 9223372036854775808 of record 8 is too large"),
        (spoiled(object, 8, 2**70), "y: label 1180591620717411303424 of record 8 is too large"),
        (spoiled(object, 8, None), "got NoneType: label None of record 8; number the classes 0"),
        (spoiled(object, 8, "cat"), "got str: label 'cat' of record 8; use names, labels = np.uni"),
        (Y > 0, "y: labels must be whole numbers, got bool: label False of record 0; use labels."),
        (NAMES[Y], "label 'cow' of record 0; use names, labels = np.unique(labels, return_inverse"),
        ([b"a"] * 60, "y: labels must be whole numbers, got bytes: label b'a' of record 0; use"),
        (Y * 1j, "y: labels must be whole numbers, got complex: label 0j of record 0; number the"),
        ([[0], [0, 1]] * 30, "y: labels must be whole numbers, got list: label [0] of record 0"),
        (["x" * 900] * 60, "…"),  # cut
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_labels_that_are_refused(labels: Any, said: str) -> None:
    with pytest.raises(DataError) as refused:
        as_labels(labels, 60, "y")
    assert said in str(refused.value)
    assert len(str(refused.value)) < 250


def test_the_advice_for_names_works(noise: Any) -> None:
    names, labels = np.unique(NAMES[Y], return_inverse=True)
    data = load((noise(60, 4, 4, 3), labels), classes=list(names))
    assert data.classes == ("ant", "bee", "cow")


def test_anything_is_an_array() -> None:
    assert as_array(torch.ones(3, dtype=torch.bfloat16, requires_grad=True)).tolist() == [1, 1, 1]
    assert as_array([np.zeros(2), np.zeros(3)]).dtype == object


def test_names_that_cannot_be_written(noise: Any) -> None:
    strange = os.fsdecode(b"ant\xff")
    assert not is_text(strange)
    assert is_text("Ünï 猫\n")
    with pytest.raises(DataError, match=r"names that are no text, and cannot be written as UTF-8"):
        load((noise(60, 4, 4, 3), Y), classes=[strange, "bee", "cow"])


def test_names_that_cannot_be_told_apart() -> None:
    with pytest.raises(DataError, match="there is more than once: 'a', 'c'; rename them"):
        check_classes(("a", "b", "a", "c", "c"))
    with pytest.raises(
        DataError, match=r"one class alone \('a'\); two or more are needed: add one"
    ):
        check_classes(("a",))


def test_which_classes_a_split_has() -> None:
    has = check_labels({"train": np.array([0, 2]), "test": np.array([2])}, ("a", "b", "c"))
    assert {split: own.tolist() for split, own in has.items()} == {
        "train": [True, False, True],
        "test": [False, False, True],
    }
