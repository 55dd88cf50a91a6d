"""One trainer in a run folder at a time; what a dead one held is taken over."""

import errno
import json
import os
import platform
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from filelock import FileLock
from tests.folders import new_folder, sealed

from tinysight.errors import CheckpointError
from tinysight.run import RunFolder
from tinysight.run.lock import only_trainer

HOLDS = """
import sys, time
from tinysight.run.lock import only_trainer
with only_trainer(__import__("pathlib").Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def test_the_second_is_told_who_the_first_is(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLDS, str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as first:
        assert first.stdout is not None
        assert first.stdout.readline() == "held\n"
        with (
            pytest.raises(CheckpointError, match=rf"being trained by process {first.pid}; wait"),
            only_trainer(tmp_path),
        ):
            pass
        first.send_signal(signal.SIGKILL)
    assert json.loads((tmp_path / ".trainer.json").read_text())["pid"] == first.pid
    with only_trainer(tmp_path):
        assert json.loads((tmp_path / ".trainer.json").read_text())["pid"] == os.getpid()
    assert not (tmp_path / ".trainer.json").exists()


@pytest.mark.parametrize(
    ("pid", "host", "text"),
    [
        (os.getppid(), platform.node(), rf"by process {os.getppid()}; wait"),
        (1, platform.node(), "by process 1; wait"),
        (4, "elsewhere", "by process 4 on elsewhere; wait"),
        (2**22 + 1, platform.node(), None),  # above the highest pid of Linux
        ("x", platform.node(), None),
    ],
)
def test_without_locks_the_pid_decides(
    pid: object, host: str, text: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(FileLock, "acquire", refuse)
    (tmp_path / ".trainer.json").write_text(json.dumps({"pid": pid, "host": host}))
    if text is None:
        with only_trainer(tmp_path):
            pass
        return
    with pytest.raises(CheckpointError, match=text), only_trainer(tmp_path):
        pass


def test_what_a_trainer_left_before_it_began_is_cleared_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    left = new_folder("x")
    for name in ("data.json", "network.py", "network.layers.deep.py"):
        sealed(left, name, "{}")
    assert new_folder("y").name == "y-001"
    assert not left.path.exists()
    again = new_folder("x", "mine")
    sealed(again, "model.json", "{}")
    with RunFolder.made("x", "mine") as folder:
        assert not (folder.path / "model.json").exists()
        with pytest.raises(CheckpointError, match="mine is being trained by process"):
            folder.training().__enter__()
    (Path("mine") / "notes.txt").write_text("of the user")
    with pytest.raises(Exception, match="mine is not empty; name a new or empty folder"):
        RunFolder.check("mine")
    assert (Path("mine") / "notes.txt").exists()


def test_a_folder_that_another_is_making_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with RunFolder.made("x") as first, RunFolder.made("x") as second:
        assert (first.name, second.name) == ("x-001", "x-002")
        time.sleep(0)
        assert first.path.is_dir()
