"""A reader run in a process of its own that may take 200 MB more than it has at its start."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

__all__ = ["needs_proc", "read_within_200_megabytes"]

needs_proc = pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs Linux's /proc")

_CODE = """
import importlib, resource, sys
from pathlib import Path
from tinysight.data.containers import open_container
from tinysight.data.reading import Options
from tinysight.errors import DataError
from tinysight.recipe import Recipe
reader = importlib.import_module(f"tinysight.data.readers.{sys.argv[1]}")
source = open_container if sys.argv[2] else Path
pages = int(Path("/proc/self/statm").read_text().split()[0])
most = pages * resource.getpagesize() + 200 * 10**6
resource.setrlimit(resource.RLIMIT_AS, (most, most))
try:
    bytearray(300 * 10**6)
    sys.exit("the memory is not bounded")
except MemoryError:
    pass
for path in map(Path, sys.argv[3:]):
    try:
        reader.find(source(path)).read(Options(Recipe().data))
        print("read")
    except DataError as error:
        print(error)
"""


def read_within_200_megabytes(
    reader: str, paths: Iterable[Path], *, contained: bool = False
) -> list[str]:
    """Return what is said of each path: a line that is the error, or "read".

    Args:
        reader: a module of `data.readers`.
        contained: whether it takes a container rather than a path.
    """
    done = subprocess.run(
        [sys.executable, "-c", _CODE, reader, "1" * contained, *map(str, paths)],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()
