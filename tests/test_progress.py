import contextlib
import io
import os
import re
import sys
from pathlib import Path

import pytest
from rich.console import Console
from tests.terminals import on_a_terminal

from tinysight import progress as module
from tinysight.progress import Progress, duration

ROW = {
    "epoch": 1.0,
    "train_loss_running": 1.25,
    "train_accuracy_running": 0.5,
    "train_accuracy_clean": 0.6,
    "validation_accuracy": 0.55,
    "pictures_per_second": 1234.0,
    "seconds": 83.0,
}


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A clock that stands at the list's only number."""
    now = [100.0]
    monkeypatch.setattr(module.time, "perf_counter", lambda: now[0])
    return now


def shown(*, terminal: bool) -> tuple[Progress, io.StringIO]:
    progress, screen = Progress(), io.StringIO()
    progress.console = Console(file=screen, force_terminal=terminal, width=200, color_system=None)
    return progress, screen


def train(progress: Progress, clock: list[float], seconds: float, evaluation: float = 0.0) -> int:
    """Two epochs of five steps, some seconds each; return how often an evaluation was estimated.

    The estimate is 30 s, and takes 7.
    """
    asked = 0

    def estimate() -> float:
        nonlocal asked
        asked += 1
        clock[0] += 7
        return 30.0

    with progress.training(2, 10, estimate):
        for step in range(1, 11):
            clock[0] += seconds
            progress.step(step, 1 + (step > 5), 2.0 / step, 0.1 * step, 640.0)
            if step % 5 == 0:
                clock[0] += evaluation
                progress.epoch(ROW, better=step == 5)
    return asked


def test_without_a_terminal_there_are_plain_lines(clock: list[float]) -> None:
    progress, screen = shown(terminal=False)
    train(progress, clock, 20.0)
    lines = screen.getvalue().splitlines()
    assert lines[0] == "expected: about 3 min 40 s more"
    assert lines[1] == "epoch 1  step 2/10  loss 1.000  train 20.0%  640 img/s  3 min 40 s left"
    epoch = (
        "epoch   1  loss 1.250  train 50.0%, clean 60.0%  validation 55.00% best  1,234 img/s  "
        "1 min 23 s"
    )
    assert epoch in lines
    assert lines[-2].startswith("epoch 2  step 9/10  loss 0.222  train 90.0%  validation 55.0%")
    assert "\x1b" not in screen.getvalue()


def test_the_time_left_holds_the_evaluations(clock: list[float]) -> None:
    """Before the first by an estimate, whose own time counts for nothing; then as it was."""
    progress, screen = shown(terminal=False)
    assert train(progress, clock, 40.0, 50.0) == 1
    left = [line.rpartition("  ")[2] for line in screen.getvalue().splitlines()]
    steps = [said for said in left if said.endswith("left")]
    expected = [8 * 40 + 2 * 30, 7 * 40 + 2 * 30, 6 * 40 + 2 * 30, 5 * 40 + 2 * 30]
    expected += [n * 40 + 50 for n in (4, 3, 2, 1, 0)]
    assert left[:2] == ["640 img/s", "expected: about 6 min 20 s more"]
    assert steps == [f"{duration(s)} left" for s in expected]


def test_steps_that_cost_less_are_counted_for_less(clock: list[float]) -> None:
    progress, screen = shown(terminal=False)

    def work(step: int) -> float:  # the first four of ten are half as long
        return min(step, 4) / 2 + max(step - 4, 0)

    with progress.training(1, 10, lambda: 30.0, work):
        for step in (1, 2):
            clock[0] += 20
            progress.step(step, 1, 1.0, 0.5, 640)
    said = screen.getvalue().splitlines()
    assert said[-1].endswith(f"  {duration(2 * 20 + 6 * 40 + 30)} left")


def test_an_evaluation_that_was_seen_is_not_estimated(clock: list[float]) -> None:
    progress, screen = shown(terminal=False)
    assert train(progress, clock, 0.6, 50.0) == 0
    # Five steps were timed at the sixth, 3 s: more than that at the seventh.
    assert f"expected: about {duration(3 * 0.6 + 50)} more" in screen.getvalue()


def test_no_line_is_longer_than_a_terminal(clock: list[float]) -> None:
    progress, screen = shown(terminal=False)
    row = ROW | {
        "epoch": 300,
        "train_loss_running": 2.3e16,
        "train_accuracy_running": 0.999,
        "train_accuracy_clean": 0.999,
        "validation_accuracy": 0.999,
        "pictures_per_second": 99_999,
        "seconds": 3599,
    }
    with progress.training(300, 9900, lambda: 0.0):
        for step in range(3):
            clock[0] += 40
            progress.step(9_600 + 100 * step, 300, 2.3e16, 0.999, 99_999)
        progress.epoch(row, better=True)
        clock[0] += 40
        progress.step(9_900, 300, 2.301, 0.999, 99_999)
    lines = screen.getvalue().splitlines()
    assert len(lines) == 6
    assert max(map(len, lines)) <= 100
    assert "loss 2.3e+16" in lines[0]


