"""One .npy array in a zip file, read within bounds.

The header is read by a parser of our own, for numbers and text alone, and held against the size of
the file before anything is allocated. Objects, which would be pickled, are refused.
Format: numpy.org/doc/stable/reference/generated/numpy.lib.format.html
"""

from __future__ import annotations

import math
import re
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from tinysight.errors import DataError
from tinysight.pictures.formats import printable

__all__ = ["ObjectsError", "StoredArray", "stored_array"]

LONGEST_HEADER = 10_000  # bytes; numpy's own bound
# A member of more bytes than FREE must not be packed more tightly than TIGHTEST to one: deflate
# reaches 1,032 with a bomb, and dSprites, the tightest of the well-known data sets, 120.
FREE, TIGHTEST = 64 * 2**20, 200

_DTYPE = re.compile(r"[<>|=]?(?:[ui][1248]|f[248]|[US][1-9]\d{0,3})")
_DESCR = re.compile(r"""['"]descr['"]\s*:\s*['"]([^'"]*)['"]""")
_ORDER = re.compile(r"""['"]fortran_order['"]\s*:\s*(True|False)""")
_SHAPE = re.compile(r"""['"]shape['"]\s*:\s*\(([\d ,L]*)\)""")


class ObjectsError(DataError):
    """An array of Python objects."""


@dataclass(frozen=True)
class StoredArray:
    """An array in a zip file, with what its header says.

    Attributes:
        key: the name of its member, without the ending.
        fortran: whether the first axis runs fastest.
        offset: bytes of the member before the values.
    """

    file: Path
    key: str
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    fortran: bool
    offset: int

    def __str__(self) -> str:
        return f"{self.file} {printable(self.key)}"

    def read(self) -> NDArray[Any]:
        """Return the whole array.

        Raises:
            DataError: it is damaged or cut short.
        """
        raw = b"".join(self._bytes(self.shape[0] if self.shape else 1))
        flat = np.frombuffer(raw, self.dtype)
        return flat.reshape(self.shape[::-1]).T if self.fortran else flat.reshape(self.shape)

    def chunks(self, rows: int) -> Iterator[NDArray[Any]]:
        """Yield an array in C order, so many of its first axis at a time.

        Raises:
            DataError: it is damaged or cut short.
        """
        for raw in self._bytes(rows):
            yield np.frombuffer(raw, self.dtype).reshape(-1, *self.shape[1:])

    def _bytes(self, rows: int) -> Iterator[bytes]:
        size = math.prod(self.shape[1:]) * self.dtype.itemsize
        left = math.prod(self.shape) * self.dtype.itemsize
        with _member(self.file, self.key) as (file, _):
            _exactly(file, self.offset)
            while left:
                raw = _exactly(file, min(left, rows * size))
                left -= len(raw)
                yield raw


def stored_array(path: Path, key: str) -> StoredArray:
    """Return an array of a zip file, its header read and held against the size of the file.

    Raises:
        ObjectsError: it holds Python objects.
        DataError: it is damaged, holds anything but numbers or text, or promises more than the
            file can hold.
    """
    where = f"{path} {printable(key)}"
    with _member(path, key) as (file, info):
        start = _exactly(file, 8)
        if start[:6] != b"\x93NUMPY" or start[6] not in (1, 2, 3):
            raise DataError(f"{where} is no .npy array: it starts with {_shown(start)}")
        wide = 2 if start[6] == 1 else 4
        length = int.from_bytes(_exactly(file, wide), "little")
        if length > LONGEST_HEADER:
            raise DataError(
                f"{where} has a header of {length:,} bytes; at most {LONGEST_HEADER:,} are read"
            )
        said = _exactly(file, length)
    kind, fortran, shape = _parsed(said.decode("latin-1"), where)
    offset, size = 8 + wide + length, math.prod(shape) * kind.itemsize
    there = info.file_size - offset
    if 0 in shape:
        raise DataError(f"{where} is empty, of the shape {shape}; write it again")
    if size != there:
        raise DataError(
            f"{where}: {' x '.join(f'{n:,}' for n in shape) or 'one'} {kind} are expected by its "
            f"header, {size:,} bytes; {there:,} are there"
        )
    if size > FREE and size > TIGHTEST * info.compress_size:
        raise DataError(
            f"{where} unpacks {info.compress_size:,} bytes to {size:,}, as bombs do; if it is "
            "what it should be, write it again with numpy.savez, which does not pack"
        )
    return StoredArray(path, key, kind, shape, fortran, offset)


def _parsed(said: str, where: str) -> tuple[np.dtype[Any], bool, tuple[int, ...]]:
    """What a header says: the kind of its values, whether in Fortran's order, and the shape."""
    descr, order, shape = (p.findall(said) for p in (_DESCR, _ORDER, _SHAPE))
    if len(descr) == 1 and descr[0].lstrip("<>|=").startswith("O"):
        raise ObjectsError(
            f"{where} holds Python objects, which could run code when they are read; write it "
            "again as an array of numbers or of str"
        )
    if len(descr) == 1 and not _DTYPE.fullmatch(descr[0]):
        raise DataError(f"{where} holds {printable(descr[0])!r}; whole numbers or floats are read")
    axes = re.findall(r"\d+", shape[0]) if len(shape) == 1 else []
    one_each = len(descr) == len(order) == len(shape) == 1
    if not one_each or len(axes) > 8 or max(map(len, axes), default=0) > 18:
        raise DataError(f"{where} has a damaged header: {printable(' '.join(said.split()))}")
    return np.dtype(descr[0]), order[0] == "True", tuple(map(int, axes))


@contextmanager
def _member(path: Path, key: str) -> Iterator[tuple[IO[bytes], zipfile.ZipInfo]]:
    """A member that is opened, and what the table of contents says of it."""
    where = f"{path} {printable(key)}"
    try:
        with path.open("rb") as raw, zipfile.ZipFile(raw) as archive:
            info = archive.getinfo(f"{key}.npy")
            if info.flag_bits & 1 or info.compress_type not in (
                zipfile.ZIP_STORED,
                zipfile.ZIP_DEFLATED,
            ):
                raise DataError(
                    f"{where} is encrypted or packed in another way than numpy packs; write it "
                    "again with numpy.savez"
                )
            stored = info.compress_type == zipfile.ZIP_STORED
            if info.compress_size > raw.seek(0, 2) or (
                stored and info.file_size > info.compress_size
            ):
                raise DataError(f"{where} is said to be larger than its file; fetch it again")
            with archive.open(info) as file:
                yield file, info
    except (DataError, MemoryError):
        raise
    except Exception as error:  # a damaged file can trip any line of zipfile
        said = printable(" ".join(str(getattr(error, "strerror", None) or error).split()))
        raise DataError(
            f"{where} is damaged or cannot be read ({said or type(error).__name__}); fetch or copy "
            "it again"
        ) from None


def _exactly(file: IO[bytes], size: int) -> bytes:
    raw = file.read(size)
    if len(raw) < size:
        raise EOFError(f"it ends {size - len(raw):,} bytes too early")
    return raw


def _shown(raw: bytes) -> str:
    return repr(printable(raw.decode("latin-1")))
