"""What makes the network's code in place of torch, and why."""

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Literal

import torch

from tinysight.errors import UsageError

__all__ = ["COMPILE", "Compilation", "choose_compilation"]

COMPILE = ("auto", "on", "off")
COMPILE_FROM = 3_000  # steps on a GPU; a guess, none could be measured
KERNELS_FROM = 20_000_000  # pixels: to build takes half a second, P3 saves 0.1 us a pixel


@dataclass(frozen=True)
class Compilation:
    """What makes the network's code in place of torch, and why."""

    by: Literal["torch.compile", "kernels"] | None
    why: str

    def __str__(self) -> str:
        said = {None: "not compiled", "torch.compile": "compiled", "kernels": "own kernels"}
        return f"{said[self.by]}: {self.why}"


def choose_compilation(
    asked: str, device: torch.device, steps: int, *, blocks: int = 0, pixels: int = 0
) -> Compilation:
    """Return what to compile for a training of so many steps; `asked` wins if it can.

    On a CPU torch.compile made the steps no faster, after half a minute of compiling, and own
    kernels pay where they fit: see docs/experiments.md. On a GPU nothing was measured: a long
    training is thought to repay torch.compile.

    Args:
        asked: "off", "on" for torch.compile, or "auto".
        steps: of the training.
        blocks: in how many places of the network own kernels fit.
        pixels: of all pictures that the training sees, each as often as it does.

    Raises:
        UsageError: `asked` is not one of COMPILE, or asks for it where there is no compiler.
    """
    if asked not in COMPILE:
        raise UsageError(f"compile must be one of {', '.join(COMPILE)}, got {asked!r}")
    if asked == "off":
        return Compilation(None, "asked for")
    if asked == "on":
        if lacking := _lacking_compiler(device):
            raise UsageError(f"compile=on was asked for, but {lacking}; use compile=auto")
        return Compilation("torch.compile", "asked for")
    if device.type == "cpu" and blocks:
        if lacking := _lacking_gcc():
            return Compilation(None, lacking)
        if pixels < KERNELS_FROM:
            return Compilation(None, "so short a training would not repay own kernels")
        return Compilation("kernels", f"{blocks} blocks of ReLU, norm and maximum")
    if device.type != "cuda":
        tried = {"cpu": "torch.compile made no step of a CPU faster"}
        return Compilation(None, tried.get(device.type, f"not tried on {device.type}"))
    if lacking := _lacking_compiler(device):
        return Compilation(None, lacking)
    if steps < COMPILE_FROM:
        return Compilation(None, f"{steps:,} steps would not repay it")
    return Compilation("torch.compile", f"{COMPILE_FROM:,} steps or more are thought to repay it")


def _lacking_gcc() -> str | None:
    """What building own kernels lacks here, or None."""
    if sys.platform != "linux":
        return "own kernels are built on Linux alone"
    return None if shutil.which("gcc") else "there is no gcc here for own kernels"


def _lacking_compiler(device: torch.device) -> str | None:
    """What compiling for a device lacks here, or None."""
    if not (shutil.which(os.environ.get("CXX", "c++")) or shutil.which("g++")):
        return "there is no C++ compiler here"
    if device.type == "cuda" and find_spec("triton") is None:
        return "there is no triton here"
    return None
