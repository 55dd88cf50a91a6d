"""The machine a run stands on: which device, number format and compilation, and why."""

from __future__ import annotations

import os
import platform
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import torch

from tinysight import __version__
from tinysight.errors import UsageError

__all__ = [
    "COMPILE",
    "DEVICES",
    "Compilation",
    "Precision",
    "choose_compilation",
    "choose_device",
    "choose_precision",
    "environment",
    "repeatable",
]

DEVICES = ("auto", "cpu", "cuda", "mps")
COMPILE = ("auto", "on", "off")
COMPILE_FROM = 3_000  # steps on a GPU; a guess, none could be measured
KERNELS_FROM = 100  # steps on a CPU: building takes half a second, a block saves 1 to 10 ms a step


def choose_device(name: str = "auto") -> torch.device:
    """Return the device to compute on; `auto` takes cuda, then mps, then the CPU.

    Raises:
        UsageError: no such device name, or none of that kind here.
    """
    here = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    if name == "auto":
        return torch.device(next(kind for kind, found in here.items() if found))
    if name not in here:
        raise UsageError(f"device must be one of {', '.join(DEVICES)}, got {name!r}")
    if not here[name]:
        raise UsageError(
            f"device {name} was asked for, but torch finds none here; use --device auto"
        )
    return torch.device(name)


@dataclass(frozen=True)
class Precision:
    """The format of the convolutions and matrix products, and why it was chosen."""

    name: Literal["bf16", "fp32"]
    why: str

    @property
    def dtype(self) -> torch.dtype:
        """The torch type of that name."""
        return torch.bfloat16 if self.name == "bf16" else torch.float32


def choose_precision(asked: str, device: torch.device) -> Precision:
    """Return bf16 where the device computes in it natively, else fp32; `asked` wins if it can.

    Raises:
        UsageError: bf16 was asked for on a device without any.
    """
    if asked == "fp32":
        return Precision("fp32", "asked for")
    native, why = _native_bf16(device)
    if asked == "bf16":
        if device.type == "mps":
            raise UsageError("precision=bf16 is not supported on mps; use precision=auto")
        return Precision("bf16", "asked for" if native else f"asked for, though {why}")
    return Precision("bf16" if native else "fp32", why)


def _native_bf16(device: torch.device) -> tuple[bool, str]:
    if device.type == "cuda":
        major, minor = torch.cuda.get_device_capability(device)
        # Tensor cores know bf16 since Ampere, compute capability 8.0.
        found = "has" if major >= 8 else "lacks"
        return (
            major >= 8,
            f"this GPU (compute capability {major}.{minor}) {found} bf16 tensor cores",
        )
    if device.type == "cpu":
        capabilities = torch.cpu.get_capabilities()
        for name in ("amx_bf16", "avx512_bf16"):
            if capabilities.get(name):
                return True, f"this CPU has {name}"
        return False, "this CPU has neither avx512_bf16 nor amx_bf16"
    return False, f"bf16 was not tried on {device.type}"


@dataclass(frozen=True)
class Compilation:
    """What makes the network's code in place of torch, and why."""

    by: Literal["torch.compile", "kernels"] | None
    why: str

    def __str__(self) -> str:
        said = {None: "not compiled", "torch.compile": "compiled", "kernels": "own kernels"}
        return f"{said[self.by]}: {self.why}"


def choose_compilation(
    asked: str, device: torch.device, steps: int, blocks: int = 0
) -> Compilation:
    """Return what to compile for a training of so many steps; `asked` wins if it can.

    On a CPU torch.compile made the steps no faster, after half a minute of compiling, and own
    kernels pay where they fit: see docs/experiments.md. On a GPU nothing was measured: a long
    training is thought to repay torch.compile.

    Args:
        asked: "off", "on" for torch.compile, or "auto".
        blocks: in how many places of the network own kernels fit.

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
        kind: Literal["torch.compile", "kernels"] = "kernels"
        lacking, least = _lacking_gcc(), KERNELS_FROM
        why = f"{blocks} blocks of ReLU, norm and maximum"
    elif device.type == "cuda":
        kind, lacking, least = "torch.compile", _lacking_compiler(device), COMPILE_FROM
        why = f"{steps:,} steps repay it"
    else:
        return Compilation(None, f"on a {device.type} it brings nothing")
    if lacking:
        return Compilation(None, lacking)
    if steps < least:
        return Compilation(None, f"{steps:,} steps would not repay it")
    return Compilation(kind, why)


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


def environment(
    device: torch.device, precision: Precision, compilation: Compilation
) -> dict[str, Any]:
    """Return what a reader needs to judge and repeat a run, as plain values."""
    return {
        "tinysight": __version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        # What else decides pixels: the decoder, the arithmetic, the digits.
        **{name: metadata.version(name) for name in ("numpy", "pillow", "scikit-learn")},
        "platform": platform.platform(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "device": _device_name(device),
        "precision": precision.name,
        "precision_why": precision.why,
        "compiled": compilation.by,
        "compiled_why": compilation.why,
        "command": shlex.join(["tinysight", *sys.argv[1:]]) if _is_command_line() else None,
        "git_commit": _git_commit(),
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
    }


@contextmanager
def repeatable(device: torch.device) -> Iterator[None]:
    """Let equal work on `device` give equal numbers while entered; leave everything as found.

    The random generators, which may be seeded inside, get their states back. cuDNN takes its
    deterministic kernels, and none by a race of them against each other.
    """
    cudnn = torch.backends.cudnn
    found = cudnn.deterministic, cudnn.benchmark
    state = torch.mps.get_rng_state() if device.type == "mps" else None
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        try:
            if device.type == "cuda":
                cudnn.deterministic, cudnn.benchmark = True, False
            yield
        finally:
            cudnn.deterministic, cudnn.benchmark = found
            if state is not None:
                torch.mps.set_rng_state(state)


def _is_command_line() -> bool:
    return Path(sys.argv[0]).name in ("tinysight", "tinysight.exe", "__main__.py")


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _device_name(device: torch.device) -> str:
    return f"cuda ({torch.cuda.get_device_name(device)})" if device.type == "cuda" else device.type


def _git_commit() -> str | None:
    """The commit of the working folder, with a `+` where it has changes."""
    try:
        said = subprocess.run(
            ["git", "describe", "--always", "--abbrev=40", "--dirty=+", "--exclude=*"],
            capture_output=True,
            text=True,
            timeout=5,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return said.stdout.strip() or None
