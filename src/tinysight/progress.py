"""What is shown while work goes on: a training, or the reading of pictures."""

from __future__ import annotations

import io
import logging
import math
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import IO, TextIO, cast

from rich.console import Console
from rich.file_proxy import FileProxy
from rich.progress import (
    BarColumn,
    DownloadColumn,
    ProgressColumn,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.progress import Progress as Bars

__all__ = ["Progress", "duration", "megabytes", "nats", "span", "standard_error"]

FIRST_ESTIMATE = 3.0  # seconds of steps before the expected time is said
LINE_AFTER = 2.0  # seconds between two lines of a count, where there is no terminal
MOVED_EVERY = 10.0  # the same for bytes, which may take long
LINE_EVERY = 30.0  # seconds between two lines within an epoch, where there is no terminal


class Progress:
    """A live bar on a terminal, plain lines elsewhere, nothing at all when `quiet`.

    Everything goes to standard error, so that standard output stays free for results.
    """

    def __init__(self, *, quiet: bool = False) -> None:
        self.console = Console(file=standard_error(), quiet=quiet, highlight=False, soft_wrap=True)
        self._bars: Bars | None = None
        self._counter: Bars | None = None
        self._task = TaskID(0)
        self._clock = _Clock(0, 0, lambda: 0.0, float)
        self._expected = False
        self._line_at = 0.0
        self._split, self._held_out = "validation", ""
        self._part = ""

    def say(self, text: str) -> None:
        """Print a line that stays; the log of a run that is being trained has it too."""
        logging.getLogger("tinysight").info(text)
        if not self._part:
            self.console.print(text, markup=False)

    def within(self, text: str) -> Progress:
        """Return what shows one part of a longer work: its bar behind this text, no lines."""
        inner = Progress(quiet=self.console.quiet)
        inner._part = f"{text}  "
        return inner

    def warn(self, text: str) -> None:
        """Print a line about what is damaged or lost, also where all else is quiet."""
        before = self.console.quiet, self._part
        self.console.quiet, self._part = False, ""
        try:
            self.say(text)
        finally:
            self.console.quiet, self._part = before

    @contextmanager
    def training(
        self,
        epochs: int,
        steps: int,
        evaluation: Callable[[], float],
        work: Callable[[int], float] = float,
        *,
        split: str = "validation",
    ) -> Iterator[None]:
        """Show a training while entered.

        Args:
            epochs: how many, with an evaluation after each.
            steps: in all of them.
            evaluation: estimates the seconds of an evaluation; called at most once, where the
                first epoch takes long.
            work: what the steps up to one cost, in any unit, where they do not all cost the same.
            split: which is held out, to be named.
        """
        self._split = split
        self._clock = _Clock(epochs, steps, evaluation, work)
        self._expected, self._held_out = False, ""
        self._line_at = time.perf_counter()
        if not self.console.is_terminal:
            yield
            return
        columns = (BarColumn(bar_width=10), TextColumn("{task.description}"))
        with Bars(*columns, console=self.console, transient=True) as self._bars:
            self._task = self._bars.add_task("starting", total=self._clock.total)
            try:
                yield
            finally:
                self._bars = None

    def counting(self, what: str) -> AbstractContextManager[_Counter]:
        """Show how far a count is, for work that is not training."""
        return self._counted(_Counter(self, what), TextColumn("{task.completed:,}/{task.total:,}"))

    def moving(self, what: str) -> AbstractContextManager[_Counter]:
        """Show how many bytes are there, how fast they come and the time left."""
        left = TimeRemainingColumn(compact=True)
        return self._counted(_Moved(self, what), DownloadColumn(), TransferSpeedColumn(), left)

    @contextmanager
    def _counted(self, counter: _Counter, *columns: ProgressColumn) -> Iterator[_Counter]:
        """Show a counter while entered; one that is shown already stands back for it."""
        if not self.console.is_terminal:
            yield counter
            return
        columns = (TextColumn("{task.description}"), BarColumn(bar_width=24), *columns)
        before = self._counter
        if before:
            before.stop()
        try:
            with Bars(*columns, console=self.console, transient=True) as counter.bars:
                self._counter = counter.bars
                yield counter
        finally:
            self._counter = before
            if before:
                before.start()

    def step(self, step: int, epoch: int, loss: float, accuracy: float, speed: float) -> None:
        """Show a step: the running loss and accuracy of its epoch, `speed` in pictures/s."""
        left = self._clock.step(step)
        if left is not None and not self._expected:
            self._expected = True
            self.say(f"expected: about {duration(left)} more")
        text = (
            f"{self._part}epoch {epoch}  step {step}/{self._clock.total}  loss {nats(loss)}  "
            f"train {accuracy:.1%}{self._held_out}  {speed:,.0f} img/s"
        )
        if left is not None:
            text += f"  {duration(left)} left"
        now = time.perf_counter()
        if self._bars is not None:
            self._bars.update(self._task, completed=step, description=text)
        elif now - self._line_at > LINE_EVERY:
            self._line_at = now
            logging.getLogger("tinysight").info(text)
            self.console.print(text, markup=False)

    def epoch(self, row: Mapping[str, float], *, better: bool) -> None:
        """Print an epoch's line; `better` marks a new best.

        What n and interval its accuracies have is said once, by the plan.
        """
        self._clock.epoch()
        self._line_at = time.perf_counter()
        accuracy = row["validation_accuracy"]
        measured = math.isfinite(accuracy)
        self._held_out = f"  {self._split} {accuracy:.1%}" if measured else ""
        best = f"{self._split} {accuracy:6.2%} {'best' if better else '    '}  "
        running, clean = row["train_accuracy_running"], row["train_accuracy_clean"]
        self.say(
            f"epoch {row['epoch']:>3.0f}  loss {nats(row['train_loss_running'])}  "
            f"train {running:5.1%}, clean {clean:5.1%}  "
            f"{best if measured else ''}"
            f"{row['pictures_per_second']:,.0f} img/s  {duration(row['seconds'])}"
        )


class _Clock:
    """What is left of a training: its steps, and an evaluation after each epoch."""

    def __init__(
        self,
        epochs: int,
        steps: int,
        evaluation: Callable[[], float],
        work: Callable[[int], float],
    ) -> None:
        self.epochs, self.total, self.evaluation, self.work = epochs, steps, evaluation, work
        self.first: tuple[float, int] | None = None
        self.last = 0.0  # when the last step was shown
        self.apart = 0.0  # seconds since the first step that were none of the steps'
        self.measured: float | None = None  # seconds of an evaluation

    def step(self, step: int) -> float | None:
        """Return the seconds left after a step; None while too few steps were timed."""
        now = self.last = time.perf_counter()
        if self.first is None:
            self.first = (now, step)
        began, first = self.first
        taken = now - began - self.apart
        if step == first or taken <= FIRST_ESTIMATE:
            return None
        if self.measured is None:
            self.measured = self.evaluation()
            self.last = time.perf_counter()
            self.apart += self.last - now
        done, left = self.work(step) - self.work(first), self.work(self.total) - self.work(step)
        return taken / done * left + self.epochs * self.measured

    def epoch(self) -> None:
        """Take the time since the epoch's last step for that of every evaluation to come."""
        self.epochs -= 1
        self.measured = time.perf_counter() - self.last
        self.apart += self.measured


class _Stderr(io.TextIOBase):
    """See `standard_error`: what it no longer takes stops no work."""

    @property
    def encoding(self) -> str:  # pyright: ignore[reportIncompatibleVariableOverride]
        stream = self._stream()
        return "utf-8" if stream is None else stream.encoding

    def isatty(self) -> bool:
        stream = self._stream()
        return stream is not None and stream.isatty()

    def fileno(self) -> int:
        stream = self._stream()
        return super().fileno() if stream is None else stream.fileno()

    def write(self, text: str) -> int:
        if stream := self._stream():
            with suppress(OSError):
                stream.write(text)
        return len(text)

    def flush(self) -> None:
        if stream := self._stream():
            with suppress(OSError):
                stream.flush()

    def _stream(self) -> TextIO | None:
        """None where there is none, as under pythonw."""
        stream = sys.stderr
        # While a bar is shown, rich stands there itself and writes to here.
        if isinstance(stream, FileProxy):
            return cast("TextIO", stream.rich_proxied_file)
        return stream


class _Counter:
    """Called with (done, total) while work goes on; a total of 0 is not known."""

    every = LINE_AFTER

    def __init__(self, progress: Progress, what: str) -> None:
        self.progress, self.what = progress, what
        self.bars: Bars | None = None
        self.task: TaskID | None = None
        self.said = time.perf_counter()

    def __call__(self, done: int, total: int) -> None:
        if self.bars is not None:
            if self.task is None:
                # What was there before the first call has no part in the speed.
                self.task = self.bars.add_task(self.what, total=total or None, completed=done)
            self.bars.update(self.task, completed=done, total=total or None)
        elif time.perf_counter() - self.said > self.every:
            self.said = time.perf_counter()
            self.progress.say(f"{self.what}: {self.line(done, total)}")

    def line(self, done: int, total: int) -> str:
        """What a plain line says."""
        return f"{done:,} of {total:,}"


class _Moved(_Counter):
    """The same for bytes."""

    every = MOVED_EVERY
    first: tuple[float, int] | None = None

    def __call__(self, done: int, total: int) -> None:
        self.first = self.first or (time.perf_counter(), done)
        super().__call__(done, total)

    def line(self, done: int, total: int) -> str:
        """What a plain line says."""
        began, before = self.first or (0.0, 0)
        speed = (done - before) / max(1e-9, time.perf_counter() - began)
        text = f"{megabytes(done)}{f' of {megabytes(total)}' if total else ''}"
        if speed > 0:
            text += f", {megabytes(speed)}/s"
            if total:
                text += f", {duration((total - done) / speed)} left"
        return text


def standard_error() -> IO[str]:
    """Return standard error, wherever it leads by then; what it does not take is dropped."""
    return cast("IO[str]", _Stderr())


def megabytes(size: float) -> str:
    """Return bytes as people read them, in decimal units.

    >>> megabytes(170_498_071), megabytes(28_881)
    ('170.5 MB', '0.03 MB')
    """
    return f"{size / 1e6:.1f} MB" if size >= 1e6 else f"{size / 1e6:.2f} MB"


def duration(seconds: float) -> str:
    """Return seconds as people say them.

    >>> duration(8.24), duration(272), duration(7384)
    ('8.2 s', '4 min 32 s', '2 h 3 min')
    """
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def nats(loss: float) -> str:
    """Return a cross-entropy as people read it.

    >>> nats(0.10449), nats(23410635329425760.0)
    ('0.104', '2.34e+16')
    """
    return f"{loss:.3f}" if loss < 1000 else f"{loss:.3g}"


def span(first: int, last: int) -> str:
    """Return which step, or between which steps, something happened.

    >>> span(7, 7), span(21, 40)
    ('step 7', 'a step from 21 to 40')
    """
    return f"step {last}" if first == last else f"a step from {first} to {last}"
