"""Faults, interruptions and broken outputs: the exit code and the one line."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.cli.calls import Cli

from tinysight import api
from tinysight.cli import main


def test_debug_shows_the_traceback(cli: Cli) -> None:
    said = cli("--debug", "recipes", "quik")
    assert "Traceback" in said.err
    assert said.code == 2


LESS = "close other programs, or train with a smaller batch_size"


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (OSError(28, "No space left on device", "a/b"), "No space left on device: a/b"),
        (PermissionError(13, "Permission denied", b"c"), "Permission denied: c"),
        (OSError("odd"), "odd"),
        (
            MemoryError(),
            f"out of memory: an allocation failed; {LESS}",
        ),
        (
            torch.OutOfMemoryError("CUDA out of memory.\nmore"),
            f"out of memory: CUDA out of memory.; {LESS}",
        ),
        (
            RuntimeError("DefaultCPUAllocator: not enough memory"),
            f"out of memory: DefaultCPUAllocator: not enough memory; {LESS}",
        ),
        (
            RuntimeError("can't allocate memory: you tried"),
            f"out of memory: can't allocate memory: you tried; {LESS}",
        ),
    ],
    ids=lambda v: v if isinstance(v, str) else type(v).__name__,
)
def test_what_the_machine_lacks_is_said_in_one_line(
    error: Exception, text: str, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(api, "report", fail)
    said = cli("report", "x")
    assert (said.code, said.err) == (5, f"error: {text}\n")


def test_torch_says_that_memory_is_out_as_we_expect(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api, "report", lambda _: torch.empty(2**60, dtype=torch.uint8))
    said = cli("report", "x")
    assert said.code == 5
    assert said.err.startswith("error: out of memory: ")


def test_a_fault_of_ours_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: object) -> None:
        raise RuntimeError("a fault")

    monkeypatch.setattr(api, "report", fail)
    with pytest.raises(RuntimeError, match="a fault"):
        main(["report", "x"])


def test_an_interruption_is_said(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(api, "report", fail)
    said = cli("report", "x")
    assert (said.code, said.err) == (130, "error: stopped by SIGINT\n")


def test_sigterm_is_said_wherever_it_comes(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr(api, "report", lambda _: os.kill(os.getpid(), signal.SIGTERM))
    said = cli("report", "x")
    assert (said.code, said.err) == (143, "error: stopped by SIGTERM\n")
    assert signal.getsignal(signal.SIGTERM) is before


def test_an_interruption_of_the_import_is_said() -> None:
    code = """
import sys
from importlib.abc import MetaPathFinder
class Interrupting(MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name == "tinysight.cli":
            raise KeyboardInterrupt
sys.meta_path.insert(0, Interrupting())
from tinysight.__main__ import main
main()
"""
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (said.returncode, said.stderr) == (130, "error: stopped by SIGINT\n")


@pytest.fixture(params=["", "1"], ids=["buffered", "unbuffered"])
def started(request: pytest.FixtureRequest) -> Callable[..., subprocess.Popen[bytes]]:
    """The command as a process; with a buffer, what fails to be written fails at the exit."""

    def start(*words: str, stdout: Any) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-m", "tinysight", *words],
            stdout=stdout,
            stderr=subprocess.PIPE,
            env=os.environ | {"PYTHONUNBUFFERED": request.param},
        )

    return start


@pytest.mark.parametrize(
    "words", [["recipes", "--schema"], ["data", "list", "--json"], ["recipes"], ["--help"]]
)
def test_a_broken_pipe_is_quiet(
    words: list[str], started: Callable[..., subprocess.Popen[bytes]]
) -> None:
    # Its reading end is closed before the start: `| head -1` may or may not have read all by then.
    reading, writing = os.pipe()
    os.close(reading)
    with started(*words, stdout=writing) as process:
        os.close(writing)
        _, err = process.communicate(timeout=120)
    assert (process.returncode, err) == (141, b"")


def test_the_first_line_is_enough_for_a_reader(
    started: Callable[..., subprocess.Popen[bytes]],
) -> None:
    with started("recipes", "--schema", stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == b"{\n"
        process.stdout.close()
        assert process.stderr.read() == b""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_full_disk_under_standard_output_is_said(
    started: Callable[..., subprocess.Popen[bytes]],
) -> None:
    with (
        Path("/dev/full").open("wb") as full,
        started("data", "list", "--json", stdout=full) as process,
    ):
        _, err = process.communicate(timeout=120)
    assert (process.returncode, err) == (5, b"error: No space left on device\n")


@pytest.mark.parametrize("closed", ["1", "2", "12"])
def test_closed_outputs_drop_what_they_get(closed: str) -> None:
    line = f"import os; [os.close(int(n)) for n in {closed!r}]"
    line += "; os.execv(os.sys.executable, [os.sys.executable, '-m', 'tinysight', 'data', 'list'])"
    ended = subprocess.run([sys.executable, "-c", line], capture_output=True, text=True)
    assert (ended.returncode, "Traceback" in ended.stdout + ended.stderr) == (0, False)
