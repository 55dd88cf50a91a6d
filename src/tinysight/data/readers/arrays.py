"""Data that is in memory already: arrays, tensors, lists of pictures, torch data sets.

Nothing is guessed from values: pixels that are not uint8 come with their `value_range`. The
channels are the axis of length 1 or 3; where both the second and the last axis could be it,
`layout` must say which.
"""

from __future__ import annotations

import numbers
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from torch.utils.data import IterableDataset

from tinysight.data.labels import as_array, as_label, as_labels
from tinysight.data.readers.decoding import Item, Stream
from tinysight.data.readers.numbering import decode_numbered
from tinysight.data.reading import SPLIT_NAMES, Options, Reading
from tinysight.errors import DataError, UsageError
from tinysight.pictures.formats import printable

__all__ = [
    "Layout",
    "Range",
    "as_pixels",
    "as_range",
    "check_layout",
    "is_pair",
    "read_memory",
]

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
        UsageError: an unknown split, or a `value_range` or `layout` that must be stated or is
            none.
    """
    value_range = as_range(value_range)
    check_layout(layout)
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
    names = options.classes or _own_names(parts)
    found = decode_numbered(streams, labels, "data in memory", options, given=names)
    kind = "arrays" if all(map(is_pair, parts.values())) else "dataset"
    source = {"kind": kind, **found.decoded.found.to_source()}
    notes = tuple(found.decoded.found.notes(found.decoded.shape))
    return Reading(kind, found.classes, found.splits, source, notes, numbered=found.numbered)


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
        UsageError: `value_range` or `layout` is needed, or is none.
    """
    value_range = as_range(value_range)
    check_layout(layout)
    array = _array(images, where)
    if array.ndim not in (3, 4):
        raise DataError(
            f"{where}: n h w, n h w c or n c h w is expected, got the shape {array.shape}; "
            "reshape it"
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
            "value_range=(0, 1) or (0, 255) (--value-range 0,1 or 0,255)"
        )
    return _scaled(array, value_range, where)


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
    for i, (picture, label) in enumerate(_pairs(part, where)):
        items.append(_item(picture, value_range, layout, f"{where} {i}"))
        labels.append(as_label(label, i, where))
    return items, np.array(labels, np.int64)


def _pairs(part: Any, where: str) -> Iterator[tuple[Any, Any]]:
    """The items of a torch Dataset, whose code is not ours and may do anything."""
    n = _asked(part.__len__, f"{where}: the length of the data set")
    if not isinstance(n, int) or n < 1:
        raise DataError(f"{where}: no pictures, the length of the data set is {n!r}")
    for i in range(n):
        pair = _asked(lambda i=i: part[i], f"{where}: item {i:,}")
        if not is_pair(pair):
            several = isinstance(pair, tuple | list)
            kind = f"{type(pair).__name__}{f' of {len(pair)}' if several else ''}"
            raise DataError(
                f"{where}: item {i} is of type {kind}, a pair (picture, label) is expected; give "
                "(images, labels), or a data set with such items"
            )
        yield pair[0], pair[1]


def _asked(ask: Callable[[], Any], where: str) -> Any:
    """The answer of code that is not ours; what it raises is named and chained."""
    try:
        return ask()
    except MemoryError:
        raise
    except Exception as error:
        said = printable(" ".join(str(error).split()))
        raise DataError(
            f"{where} raised {type(error).__name__}: {said}; mend the data set, or leave that out"
        ) from error


def _item(picture: Any, value_range: Range | None, layout: Layout | None, where: str) -> Any:
    """One picture as something that `pictures.read` takes."""
    if isinstance(picture, Image.Image):
        return picture
    array = _array(picture, where)
    if array.ndim not in (2, 3):
        raise DataError(f"{where}: h w, h w c or c h w is expected, got the shape {array.shape}")
    return as_pixels(array[None], value_range, layout, where)[0]


def _named(items: Iterable[Any], split: str) -> Iterable[Item]:
    return ((f"{split} {i:,}", item) for i, item in enumerate(items))


def _array(values: Any, where: str) -> NDArray[Any]:
    array = as_array(values)
    if array.dtype.kind not in "uif":
        advice = "open files with PIL.Image.open, and give pictures of several sizes as a list"
        if array.dtype.kind == "b":
            advice = "use images.astype('uint8') * 255"
        raise DataError(f"{where}: an array of numbers is expected, got {array.dtype}; {advice}")
    return array


def as_range(value_range: Any) -> Range | None:
    """Return what black and white are, as two floats.

    Raises:
        UsageError: no such pair of numbers.
    """
    if value_range is None:
        return None
    if isinstance(value_range, tuple | list) and len(value_range) == 2:
        low, high = value_range
        plain = all(isinstance(v, numbers.Real) and not isinstance(v, bool) for v in value_range)
        if plain and np.isfinite([low, high]).all() and low < high:
            return float(low), float(high)
    raise UsageError(
        "value_range must be (low, high), the finite numbers that black and white are, such as "
        f"(0, 1) or (0, 255); got {printable(repr(value_range), 80)}"
    )


def check_layout(layout: Any) -> None:
    """Refuse what is no `layout`.

    Raises:
        UsageError: neither None, nhwc nor nchw.
    """
    if layout is not None and not (isinstance(layout, str) and layout in ("nhwc", "nchw")):
        raise UsageError(f"layout must be nhwc or nchw, got {printable(repr(layout), 80)}")


def _channels_first(shape: tuple[int, ...], layout: Layout | None, where: str) -> bool:
    """Whether n c h w, for a shape of four axes."""
    able = {"nhwc": shape[3] in (1, 3), "nchw": shape[1] in (1, 3)}
    if layout is not None:
        if not able[layout]:
            raise DataError(
                f"{where}: the shape {shape} has not 1 or 3 channels as {layout}; state the other "
                "layout, or transpose it"
            )
        return layout == "nchw"
    if all(able.values()):
        raise UsageError(
            f"{where}: the shape {shape} can be n h w c or n c h w; state layout='nhwc' or 'nchw' "
            "(--layout nhwc or nchw)"
        )
    if not any(able.values()):
        raise DataError(
            f"{where}: 1 or 3 channels are expected, in the second or the last axis; got {shape}; "
            "take three of more, e.g. images[..., :3]"
        )
    return able["nchw"]


def _scaled(array: NDArray[Any], value_range: Range, where: str) -> NDArray[np.uint8]:
    """Values of the range as 0 to 255, rounded."""
    low, high = value_range
    out = np.empty(array.shape, np.uint8)
    for i in range(len(array)):  # one at a time, for the memory
        values = array[i].astype(np.float64)
        if not np.isfinite(values).all():
            raise DataError(
                f"{where}: record {i:,} has values that are not finite (NaN or inf); mend them or "
                "leave it out"
            )
        if values.min() < low or values.max() > high:
            raise DataError(
                f"{where}: record {i:,} has values from {values.min():g} to {values.max():g}, "
                f"outside value_range ({low:g}, {high:g}); state the range that they have"
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