def test_a_quick_training_says_its_epochs_alone(clock: list[float]) -> None:
    progress, screen = shown(terminal=False)
    train(progress, clock, 0.1)
    assert len(screen.getvalue().splitlines()) == 2


def test_on_a_terminal_a_bar_moves(clock: list[float]) -> None:
    progress, screen = shown(terminal=True)
    train(progress, clock, 0.3)
    assert "\x1b" in screen.getvalue()
    assert "validation 55.00% best" in screen.getvalue()


def test_quiet_says_nothing(clock: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    progress = Progress(quiet=True)
    train(progress, clock, 20.0)
    progress.say("something")
    with progress.counting("reading") as counter:
        counter(1, 2)
    assert capsys.readouterr() == ("", "")


def test_counting_says_how_far_it_is(clock: list[float]) -> None:
    progress, screen = shown(terminal=False)
    with progress.counting("reading pictures") as counter:
        counter(10, 6000)
        clock[0] += 2.5
        counter(2000, 6000)
    assert screen.getvalue() == "reading pictures: 2,000 of 6,000\n"
    progress, screen = shown(terminal=True)
    with progress.counting("reading pictures") as counter:
        counter(2000, 6000)
    assert "2,000/6,000" in screen.getvalue()


@pytest.mark.parametrize("nowhere", ["pipe", "full"])
def test_what_standard_error_does_not_take_stops_no_work(
    nowhere: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if nowhere == "full":
        if not Path("/dev/full").exists():
            pytest.skip("no /dev/full")
        stream = Path("/dev/full").open("w", buffering=1)  # noqa: SIM115
    else:
        end, start = os.pipe()
        os.close(end)
        stream = os.fdopen(start, "w", buffering=1)
    monkeypatch.setattr("sys.stderr", stream)
    progress = Progress()
    progress.say("a line")
    progress.say("another")
    with pytest.raises(OSError, match="Broken pipe|No space left"):
        stream.write("a line\n")
        stream.flush()
    with contextlib.suppress(OSError):
        stream.close()


def test_a_bar_lines_and_standard_error_itself_share_a_terminal(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with on_a_terminal(monkeypatch) as said:
        progress = Progress()
        with progress.counting("reading pictures") as counter:
            counter(6, 12)
            progress.say("a line of ours")
            sys.stderr.write("a line of another\n")
    lines = [line.rpartition("\x1b[2K")[2] for line in "".join(said).splitlines()]
    assert {"a line of ours", "a line of another"} <= set(lines)
    assert "6/12" in lines[-3]


def test_one_bar_at_a_time_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """A bar hides the cursor when it comes and shows it again when it goes."""
    with on_a_terminal(monkeypatch) as said:
        progress = Progress()
        with progress.moving("taking it") as moved:
            moved(1_000_000, 2_000_000)
            with progress.counting("reading pictures") as counter:
                counter(6, 12)
            moved(2_000_000, 2_000_000)
    text = "".join(said)
    assert re.findall(r"\x1b\[\?25([lh])", text) == list("lhlhlh")
    assert "6/12" in text
    assert text.rindex("taking it") > text.rindex("reading pictures")


def test_where_there_is_no_standard_error_nothing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """As under pythonw."""
    monkeypatch.setattr("sys.stderr", None)
    progress = Progress()
    progress.say("a line")
    with progress.counting("reading pictures") as counter:
        counter(1, 2)
    assert sys.stderr is None
    assert progress.console.encoding == "utf-8"


def test_bars_one_after_another_leave_none_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    with on_a_terminal(monkeypatch) as said:
        progress = Progress()
        for _ in range(2):
            with progress.counting("reading pictures") as counter:
                counter(6, 12)
    assert re.findall(r"\x1b\[\?25([lh])", "".join(said)) == list("lhlh")


def test_a_part_of_a_longer_work_has_its_bar_and_no_lines_but_warnings(clock: list[float]) -> None:
    for terminal in (True, False):
        outer, screen = shown(terminal=terminal)
        inner = outer.within("2 of 8: base")
        inner.console = outer.console
        inner.say("a plan")
        train(inner, clock, 7.0)
        inner.epoch(ROW, better=True)
        said = screen.getvalue()
        assert re.search(r"2 of 8: base  epoch \d  step ", said)
        assert "a plan" not in said
        assert "validation 55.00%" not in said
        inner.console.quiet = True
        inner.warn("a file is damaged")
        assert "a file is damaged" in screen.getvalue()
        assert inner.console.quiet
        inner.console.quiet = False
        inner.say("another plan")
        assert "another plan" not in screen.getvalue()
