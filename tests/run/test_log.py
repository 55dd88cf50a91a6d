"""log.txt has what was said, warnings and tracebacks; the screen a line of each."""

import logging
import warnings
from pathlib import Path

import pytest

from tinysight.errors import Interrupted
from tinysight.progress import Progress
from tinysight.run.log import logging_to


def test_what_is_said_is_logged_though_it_is_not_shown(tmp_path: Path) -> None:
    progress = Progress(quiet=True)
    progress.say("before")
    with logging_to(tmp_path / "log.txt", progress.say):
        progress.say("within")
    progress.say("after")
    (line,) = (tmp_path / "log.txt").read_text().splitlines()
    assert line.endswith("INFO within")
    assert logging.getLogger("tinysight").level == logging.NOTSET
    assert not logging.getLogger("tinysight").handlers


def test_what_goes_wrong_is_logged_with_its_traceback(tmp_path: Path) -> None:
    log = tmp_path / "log.txt"
    with pytest.raises(ZeroDivisionError) as error, logging_to(log, print):
        _ = 1 / 0
    assert "Traceback (most recent call last)" in log.read_text()
    assert error.value.__notes__ == [f"the traceback is in {log}"]
    with pytest.raises(Interrupted), logging_to(log, print):
        raise Interrupted("stopped by SIGINT in epoch 1")
    assert log.read_text().splitlines()[-1].endswith("INFO stopped by SIGINT in epoch 1")


def test_a_warning_is_a_line_on_the_screen(tmp_path: Path) -> None:
    said: list[str] = []
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        with logging_to(tmp_path / "log.txt", said.append):
            warnings.warn("something\nof several lines", stacklevel=1)
    assert said == [f"warning: something (see {tmp_path / 'log.txt'})"]
    text = (tmp_path / "log.txt").read_text()
    assert "UserWarning: something\nof several lines" in text
    assert "test_log.py" in text


def test_a_log_that_cannot_be_written_stops_nothing(tmp_path: Path) -> None:
    with logging_to(tmp_path / "none" / "log.txt", print):
        pass
    with logging_to(Path("/dev/full"), print):
        logging.getLogger("tinysight").info("lost")
