""".npz files made for tests, and how they are read."""

from __future__ import annotations

import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tinysight.data.readers import npz
from tinysight.data.reading import Options, Reading
from tinysight.errors import DataError
from tinysight.recipe import Recipe

Pixels = NDArray[np.uint8]
Noise = Callable[..., Pixels]
LABELS = np.arange(20) % 2


def read(path: Path, *, classes: tuple[str, ...] | None = None, **how: Any) -> Reading:
    data = {key: how.pop(key) for key in ("size", "label") if key in how}
    found = npz.find(path, **how)
    assert found is not None
    return found.read(Options(Recipe(data=data).data, classes))


def save(path: Path, **arrays: Any) -> Path:
    np.savez(path, **arrays)
    return path


def member(name: str, header: str, values: bytes = b"", start: bytes = b"\x93NUMPY\x01\0") -> bytes:
    said = header.encode("latin-1")
    return start + struct.pack("<H", len(said)) + said + values


def pack(path: Path, members: dict[str, bytes], kind: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", kind, compresslevel=1) as archive:
        for name, raw in members.items():
            archive.writestr(f"{name}.npy", raw)
    return path


def header(shape: str, descr: str = "'|u1'", order: str = "False") -> str:
    return f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}\n"


def one_label() -> bytes:
    return member("labels", header("(1,)"), b"\1")


def refused(text: str, path: Path, **how: Any) -> None:
    with pytest.raises(DataError) as caught:
        read(path, **how)
    assert text in str(caught.value)
    assert "\n" not in str(caught.value)
