"""CIFAR as its tests read it: found by its content, or refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tinysight.data.containers import open_container
from tinysight.data.readers.cifar import Cifar, find
from tinysight.data.reading import Options, Reading
from tinysight.errors import DataError
from tinysight.recipe import Recipe


def reader(path: Path) -> Cifar:
    found = find(open_container(path))
    assert found is not None
    return found


def read(path: Path, classes: tuple[str, ...] | None = None, **data: Any) -> Reading:
    return reader(path).read(Options(Recipe(data=data).data, classes))


def refused(text: str, path: Path, kind: type[Exception] = DataError, **how: Any) -> None:
    with pytest.raises(kind) as error:
        read(path, **how)
    assert text in str(error.value)
    assert str(error.value).isprintable()
