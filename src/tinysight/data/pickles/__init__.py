"""An allow-list reader of pickles: byte strings, text, numbers, lists, tuples, dicts, one array.

A pickle is a program. Of the functions it may ask for, the few by which numpy and Python write a
uint8 array and byte strings are done here, within bounds; all others are refused.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinysight.data.pickles.opcodes import LONG, Long, Machine
from tinysight.errors import DataError
from tinysight.pictures.formats import printable

__all__ = ["unpickle"]

MAX_DEPTH = 8

_GLOBALS = {
    "numpy.core.multiarray._reconstruct": "reconstruct",
    "numpy._core.multiarray._reconstruct": "reconstruct",  # numpy 2
    "numpy.core.numeric._frombuffer": "frombuffer",  # protocol 5
    "numpy._core.numeric._frombuffer": "frombuffer",
    "numpy.ndarray": "ndarray",
    "numpy.dtype": "dtype",
    "_codecs.encode": "encode",  # how Python 3 writes byte strings in protocols 0 to 2,
    "__builtin__.bytes": "bytes",  # and how the empty one
}
_PLAIN = {bytes, str, int, float, bool, type(None), list, tuple, dict, np.ndarray}
_FLAT = _PLAIN - {list, tuple, dict}


def unpickle(raw: bytes, *, where: str, largest: int) -> Any:
    r"""Return what a pickle holds.

    Byte strings of Python 2 stay bytes. The array shares the memory of `raw`.

    Args:
        where: what to call it in an error.
        largest: bytes that the array may have.

    Raises:
        DataError: damaged, cut short, out of bounds, or it asks for anything else.

    >>> unpickle(b"](K\x01K\x02e.", where="the pickle", largest=0)
    [1, 2]
    """
    builder = _Builder(raw, where, largest)
    value = builder.run()
    builder.check_plain(value)
    return value


@dataclass(frozen=True)
class _Global:
    """A name that stands for a function or a class; see _GLOBALS."""

    name: str


class _Shell:
    """An array whose content comes later."""


_U1 = _Global("uint8")


class _Builder(Machine):
    """Makes plain values and one array; nothing else."""

    def __init__(self, raw: bytes, where: str, largest: int) -> None:
        super().__init__(raw, where)
        self._largest = largest
        self._array: NDArray[np.uint8] | None = None

    def check_plain(self, value: Any) -> None:
        """Refuse values that are only steps on the way, and structures that are too deep."""
        level, seen = [value], {id(value)}
        for _ in range(MAX_DEPTH):
            deeper = []
            for item in level:
                if type(item) not in _PLAIN:
                    raise self.source.refused("holds another kind of object")
                if isinstance(item, dict):
                    item = list(item.values())
                if isinstance(item, list | tuple) and not set(map(type, item)) <= _FLAT:
                    new = [i for i in item if type(i) not in _FLAT and id(i) not in seen]
                    seen.update(map(id, new))
                    deeper += new
            if not deeper:
                return
            level = deeper
        raise self.source.refused(f"holds lists in lists deeper than {MAX_DEPTH}")

    def named(self, module: str, name: str) -> Any:
        whole = f"{module}.{name}"
        if whole not in _GLOBALS:
            raise self.source.refused(f"asks for {printable(whole)}")
        return _Global(_GLOBALS[whole])

    def applied(self, function: Any, given: Any) -> Any:
        if not (isinstance(function, _Global) and isinstance(given, tuple)):
            raise self.source.refused("calls what is no function")
        match (function.name, given):
            case ("bytes", ()):
                return b""
            case ("encode", (str() | Long() as text, "latin1")):
                return self._encoded(text)
            case ("dtype", ("u1" | b"u1", *_)):
                return _U1
            case ("dtype", (str() | bytes() as kind, *_)):
                raise self.source.refused(f"holds an array of type {printable(str(kind))}")
            case ("reconstruct", (_Global("ndarray"), (0,), "b" | b"b")):
                return _Shell()
            case ("frombuffer", (content, _Global("uint8"), tuple() as shape, "C" | "F" as order)):
                return self._filled(content, shape, order)
            case _:
                raise self.source.refused(f"calls {function.name} in a way that numpy does not")

    def stated(self, target: Any, state: Any) -> Any:
        match (target, state):
            case (_Global("uint8"), tuple()):  # its byte order, which means nothing for bytes
                return target
            case (_Shell(), (1, tuple() as shape, _Global("uint8"), bool() | 0 | 1 as order, raw)):
                return self._filled(raw, shape, "F" if order else "C")
            case _:
                raise self.source.refused("gives a state to what is no uint8 array")

    def _encoded(self, text: str | Long) -> bytes | Long:
        """Text that stands for bytes, a character each."""
        if isinstance(text, Long):
            if not text.encoding or len(text.raw) > 6 * self._largest:
                raise self.source.refused(f"holds a string of {len(text.raw):,} bytes")
            text = self.source.decoded(text.raw, text.encoding)
        try:
            raw = text.encode("latin-1")
        except UnicodeEncodeError:
            raise self.source.damaged("text that stands for bytes has other characters") from None
        return raw if len(raw) < LONG else Long(memoryview(raw), "")

    def _filled(self, content: Any, shape: tuple[Any, ...], order: Any) -> NDArray[np.uint8]:
        raw = content.raw if isinstance(content, Long) and not content.encoding else content
        if not isinstance(raw, bytes | memoryview):
            raise self.source.refused("fills an array with other than bytes")
        if not all(type(side) is int and side >= 0 for side in shape) or len(shape) > 4:
            raise self.source.refused("holds an array of an impossible shape")
        if math.prod(shape) != len(raw):
            raise self.source.damaged(f"an array of the shape {shape} has {len(raw):,} bytes")
        if len(raw) > self._largest:
            raise DataError(
                f"{self.source.where} has an array of {len(raw):,} bytes; at most "
                f"{self._largest:,} are expected: fetch or copy it again"
            )
        if self._array is not None:
            raise self.source.refused("holds more than one array")
        self._array = np.frombuffer(raw, np.uint8).reshape(shape, order=order)
        return self._array
