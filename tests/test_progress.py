import io

import pytest
from rich.console import Console

from tinysight import progress as module
from tinysight.progress import Progress

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


def train(progress: Progress, clock: list[float], seconds: float) -> None:
    """Ten steps of two epochs, some seconds each."""
    with progress.training(10):
        for step in range(1, 11):
            clock[0] += seconds
            progress.step(step, 1 + (step > 5), 2.0 / step, 0.1 * step, 640.0)
            if step == 5:
                progress.epoch(ROW, better=True)


def test_without_a_terminal_there_are_plain_lines(clock: list[float]) -> None:
    progress, screen = shown(terminal=False)
    train(progress, clock, 20.0)
    lines = screen.getvalue().splitlines()
    assert lines[0] == "expected: about 2 min 40 s more"
    assert lines[1] == "epoch 1  step 2/10  loss 1.000  train 20.0%  640 img/s  2 min 40 s left"
    epoch = (
        "epoch   1  loss 1.250  train 50.0%, clean 60.0%  validation 55.00% best  1,234 img/s  "
        "1 min 23 s"
    )
    assert epoch in lines
    assert lines[-1].startswith("epoch 2  step 9/10  loss 0.222  train 90.0%  validation 55.0%")
    assert "\x1b" not in screen.getvalue()


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
    with progress.training(9_999):
        for step in range(3):
            clock[0] += 40
            progress.step(6_000 + 100 * step, 300, 2.3e16, 0.999, 99_999)
        progress.epoch(row, better=True)
        clock[0] += 40
        progress.step(6_300, 301, 2.301, 0.999, 99_999)
    lines = screen.getvalue().splitlines()
    assert len(lines) == 5
    assert max(map(len, lines)) <= 100
    assert "loss 2.3e+16" in lines[1]


def test_a_quick_training_says_its_epochs_alone(clock: list[float]) -> None:
    progress, screen = shown(terminal=False)
    train(progress, clock, 0.1)
    assert len(screen.getvalue().splitlines()) == 1


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
