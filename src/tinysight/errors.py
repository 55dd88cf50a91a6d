"""Every error a user can meet, as one tree.

    TinysightError                exit code
    ├── UsageError                2    the command line, an argument, a name
    │   ├── UnknownName           2    a name that no registry has; names the nearest
    │   └── RecipeError           2    a field or value that a recipe refuses
    ├── DataError                 3    a data set that cannot be read or is not what it says
    │   └── PictureError          3    one picture that cannot be read
    ├── ModelError                4    a model that cannot be built, weights that do not fit
    │   └── CheckpointError       4    a run that is damaged, in use, or not what is asked for
    ├── ResourceError             5    disk, memory, device, port
    ├── Diverged                  6    a loss that is no longer finite
    └── Interrupted   129, 130, 143    stopped by SIGHUP, SIGINT or SIGTERM, with everything saved

A message is one line: what, where, what was expected, what was found, what to do next.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

__all__ = [
    "CheckpointError",
    "DataError",
    "Diverged",
    "Interrupted",
    "ModelError",
    "PictureError",
    "RecipeError",
    "ResourceError",
    "TinysightError",
    "UnknownName",
    "UsageError",
    "first_line",
    "unknown",
]


class TinysightError(Exception):
    """The root of the tree; catch it to catch all of Tinysight's refusals."""

    exit_code = 1


class UsageError(TinysightError):
    """Something asked for in a way that cannot be done."""

    exit_code = 2


class UnknownName(UsageError):
    """A name that is in no registry."""


class RecipeError(UsageError):
    """A recipe that is not valid."""


class DataError(TinysightError):
    """A data set that cannot be used."""

    exit_code = 3


class PictureError(DataError):
    """A picture that cannot be used."""


class ModelError(TinysightError):
    """A model that cannot be built, or weights that do not fit it."""

    exit_code = 4


class CheckpointError(ModelError):
    """A checkpoint that cannot be trusted."""


class ResourceError(TinysightError):
    """The machine lacks what the work needs."""

    exit_code = 5


class Diverged(TinysightError):
    """The training left the finite numbers; `run` is the path of its folder."""

    exit_code = 6

    def __init__(self, message: str, run: Path) -> None:
        super().__init__(message)
        self.run = run


class Interrupted(TinysightError):
    """A training that was asked to stop, and did after saving."""

    def __init__(self, message: str, exit_code: int = 130) -> None:
        super().__init__(message)
        self.exit_code = exit_code


def unknown(kind: str, name: str, known: Iterable[str]) -> UnknownName:
    """Return the error for a `name` that is none of the `known` ones of a `kind`.

    >>> print(unknown("recipe", "quik", ["quick", "linear"]))
    unknown recipe 'quik'; did you mean 'quick'? Known: linear, quick
    """
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    hint = f"; did you mean {near[0]!r}?" if near else "."
    return UnknownName(f"unknown {kind} {name!r}{hint} Known: {', '.join(names) or 'none'}")


def first_line(error: BaseException) -> str:
    r"""Return what an error of another library says, in a line for a message of ours.

    Keras says before it where it was, and says it in bold.

    >>> first_line(ValueError("Exception encountered when calling A.\n\n\x1b[1mno\x1b[0m"))
    'no'
    """
    lines = [re.sub(r"\x1b\[\d*m", "", line).strip() for line in str(error).splitlines()]
    found = (line for line in lines if line and not line.startswith("Exception encountered when"))
    return next(found, type(error).__name__)
