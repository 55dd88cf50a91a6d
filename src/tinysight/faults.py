"""What stopped the command line and is no refusal of ours, as one line and an exit code."""

from __future__ import annotations

import os
import sys
import sysconfig
import traceback
from pathlib import Path

from tinysight.errors import ModelError, ResourceError, first_line

__all__ = ["raised_by_user", "told"]

ALLOCATORS = ("can't allocate memory", "DefaultCPUAllocator")  # said by torch's RuntimeErrors
ELSEWHERE = {"site-packages", "dist-packages"}  # parts of the paths of libraries


def told(error: Exception) -> tuple[str, int] | None:
    """Return a line on an exception that is not ours, and its exit code.

    None for a fault of our own whose traceback is in no run's log, so that it has to be shown.
    """
    if said := _out_of_memory(error):
        return said, ResourceError.exit_code
    if said := raised_by_user(error):
        return said, ModelError.exit_code
    if isinstance(error, OSError):
        name = error.filename
        where = f": {os.fsdecode(name)}" if isinstance(name, str | bytes) else ""
        return f"{error.strerror or error}{where}", ResourceError.exit_code
    if getattr(error, "tinysight_log", None) is not None:
        return f"a fault of tinysight's own: {_raised(error)}", 1
    return None


def raised_by_user(error: BaseException) -> str | None:
    """Return a line on what came out of the file of a user's own network, or of one beside it.

    None where neither stands below the last of our own lines in the traceback.
    """
    foreign = sys.modules.get("tinysight.models.foreign")
    folders = foreign.run_from if foreign else ()
    frames = traceback.extract_tb(error.__traceback__)
    files = [Path(frame.filename) for frame in frames]
    ours = Path(__file__).parent
    last = max((i for i, file in enumerate(files) if file.is_relative_to(ours)), default=-1)
    library = sysconfig.get_path("stdlib")
    for file, frame in reversed(list(zip(files, frames, strict=True))[last + 1 :]):
        of_library = file.is_relative_to(library) or ELSEWHERE & set(file.parts)
        if not of_library and any(file.is_relative_to(folder) for folder in folders):
            return f"{file}, line {frame.lineno}: {_raised(error)}"
    return None


def _out_of_memory(error: Exception) -> str | None:
    kind = getattr(sys.modules.get("torch"), "OutOfMemoryError", ())
    if isinstance(error, (MemoryError, kind)) or any(text in str(error) for text in ALLOCATORS):
        first = next(iter(str(error).splitlines()), "") or "an allocation failed"
        return f"out of memory: {first}; close other programs, or train with a smaller batch_size"
    return None


def _raised(error: BaseException) -> str:
    """What was raised, and the log that its traceback is in, if there is one."""
    kind, said = type(error).__name__, first_line(error)
    line = kind if said == kind else f"{kind}: {said}"
    log = getattr(error, "tinysight_log", None)
    return line if log is None else f"{line}; the traceback is in {log}"
