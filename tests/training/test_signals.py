import os
import signal
import threading
from collections.abc import Iterator

import pytest

from tinysight.stopping import hearing_sigterm
from tinysight.training.signals import StopRequest


@pytest.fixture
def heard() -> Iterator[None]:
    """SIGHUP as a terminal's shell leaves it, also where the tests run under `nohup`."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_the_first_signal_asks(number: signal.Signals, heard: None) -> None:
    before = signal.getsignal(number)
    with pytest.raises(ValueError, match="the answer"), StopRequest() as stop:
        assert stop.signal is None
        os.kill(os.getpid(), number)
        assert stop.signal == number
        assert signal.getsignal(number) == before
        raise ValueError("the answer")
    assert signal.getsignal(number) == before


def test_one_that_nobody_answered_acts_on_leaving() -> None:
    with pytest.raises(KeyboardInterrupt), StopRequest() as stop:
        os.kill(os.getpid(), signal.SIGINT)
        assert stop.signal == signal.SIGINT


def test_the_second_sigint_insists() -> None:
    with pytest.raises(KeyboardInterrupt), StopRequest():
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)


def test_handlers_come_back_after_an_error() -> None:
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(ValueError, match="inside"), StopRequest():
        raise ValueError("inside")
    assert signal.getsignal(signal.SIGINT) == before


def test_outside_the_main_thread_nothing_is_touched() -> None:
    seen = []

    def work() -> None:
        with StopRequest() as stop:
            seen.append((stop.signal, signal.getsignal(signal.SIGINT)))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [(None, signal.getsignal(signal.SIGINT))]


def test_a_signal_that_is_ignored_stays_so() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with StopRequest() as stop:
            os.kill(os.getpid(), signal.SIGHUP)
        assert stop.signal is None
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_handler_that_was_not_set_from_python_is_left_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """getsignal says None of it, and signal.signal does not take None."""
    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr(signal, "getsignal", lambda number: None)
    with StopRequest() as stop, hearing_sigterm():
        monkeypatch.undo()
        assert signal.getsignal(signal.SIGTERM) == before
    assert stop.signal is None
