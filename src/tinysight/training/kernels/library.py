"""The kernels' machine code: made by gcc from block.c for this processor, and loaded."""

from __future__ import annotations

import ctypes
import subprocess
import tempfile
from importlib.resources import as_file, files
from pathlib import Path

import torch

__all__ = ["LANES", "MOST", "PARTS", "Shape", "build"]

LANES, MOST, PARTS = 16, 2048, 64  # as in block.c
FLAGS = ("-O2", "-std=c11", "-march=native", "-fopenmp", "-fPIC", "-fno-math-errno")
SECONDS = 60  # that gcc may take


class Shape(ctypes.Structure):
    """How large a map is, and on how many threads to work."""

    _fields_ = [(name, ctypes.c_int64) for name in ("n", "h", "w", "c", "threads")]


def build(dtype: torch.dtype) -> ctypes.CDLL:
    """Return the kernels for maps of `dtype`, bfloat16 or float32; that takes half a second.

    Nothing is kept on disk: what was compiled earlier would be code that anyone who can write to
    a cache could have us run.

    Raises:
        OSError: there is no gcc, it does not compile them, or what it made cannot be loaded.
        subprocess.SubprocessError: gcc does not end.
        TypeError: another `dtype`.
    """
    kind = {torch.bfloat16: ("-DBF16",), torch.float32: ()}.get(dtype)
    if kind is None:
        raise TypeError(f"there are kernels for bfloat16 and float32, not for {dtype}")
    with (
        tempfile.TemporaryDirectory(prefix="tinysight-") as scratch,
        as_file(files("tinysight.training.kernels") / "block.c") as source,
    ):
        made, library = Path(scratch) / "block.o", Path(scratch) / "block.so"
        _run("gcc", *FLAGS, *kind, "-c", str(source), "-o", str(made))
        # Without -fopenmp, so that it takes the threads that torch has loaded, not a second set.
        _run("gcc", "-shared", str(made), "-o", str(library), "-lm")
        return ctypes.CDLL(str(library))


def _run(*words: str) -> None:
    ended = subprocess.run(words, check=False, capture_output=True, text=True, timeout=SECONDS)
    if ended.returncode:
        said = next((line for line in ended.stderr.splitlines() if "error" in line), ended.stderr)
        raise OSError(f"gcc: {said.strip()}")
