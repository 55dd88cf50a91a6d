"""log.txt of a run: what was said, warnings, and the tracebacks of what went wrong."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from tinysight.errors import Interrupted, UsageError

__all__ = ["logging_to"]

LOGGER = logging.getLogger("tinysight")  # to which `progress` says what it says on the screen


@contextmanager
def logging_to(path: Path, say: Callable[[str], object]) -> Iterator[None]:
    """Add what happens to a log while entered; a disk that does not take it stops no work.

    What goes wrong is logged with its traceback, and has a note and an attribute `tinysight_log` of
    where that is. A warning is a line on the screen.

    Args:
        say: shows a line to the user.
    """
    try:
        handler = _Quiet(path, encoding="utf-8", errors="backslashreplace")
    except OSError:
        yield
        return
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    level = LOGGER.level
    LOGGER.addHandler(handler)
    LOGGER.setLevel(logging.INFO)
    try:
        with warnings.catch_warnings():
            warnings.showwarning = _warning(say, path)
            yield
    except (Interrupted, UsageError) as error:
        LOGGER.info("%s", error)
        raise
    except BaseException as error:
        LOGGER.error("%s", type(error).__name__, exc_info=error)
        if not handler.lost:
            error.add_note(f"the traceback is in {path}")
            vars(error)["tinysight_log"] = path
        raise
    finally:
        LOGGER.setLevel(level)
        LOGGER.removeHandler(handler)
        with suppress(OSError):  # of a full disk
            handler.close()


class _Quiet(logging.FileHandler):
    """A file that is gone or full loses lines, and nothing else."""

    lost = False

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: ARG002, N802 - logging's name
        """Drop it."""
        self.lost = True


def _warning(say: Callable[[str], object], path: Path) -> Callable[..., None]:
    """What takes the place of `warnings.showwarning`."""

    def show(
        message: Warning | str, category: type[Warning], filename: str, lineno: int, *_: Any
    ) -> None:
        first = next(iter(str(message).splitlines()), "")
        LOGGER.warning("%s:%d: %s: %s", filename, lineno, category.__name__, message)
        say(f"warning: {first} (see {path})")

    return show
