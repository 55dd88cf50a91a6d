"""What labels and the names of classes must be: whole numbers from 0, and text."""

from __future__ import annotations

import numbers
from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from tinysight.data.dataset import quoted
from tinysight.errors import DataError
from tinysight.pictures.formats import printable

__all__ = ["as_array", "as_label", "as_labels", "check_classes", "check_labels", "is_text"]

LARGEST = 2**31 - 1  # records hold a label in 32 bits


def as_array(values: Any) -> NDArray[Any]:
    """Return arrays, tensors and lists as an array; of objects where it is none of numbers or text.

    >>> as_array([[1], [2, 3]]).dtype
    dtype('O')
    """
    if isinstance(values, torch.Tensor):
        values = values.detach().cpu().to_dense()
        # numpy has no bfloat16.
        values = (values.float() if values.dtype == torch.bfloat16 else values).numpy()
    try:
        return np.asarray(values)
    except ValueError:  # rows of several lengths
        array = np.empty(len(values), object)
        array[:] = values
        return array


def as_labels(labels: Any, n: int, where: str = "labels") -> NDArray[np.int64]:
    """Return labels as int64, n.

    Raises:
        DataError: not whole numbers from 0, or not one a picture; names the first that is wrong.
    """
    array = as_array(labels)
    if array.ndim == 0:
        raise DataError(
            f"{where}: labels must be an array or a list, one a picture, got "
            f"{type(labels).__name__}"
        )
    if array.ndim > 1:
        advice = "; for one column of many use labels[:, 0], for one-hot labels argmax(axis=1)"
        raise DataError(f"{where}: labels must have one axis, got the shape {array.shape}{advice}")
    if len(array) != n:
        raise DataError(f"{where}: {n:,} pictures but {len(array):,} labels; give one a picture")
    if array.dtype.kind == "f":
        broken = np.flatnonzero(~np.isfinite(array) | (array != np.floor(array)))
        if len(broken):
            as_label(array[broken[0]].item(), int(broken[0]), where)
        raise DataError(
            f"{where}: labels must be whole numbers, got {array.dtype}; if they number the classes "
            "use labels.astype(int)"
        )
    if array.dtype.kind not in "iu":
        array = np.array([as_label(value, i, where) for i, value in enumerate(array.tolist())])
    elif len(wrong := np.flatnonzero((array < 0) | (array > LARGEST))):
        as_label(array[wrong[0]].item(), int(wrong[0]), where)
    return array.astype(np.int64)


def as_label(label: Any, at: int, where: str) -> int:
    """Return the label of the record `at` as a whole number from 0.

    Raises:
        DataError: it is none.
    """
    if isinstance(label, np.ndarray | torch.Tensor) and label.ndim == 0:
        label = label.item()
    shown = f"label {printable(repr(label), 60)} of record {at:,}"
    if isinstance(label, bool) or not isinstance(label, numbers.Integral):
        advice = "number the classes 0, 1, 2 …"
        if isinstance(label, str | bytes):
            advice = (
                "use names, labels = np.unique(labels, return_inverse=True), and give "
                "classes=list(names)"
            )
        elif isinstance(label, bool):
            advice = "use labels.astype(int)"
        kind = type(label).__name__
        raise DataError(f"{where}: labels must be whole numbers, got {kind}: {shown}; {advice}")
    if not 0 <= (number := int(label)) <= LARGEST:
        wrong = "negative" if number < 0 else "too large"
        raise DataError(
            f"{where}: {shown} is {wrong}; number the classes 0, 1, 2 …, and leave out pictures "
            "without a label"
        )
    return number


def check_classes(names: tuple[str, ...]) -> None:
    """Refuse names that cannot be told apart or written down.

    A file name that is no text (Python has its bytes as lone surrogates) is refused rather than
    transliterated: predictions, reports and exported models must name the class as its owner does.

    Raises:
        DataError: fewer than two, one twice, or one that UTF-8 cannot hold.
    """
    if len(names) < 2:
        raise DataError(f"one class alone ({quoted(names)}); two or more are needed: add one")
    if twice := [name for name, n in Counter(names).items() if n > 1]:
        raise DataError(
            f"class names must differ, there is more than once: {quoted(twice)}; rename them"
        )
    if strange := [name for name in names if not is_text(name)]:
        raise DataError(
            f"class names that are no text, and cannot be written as UTF-8: {quoted(strange)}; "
            "rename them"
        )


def is_text(name: str) -> bool:
    """Whether UTF-8 can hold the name."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def check_labels(
    labels: Mapping[str, NDArray[np.int64]], classes: tuple[str, ...]
) -> dict[str, NDArray[np.bool_]]:
    """Return which classes each split has pictures of.

    Raises:
        DataError: train has one alone, or another split has one that train lacks.
    """
    has = {s: np.bincount(values, minlength=len(classes)) > 0 for s, values in labels.items()}
    train = has["train"]
    if train.sum() < 2:
        only = quoted([classes[i] for i in np.flatnonzero(train)])
        raise DataError(
            f"train has pictures of one class alone ({only}); two or more are needed: add one"
        )
    for split, own in has.items():
        if strange := [classes[i] for i in np.flatnonzero(own & ~train)]:
            raise DataError(
                f"{split} has pictures of classes that train lacks: {quoted(strange)}; add some "
                f"to train, or take them out of {split}"
            )
    return has
