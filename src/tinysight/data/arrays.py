"""Data that is in memory already: arrays, tensors, lists of pictures, torch data sets.

Nothing is guessed from values: pixels that are not uint8 come with their `value_range`. The
channels are the axis of length 1 or 3; where both the second and the last axis could be it,
`layout` must say which.
"""

from __future__ import annotations

import numbers
from collections.abc import Iterable, Mapping
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch.utils.data import IterableDataset

from tinysight.data.decoding import Item, Stream, decode_all
from tinysight.data.reading import SPLIT_NAMES, Options, Reading, Records
from tinysight.errors import DataError, UsageError

__all__ = ["Layout", "as_labels", "as_pixels", "is_pair", "read_memory"]

Layout = Literal["nhwc", "nchw"]
Range = tuple[float, float]


def read_memory(
    parts: Mapping[str, Any],
    options: Options,
    *,
    value_range: Range | None = None,
    layout: Layout | None = None,
) -> Reading:
    """Read splits that are in memory, each (images, labels) or a torch Dataset.

    Raises:
        DataError: what is in them is not pictures with labels.
        UsageError: an unknown split, or a `value_range` or `layout` that must be stated.
    """
    if options.settings.label is not None:
        raise UsageError(
            f"data.label={options.settings.label!r} picks a label column of a table; "
            "this data is in memory with one label a picture"
        )
    streams: dict[str, Stream] = {}
    labels: dict[str, NDArray[np.int64]] = {}
    for key, part in parts.items():
        split = SPLIT_NAMES.get(str(key).lower())
        if split is None or split in streams:
            raise UsageError(f"splits are train, validation and test, each once; got {key!r}")
        items, labels[split] = _split(part, value_range, layout, split)
        streams[split] = Stream(len(items), lambda items=items, s=split: _named(items, s))
    if "train" not in streams:
        raise UsageError(f"a train split is needed; got {', '.join(streams) or 'none'}")
    decoded = decode_all(
        streams, options.settings.size, skip_bad=options.skip_bad, progress=options.progress
    )
    splits = {
        split: Records(images, labels[split][decoded.positions[split]])
        for split, images in decoded.images.items()
    }
    own = options.classes or _own_names(parts)
    classes = _class_names(own, labels)
    kind = "arrays" if all(map(is_pair, parts.values())) else "dataset"
    source = {"kind": kind, **decoded.found.to_source()}
    notes = tuple(decoded.found.notes(decoded.shape))
    return Reading(kind, classes, splits, source, notes, numbered=own is None)


def is_pair(part: Any) -> bool:
    """Whether this is (images, labels) rather than a data set of its own."""
    return isinstance(part, tuple | list) and len(part) == 2


def as_pixels(
    images: Any,
    value_range: Range | None = None,
    layout: Layout | None = None,
    where: str = "images",
) -> NDArray[np.uint8]:
    """Return images as uint8 `n h w c`.

    Args:
        images: n h w, n h w c or n c h w; an array or a tensor.
        value_range: what black and white are; needed for all but uint8.
        layout: needed where both axes could be the channels.
        where: what to call it in an error.

    Raises:
        DataError: no such array, values that are not finite or outside the range.
        UsageError: `value_range` or `layout` is needed.
    """
    array = _array(images, where)
    if array.ndim not in (3, 4):
        raise DataError(
            f"{where}: n h w, n h w c or n c h w is expected, got the shape {array.shape}"
        )
    if not array.size:
        raise DataError(f"{where}: no pictures, got the shape {array.shape}")
    if array.ndim == 3:
        array = array[..., None]
    elif _channels_first(array.shape, layout, where):
        array = array.transpose(0, 2, 3, 1)
    if array.dtype == np.uint8 and value_range in (None, (0, 255)):
        return array
    if value_range is None:
        raise UsageError(
            f"{where} are {array.dtype}; what black and white are is not guessed: state "
            "value_range=(0, 1) or (0, 255)"
        )
    return _scaled(array, value_range, where)


def as_labels(labels: Any, n: int, where: str = "labels") -> NDArray[np.int64]:
    """Return labels as int64, n.

    Raises:
        DataError: not whole numbers from 0, or not one a picture.
    """
    array = _array(labels, where)
    if array.ndim != 1:
        advice = "; for one column of many use labels[:, 0], for one-hot labels argmax(axis=1)"
        raise DataError(f"{where}: labels must have one axis, got the shape {array.shape}{advice}")
    if not np.issubdtype(array.dtype, np.integer):
        raise DataError(f"{where}: labels must be whole numbers, got {array.dtype}")
    if len(array) != n:
        raise DataError(f"{where}: {n:,} pictures but {len(array):,} labels")
    if len(wrong := np.flatnonzero(array < 0)):
        raise DataError(f"{where}: label {array[wrong[0]]} of record {wrong[0]:,} is negative")
    return array.astype(np.int64)


