"""Faults as the system makes them: a disk that takes no more, signals that come twice."""

import resource
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.cli.calls import Cli

import tinysight
from tinysight.run import RunFolder

WORDS = ("train", "digits", "--recipe", "linear", "epochs=2", "--device", "cpu")


def process(*words: object, **more: Any) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "tinysight", *map(str, words)]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True, **more)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """A training that nothing happened to; the data is in the cache after it."""
    out = tmp_path_factory.mktemp("whole") / "run"
    return tinysight.train("digits", "linear", epochs=2, out=out, device="cpu", quiet=True).folder


@pytest.mark.parametrize(
    ("most", "file", "rows"),
    [
        (30_000, "safetensors", 0),  # no file of weights
        (60_000, "safetensors", 0),  # none of what the optimiser holds
        (150_000, "svg|png|html", 2),  # not the report
    ],
)
def test_a_file_system_that_takes_no_more_loses_nothing(
    most: int, file: str, rows: int, whole: RunFolder, cli: Cli, tmp_path: Path
) -> None:
    out = tmp_path / "run"

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))

    with process(*WORDS, "--out", out, preexec_fn=limit) as trained:
        _, err = trained.communicate(timeout=120)
    assert trained.returncode == 5
    *_, line = err.splitlines()
    assert line.startswith("error: cannot write ")
    assert "File too large" in line
    assert any(kind in line for kind in file.split("|"))
    folder = RunFolder(out)
    assert all(f.problem is None for f in folder.verify())
    assert not list(out.rglob(".*.pending"))
    assert len(folder.metrics()) == rows
    said = cli("train", "--resume", out, "--device", "cpu")
    assert said.code == 0, said.err
    ours, theirs = (f.load_checkpoint("last").tensors for f in (folder, whole))
    assert all(torch.equal(ours[k], theirs[k]) for k in theirs)


SLOW = """
import sys, time
from tinysight.cli import main
from tinysight.training import loop
real = loop.factor
def factor(*words):
    print("stepping", file=sys.__stdout__, flush=True)
    until = time.monotonic() + 2
    while time.monotonic() < until:
        time.sleep(0.01)
    return real(*words)
loop.factor = factor
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
@pytest.mark.parametrize("times", [1, 2])
def test_a_signal_saves_and_a_second_leaves_now(
    times: int, number: signal.Signals, code: int, tmp_path: Path
) -> None:
    """Of a training whose steps take two seconds, so that both come within one."""
    out = tmp_path / "run"

    def heard() -> None:
        signal.signal(number, signal.default_int_handler if number == 2 else signal.SIG_DFL)

    with subprocess.Popen(
        [sys.executable, "-c", SLOW, *WORDS, "--out", str(out)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=heard,
    ) as trained:
        assert trained.stdout is not None
        for _ in range(2):
            assert trained.stdout.readline() == "stepping\n"
        for _ in range(times):
            trained.send_signal(number)
            time.sleep(0.3)
        _, err = trained.communicate(timeout=60)
    assert trained.returncode in ((code, -number) if times == 2 else (code,))
    assert "Traceback" not in err
    folder = RunFolder(out)
    assert all(f.problem is None for f in folder.verify())
    if times == 2:
        assert not folder.has_json("checkpoints/last")
        assert "all is saved" not in err
        return
    assert folder.state("last")["stopped"] == "interrupted"
    assert folder.state("last")["step"] == 2
    assert "all is saved in" in err
    assert not (out / ".trainer.json").exists()
