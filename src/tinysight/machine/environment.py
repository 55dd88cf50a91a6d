"""What a reader needs to judge and repeat a run."""

from __future__ import annotations

import os
import platform
import shlex
import subprocess
import sys
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

from tinysight import __version__
from tinysight.machine.compilation import Compilation
from tinysight.machine.precision import Precision
from tinysight.machine.threads import Threads

__all__ = ["environment"]


def environment(
    device: torch.device,
    threads: Threads,
    precision: Precision,
    compilation: Compilation,
    memory_format: torch.memory_format,
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
        "threads": threads.count,
        "threads_why": threads.why,
        "memory_format": str(memory_format).removeprefix("torch."),
        "device": _device_name(device),
        "precision": precision.name,
        "precision_why": precision.why,
        "compiled": compilation.by,
        "compiled_why": compilation.why,
        "command": shlex.join(["tinysight", *sys.argv[1:]]) if _is_command_line() else None,
        "git_commit": _git_commit(),
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
    }


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
