"""Code of the user's own on the command line: what it raises, what it prints."""

import io
import json
import re
from pathlib import Path

import pytest
from PIL import Image
from tests.cli.calls import Cli

from tinysight import progress

NETWORK = """
import torch
from torch import nn

print("read")

class model(nn.Module):
    def __init__(self, shape, classes):
        super().__init__()
        h, w, c = shape
        self.last, self.steps = nn.Linear(h * w * c, classes), 0

    def forward(self, x):
        print("computed")
        self.steps += self.training
        return AFTER(self.last(x.flatten(1)), self.steps)

def broken(x, steps):
    if steps > 3:
        raise RuntimeError("a bug\\nin two lines")
    return x

def nothing(x, steps):
    return x * float("nan")

def same(x, steps):
    return x
"""
SHORT = ("-r", "linear", "epochs=1", "data.size=8", "batch_size=64", "-q")


@pytest.fixture(autouse=True)
def own_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TINYSIGHT_DATA", str(tmp_path / "own"))


def network(after: str) -> str:
    Path("nets.py").write_text(NETWORK.replace("AFTER", after))
    return "model=nets.py:model"


def test_what_it_raises_is_said_with_its_line(cli: Cli, here: Path) -> None:
    own = network("broken")
    said = cli("train", "digits", own, *SHORT, "--out", "run")
    assert said.code == 4
    line = NETWORK.split("\n").index('        raise RuntimeError("a bug\\nin two lines")') + 1
    at = f"error: {here}/nets.py, line {line}: RuntimeError: a bug"
    assert f"{at}; the traceback is in run/log.txt\n" in said.err
    assert "in two lines" not in said.err
    assert "in two lines" in Path("run/log.txt").read_text()
    said = cli("lr-find", "digits", own, *SHORT)
    assert said.code == 4
    assert said.err.endswith(f"{at}\n")


def test_when_it_ends_the_program_that_is_said(cli: Cli, here: Path) -> None:
    own = network("broken")
    file = Path("nets.py")
    file.write_text(
        file.read_text().replace('raise RuntimeError("a bug\\nin two lines")', "exit(3)")
    )
    said = cli("train", "digits", own, *SHORT, "--out", "run")
    assert said.code == 4
    assert re.search(r"nets\.py, line \d+: SystemExit: 3", said.err)


def test_what_it_prints_stops_nothing_where_nobody_takes_it(
    cli: Cli, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Gone(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError

    own = network("same")
    monkeypatch.setattr("sys.stderr", Gone())
    said = cli("train", "digits", own, *SHORT, "--out", "run", "--json")
    assert said.code == 0
    assert json.loads(said.out)["run"] == "run"


def test_what_it_prints_is_no_result(cli: Cli, here: Path) -> None:
    own = network("same")
    Image.new("L", (8, 8)).save("picture.png")
    said = cli("train", "digits", own, *SHORT, "--out", "run", "--json")
    assert json.loads(said.out)["run"] == "run"
    assert "read" in said.err
    assert "computed" in said.err
    for words in (
        ("train", "digits", own, "--dry-run"),
        ("lr-find", "digits", own, *SHORT),
        ("evaluate", "run"),
        ("predict", "run", "picture.png"),
        ("study", "augmentation", "digits", own, *SHORT[2:], "--seeds", "1"),
    ):
        assert json.loads(cli(*words, "--json").out), words


def test_a_network_that_is_not_finite_is_not_blamed_on_the_rate(cli: Cli, here: Path) -> None:
    own = network("nothing")
    said = cli("train", "digits", own, *SHORT, "--out", "run")
    assert said.code == 6
    assert "before the weights were changed once, so that the learning rate is not to" in said.err
    assert "lower optim.lr" not in said.err
    page = Path("run/report.html").read_text()
    assert "The weights had not been changed once: the learning rate is not to blame." in page
    assert "lower optim.lr" not in page
    said = cli("lr-find", "digits", own, *SHORT)
    assert said.code == 2
    assert "the loss or a gradient is not finite: it is so before the weights were" in said.err


def test_by_the_sources_protocol_test_is_called_test(cli: Cli, here: Path) -> None:
    words = ("-r", "linear", "data.size=8", "protocol=source", "patience=1", "optim.lr=1e-9")
    said = cli("train", "digits", *words, "epochs=9", "schedule.name=constant", "--out", "run")
    assert said.code == 0, said.err
    assert "  test " in said.err
    assert "stopped early: no better test accuracy in 1 epoch;" in said.err
    assert "validation accuracy" not in said.err
    page = Path("run/report.html").read_text()
    assert "Test accuracy is highest in epoch 1" in page
    assert "after no better test accuracy for 1 of them" in page
    assert "best by test" in page
    assert page.count('<th scope="row">Test</th>') == 2
    assert page.count('<th scope="row">Validation</th>') == 1  # among the splits


def test_an_evaluation_and_a_report_show_how_far_they_are(
    cli: Cli, trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress._Counter, "every", 0.0)
    said = cli("evaluate", trained)
    n = json.loads((trained / "evaluation/validation/metrics.json").read_text())["n"]
    assert f"evaluating on validation: {n} of {n}" in said.err
    said = cli("report", trained)
    assert "drawing the report: 1 of 7" in said.err