def _split(
    part: Any, value_range: Range | None, layout: Layout | None, where: str
) -> tuple[Any, NDArray[np.int64]]:
    """The pictures, each something that `pictures.read` takes, and their labels."""
    if is_pair(part):
        images, labels = part
        if isinstance(images, list | tuple):
            items = [_item(x, value_range, layout, f"{where} {i}") for i, x in enumerate(images)]
        else:
            items = as_pixels(images, value_range, layout, where)
        return items, as_labels(labels, len(items), where)
    if isinstance(part, IterableDataset) or not (
        hasattr(part, "__getitem__") and hasattr(part, "__len__") and not isinstance(part, str)
    ):
        raise UsageError(
            f"{where}: (images, labels) or a torch Dataset with a length is expected, got "
            f"{type(part).__name__}"
        )
    items, labels = [], []
    for i in range(len(part)):
        pair = part[i]
        if not is_pair(pair):
            raise DataError(
                f"{where}: item {i} is of type {type(pair).__name__}, a pair (picture, label) is "
                "expected"
            )
        items.append(_item(pair[0], value_range, layout, f"{where} {i}"))
        labels.append(_label(pair[1], f"{where} {i}"))
    return items, as_labels(np.array(labels, np.int64), len(items), where)


def _item(picture: Any, value_range: Range | None, layout: Layout | None, where: str) -> Any:
    """One picture as something that `pictures.read` takes."""
    if isinstance(picture, Image.Image):
        return picture
    return as_pixels(_array(picture, where)[None], value_range, layout, where)[0]


def _label(label: Any, where: str) -> int:
    if isinstance(label, np.ndarray | torch.Tensor) and label.ndim == 0:
        label = label.item()
    if isinstance(label, bool) or not isinstance(label, numbers.Integral):
        raise DataError(f"{where}: a label must be a whole number, got {label!r}")
    return int(label)


def _named(items: Iterable[Any], split: str) -> Iterable[Item]:
    return ((f"{split} {i:,}", item) for i, item in enumerate(items))


def _array(values: Any, where: str) -> NDArray[Any]:
    if isinstance(values, torch.Tensor):
        values = values.detach().cpu()
        # numpy has no bfloat16.
        values = (values.float() if values.dtype == torch.bfloat16 else values).numpy()
    try:
        array = np.asarray(values)
    except ValueError:  # rows of several lengths
        array = np.empty(0, object)
    if array.dtype.kind not in "uif":
        raise DataError(f"{where}: an array of numbers is expected, got {array.dtype}")
    return array


def _channels_first(shape: tuple[int, ...], layout: Layout | None, where: str) -> bool:
    """Whether n c h w, for a shape of four axes."""
    able = {"nhwc": shape[3] in (1, 3), "nchw": shape[1] in (1, 3)}
    if layout is not None:
        if layout not in able:
            raise UsageError(f"layout must be nhwc or nchw, got {layout!r}")
        if not able[layout]:
            raise DataError(f"{where}: the shape {shape} has not 1 or 3 channels as {layout}")
        return layout == "nchw"
    if all(able.values()):
        raise UsageError(
            f"{where}: the shape {shape} can be n h w c or n c h w; state layout='nhwc' or 'nchw'"
        )
    if not any(able.values()):
        raise DataError(
            f"{where}: 1 or 3 channels are expected, in the second or the last axis; got {shape}"
        )
    return able["nchw"]


def _scaled(array: NDArray[Any], value_range: Range, where: str) -> NDArray[np.uint8]:
    """Values of the range as 0 to 255, rounded."""
    low, high = map(float, value_range)
    if not (np.isfinite([low, high]).all() and low < high):
        raise UsageError(f"value_range must be (low, high), got {value_range!r}")
    out = np.empty(array.shape, np.uint8)
    for i in range(len(array)):  # one at a time, for the memory
        values = array[i].astype(np.float64)
        if not np.isfinite(values).all():
            raise DataError(f"{where}: record {i:,} has values that are not finite (NaN or inf)")
        if values.min() < low or values.max() > high:
            raise DataError(
                f"{where}: record {i:,} has values from {values.min():g} to {values.max():g}, "
                f"outside value_range ({low:g}, {high:g})"
            )
        out[i] = np.rint((values - low) * (255 / (high - low)))
    return out


def _own_names(parts: Mapping[str, Any]) -> tuple[str, ...] | None:
    """The names that a torch data set has, where torchvision's have them."""
    for part in parts.values():
        names = getattr(part, "classes", None)
        if isinstance(names, list | tuple) and all(isinstance(name, str) for name in names):
            return tuple(names)
    return None


def _class_names(
    own: tuple[str, ...] | None, labels: Mapping[str, NDArray[np.int64]]
) -> tuple[str, ...]:
    """The given names, or the labels' own numbers where there are none."""
    top = max(int(values.max(initial=0)) for values in labels.values())
    n = sum(map(len, labels.values()))
    if own is not None:
        if top >= len(own):
            raise DataError(
                f"label {top} is out of range for {len(own)} classes, 0 to {len(own) - 1}"
            )
        return own
    if top >= n:
        raise DataError(
            f"labels run to {top:,} in {n:,} pictures; number the classes 0, 1, 2 … or give their "
            "names as classes"
        )
    return tuple(map(str, range(top + 1)))
